"""Families of state_dicts against their official code, whose pictures of small networks are in `checkpoints/families.npz`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tlgan.errors import AssumedWarning, TlganError
from tlgan.generators import convert_checkpoint, load_generator

GOLDEN = Path(__file__).parents[1] / "checkpoints" / "families.npz"
SCALED = ("pro-gan-pth", "pro-gan-pth 3", "pytorch_GAN_zoo")  # scale their weights as they use them
CLASS = {"biggan-deep": 4, "biggan": 3, "biggan-hierarchical": 3}
pytestmark = pytest.mark.filterwarnings("ignore::tlgan.errors.AssumedWarning")


def golden(name: str) -> np.ndarray:
    with np.load(GOLDEN) as file:
        return file[name]


def state_of(family: str) -> dict[str, Tensor]:
    """The weights that the official code was filled with, under its names: numpy's frozen generator, a stream a tensor."""
    shapes = json.loads(str(golden(f"{family}.shapes")))
    state = {}
    for stream, name in enumerate(sorted(shapes)):
        shape, leaf = shapes[name], name.rpartition(".")[2]
        values = np.asarray(np.random.RandomState(stream).standard_normal(tuple(shape)), dtype=np.float32)
        if leaf == "num_batches_tracked":
            state[name] = torch.tensor(0)
            continue
        if leaf == "f":
            values = np.array([1, 2, 1], dtype=np.float32)
        elif leaf == "sv0":
            values = np.ones(shape, dtype=np.float32)
        elif "var" in leaf:
            values = np.float32(0.5) + np.abs(values)
        elif leaf in ("weight_u", "weight_v"):
            values = np.abs(values) / np.linalg.norm(values)
            values = values * (1e7 if "rgb" in name and leaf == "weight_u" else 1)  # so that tanh is not saturated
        elif leaf == "weight_orig":
            values = 0.1 * values + (0 if "rgb" in name else 0.02)
        elif name in ("generator.bn.weight", "generator.bn.bias"):
            values = 0.02 * values
        elif len(shape) < 2:
            ones = name.endswith(("norm.weight", "1.weight", "4.weight", "0.gain", "bn.weight"))
            values = 0.3 * values + (1 if ones else 0)
        elif family not in SCALED:
            values = values / np.sqrt(np.prod(shape[1:]))
        state[name] = torch.from_numpy(np.asarray(values, dtype=np.float32).reshape(shape))
    return {name: state[name] for name in shapes}


def latents(dimensions: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(99).standard_normal((2, dimensions)).astype(np.float32))


FAMILIES = [
    "biggan", "biggan-deep", "biggan-hierarchical", "lightweight-gan", "lightweight-gan with frequencies",
    "lightweight-gan with attention", "lightweight-gan with transparency", "pro-gan-pth", "pro-gan-pth 3", "pytorch_GAN_zoo",
    "stylegan2-pytorch with attention", "stylegan2-pytorch without a constant",
]  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_those_of_the_official_code(family: str, tmp_path: Path) -> None:
    beside = {"D.blocks.0.weight": torch.zeros(2, 2)} if family.startswith("stylegan2") else {}
    torch.save(state_of(family) | beside, tmp_path / "network.pth")
    generator = load_generator(tmp_path / "network.pth")
    made = generator.synthesize(latents(generator.latent_dim), label=CLASS.get(family), noise="none").numpy()
    expected = golden(f"{family}.images")
    if family.startswith(("lightweight", "stylegan2")):  # painted in [0, 1]
        expected = expected * 2 - 1
    if "frequencies" in family:
        made = made[:, :, ::4, ::4]
    if expected.shape[1] == 4:  # transparency is painted over white
        opacity = np.clip((expected[:, 3:] + 1) / 2, 0, 1)
        expected = expected[:, :3] * opacity + 1 - opacity
    assert np.std(expected) > 0.05
    np.testing.assert_allclose(made, expected, atol=1e-4)
    assert generator.label_dim == {"biggan-deep": 6, "biggan": 5, "biggan-hierarchical": 5}.get(family, 0)


def test_a_conversion_is_the_same_generator(tmp_path: Path) -> None:
    torch.save(state_of("biggan-deep"), tmp_path / "network.pth")
    original = load_generator(tmp_path / "network.pth")
    copy = load_generator(convert_checkpoint(tmp_path / "network.pth", tmp_path / "copy.safetensors"))
    assert copy.fingerprint == original.fingerprint
    z = latents(12)
    assert torch.equal(copy.synthesize(z, label=1), original.synthesize(z, label=1))


def test_truncation_of_biggan_deep_chooses_its_statistics(tmp_path: Path) -> None:
    torch.save(state_of("biggan-deep"), tmp_path / "network.pth")
    generator = load_generator(tmp_path / "network.pth")
    made = generator.synthesize(latents(12) / 0.43, label=4, truncation=0.43)  # the official code is given z as it is
    np.testing.assert_allclose(made, golden("biggan-deep.at043"), atol=1e-4)
    generator.statistics_at = 0.43
    np.testing.assert_allclose(generator.synthesize(latents(12), label=4), golden("biggan-deep.at043"), atol=1e-4)


def test_a_progressive_network_that_has_not_grown_up(tmp_path: Path) -> None:
    torch.save(state_of("pro-gan-pth 3"), tmp_path / "network.pth")
    made = load_generator(tmp_path / "network.pth", depth=1).synthesize(latents(12))
    np.testing.assert_allclose(made, golden("pro-gan-pth 3.shallow"), atol=1e-4)
    with pytest.warns(AssumedWarning, match="depth=2"):
        load_generator(tmp_path / "network.pth")
    with pytest.raises(TlganError, match="depth is 3: expected a whole number from 0 to 2"):
        load_generator(tmp_path / "network.pth", depth=3)


def test_variants_with_other_layers_are_refused(tmp_path: Path) -> None:
    state = state_of("biggan")
    changed = {
        "shared embedding": {k: v for k, v in state.items() if k != "shared.weight"},
        "keep no plain statistics": {k.replace("stored_mean", "bn.mean"): v for k, v in state.items()},
    }
    for words, tree in changed.items():
        torch.save(tree, tmp_path / "g.pth")
        with pytest.raises(TlganError, match=words):
            load_generator(tmp_path / "g.pth")


# -- classes that join a chain -------------------------------------------------------------------------------------


class Joined(nn.Module):
    """A DCGAN of 30 latents and 7 classes, joined by one of the ways."""

    def __init__(self, way: str, one_hot: bool = False) -> None:
        super().__init__()
        beside = (7 if one_hot else 5) if way in ("zc", "cz") else 0
        if not one_hot:
            self.embed = nn.Embedding(7, beside or 30)
        self.net = nn.Sequential(
            nn.ConvTranspose2d(30 + beside, 16, 4, 1, 0), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh()
        )
        self.way, self.one_hot = way, one_hot

    def forward(self, z: Tensor, label: int) -> Tensor:
        rows = torch.full((len(z),), label)
        c = torch.eye(7)[rows] if self.one_hot else self.embed(rows)
        x = {
            "zc": lambda: torch.cat([z, c], 1),
            "cz": lambda: torch.cat([c, z], 1),
            "mul": lambda: z * c,
            "add": lambda: z + c,
        }
        return self.net(x[self.way]()[..., None, None])


@pytest.mark.parametrize("way", ["zc", "cz", "mul", "add", "zc one-hot"])
def test_a_conditional_dcgan_says_how_classes_join(way: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    way, _, hot = way.partition(" ")
    module = Joined(way, bool(hot)).eval().requires_grad_(False)
    torch.save(module.state_dict(), tmp_path / "g.pth")
    if not hot:
        with pytest.raises(TlganError, match=r"one of 7 classes.*condition=zc"):
            load_generator(tmp_path / "g.pth")
    options = {"condition": way} | ({"classes": 7} if hot else {})
    generator = load_generator(tmp_path / "g.pth", **options)
    assert (generator.latent_dim, generator.label_dim) == (30, 7)
    z = generator.sample(3, seed=0)
    assert torch.allclose(generator.synthesize(z, label=2), module(z, 2), atol=1e-6)
    wrong = "mul" if way in ("zc", "cz") else "zc"
    with pytest.raises(TlganError, match=f"condition={wrong} doesn't fit"):
        load_generator(tmp_path / "g.pth", **(options | {"condition": wrong}))


# -- wrappings -----------------------------------------------------------------------------------------------------


def chain(scale: float) -> dict[str, Tensor]:
    torch.manual_seed(0)
    module = nn.Sequential(nn.ConvTranspose2d(16, 8, 4, 1, 0), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1))
    return {name: value * scale for name, value in module.state_dict().items()}


def critic() -> dict[str, Tensor]:
    return nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(), nn.Conv2d(8, 1, 4, 1, 0)).state_dict()


def under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in state.items()}


RAW, EMA, D = chain(1), chain(2), critic()
WRAPPED = {
    "Lightning": ({"state_dict": under("generator", RAW) | under("critic", D), "epoch": 3}, 1),
    "Lightning with an average": (
        {"state_dict": under("generator", RAW) | under("generator_ema", EMA) | under("D", D)},
        2,
    ),
    "Lightning inside model": ({"state_dict": under("model.netG", RAW) | under("model.netD", D)}, 1),
    "a module that holds both": ({"state_dict": under("gan.G", RAW) | under("gan.D", D)}, 1),
    "gen and dis": ({"gen": RAW, "dis": D}, 1),
    "a list": ([RAW, D], 1),
    "a tuple, the critic first": ((D, RAW), 1),
    "DataParallel": (under("module", RAW), 1),
    "ema-pytorch": (
        under("online_model", RAW) | under("ema_model", EMA) | {"initted": torch.tensor(True), "step": torch.tensor(3)},
        2,
    ),
    "AveragedModel": ({"n_averaged": torch.tensor(4)} | under("module", EMA), 2),
    "a shadow": ({"generator": RAW, "shadow": EMA, "discriminator": D}, 2),
    "names of one's own": ({"painter": RAW, "judge": D}, 1),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_a_generator_is_found_in_what_is_around_it(wrapping: str, tmp_path: Path) -> None:
    tree, scale = WRAPPED[wrapping]
    torch.save(tree, tmp_path / "w.pth")
    torch.save(chain(scale), tmp_path / "plain.pth")
    assert load_generator(tmp_path / "w.pth").fingerprint == load_generator(tmp_path / "plain.pth").fingerprint


def test_several_generators_are_asked_about(tmp_path: Path) -> None:
    torch.save({"painter": RAW, "other": EMA}, tmp_path / "w.pth")
    with pytest.raises(TlganError, match="painter, other: choose with --network NAME"):
        load_generator(tmp_path / "w.pth")
    torch.save(EMA, tmp_path / "plain.pth")
    chosen = load_generator(tmp_path / "w.pth", network="other")
    assert torch.equal(chosen.synthesize(latents(16)), load_generator(tmp_path / "plain.pth").synthesize(latents(16)))
