"""A large generator's samples are painted small, by a head that the workspace keeps, and corrected on whole pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.generators.openvino_writer import write_pair
from tlgan import TlganError, open_workspace
from tlgan.axes import Axes
from tlgan.progress import Progress
from tlgan.training.picture_head import HeadRecipe
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover
from tlgan.workspace.whole import _along_line

RECIPE = HeadRecipe(pairs=100, steps=120, batch=8, side=4)


class Told(Progress):
    def __init__(self) -> None:
        self.stages: list[str] = []

    def stage(self, words: str) -> None:
        self.stages.append(words)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path, list[str]]:
    folder = tmp_path_factory.mktemp("small")
    pair, told = write_pair(folder), Told()
    settings = Settings(str(pair), extractors=("colour",), max_samples=300, base=())
    return discover(folder / "ws", settings, progress=told, preview=RECIPE), pair, told.stages


def test_samples_are_painted_by_the_head(found: tuple[Workspace, Path, list[str]]) -> None:
    workspace, _, stages = found
    head = workspace.generator.head
    assert workspace.settings.resolution == head.resolution == 16
    assert workspace.samples.recipe.head == head.fingerprint
    assert any("whole pictures to correct" in words for words in stages)
    assert not (workspace.path / "preview.work").exists()


def test_the_workspace_opens_with_its_head(found: tuple[Workspace, Path, list[str]]) -> None:
    workspace, _, _ = found
    again = open_workspace(workspace.path)
    assert again.generator.head.fingerprint == workspace.generator.head.fingerprint
    assert again.samples.rows() > 0
    face = again.face(seed=3).set(**{again.axes.names[0]: 1.0})
    assert face.picture().shape[0] == 32  # edited faces are painted whole


def test_a_head_is_trained_once(found: tuple[Workspace, Path, list[str]]) -> None:
    workspace, pair, _ = found
    told = Told()
    settings = Settings(str(pair), extractors=("colour",), max_samples=300, base=())
    again = discover(workspace.path, settings, progress=told, preview=RECIPE)
    assert not any("training small pictures" in words for words in told.stages)
    np.testing.assert_allclose(again.axes.directions, workspace.axes.directions, rtol=1e-3, atol=1e-5)  # batches differ


def test_a_head_of_another_generator_is_refused(found: tuple[Workspace, Path, list[str]], tmp_path: Path) -> None:
    workspace, _, _ = found
    other = write_pair(tmp_path, widths=(16, 16, 16))
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "preview.safetensors").write_bytes((workspace.path / "preview.safetensors").read_bytes())
    with pytest.raises(TlganError, match="another generator"):
        discover(tmp_path / "ws", Settings(str(other), extractors=("colour",), max_samples=300, base=()))


def test_the_correction_is_the_line_between_small_and_whole(found: tuple[Workspace, Path, list[str]]) -> None:
    axes: Axes = replace(found[0].axes, r2=np.full(6, 0.9, np.float32), weak=np.zeros(6, bool))
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((4000, axes.latent_dim)).astype(np.float32)
    seen = latents @ axes.directions.T + axes.intercepts
    noise = np.linspace(0.0, 1.0, 6) * seen.std(axis=0)
    true = 3 * seen - 2 + rng.standard_normal(seen.shape) * noise
    whole = _along_line(axes, latents, seen, true)
    assert np.allclose(whole.directions, 3 * axes.directions, rtol=0.05)
    assert np.allclose(whole.mean, 3 * axes.mean - 2, atol=0.1 * np.abs(axes.sd).max())
    expected = 9 / (
        9 + np.linspace(0.0, 1.0, 6) ** 2
    )  # the share of the whole picture's variance that the small one has
    assert np.allclose(whole.r2 / axes.r2, expected, atol=0.02)
    assert whole.mean_r2 is not None
    assert whole.mean_r2[1] < expected.mean() < whole.mean_r2[2]


def test_nothing_is_trained_through_a_link(found: tuple[Workspace, Path, list[str]], tmp_path: Path) -> None:
    _, pair, _ = found
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "preview.work").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TlganError, match="is a link"):
        discover(tmp_path / "ws", Settings(str(pair), extractors=("colour",), max_samples=300, base=()), preview=RECIPE)
    assert not list((tmp_path / "elsewhere").iterdir())
