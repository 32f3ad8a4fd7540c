"""Files are written whole, under names that nobody guesses, and through no link."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import threading
from pathlib import Path

import pytest

from tlgan import open_workspace
from tlgan.errors import TlganError
from tlgan.io.files import (
    appearing,
    discard,
    is_temporary,
    replacing,
    sizes_under,
    sweep,
    temporary_beside,
    to_read,
    to_write,
)
from tlgan.io.lock import locked

HOME = "this is somebody's start-up file"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that has nothing to do with the folder that is written."""
    path = tmp_path / "profile"
    path.write_text(HOME)
    return path


def test_a_result_has_the_mode_that_the_umask_says(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with replacing(tmp_path / "a.txt") as temporary:
            temporary.write_text("a")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_temporary_names_can_not_be_guessed(tmp_path: Path) -> None:
    found = []
    for _ in range(20):
        with replacing(tmp_path / "a.txt") as temporary:
            found.append(temporary.name)
    assert len(set(found)) == 20
    assert not any(str(os.getpid()) == part for name in found for part in name.split("."))
    assert all(is_temporary(name) for name in found)


def test_a_link_of_a_temporary_name_is_not_followed(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tlgan.io.files.secrets.token_hex", lambda size: "0" * 2 * size)  # even where it is guessed
    temporary_beside(tmp_path / "a.txt").symlink_to(outside)
    with pytest.raises(TlganError, match=r"a\.txt could not be written"), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("evil")
    assert outside.read_text() == HOME


def test_a_result_takes_the_place_of_a_link_and_not_of_what_it_leads_to(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "a.txt").symlink_to(outside)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("a")
    assert outside.read_text() == HOME
    assert not (tmp_path / "a.txt").is_symlink()


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EACCES", "EROFS"])
def test_what_the_system_refuses_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    (tmp_path / "a.txt").write_text("old")

    def refused(*_: object) -> None:
        raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)))

    monkeypatch.setattr(os, "replace", refused)
    expected = "disk is full" if error == "ENOSPC" else "could not be written"
    with pytest.raises(TlganError, match=expected), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_links_inside_a_folder_are_refused(tmp_path: Path, outside: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "away").symlink_to(tmp_path)
    (folder / "round").symlink_to(folder / "round")
    (folder / "inside").symlink_to(folder / "file")
    (folder / "file").write_text("")
    for name in ("away/profile", "away", "round", "inside"):
        with pytest.raises(TlganError, match="is a link"):
            to_write(folder, name)
    for name in ("away/profile", "round", "../profile"):
        with pytest.raises(TlganError, match="leads out of"):
            to_read(folder, name)
    assert to_read(folder, "inside").read_text() == ""
    assert to_write(folder, "new/file") == folder / "new" / "file"


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("here")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert to_read(tmp_path / "link", "file").read_text() == "here"
    assert to_write(tmp_path / "link", "file") == tmp_path / "link" / "file"


def test_only_what_a_killed_process_left_is_swept(tmp_path: Path, outside: Path) -> None:
    mine = [".hidden", "a.tmp", ".a.tmp.txt", ".note.beef.tmp", "part-00000.parquet"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    left = [temporary_beside(tmp_path / "a.txt"), temporary_beside(tmp_path / "b"), tmp_path / ".a.4711.tmp.txt"]
    left[0].write_text("half")
    left[1].mkdir()
    (left[1] / "file").write_text("half")
    left[2].symlink_to(outside)
    sweep(tmp_path, "other.txt")
    assert all(path.exists() for path in left)
    sweep(tmp_path, "a.txt")
    assert [path.exists() for path in left] == [False, True, False]
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*mine, outside.name])
    assert outside.read_text() == HOME


def test_a_folder_comes_and_goes_in_one_moment(tmp_path: Path) -> None:
    with appearing(tmp_path / "work") as made:
        (made / "note").write_text("1")
        assert not (tmp_path / "work").exists()
    assert (tmp_path / "work" / "note").read_text() == "1"
    discard(tmp_path / "work")
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError), appearing(tmp_path / "work"):
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_one_place_writes_files() -> None:
    """Every write of the package goes through `files`, or into memory, or into a folder that only the process knows."""
    writes = re.compile(
        r"""(?<!def )\b(?:open\([^)]*["'][wxa]b?\+?["']|r\+b|write_bytes\(|write_text\(|save_file\(|write_table\(|copyfile\(|mkstemp\()"""
    )
    root = Path(__file__).parents[1] / "src" / "tlgan"
    told: dict[str, list[str]] = {}
    for path in root.rglob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines):
            near = "\n".join(lines[max(0, number - 12) : number + 1])
            through = "replacing(" in near or "place.writing(" in near  # which replaces, in a folder
            if writes.search(line) and not through and path.name != "files.py" and "devnull" not in line:
                told.setdefault(path.relative_to(root).as_posix(), []).append(line.strip())
    # caches and copies of one's own, whose folders nobody else writes into; a lost standard error goes to nowhere
    assert {Path(name).name for name in told} <= {"hub.py", "download.py", "converted.py", "streams.py"}, told


def test_sizes_are_told_of_a_folder_that_another_program_writes_and_deletes_in(tmp_path: Path) -> None:
    (tmp_path / "kept.whl").write_bytes(b"x" * 7)
    (tmp_path / "other.txt").write_bytes(b"x")
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            inner = tmp_path / "unpack" / "deep"
            inner.mkdir(parents=True)
            (inner / "gone.whl").write_bytes(b"")
            shutil.rmtree(tmp_path / "unpack")

    other = threading.Thread(target=churn)
    other.start()
    try:
        told = [sum(sizes_under(tmp_path, ".whl")) for _ in range(2000)]
    finally:
        ended.set()
        other.join()
    assert set(told) == {7}
    assert sorted(sizes_under(tmp_path)) == [1, 7]
    assert sizes_under(tmp_path / "missing") == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_a_folder_keeps_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tlgan.toml")
    for way in (to_read, to_write):
        with pytest.raises(TlganError, match="is a pipe"):
            way(tmp_path, "tlgan.toml")
    with pytest.raises(TlganError, match="is a pipe"):
        open_workspace(tmp_path)
    os.mkfifo(tmp_path / ".tlgan.lock")
    with pytest.raises(TlganError, match="is a pipe"), locked(tmp_path / ".tlgan.lock"):
        pass
