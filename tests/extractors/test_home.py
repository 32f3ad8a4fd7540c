"""Whether an extractor says that pictures are like nothing it was trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import tlgan
from tlgan.extractors import home
from tlgan.workspace import open_workspace
from tlgan.workspace.terms import foreign


def pictures(generator: object) -> torch.Tensor:
    return generator.synthesize(generator.sample(home.PICTURES, seed=0)).clamp(-1, 1)  # type: ignore[attr-defined]


def random_dcgan() -> nn.Module:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Unflatten(1, (32, 1, 1))]
    for k, (takes, gives) in enumerate(((32, 64), (64, 32), (32, 16), (16, 8), (8, 3))):
        layers.append(nn.ConvTranspose2d(takes, gives, 4, 2 if k else 1, 1 if k else 0))
        layers += [nn.BatchNorm2d(gives), nn.ReLU()] if gives > 3 else [nn.Tanh()]
    for layer in layers:
        if isinstance(layer, nn.ConvTranspose2d):
            layer.weight.data.mul_(6)
    return nn.Sequential(*layers)


def test_faces_are_at_home_and_random_pictures_are_not() -> None:
    celeba40 = tlgan.load_extractor("celeba40")
    faces = home.distance(celeba40, pictures(tlgan.load_generator("photo64")))
    assert faces is not None
    assert faces < 0.2
    assert home.words("celeba40", faces) == ""
    others = home.distance(celeba40, pictures(tlgan.wrap_generator(random_dcgan(), latent_dim=32)))
    assert others is not None
    assert others > 2 * home.FOREIGN
    assert "do not look like faces to celeba40" in home.words("celeba40", others)
    assert home.distance(tlgan.load_extractor("colour"), torch.zeros(2, 3, 8, 8)) is None  # it knows no kind of picture


def test_a_workspace_says_so_in_its_words_and_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = tlgan.wrap_generator(random_dcgan(), latent_dim=32)
    tlgan.discover(tmp_path / "ws", generator=generator, extractors=["celeba40"], max_samples=250)
    opened = open_workspace(tmp_path / "ws", generator=generator)
    (line,) = foreign(opened.settings).values()
    assert "use the extractor colour" in line
    assert opened.about["Not at home"] == line
    assert "do not look like faces to celeba40" in (tmp_path / "ws" / "report.html").read_text("utf-8")
