"""One writer at a time, and every step of it whole: what a kill leaves, what a link leads to, who waits for whom."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tests.worlds import reopen
from tlgan.errors import TlganError
from tlgan.io.files import temporary_beside
from tlgan.io.lock import LOCK, locked
from tlgan.io.step import PENDING, Step, finish, held
from tlgan.web.publish.files import SiteFiles
from tlgan.workspace import Workspace, located
from tlgan.workspace.add import add_extractor

HOME = "this is somebody's start-up file"


def redness(images):
    """A feature of one's own."""
    return {"redness": images[:, 0].mean((1, 2))}


def greenness(images):
    """Another one."""
    return {"greenness": images[:, 1, :8].mean((1, 2))}


@pytest.fixture
def workspace(halves: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(halves.path, tmp_path / "ws")
    return reopen(tmp_path / "ws")


def write(step: Step, **contents: str) -> None:
    for name, content in contents.items():
        step.path(name).write_text(content)


# -- steps ---------------------------------------------------------------------------------------------------------


def test_a_step_is_seen_at_its_end_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with Step(tmp_path) as step:
        write(step, a="new", b="new")
        assert held(tmp_path, "a").read_text() == "old"
        assert not held(tmp_path, "b").exists()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "new"}


def test_an_error_in_a_step_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Step(tmp_path) as step:
        step.path("a").write_text(str(1 // 0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_step_cut_off_while_its_files_move_is_whole_for_readers_and_finished_by_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    (tmp_path / "a").write_text("old")
    real, left = os.replace, [done]

    def cut(*names: object) -> None:
        if not left[0]:
            raise OSError(5, "Input/output error")
        left[0] -= 1
        real(*names)

    step = Step(tmp_path)
    write(step, a="new", b="new", c="new")
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", cut)
        if done < 3:
            with pytest.raises(TlganError, match="nothing is lost"):
                step.take()
        else:
            step.take()
    assert [held(tmp_path, name).read_text() for name in "abc"] == ["new"] * 3
    finish(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys("abc", "new")


def test_a_step_from_a_stranger_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(HOME)
    folder = tmp_path / "ws"
    (folder / PENDING).mkdir(parents=True)
    (folder / PENDING / "tlgan.toml").symlink_to(tmp_path / "outside")
    with pytest.raises(TlganError, match="leads out of"):
        held(folder, "tlgan.toml")
    with pytest.raises(TlganError, match="is a link"):
        finish(folder)
    assert (tmp_path / "outside").read_text() == HOME


# -- locks ---------------------------------------------------------------------------------------------------------


def test_the_second_writer_is_told_whom_it_waits_for(tmp_path: Path) -> None:
    said: list[str] = []
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path / LOCK, said.append):
            order.append("second")

    with locked(tmp_path / LOCK):
        thread = threading.Thread(target=second)
        thread.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert f"process {os.getpid()}" in said[0]
    assert not list(tmp_path.iterdir())


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = "import os, sys; from pathlib import Path; from tlgan.io.lock import locked\nwith locked(Path(sys.argv[1])): os._exit(9)"
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / LOCK)])
    assert done.returncode == 9
    assert (tmp_path / LOCK).exists()
    said: list[str] = []
    with locked(tmp_path / LOCK, said.append):
        assert not said
    assert not list(tmp_path.iterdir())


def test_a_note_from_a_stranger_can_not_steer_the_terminal(tmp_path: Path) -> None:
    said: list[str] = []
    with locked(tmp_path / LOCK):
        note = {"pid": 1, "host": "h", "command": "\x1b[2Jrm -rf", "since": "\n"}
        (tmp_path / ".tlgan.owner.json").write_text(json.dumps(note))
        thread = threading.Thread(target=lambda: locked(tmp_path / LOCK, said.append).__enter__(), daemon=True)
        thread.start()
        while not said:
            time.sleep(0.01)
    assert "\x1b" not in said[0]
    assert "\n" not in said[0]
    thread.join()


# -- workspaces ----------------------------------------------------------------------------------------------------


def test_a_writer_that_opened_a_workspace_before_another_one_wrote_loses_nothing(workspace: Workspace) -> None:
    other = reopen(workspace.path)
    add_extractor(workspace, "tests.test_steps:redness", method="samples")
    late = add_extractor(other, "tests.test_steps:greenness", method="samples")
    again = reopen(workspace.path)
    assert again.settings.extractors[-2:] == ("tests.test_steps:redness", "tests.test_steps:greenness")
    assert again.axes.names[-2:] == ("redness", *late.features)


def test_an_add_cut_off_between_its_axes_and_its_settings_is_mended(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def cut(source: str, target: str) -> None:
        if f"{PENDING}/" in str(source) and str(target).endswith("tlgan.toml"):
            raise OSError(5, "Input/output error")
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", cut)
        with pytest.raises(TlganError, match="nothing is lost"):
            add_extractor(workspace, "tests.test_steps:redness", method="samples")
    seen = reopen(workspace.path)  # a reader
    assert seen.settings.extractors[-1] == "tests.test_steps:redness"
    assert seen.axes.names[-1] == "redness"
    with pytest.raises(TlganError, match="already"):
        add_extractor(seen, "tests.test_steps:redness", method="samples")
    assert "redness" in (workspace.path / "tlgan.toml").read_text()
    assert not [path.name for path in workspace.path.iterdir() if path.name.startswith(".")]


def test_what_a_killed_writer_left_is_gone_after_the_next_one(workspace: Workspace) -> None:
    left = [
        temporary_beside(workspace.path / "axes.safetensors"),
        temporary_beside(workspace.path / "samples" / "part-00000.parquet"),
        workspace.path / ".report.4711.tmp.html",
    ]
    for path in left:
        path.write_text("half")
    add_extractor(workspace, "tests.test_steps:redness", method="samples")
    assert not [path for path in left if path.exists()]


@pytest.mark.parametrize("name", ["axes.safetensors", "report.html", "tlgan.toml"])
def test_links_in_a_workspace_are_not_written_through(workspace: Workspace, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    shutil.move(workspace.path / name, outside)
    (workspace.path / name).symlink_to(outside)
    before = outside.read_bytes()
    with pytest.raises(TlganError, match=r"is a link|leads out"):
        add_extractor(workspace, "tests.test_steps:redness", method="samples")
    assert outside.read_bytes() == before


def test_a_folder_of_samples_that_leads_out_is_not_read(workspace: Workspace, tmp_path: Path) -> None:
    shutil.move(workspace.path / "samples", tmp_path / "samples")
    (workspace.path / "samples").symlink_to(tmp_path / "samples")
    with pytest.raises(TlganError, match="leads out of"):
        _ = workspace.samples


def test_a_workspace_may_lie_behind_a_link(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(workspace.path)
    add_extractor(reopen(tmp_path / "short"), "tests.test_steps:redness", method="samples")
    assert reopen(workspace.path).axes.names[-1] == "redness"


def test_an_extractor_that_leads_out_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "ws" / "extractors").mkdir(parents=True)
    (tmp_path / "a.toml").write_text("")
    (tmp_path / "ws" / "extractors" / "a.toml").symlink_to(tmp_path / "a.toml")
    with pytest.raises(TlganError, match="leads out of"):
        located("extractors/a.toml", tmp_path / "ws")
    assert located("../a.toml", tmp_path / "ws") == "../a.toml"


# -- sites and training --------------------------------------------------------------------------------------------


def test_a_site_is_not_written_or_removed_through_links(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_text(HOME)
    out = tmp_path / "site"
    out.mkdir()
    (out / "data").symlink_to(tmp_path / "private")
    (out / "site.json").write_text('{"tlgan": 1, "files": ["data/key"]}')
    site = SiteFiles()
    site.add("index.html", "new")
    with pytest.raises(TlganError, match="is a link"):
        site.write(out)
    assert (tmp_path / "private" / "key").read_text() == HOME


def test_a_first_site_cut_off_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = os.replace, [8]

    def cut(source: str, target: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(5, "Input/output error")
        real(source, target)

    def site() -> SiteFiles:
        made = SiteFiles()
        for name in ("index.html", "a/b.js", "c.css"):
            made.add(name, name)
        return made

    out = tmp_path / "site"
    for count in range(1, 12):
        left[0] = count
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", cut)
            with contextlib.suppress(TlganError):
                site().write(out)
        site().write(out)
        found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
        assert found == ["a/b.js", "c.css", "index.html", "site.json"]
        shutil.rmtree(out)


def test_training_that_was_killed_at_its_first_file_goes_on(tmp_path: Path) -> None:
    from tlgan.training.train import _claim

    script = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from tlgan.training.train import _claim
        os.fsync = lambda descriptor: os._exit(9)  # its first file is on its way
        _claim(Path(sys.argv[1]), "job")
        """
    )
    work = tmp_path / "x.work"
    assert subprocess.run([sys.executable, "-c", script, str(work)]).returncode == 9
    assert list(tmp_path.iterdir())
    _claim(work, "job")
    assert [path.name for path in tmp_path.iterdir()] == ["x.work"]
    assert (work / "job.json").read_text() == "job"
    shutil.rmtree(work)
    work.mkdir()  # what earlier versions left
    (work / ".job.4711.tmp.json").write_text("")
    _claim(work, "job")
    assert [path.name for path in work.iterdir()] == ["job.json"]
    shutil.rmtree(work)
    work.mkdir()
    (work / "thesis.txt").write_text("years of work")
    with pytest.raises(TlganError, match="in the way"):
        _claim(work, "job")


# -- faults of the disk --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["publish", "label"])
def test_the_disk_fails_at_some_moments(command: str) -> None:
    """A few points by chance; all of them: `python benchmarks/faults.py`."""
    script = Path(__file__).parents[1] / "benchmarks" / "faults.py"
    options = ["--commands", command, "--faults", "kill,ENOSPC", "--points", "3", "--seed", "15"]
    done = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["runs"] == 6
    assert report["wrong"] == []
    assert report["points"] > 30


def test_half_a_note_of_a_killed_owner_is_removed_by_the_next_one(tmp_path: Path) -> None:
    half = temporary_beside((tmp_path / LOCK).with_suffix(".owner.json"))
    half.write_text('{"pid"')
    with locked(tmp_path / LOCK):
        assert not half.exists()
    assert not list(tmp_path.iterdir())
