"""Nothing that is printed is an order to the terminal, and an output that can't be written ends in one line."""

from __future__ import annotations

import ast
import json
import logging
import os
import re
import resource
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

import tlgan
from tlgan import cli
from tlgan.cli import app, terminal
from tlgan.io import streams

SOURCE = Path(tlgan.__file__).parent
CHECKPOINT = Path(__file__).parent / "checkpoints" / "sg2_64.pkl"
VERBS = tuple(verb.name or getattr(verb.callback, "__name__", "") for verb in app.app.registered_commands)
HOSTILE = "gen[/x]\x1b]0;title\x07\x1b[2J\x9b5m\r\u202eexe\u2066\u200f\ud800\x7f[bold]:smile:"


def obeyed(text: str) -> list[str]:
    """Characters that a terminal obeys, but for the ends of lines."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\u200c\u200d"]


@given(st.text(st.characters()))
def test_printable_text_is_on_one_line_and_orders_nothing(text: str) -> None:
    shown = streams.printable(text)
    assert not obeyed(shown)
    assert len(shown.splitlines()) <= 1
    assert streams.printable(shown) == shown


def test_words_stay_as_they_are() -> None:
    for text in ("R² ±0.5 · é 漢字 😀 \\x1b", "می\u200cخواهم", ""):
        assert streams.printable(text) == text


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    text = captured.out + captured.err
    assert not obeyed(text)
    assert "gen[/x]" in text
    assert "[bold]:smile:" in text  # neither markup nor a picture was made of it
    assert "\\x1b]0;title" in text
    return text


def test_every_way_of_printing_hands_nothing_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for console in (terminal.console, terminal.results):
        monkeypatch.setattr(console, "_width", 300)  # it keeps the width that COLUMNS had when it was made
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE)
    record = logging.LogRecord("tlgan", logging.WARNING, "", 0, "%s was damaged", (HOSTILE,), None)
    for show in (
        lambda: terminal.print_error(HOSTILE),
        lambda: terminal.say(HOSTILE),
        lambda: terminal.note("assumed", HOSTILE),
        lambda: streams.write(HOSTILE),
        lambda: terminal.print_fields({HOSTILE: HOSTILE}),
        lambda: terminal.console.print(HOSTILE),
        lambda: terminal.console.print(table),
        lambda: terminal.results.print(table),
        lambda: terminal.Said().emit(record),
        lambda: sys.stdout.write(streams.PlainFormatter("%(message)s").format(record)),
    ):
        show()
        shown(capsys)


def test_an_error_is_one_line_whatever_it_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_error("no\nerror: forged\u2028• done\r\x1b[1A")
    assert shown_lines(capsys.readouterr().err) == 1


def shown_lines(text: str) -> int:
    return len(text.splitlines())


def test_json_is_escaped_and_the_same_when_read(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json({HOSTILE: [HOSTILE]})
    out = capsys.readouterr().out
    assert not obeyed(out)
    assert json.loads(out) == {HOSTILE: [HOSTILE]}


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize(
    "name", ["gen[/x].pkl", "a\x1b[2J.pkl", "a\u202ekpl.exe", "a\nerror: b.pkl", "[red]", "a\udcff.pkl"]
)
def test_a_file_of_any_name(name: str, debug: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)  # "gen[/x].pkl" is a file in a folder
    (tmp_path / name).write_bytes(b"no generator")
    with pytest.raises(SystemExit) as end:
        cli.main([*debug, "inspect", str(tmp_path / name)])
    told = capsys.readouterr().err
    assert end.value.code == 1
    assert "unforeseen" not in told
    assert not obeyed(told)
    assert debug or (told.startswith("error: ") and shown_lines(told) == 1)


@pytest.mark.parametrize(
    "words", [["inspect", "a", HOSTILE.replace("\ud800", "")], ["models", f"--{HOSTILE}"], [HOSTILE]]
)
def test_wrong_usage_orders_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    told = capsys.readouterr().err
    assert end.value.code == 2
    assert "Usage:" in told
    assert not obeyed(told)


def test_the_log_of_the_server_goes_through_the_same_place(capsys: pytest.CaptureFixture[str]) -> None:
    import uvicorn

    from tlgan.web.server import server

    uvicorn.Config(lambda: None, log_config=server._LOGGING, log_level="warning")
    for name in ("uvicorn.error", "asyncio", "websockets.server"):
        logging.getLogger(name).warning("a request for %s", HOSTILE)
        shown(capsys)


def test_everything_is_printed_in_one_place() -> None:
    """No other file prints, echoes, writes to a stream of the process or makes a console."""
    for file in SOURCE.rglob("*.py"):
        if file.name in ("terminal.py", "streams.py") or file.stem.endswith("_child"):  # which a parent reads
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "typer.echo", "typer.secho", "Console", "click.echo"), file
                assert not called.startswith(("sys.stdout.", "sys.stderr.", "rich.print")), file


# -- outputs that are closed, full or not read --------------------------------------------------------------------


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tlgan", *words]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE.parent), "COLUMNS": "200"}


RESULTS = (["models"], ["models", "--json"], ["--version"], ["--help"])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
@pytest.mark.parametrize("words", RESULTS, ids=" ".join)
def test_a_full_standard_output_is_one_line(words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(command(*words), stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
    assert (done.returncode, shown_lines(done.stderr)) == (1, 1), done.stderr
    assert "No space left" in done.stderr
    assert "unforeseen" not in done.stderr


@pytest.mark.parametrize("words", RESULTS[:3], ids=" ".join)
def test_a_closed_standard_output_is_one_line(words: list[str]) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command(*words)], capture_output=True, text=True, env=environment()
    )
    assert (done.returncode, shown_lines(done.stderr)) == (1, 1), done.stderr
    assert "it is closed" in done.stderr


@pytest.mark.parametrize("words", [*RESULTS, ["doctor"]], ids=" ".join)
def test_a_pipe_that_nobody_reads_is_quiet(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command(*words), stdout=writing, stderr=subprocess.PIPE, text=True, env=environment())
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_every_verb_says_in_one_line_that_its_output_is_full() -> None:
    """Every way for every verb, also those that take long: `python benchmarks/outputs.py`."""
    script = SOURCE.parents[1] / "benchmarks" / "outputs.py"
    verbs = set(VERBS) - {"demo", "models", "publish"}  # tried above, or slow
    words = [sys.executable, str(script), "--verbs", ",".join(sorted(verbs)), "--ways", ">/dev/full"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment())
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [trial for trial in found if trial["wrong"]] == []
    assert {trial["verb"] for trial in found} == verbs, done.stderr


def test_children_of_a_process_without_streams_have_them(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; from tlgan.io import streams; streams.hold_streams(); "
        "look = 'import os; print(*(os.fstat(number).st_mode for number in range(3)))'; "
        f"open({str(tmp_path / 'seen')!r}, 'w').write(subprocess.run([sys.executable, '-c', look], stdout=-1, text=True).stdout)"
    )
    subprocess.run(["/bin/sh", "-c", 'exec "$@" <&- 2>&-', "sh", sys.executable, "-c", script], env=environment())
    assert len((tmp_path / "seen").read_text().split()) == 3


@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full", "2>&- >&- <&-"])
def test_without_a_standard_error_the_work_goes_on(stream: str, tmp_path: Path) -> None:
    out = tmp_path / "copy.safetensors"
    words = command("convert", str(CHECKPOINT), "-o", str(out))
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {stream}', "sh", *words], stdout=subprocess.PIPE, env=environment()
    )
    assert out.stat().st_size > 1000
    assert done.returncode == (1 if ">&- <" in stream else 0)
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {stream}', "sh", *command("inspect", "none")], env=environment()
    )
    assert done.returncode == 1


def test_a_file_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    """What a library prints to stream 1 must not end up in a file that was opened meanwhile."""
    script = (
        "import os, sys; from tlgan.io import streams; streams.hold_streams(); "
        f"sys.exit(os.open({str(tmp_path / 'own')!r}, os.O_CREAT | os.O_WRONLY))"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script], env=environment()
    )
    assert done.returncode > 2


def test_letters_that_an_encoding_lacks_are_escaped() -> None:
    done = subprocess.run(
        command("inspect", "ä漢.pkl"), capture_output=True, env=environment() | {"PYTHONIOENCODING": "ascii:strict"}
    )
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: ")
    assert b"\\u6f22.pkl" in done.stderr


# -- files on a full disk ----------------------------------------------------------------------------------------


def limited() -> None:
    """No file may grow beyond 4 KiB: the writers' calls fail as they do on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_convert_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    out = tmp_path / "copy.safetensors"
    out.write_bytes(b"before")
    words = command("convert", str(CHECKPOINT), "-o", str(out))
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), preexec_fn=limited)
    assert (done.returncode, shown_lines(done.stderr)) == (1, 1), done.stderr
    assert str(out) in done.stderr
    assert "unforeseen" not in done.stderr
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("copy.safetensors", b"before")]


def test_a_checkpoint_of_a_training_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from tlgan.cli import app; from tlgan.training import loop\n"
        "write = lambda: loop.write_checkpoint(Path(sys.argv[1]), {'weights': torch.zeros(10_000)})\n"
        "sys.exit(app._guarded(write, False))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "checkpoint.pt")],
        capture_output=True,
        text=True,
        env=environment(),
        preexec_fn=limited,
    )
    assert (done.returncode, shown_lines(done.stderr)) == (1, 1), done.stderr
    assert "checkpoint.pt could not be written" in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_the_system_refuses_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app._guarded((tmp_path / "none").read_bytes, debug=False) == 1
    told = capsys.readouterr().err
    assert "No such file" in told
    assert str(tmp_path / "none") in told
    assert "unforeseen" not in told


COMMAND = re.compile(rf"(?:tlgan (?:{'|'.join(VERBS)})|python -m [\w.]+) (?:[^`;:,()]*\s)?$")  # up to a word of it


def unquoted(tree: ast.AST) -> list[str]:
    """What goes unquoted into commands that messages tell a person to run; names of verbs and of options may."""
    found = []
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        said = ""
        for part in text.values:
            value = ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ""
            if value and COMMAND.search(said) and not value.startswith(("shlex.quote(", "shlex.join(")):
                found.append(value)
            said += "VALUE" if value else str(getattr(part, "value", ""))
    return found


def test_what_is_looked_for_in_messages_is_found() -> None:
    lines = 'f"Next: tlgan studio {path}"', 'f"run `tlgan add {shlex.quote(a)} -e {b}`: {why}"', 'f"tlgan {version}"'
    assert [unquoted(ast.parse(line)) for line in lines] == [["path"], ["b"], []]


def test_commands_in_messages_can_be_copied_and_run() -> None:
    found = {file.name: unquoted(ast.parse(file.read_text())) for file in Path(tlgan.__file__).parent.rglob("*.py")}
    assert not {name: values for name, values in found.items() if values}
