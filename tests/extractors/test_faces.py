"""The face networks as they ship, on synthetic pictures: no photograph of anybody is needed."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import torch
from safetensors.torch import save_file

from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.extractors.attributes import CELEBA_ATTRIBUTES
from tlgan.extractors.networks import ARCHITECTURES, folded
from tlgan.extractors.trained import PACKAGED_KEY, load_network

CELEBA_ORDER = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
]


@pytest.fixture(scope="module", params=["celeba40", "judge40"])
def extractor(request):
    return load_extractor(request.param)


@pytest.fixture(scope="module")
def pictures():
    """Smooth random colour fields, 64 pixels."""
    coarse = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(-1, 1)


def test_names_are_celebas_in_celebas_order():
    assert [f.name for f in CELEBA_ATTRIBUTES] == [name.lower() for name in CELEBA_ORDER]
    assert [f.name for f in load_extractor("celeba40").features] == [*(n.lower() for n in CELEBA_ORDER), "age"]
    assert [f.name for f in load_extractor("judge40").features] == [n.lower() for n in CELEBA_ORDER]
    age = load_extractor("celeba40").features[-1]
    assert (age.kind, age.unit) == ("quantity", "years")


def test_same_pictures_same_values(extractor, pictures):
    assert torch.equal(extractor.extract(pictures), load_extractor(extractor.name).extract(pictures))


def test_a_batch_does_not_change_a_picture(extractor, pictures):
    together = extractor.extract(pictures.repeat(60, 1, 1, 1))  # more than one pass
    assert together.shape == (360, len(extractor.features))
    torch.testing.assert_close(together[-6:], extractor.extract(pictures), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together[:1], extractor.extract(pictures[:1]), atol=1e-4, rtol=1e-4)


def test_values_differ_between_pictures(extractor, pictures):
    assert (extractor.logits(pictures).std(dim=0) > 1e-3).all()


def test_logits_are_what_extract_gives_before_the_sigmoid(extractor, pictures):
    values, logits = extractor.extract(pictures), extractor.logits(pictures)
    for j, feature in enumerate(extractor.features):
        expected = logits[:, j].sigmoid() if feature.kind == "probability" else logits[:, j]
        torch.testing.assert_close(values[:, j], expected, atol=1e-6, rtol=1e-5)


def test_any_size_and_grey(extractor, pictures):
    large = torch.nn.functional.interpolate(pictures, size=256, mode="bicubic").clamp(-1, 1)
    # an enlarged picture is the same face: the logits move by far less than they differ between pictures
    moved = (extractor.logits(large) - extractor.logits(pictures)).abs().mean(dim=0)
    assert (moved / extractor.logits(pictures).std(dim=0)).median() < 0.2
    grey = pictures.mean(dim=1, keepdim=True)
    torch.testing.assert_close(extractor.extract(grey), extractor.extract(grey.repeat(1, 3, 1, 1)))
    assert extractor.extract(pictures[:, :, :50, :]).shape == (6, len(extractor.features))


def test_gradient_raises_what_it_is_asked_to(extractor, pictures):
    x = pictures.clone().requires_grad_(True)
    column = [f.name for f in extractor.features].index("smiling")
    before = extractor.logits(x)[:, column]
    (gradient,) = torch.autograd.grad(before.sum(), x)
    step = 0.02 * gradient / gradient.flatten(1).abs().amax(dim=1).view(-1, 1, 1, 1)
    after = extractor.logits((x + step).detach())[:, column]
    assert (after > before.detach()).all()


def test_embedding_feeds_the_outputs(extractor, pictures):
    embedding = extractor.embedding(pictures)
    assert embedding.ndim == 2
    torch.testing.assert_close(extractor.module.head(embedding), extractor.logits(pictures))


@pytest.mark.parametrize(("name", "limit"), [("celeba40", 6_000_000), ("judge40", 3_000_000)])
def test_weights_are_small(name, limit):
    assert len((files("tlgan.extractors") / "weights" / f"{name}.safetensors").read_bytes()) <= limit


def test_other_files_are_refused_in_one_line(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(TlganError, match="can't be read as safetensors"):
        load_network(path, "x")
    with pytest.raises(TlganError, match="can't be read"):
        load_network(tmp_path / "missing.safetensors", "x")
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(TlganError, match="does not describe an extractor known here"):
        load_network(path, "x")
    for described in (
        "{",
        "[]",
        json.dumps({"architecture": "residual", "features": ["age"], "input_size": 64}),  # right words, other tensors
        json.dumps({"architecture": "unheard_of", "features": ["age"], "input_size": 64}),
        json.dumps({"architecture": "residual", "features": ["wisdom"], "input_size": 64}),
    ):
        save_file({"a": torch.zeros(2)}, path, metadata={PACKAGED_KEY: described})
        with pytest.raises(TlganError, match="does not describe"):
            load_network(path, "x")


@pytest.mark.parametrize("architecture", ["residual", "plain"])
def test_a_folded_network_says_the_same_and_has_the_same_gradients(architecture: str) -> None:
    torch.manual_seed(0)
    network = ARCHITECTURES[architecture](5)
    network(torch.randn(16, 3, 64, 64) * 2 + 1)  # running statistics that are not those of the beginning
    network.eval()
    quick = folded(network)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in quick.modules())
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())
    found = []
    for each in (network, quick):
        pictures = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).requires_grad_()
        values = each(pictures)
        (gradient,) = torch.autograd.grad(values.square().sum(), pictures)
        found.append((values.detach(), gradient, each.embed(pictures).detach()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)
