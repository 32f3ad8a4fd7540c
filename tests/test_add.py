"""New sliders from samples that are there: true axes either way, old ones untouched, nothing lost to a kill."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.worlds import (
    SIDE,
    HalvesExtractor,
    HalvesModule,
    halves_networks,
    halves_settings,
    halves_workspace,
    reopen,
)
from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.progress import Progress
from tlgan.workspace import Workspace, located
from tlgan.workspace.add import add_extractor, rows_needed
from tlgan.workspace.discover import discover, learn


class Contrast(torch.nn.Module):
    """The right half less the left one: a feature that gradients flow from."""

    features: tuple[Feature, ...] = (Feature("contrast", "quantity", label="Contrast"),)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        half = images.shape[-1] // 2
        return (images[..., half:].mean((1, 2, 3)) - images[..., :half].mean((1, 2, 3)))[:, None]


contrast = Contrast()


def contrast_function(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """The same as a plain function, which nobody can differentiate."""
    return {"contrast": contrast(images)[:, 0].detach()}


def brightness(images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Another plain function."""
    return {"brightness": images.mean((1, 2, 3))}


def nan_later(images: torch.Tensor) -> torch.Tensor:
    """Not a number for bright pictures."""
    values = images.mean((1, 2, 3))
    return torch.where(values > 0.1, torch.nan, values)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of three parts."""
    path = tmp_path_factory.mktemp("drawn") / "ws"
    discover(path, halves_settings(max_samples=3000), sure=1.0, **halves_networks())
    return path


@pytest.fixture
def workspace(drawn: Path, tmp_path: Path) -> Workspace:
    shutil.copytree(drawn, tmp_path / "ws")
    return reopen(tmp_path / "ws")


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def truth() -> np.ndarray:
    left, right = HalvesModule().directions.numpy()
    return right - left


@pytest.mark.parametrize("method", ["samples", "gradients"])
def test_both_ways_lead_to_the_true_axis(workspace: Workspace, method: str) -> None:
    before = workspace.axes
    added = add_extractor(workspace, "tests.test_add:contrast", method=method)
    axes = added.workspace.axes
    assert added.method == method
    assert added.features == ("contrast",)
    assert axes.names == (*before.names, "contrast")
    # Levels are tanh(a·z), so the mean slope is the direction up to the mean of 1 - tanh².
    assert cosine(axes.directions[3], truth()) > 0.97
    assert axes.r2[3] > 0.8
    assert axes.agreement[3] > 0.95
    np.testing.assert_array_equal(axes.directions[:3], before.directions)
    np.testing.assert_array_equal(axes.r2[:3], before.r2)
    assert axes.correlation[3, 0] < -0.3 < 0.3 < axes.correlation[3, 1]
    assert 'id="contrast"' in (workspace.path / "report.html").read_text()
    assert (added.gradients > 0) is (method == "gradients")


def test_the_slope_is_the_same_both_ways(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(workspace.path, tmp_path / "other")
    other = reopen(tmp_path / "other")
    workspace = workspace.add("tests.test_add:contrast", method="samples", sure=1.0)
    other = other.add("tests.test_add:contrast", method="gradients")
    one, two = workspace.axes.directions[3], other.axes.directions[3]
    assert np.linalg.norm(two) / np.linalg.norm(one) == pytest.approx(1, abs=0.1)
    assert workspace.axes.intercepts[3] == pytest.approx(other.axes.intercepts[3], abs=0.02)
    assert workspace.axes.sd[3] == pytest.approx(other.axes.sd[3], rel=0.1)


def test_the_quicker_way_is_taken_and_told(workspace: Workspace) -> None:
    added = add_extractor(workspace, "tests.test_add:contrast")
    told = re.fullmatch(r"about ([\d.]+) s for [\d,]+ more samples, ([\d.]+) s for \d+ gradients", added.why)
    assert told, added.why
    by_samples, by_gradients = map(float, told.groups())
    if by_samples != by_gradients:  # in tenths of a second
        assert added.method == ("gradients" if by_gradients < by_samples else "samples")


def test_what_can_not_be_differentiated_is_measured(workspace: Workspace) -> None:
    added = add_extractor(workspace, "tests.test_add:contrast_function")
    assert added.method == "samples"
    assert "do not flow" in added.why
    assert cosine(added.workspace.axes.directions[3], truth()) > 0.97
    with pytest.raises(TlganError, match="can't be used"):
        add_extractor(workspace, "tests.test_add:brightness", method="gradients")


def test_the_workspace_opens_again_with_the_new_slider(workspace: Workspace) -> None:
    workspace = workspace.add("tests.test_add:contrast")
    again = reopen(workspace.path)
    assert again.settings.extractors == ("halves", "tests.test_add:contrast")
    start = again.face(seed=3)
    assert start.set(contrast=1.0).measured()["contrast"] > start.measured()["contrast"]


def test_columns_join_the_parts_and_nothing_else_changes(workspace: Workspace) -> None:
    before = pd.concat([pd.read_parquet(path) for path in workspace.samples.parts()])
    workspace = workspace.add("tests.test_add:contrast_function", sure=1.0)
    after = pd.concat([pd.read_parquet(path) for path in workspace.samples.parts()])
    assert list(after.columns) == ["index", "z", "left", "right_bright", "noise", "contrast", "thumbnail"]
    pd.testing.assert_frame_equal(after.drop(columns="contrast"), before)
    # The thumbnails hold 256 levels.
    np.testing.assert_allclose(after["contrast"], 2 * _atanh_free(after) - after["left"], atol=0.02)


def _atanh_free(frame: pd.DataFrame) -> np.ndarray:
    """The right level from the logit of `right_bright`, halved twice: sigmoid(2 r) -> r, and r - l = 2 (r / 2) - l."""
    p = frame["right_bright"].to_numpy()
    return np.asarray(np.log(p / (1 - p)) / 4)


def test_discover_measures_the_rest_and_goes_on(workspace: Workspace) -> None:
    workspace = workspace.add("tests.test_add:contrast", method="gradients")
    store = workspace.samples
    assert store.measured() == 1000 < store.rows()
    assert sum(len(latents) for latents, _ in store.read_arrays()) == 1000
    learner = learn(workspace, Progress())
    assert workspace.samples.measured() == workspace.samples.rows()
    assert learner.progress().agreement[3] > 0.95


def test_a_killed_add_leaves_the_old_workspace_and_goes_on(workspace: Workspace) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, sys.argv[1])
        from tests.worlds import reopen
        from tlgan.workspace.add import add_extractor
        from tlgan.progress import Progress

        class Killer(Progress):
            def step(self, what, done, total=None, words=""):
                if what == "samples" and done >= int(sys.argv[3]):  # the first part is measured
                    os.kill(os.getpid(), signal.SIGKILL)

        add_extractor(reopen(sys.argv[2]), "tests.test_add:contrast_function", progress=Killer())
        """
    )
    here, part = str(Path(__file__).parents[1]), min(workspace.samples.recipe.part_rows, workspace.samples.rows())
    done = subprocess.run([sys.executable, "-c", script, here, str(workspace.path), str(part)])
    assert done.returncode == -signal.SIGKILL
    survivor = reopen(workspace.path)
    assert survivor.axes.names == ("left", "right_bright", "noise")
    assert survivor.samples.measured() == survivor.samples.rows()
    changed = os.stat(survivor.samples.parts()[0]).st_mtime_ns
    survivor = survivor.add("tests.test_add:contrast_function")
    assert os.stat(survivor.samples.parts()[0]).st_mtime_ns == changed  # the first part was not measured twice
    assert survivor.axes.names[-1] == "contrast"


def test_a_name_that_is_taken(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrast, "features", (Feature("left", "quantity"),), raising=False)
    with pytest.raises(TlganError, match="slider 'left' already"):
        add_extractor(workspace, "tests.test_add:contrast")


def test_nothing_to_add(workspace: Workspace) -> None:
    workspace = workspace.add("tests.test_add:contrast")
    with pytest.raises(TlganError, match="already"):
        add_extractor(workspace, "tests.test_add:contrast")
    with pytest.raises(TlganError, match="not both"):
        add_extractor(workspace)


def test_nan_is_named_and_changes_nothing(workspace: Workspace) -> None:
    settings = (workspace.path / "tlgan.toml").read_bytes()
    axes = (workspace.path / "axes.safetensors").read_bytes()
    with pytest.raises(TlganError, match="nan"):
        add_extractor(workspace, "tests.test_add:nan_later")
    assert (workspace.path / "tlgan.toml").read_bytes() == settings
    assert (workspace.path / "axes.safetensors").read_bytes() == axes


def test_pictures_are_painted_again_where_thumbnails_are_too_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HalvesExtractor, "input_size", SIDE // 2)  # thumbnails of 8 pixels, pictures of 16
    workspace = halves_workspace(tmp_path / "ws", max_samples=1000)
    assert workspace.samples.recipe.thumbnail == SIDE // 2
    seen = []
    monkeypatch.setattr(
        sys.modules[__name__], "contrast_function", lambda images: (seen.append(images.shape[-1]), contrast(images))[1]
    )
    workspace = workspace.add("tests.test_add:contrast_function")
    assert SIDE in seen
    assert cosine(workspace.axes.directions[3], truth()) > 0.97
    assert workspace.samples.recipe.thumbnail == SIDE // 2


def test_files_inside_a_workspace_are_found_from_there(tmp_path: Path) -> None:
    (tmp_path / "extractors").mkdir()
    (tmp_path / "extractors" / "a.toml").write_text("")
    assert located("extractors/a.toml", tmp_path) == str(tmp_path / "extractors" / "a.toml")
    assert located("extractors/b.toml", tmp_path) == "extractors/b.toml"
    assert located("celeba40", tmp_path) == "celeba40"


def test_rows_needed_grows_with_noise_and_dimension() -> None:
    assert rows_needed(0.5, 100) == pytest.approx(3800, abs=1)
    assert rows_needed(0.25, 100) == pytest.approx(3 * 3800, abs=1)
    assert rows_needed(0.5, 512) > 5 * rows_needed(0.5, 100)
    assert rows_needed(-1.0, 10) < 10**6
