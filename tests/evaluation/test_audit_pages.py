"""The verb `audit` on a workspace: a page, JSON beside it, one line for what can't be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.worlds import halves_workspace
from tlgan.audit.page import run_classifier, run_generator
from tlgan.cli import main
from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.workspace import Workspace


class Judge:
    """Measures the same halves in another way."""

    name, input_size = "another", 16
    features: tuple[Feature, ...] = (Feature("right_bright", "probability"), Feature("left", "quantity"))

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        left, right = images[:, :, 4:12, :8].mean((1, 2, 3)), images[:, :, 4:12, 8:].mean((1, 2, 3))
        return torch.stack([torch.sigmoid(3 * right), 5 * left], dim=1)


def looks_left(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """A classifier that is meant to look at the right half, and looks at the left, too."""
    half = images.shape[-1] // 2
    return {"score": images[..., half:].mean((1, 2, 3)) + 0.5 * images[..., :half].mean((1, 2, 3))}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the two-halves world."""
    return halves_workspace(tmp_path_factory.mktemp("audited") / "ws")


def test_a_classifier_of_ones_own(world: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tlgan.extractors.registry import load_extractor

    monkeypatch.setattr(
        "tlgan.extractors.load_extractor", lambda ref: Judge() if ref == "another" else load_extractor(looks_left)
    )
    out = tmp_path / "audit.html"
    options = {"expected": ["right_bright"], "faces": 40, "interact": [("left", "right_bright")]}
    audit = run_classifier(world, "mine:looks_left", "another", out, says=lambda words: None, **options)
    assert [effect.slider for effect in audit.found] == ["left"]
    # both halves have about the same spread, so the left one's effect is about half of the right one's
    sizes = {effect.slider: effect.effect.value for effect in audit.effects}
    assert 0.3 < sizes["left"] / sizes["right_bright"] < 0.8
    assert audit.interactions[0].effect.low < 0.05
    assert audit.interactions[0].effect.high > -0.05
    page = out.read_text()
    assert "data:image/webp" in page
    assert "found, as expected" in page
    assert json.loads(out.with_suffix(".json").read_text())["expected"] == ["right_bright"]
    run_classifier(world, "mine:looks_left", "another", out, says=lambda words: None, language="zh", **options)
    chinese = out.read_text("utf-8")
    text = re.sub(r"<[^>]*>", " ", chinese[chinese.index("<main>") :])
    names = {"HalvesModule", "looks_left", "Left", "Right", "bright", "score", "halves", "another", "Holm", "sha256"}
    assert set(re.findall(r"[A-Za-z_]{2,}", text)) <= names
    assert "有影响，符合预期" in text


def test_a_generator_beside_pictures_and_beside_a_table(world: Workspace, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    rng = np.random.default_rng(0)
    for k in range(40):  # brighter on the right than what the generator shows
        picture = np.zeros((16, 16, 3), np.uint8)
        picture[:, :8], picture[:, 8:] = rng.integers(60, 200), rng.integers(120, 250)
        Image.fromarray(picture).save(tmp_path / "real" / f"{k}.png")
    found = run_generator(
        world, tmp_path / "a.html", says=lambda words: None, reference=tmp_path / "real", intersect=[("right_bright",)]
    )
    bright = next(share for share in found.shares if share.name == "right_bright")
    assert found.reference_rows == 40
    assert bright.p is not None
    assert bright.p < 0.01
    assert bright.reference is not None
    assert bright.reference.value > 0.8
    assert [share.name for share in found.intersections] == ["right_bright", "not right_bright"]
    assert "data:image/webp" in (tmp_path / "a.html").read_text()
    (tmp_path / "t.csv").write_text("right_bright\n" + "1\n0\n" * 50)
    table = run_generator(world, tmp_path / "b.html", says=lambda words: None, reference=tmp_path / "t.csv")
    assert next(s for s in table.shares if s.name == "right_bright").reference.value == 0.5
    assert next(s for s in table.shares if s.name == "left").reference is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--features", "left"], "name it with --model"),
        (["--model", "m:f", "--reference", "x"], "leave them out"),
        (["--model", "m:f", "--interact", "left"], "two sliders"),
        (["--model", "m:f", "--judge", "halves"], "can't judge"),
        (["--intersect", "left"], "is a quantity"),
        (["--intersect", "lefd"], "unknown feature"),
        (["--reference", "nowhere"], "nowhere"),
        (["--model", "nosuch.onnx"], "doesn't exist"),
        (["--model", "left,right", "--interact", "left:left"], "two sliders"),
    ],
)
def test_bad_audits_get_one_line(
    world: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.setattr("tlgan.workspace.open_workspace", lambda path, trust=False: world)
    with pytest.raises(SystemExit) as end:
        main(["audit", str(world.path), "-o", str(tmp_path / "a.html"), *arguments])
    error = capsys.readouterr().err
    assert end.value.code == 1
    assert says in error
    assert error.count("error:") == 1
    assert not list(tmp_path.iterdir())


def test_the_judge_may_not_be_what_found_the_axes(world: Workspace, tmp_path: Path) -> None:
    with pytest.raises(TlganError, match="can't judge"):
        run_classifier(world, "x", "halves", tmp_path / "a.html", says=lambda words: None)


class Blank(Judge):
    """Says the same of every picture."""

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        return 0.5 + 0 * super().extract(images)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"faces": 3}, "faces 3 is out of range: expected 12"),
        ({"amount": float("nan")}, "amount nan is out of range"),
        ({"least": 0.0}, "least 0 is out of range"),
        ({"features": ["lefd"]}, "unknown feature 'lefd'"),
        ({"expected": ["lefd"]}, "unknown feature 'lefd'"),
        ({"interact": [("left", "lefd")]}, "unknown feature 'lefd'"),
        ({}, "says the same of every picture"),
    ],
)
def test_audits_that_can_not_be_leave_nothing(
    world: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], says: str
) -> None:
    monkeypatch.setattr("tlgan.extractors.load_extractor", lambda ref: Blank() if ref == "mine:blank" else Judge())
    with pytest.raises(TlganError, match=says) as error:
        run_classifier(world, "mine:blank", "another", tmp_path / "a.html", says=lambda words: None, **options)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_neither_page_nor_numbers_without_the_other(world: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a.html").mkdir()
    with pytest.raises(TlganError, match="could not be written"):
        run_generator(world, tmp_path / "a.html", says=lambda words: None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
