"""Evaluations that a workspace keeps: in its JSON, its report, and its table of side effects."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.axe import looked_at, violations
from tests.worlds import HalvesExtractor, halves_workspace
from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.io.step import Step
from tlgan.workspace import Workspace
from tlgan.workspace.evaluate import evaluate_workspaces
from tlgan.workspace.evaluations import kept
from tlgan.workspace.report import write_report


class Judge:
    """Measures the same halves in another way: by their middle rows, and with its own scale."""

    name = "another"
    input_size = 16
    features: tuple[Feature, ...] = (
        Feature("right_bright", "probability"),
        Feature("left", "quantity"),
        Feature("noise", "quantity"),
    )

    def extract(self, images: torch.Tensor) -> torch.Tensor:
        left, right = images[:, :, 4:12, :8].mean((1, 2, 3)), images[:, :, 4:12, 8:].mean((1, 2, 3))
        return torch.stack([torch.sigmoid(3 * right), 5 * left, left * 0], dim=1)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace, judged. Its slider `noise` is weak, so two are left."""
    workspace = halves_workspace(tmp_path_factory.mktemp("evaluated") / "ws")
    evaluate_workspaces(workspace, judges=[Judge()], faces=8)
    return workspace.refreshed()


def test_discover_measures_what_each_slider_changes(tmp_path: Path) -> None:
    axes = halves_workspace(tmp_path / "ws").axes
    assert axes.effects is not None
    assert axes.effects_by == "halves"
    strong = axes.indices(["left", "right_bright"])
    # The halves are nearly linear where faces live, so a slider does about what it says.
    np.testing.assert_allclose(np.diag(axes.effects)[strong], 1.0, atol=0.3)
    # What one changes of the other is what their true directions have in common.
    wanted = axes.correlation_of_axes()[strong[0], strong[1]]
    assert axes.effects[strong[0], strong[1]] == pytest.approx(wanted, abs=0.25)


def test_a_lock_on_what_is_disturbed(tmp_path: Path) -> None:
    workspace = halves_workspace(tmp_path / "ws")
    table = np.eye(3, dtype=np.float32)
    table[0, 1], table[0, 2] = -0.4, 0.9  # left disturbs right_bright, and noise, which is weak
    workspace = workspace.changed(axes=replace(workspace.axes, effects=table))
    editor = workspace.face(seed=1).set(left=1.0)
    assert editor.lock("disturbed").edit.locks == {"right_bright"}
    assert workspace.face(seed=1).set(right_bright=1.0).lock("disturbed").edit.locks == frozenset()


def test_the_judge_is_kept_with_the_axes(evaluated: Workspace) -> None:
    found = kept(evaluated)
    assert found is not None
    assert found.features == ("left", "right_bright")
    assert evaluated.axes.effects_by == "another"
    slider = found["conditioned"].slider("left")
    rows = evaluated.axes.indices(found.features)
    assert slider is not None
    assert evaluated.axes.effects is not None
    np.testing.assert_allclose(evaluated.axes.effects[rows[0], rows], np.array(slider.signed) / 1.5, atol=1e-5)


def test_left_is_not_judged_by_the_mirror(evaluated: Workspace) -> None:
    """A mirrored picture is another picture to features of left and right: neither judge nor exact mode uses it there."""
    assert not evaluated.canvas.symmetric[evaluated.axes.indices(["left", "right_bright"])].any()
    found = kept(evaluated)
    assert found is not None
    assert found["joint"].leak.value < 0.3
    assert found["exact"].leak.value < 0.3
    assert min(found.agreement) > 0.9


def test_the_report_shows_it_with_pictures(evaluated: Workspace) -> None:
    page = (evaluated.path / "report.html").read_text()
    assert "Are the edits clean?" in page
    assert "What changed is told by another, a judge" in page
    assert page.count("data:image/webp") > 24 + 2 * 2 * 4
    assert "{{" not in page


def test_an_evaluation_of_other_axes_is_not_shown(evaluated: Workspace) -> None:
    axes = evaluated.axes
    other = evaluated.changed(axes=replace(axes, directions=axes.directions * 1.01))
    assert kept(other) is None
    with Step(evaluated.path) as step:
        write_report(other, step)
    assert "Are the edits clean?" not in (evaluated.path / "report.html").read_text()


def test_what_found_the_axes_can_not_judge_them(evaluated: Workspace) -> None:
    with pytest.raises(TlganError, match="can't judge"):
        evaluate_workspaces(evaluated, judges=["halves"])


def test_two_workspaces_side_by_side(evaluated: Workspace, tmp_path: Path) -> None:
    other = halves_workspace(tmp_path / "other", seed=5)
    said: list[str] = []
    found = evaluate_workspaces(
        [other, evaluated], judges=[Judge()], methods=["plain", "exact"], faces=4, progress=said.append
    )
    assert [len(evaluation.methods) for evaluation in found] == [2, 2]
    assert found[0].features == found[1].features
    assert any(str(other.path) in words for words in said)


def test_a_broken_evaluation_says_so_in_a_line(tmp_path: Path) -> None:
    workspace = halves_workspace(tmp_path / "ws")
    (workspace.path / "evaluation.json").write_text("{}")
    with pytest.raises(TlganError, match="evaluate again"):
        kept(workspace)


def test_the_command_line(
    evaluated: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tlgan.cli import main

    monkeypatch.setattr("tlgan.workspace.open_workspace", lambda path, trust=False: evaluated)
    monkeypatch.setattr("tlgan.extractors.load_extractor", lambda ref: Judge())
    arguments = ["evaluate", str(evaluated.path), "--judge", "another", "--faces", "4", "--method", "plain"]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--features", "left,right_bright", "--json"])
    assert done.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document[0]["methods"][0]["method"] == "plain"
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 0
    assert "plain" in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--features", "lefft"])
    assert done.value.code == 1
    assert "did you mean left" in capsys.readouterr().err


def test_halves_are_what_the_judge_says() -> None:
    """The two ways of measuring agree on what a picture of this world is."""
    images = torch.full((1, 3, 16, 16), -1.0)
    images[..., 8:] = 1.0
    one, other = HalvesExtractor().extract(images)[0], Judge().extract(images)[0]
    assert (one[0] < 0) == (other[1] < 0)
    assert (one[1] > 0.5) == (other[0] > 0.5)


@pytest.mark.browser
def test_axe_finds_nothing_in_an_evaluation(evaluated: Workspace, browser: Any) -> None:
    with looked_at(browser, (evaluated.path / "report.html").as_uri(), "#evaluation") as page:
        assert violations(page) == []
