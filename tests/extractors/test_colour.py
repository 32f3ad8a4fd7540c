"""The colour extractor on made pictures whose light and colour are known."""

from __future__ import annotations

import pytest
import torch

from tlgan.extractors import load_extractor
from tlgan.extractors.colour import rgb_to_lab

NAMES = [f.name for f in load_extractor("colour").features]


def measure(x):
    return dict(zip(NAMES, load_extractor("colour").extract(x[None])[0].tolist(), strict=True))


def flat(r, g, b, side=64):
    return torch.tensor([r, g, b]).view(3, 1, 1).expand(3, side, side) * 2 - 1


@pytest.mark.parametrize(
    ("rgb", "lab"),  # CIELAB of sRGB corners under D65, as tabulated
    [
        ((1, 1, 1), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_known_colours(rgb, lab):
    found = rgb_to_lab(flat(*map(float, rgb))[None])[0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor(lab), atol=0.02, rtol=0)


@pytest.mark.parametrize("side", [32, 64, 200])
def test_a_flat_grey_picture(side):
    values = measure(flat(0.5, 0.5, 0.5, side))
    for name in ("skin_brightness", "hair_brightness", "background_brightness"):
        assert values[name] == pytest.approx(53.39, abs=0.05)
    assert values["warmth"] == pytest.approx(0, abs=0.02)
    assert values["saturation"] == pytest.approx(0, abs=0.02)
    assert values["side_light"] == pytest.approx(0, abs=1e-3)


def test_each_region_is_where_it_says():
    dark = flat(0.2, 0.2, 0.2)
    plain = measure(dark)
    regions = {
        "skin_brightness": (slice(24, 50), slice(22, 42)),
        "hair_brightness": (slice(0, 14), slice(18, 46)),
        "background_brightness": (slice(0, 24), slice(0, 6)),
    }
    for name, (rows, columns) in regions.items():
        picture = dark.clone()
        picture[:, rows, columns] = 0.8
        gain = {other: measure(picture)[other] - plain[other] for other in regions}
        assert max(gain, key=gain.get) == name
        assert gain[name] > 15


def test_warm_light_and_side_light_have_the_right_sign():
    assert measure(flat(0.8, 0.6, 0.4))["warmth"] > 20 > -20 > measure(flat(0.4, 0.6, 0.8))["warmth"]
    lit = flat(0.3, 0.3, 0.3).clone()
    lit[:, :, 32:] = 0.6
    assert measure(lit)["side_light"] > 10
    assert measure(lit.flip(-1))["side_light"] == pytest.approx(-measure(lit)["side_light"], abs=1e-3)


def test_gradient_tells_how_to_make_it_brighter():
    x = (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5).requires_grad_(True)
    extractor = load_extractor("colour")
    before = extractor.logits(x)[0, 0]
    (gradient,) = torch.autograd.grad(before, x)
    assert torch.isfinite(gradient).all()
    assert extractor.logits(x + 0.1 * gradient / gradient.abs().max())[0, 0] > before
