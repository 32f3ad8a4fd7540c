"""A workspace keeps what its extractors need, and can be moved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.worlds import reopen
from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.workspace import Workspace, located
from tlgan.workspace.add import add_extractor
from tlgan.workspace.importing import import_extractor, import_extractors

pytest.importorskip("onnx")
from tests.extractors.test_onnx_file import write_model


@pytest.fixture
def workspace(halves: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(halves.path, tmp_path / "ws")
    return reopen(tmp_path / "ws")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An ONNX file that needs words: its outputs are plain numbers."""
    return write_model(tmp_path / "means.onnx", own_scale=(127.5, 127.5))


def test_a_model_given_as_a_file_is_kept_with_all_that_was_said(
    workspace: Workspace, model: Path, tmp_path: Path
) -> None:
    added = add_extractor(workspace, str(model), labels=["red", "green", "blue"], kind="numbers")
    assert added.features == ("red", "green", "blue")
    assert added.method == "samples"
    expected = load_extractor(str(model), labels=["red", "green", "blue"], kind="numbers")
    model.unlink()
    moved = shutil.move(workspace.path, tmp_path / "elsewhere")
    again = reopen(Path(moved))
    ref = again.settings.extractors[-1]
    assert ref == added.extractor
    kept = load_extractor(located(ref, Path(moved)))
    pictures = torch.rand(3, 3, 8, 8) * 2 - 1
    torch.testing.assert_close(kept.extract(pictures), expected.extract(pictures))
    assert kept.features == expected.features
    assert again.axes.names[-3:] == ("red", "green", "blue")


def test_importing_twice_changes_nothing(model: Path, tmp_path: Path) -> None:
    first = import_extractor(tmp_path / "new", str(model), kind="numbers")[0]
    files = {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert len(files) == 2
    assert import_extractor(tmp_path / "new", str(model), kind="numbers")[0] == first
    assert {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()} == files


def test_discover_keeps_the_files_it_was_given(halves: Workspace, tmp_path: Path) -> None:
    from tlgan.workspace import Settings, open_workspace
    from tlgan.workspace.discover import discover

    model = write_model(tmp_path / "means.onnx", end="Sigmoid")
    refs = import_extractors(tmp_path / "ws", ["colour", str(model)], labels=["red", "green", "blue"])
    assert refs[0] == "colour"
    generator = Path(__file__).parent / "checkpoints" / "pggan_64_fused.pkl"
    settings = Settings(str(generator), extractors=refs, max_samples=3000, base=())
    made = discover(tmp_path / "ws", settings)
    model.unlink()
    assert set(made.axes.names) >= {"red", "green", "blue", "warmth"}
    again = open_workspace(tmp_path / "ws")
    assert [feature.name for feature in again.extractor.features][-3:] == ["red", "green", "blue"]
    assert discover(tmp_path / "ws", settings).axes.names == made.axes.names
    with pytest.raises(TlganError, match="0 were given"):
        import_extractors(tmp_path / "ws", ["colour"], labels=["a"])


def test_names_stay_names(tmp_path: Path) -> None:
    assert import_extractor(tmp_path / "new", "colour")[0] == "colour"
    assert not (tmp_path / "new").exists()
    with pytest.raises(TlganError, match="--labels belongs to an ONNX file"):
        import_extractor(tmp_path / "new", "colour", labels=["a"])
    with pytest.raises(TlganError, match="not both"):
        import_extractor(tmp_path / "new", "colour", texts=["smiling"])


def test_the_verbs_say_what_they_did(
    workspace: Workspace, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tlgan.cli.app import app

    monkeypatch.setattr("tlgan.workspace.open_workspace", reopen)
    labels = tmp_path / "labels.txt"
    labels.write_text("red\ngreen\nblue\n")
    command = ["add", str(workspace.path), "-e", str(model), "--labels", str(labels), "--kind", "numbers", "--json"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    result = json.loads(done.stdout)
    assert result["features"] == ["red", "green", "blue"]
    assert result["method"] == "samples"
    for command in (["add", "x", "--method", "magic"], ["train-extractor", "--images", "x", "--kind", "y"]):
        with pytest.raises(TlganError, match="expected"):
            CliRunner().invoke(app, command, catch_exceptions=False)
