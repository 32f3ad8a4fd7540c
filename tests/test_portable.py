"""Nothing in the source takes for granted what only some systems have: processes of POSIX, and UTF-8 as the text of files.

A use is guarded inside a `try` that catches its absence, or below a condition that asks for it (`hasattr`, `sys.platform`, `os.name`).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "tlgan"
#: Modules that Windows lacks.
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
#: Attributes of `os` and `signal` that Windows or macOS lacks.
ATTRIBUTES = re.compile(
    r"os\.(fork\w*|sched_\w+|kill(pg)|set[sp]gid|setsid|get(e?uid|e?gid|pgid|sid|loadavg)|mkfifo|mknod|nice|pipe2|sysconf|uname"
    r"|wait(id|3|4)|WIF\w+|chroot|[fl]?chown|O_(DIRECTORY|NOFOLLOW|CLOEXEC|NONBLOCK)|sync|posix_\w+|splice|sendfile)"
    r"|signal\.(SIG(?!INT\b|TERM\b|ABRT\b|FPE\b|ILL\b|SEGV\b|_)\w+|alarm|setitimer|pause|pthread_\w+|sigwait\w*)"
)
GUARD = re.compile(r"hasattr|getattr|sys\.platform|os\.name|platform\.system")
CATCHES = {"ImportError", "ModuleNotFoundError", "AttributeError", "Exception"}


def unguarded(source: str) -> list[str]:
    """Uses of what not every system has, each with its line."""
    found: list[str] = []

    def visit(node: ast.AST, guarded: bool) -> None:
        if not guarded:
            if isinstance(node, ast.Import):
                found.extend(f"{node.lineno}: {alias.name}" for alias in node.names if alias.name in MODULES)
            if isinstance(node, ast.ImportFrom) and node.module in MODULES:
                found.append(f"{node.lineno}: {node.module}")
            if isinstance(node, ast.ImportFrom) and node.module in ("os", "signal"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                found.extend(f"{node.lineno}: {name}" for name in names if ATTRIBUTES.fullmatch(name))
            if isinstance(node, ast.Attribute) and ATTRIBUTES.fullmatch(ast.unparse(node)):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
            if isinstance(node, ast.keyword) and node.arg in ("preexec_fn", "start_new_session", "process_group"):
                found.append(f"{node.value.lineno}: {node.arg}")
            if isinstance(node, ast.Constant) and node.value in ("fork", "forkserver"):
                found.append(f"{node.lineno}: {node.value!r} as a start method")
        for name, value in ast.iter_fields(node):
            inside = guarded
            if isinstance(node, ast.Try) and name == "body":
                caught = {
                    word.id for handler in node.handlers for word in ast.walk(handler) if isinstance(word, ast.Name)
                }
                inside = guarded or bool(caught & CATCHES)
            if isinstance(node, ast.If | ast.IfExp) and name != "test":
                inside = guarded or bool(GUARD.search(ast.unparse(node.test)))
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    visit(child, inside)

    visit(ast.parse(source), False)
    return found


def in_the_locale(source: str) -> list[str]:
    """Files that are read or written as text in whatever encoding the system has, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(keyword.arg in ("encoding", None) for keyword in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of_a_path = isinstance(node.func, ast.Attribute)
        if name == "open":
            if (
                of_a_path
                and ast.unparse(node.func) not in ("os.fdopen", "io.open")
                and not ast.unparse(node.func).endswith("path.open")
            ):
                continue
            words = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
            mode = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
            if mode and "b" in mode[-1]:
                continue
        elif not (
            of_a_path and ((name == "write_text" and len(node.args) < 2) or (name == "read_text" and not node.args))
        ):
            continue
        found.append(f"{node.lineno}: {ast.unparse(node)[:60]}")
    return found


def test_no_system_is_taken_for_granted() -> None:
    wrong = [f"{path}:{use}" for path in SOURCE.rglob("*.py") for use in unguarded(path.read_text("utf-8"))]
    assert wrong == []


def test_no_text_depends_on_the_locale() -> None:
    wrong = [f"{path}:{use}" for path in SOURCE.rglob("*.py") for use in in_the_locale(path.read_text("utf-8"))]
    assert wrong == []


def test_what_is_not_guarded_is_found() -> None:
    assert unguarded("import fcntl\nos.fork()\nos.kill(1, signal.SIGKILL)\nPopen(x, start_new_session=True)") == [
        "1: fcntl", "2: os.fork", "3: signal.SIGKILL", "4: start_new_session",
    ]  # fmt: skip
    assert unguarded("from os import fork\nfrom resource import getrusage\nget_context('fork')") == [
        "1: os.fork", "2: resource", "3: 'fork' as a start method",
    ]  # fmt: skip
    assert unguarded("try:\n import fcntl\nexcept ImportError:\n fcntl = None") == []
    assert unguarded("try:\n import fcntl\nexcept KeyError:\n pass") == ["2: fcntl"]
    assert unguarded("n = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else 1") == []
    assert unguarded("if hasattr(os, 'nice'):\n os.nice(1)\nos.kill(1, signal.SIGINT)") == []
    assert in_the_locale("p.read_text()\np.write_text(x)\nopen(p)\nopen(p, 'w')") == [
        "1: p.read_text()", "2: p.write_text(x)", "3: open(p)", "4: open(p, 'w')",
    ]  # fmt: skip
    assert (
        in_the_locale("p.read_text('utf-8')\np.write_text(x, encoding='utf-8')\nopen(p, 'rb')\nopen(p, encoding=e)")
        == []
    )
