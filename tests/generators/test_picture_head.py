"""A head is trained on what a generator paints itself, goes on after a kill, and paints small pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.generators.openvino_writer import write_pair
from tlgan import TlganError, load_generator
from tlgan.extractors import load_extractor
from tlgan.generators import LatentGenerator
from tlgan.generators.picture_head import HeadNetwork, TrainedHead, load_head
from tlgan.progress import Progress
from tlgan.training.picture_head import HeadRecipe, train_head

RECIPE = HeadRecipe(pairs=60, steps=40, batch=8, side=4, seed=5)


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> LatentGenerator:
    """A small MobileStyleGAN of random weights."""
    loaded = load_generator(str(write_pair(tmp_path_factory.mktemp("small"))))
    assert isinstance(loaded, LatentGenerator)
    return loaded


class Steps(Progress):
    """Hands every step to a function."""

    def __init__(self, function: Callable[[str, int, int | None], None]) -> None:
        self.function = function

    def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
        self.function(what, done, total)


def test_a_head_learns_what_the_generator_paints(generator: LatentGenerator, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    head, quality = train_head(
        generator, None, tmp_path / "work", RECIPE, progress=Steps(lambda *step: told.append(step))
    )
    assert told[-1] == ("steps of the head", 40, 40)
    assert not (tmp_path / "work").exists()  # the features can be painted again

    w = generator.sample(8, seed=99, space="w")
    small = generator.with_head(head).synthesize(w, space="w", resolution=head.resolution)
    assert small.shape == (8, 3, head.resolution, head.resolution)
    assert not torch.equal(small, generator.synthesize(w, space="w", resolution=head.resolution))

    _, longer = train_head(generator, None, tmp_path / "work", replace(RECIPE, steps=300))
    assert longer.grey < 0.8 * quality.grey


def test_a_training_that_was_cut_off_goes_on(generator: LatentGenerator, tmp_path: Path) -> None:
    class Cut(Exception):
        pass

    def cut(what: str, done: int, total: int | None) -> None:
        if what.startswith("steps") and done == 30:
            raise Cut

    straight, _ = train_head(generator, None, tmp_path / "straight", RECIPE)
    with pytest.raises(Cut):
        train_head(generator, None, tmp_path / "cut", RECIPE, progress=Steps(cut))
    resumed, _ = train_head(generator, None, tmp_path / "cut", RECIPE)
    assert resumed.fingerprint == straight.fingerprint


def test_small_pictures_are_differentiable_and_follow_the_layers(generator: LatentGenerator, tmp_path: Path) -> None:
    colour = load_extractor("colour")
    head, quality = train_head(generator, colour, tmp_path / "work", RECIPE)
    assert set(quality.correlation) == {feature.name for feature in colour.features}
    small = generator.with_head(head)
    w = generator.sample(1, seed=1, space="w").clone().requires_grad_(True)
    small.synthesize(w, space="w", resolution=head.resolution).sum().backward()
    assert w.grad is not None
    assert bool(w.grad.abs().sum() > 0)


def test_a_head_travels_in_a_file(generator: LatentGenerator, tmp_path: Path) -> None:
    head = TrainedHead(HeadNetwork(16, 12, generator.num_ws, side=4), generator.fingerprint)
    head.save(tmp_path / "head.safetensors")
    loaded = load_head(tmp_path / "head.safetensors")
    assert (loaded.generator, loaded.side, loaded.resolution) == (generator.fingerprint, 4, 16)
    features, latents = torch.randn(2, 16, 4, 4), torch.randn(2, generator.num_ws, 12)
    assert torch.allclose(loaded(features, latents), head(features, latents), atol=1e-2)

    for damage in (b"", b"nonsense", (tmp_path / "head.safetensors").read_bytes()[:400]):
        (tmp_path / "bad.safetensors").write_bytes(damage)
        with pytest.raises(TlganError, match="picture head"):
            load_head(tmp_path / "bad.safetensors")


def test_a_generator_without_features_is_refused(tmp_path: Path) -> None:
    generator = load_generator("photo64")
    assert isinstance(generator, LatentGenerator)
    with pytest.raises(TlganError, match="can't have a picture head"):
        train_head(generator, None, tmp_path, RECIPE)
