"""The command line: exit codes, one clear line, files written whole, JSON for machines."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.worlds import HalvesExtractor, halves_generator, halves_workspace
from tlgan import cli
from tlgan.extractors.combined import CombinedExtractor
from tlgan.workspace import Workspace


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line here; returns exit code, standard output, standard error."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(Workspace, "generator", halves_generator())
    monkeypatch.setattr(Workspace, "extractor", CombinedExtractor([HalvesExtractor()]))

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return call


def test_help_imports_nothing_heavy() -> None:
    script = "import sys, tlgan.cli\ntry: tlgan.cli.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules), file=sys.stderr)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr
    for heavy in ("torch", "numpy", "sklearn", "pyarrow", "PIL"):
        assert f"'{heavy}'" not in loaded


def test_edit_writes_a_picture_and_says_what_it_measured(run, halves: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "face.png"
    code, printed, _ = run("edit", halves.path, "left=+1", "--lock", "right_bright", "--seed", 5, "-o", out, "--json")
    assert code == 0
    result = json.loads(printed)
    assert result["moved"]["left"]["asked"] == 1.0
    assert result["moved"]["left"]["measured"] == pytest.approx(1.0, abs=0.3)
    assert abs(result["locked"]["right_bright"]) < 0.2
    assert Image.open(out).size == (16, 16)


def test_a_saved_face_is_opened_and_edited_on(run, halves: Workspace, tmp_path: Path) -> None:
    first, second = tmp_path / "one.png", tmp_path / "two.png"
    run("edit", halves.path, "left=+1", "--seed", 5, "-o", first)
    code, printed, _ = run("edit", halves.path, "--from", first, "--set", "right_bright=-1", "-o", second, "--json")
    assert code == 0
    assert set(json.loads(printed)["moved"]) == {"left", "right_bright"}


def test_units(run, halves: Workspace, tmp_path: Path) -> None:
    code, printed, _ = run("edit", halves.path, "right_bright=60%", "-o", tmp_path / "o.png", "--json")
    assert code == 0
    assert json.loads(printed)["values"]["right_bright"] == pytest.approx(0.6, abs=0.06)


@pytest.mark.parametrize("name", ["strip.png", "film.gif", "film.mp4"])
def test_strips_and_films(run, halves: Workspace, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    how = (
        ["--strip", "left", "--strip", "right_bright"] if name == "strip.png" else ["--film", "left", "--seconds", 0.4]
    )
    code, _, err = run("edit", halves.path, *how, "-o", out)
    assert (code, err) == (0, "")
    assert out.stat().st_size > 100
    if name == "strip.png":
        assert Image.open(out).width > 6 * Image.open(out).height // 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["left=abc"], "not a wish"),
        (["lefft=1"], "did you mean left"),
        (["left=1", "left=2"], "twice"),
        (["right_bright=160%"], "not a probability"),
        (["left=3km"], "unit 'km'"),
        (["left=1", "--lock", "nothing_like_it"], "unknown feature 'nothing_like_it'"),
        (["--film", "left", "-o", "film.avi"], ".gif or .mp4"),
        (["left=1", "-o", "picture.xyz"], ".png, .jpg or .webp"),
        (["--strip", "left", "-o", "strip.xyz"], ".png, .jpg or .webp"),
        (["left=1", "-o", "/dev/null/picture.png"], "could not be written"),
        (["--film", "left", "-o", "/dev/null/film.gif"], "could not be written"),
        (["--from", "missing.png"], "can't be read"),
        (["--seed", "1", "--from", "missing.png"], "more than one"),
    ],
)
def test_one_clear_line(
    run, halves: Workspace, tmp_path: Path, monkeypatch, arguments: list[str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed, err = run("edit", halves.path, *arguments)
    assert code == 1
    assert printed == ""
    assert err.startswith("error: ")
    assert len(err.strip().splitlines()) == 1
    assert expected in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [["left=1"], ["--strip", "left"], ["--film", "left", "--seconds", 0.4]])
def test_a_full_disk_keeps_the_picture_that_was_there(run, halves: Workspace, tmp_path: Path, monkeypatch, how) -> None:
    out = tmp_path / ("film.gif" if "--film" in how else "picture.png")
    out.write_bytes(b"an older picture")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = run("edit", halves.path, *how, "-o", out)
    assert code == 1
    assert "the disk is full" in err
    assert out.read_bytes() == b"an older picture"
    assert list(tmp_path.iterdir()) == [out]


def test_a_png_without_state(run, halves: Workspace, tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(plain)
    code, _, err = run("edit", halves.path, "--from", plain, "-o", tmp_path / "o.png")
    assert code == 1
    assert "carries no state" in err


def test_wrong_usage_is_2_and_failure_is_1(run, tmp_path: Path) -> None:
    assert run("discover")[0] == 2
    assert run("nonsense")[0] == 2
    code, _, err = run("studio", tmp_path / "nowhere")
    assert code == 1
    assert "not a workspace" in err


def test_interrupted_is_130(run, monkeypatch: pytest.MonkeyPatch, halves: Workspace) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tlgan.workspace.open_workspace", interrupt)
    code, _, err = run("edit", halves.path)
    assert code == 130
    assert "kept" in err


def test_discover_prints_its_sliders(run, tmp_path: Path) -> None:
    halves_workspace(tmp_path / "ws", max_samples=1000)
    code, printed, err = run(
        "discover", "halves", "-o", tmp_path / "ws", "-e", "halves", "--base", "none", "--max-samples", 1000, "--json"
    )
    assert code == 0, err
    result = json.loads(printed)
    assert [slider["name"] for slider in result["sliders"]] == ["left", "right_bright", "noise"]
    assert result["samples"] == 1000


def test_folders_with_a_colon_and_from_the_home_folder(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    halves_workspace(Path("run-14:05"), max_samples=1000)
    asked = ("-e", "halves", "--base", "none", "--max-samples", 1000)
    code, _, err = run("discover", "halves", "-o", "run-14:05", *asked)
    assert code == 0, err
    halves_workspace(tmp_path / "home" / "x", max_samples=1000)
    for out in (("-o", "~/x"), ("--out=~/x",)):
        code, _, err = run("discover", "halves", *out, *asked)
        assert code == 0, err
    assert not Path("~").exists()


def test_an_unknown_generator(run, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tlgan", "discover", "no-such-thing", "-o", str(tmp_path / "ws"), "-e", "colour"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "no-such-thing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ws").exists()
