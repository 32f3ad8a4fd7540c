"""OpenVINO IR: MobileStyleGAN recognised and painted as its graph computes it; what is damaged or hostile is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from tests.generators import openvino_writer as writer
from tlgan.errors import TlganError
from tlgan.generators import convert_checkpoint, inspect_checkpoint, load_generator
from tlgan.generators.interrupt import PaintingCalledOff, calling_off
from tlgan.generators.nets import mobilestylegan_fast


@pytest.fixture
def pair(tmp_path):
    return writer.write_pair(tmp_path)


def test_it_paints_what_the_graph_computes(pair):
    generator = load_generator(pair)
    assert (generator.latent_dim, generator.w_dim, generator.num_ws, generator.resolution) == (12, 12, 8, 32)
    z = generator.sample(2, seed=3)
    w = generator.map(z)
    pictures = generator.synthesize(w, space="w")
    for row in range(2):
        expected = writer.evaluate(writer.mapping(seed=1), z[row : row + 1])
        torch.testing.assert_close(w[row : row + 1], expected, atol=1e-5, rtol=1e-5)
        expected = writer.evaluate(writer.synthesis(seed=2), w[row : row + 1])
        torch.testing.assert_close(pictures[row : row + 1], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(generator.synthesize(z), pictures)


@pytest.mark.parametrize(
    "options", [{"version": 11}, {"dtype": np.float16}, {"channels": 1}, {"widths": (8, 4, 12, 4)}]
)
def test_versions_types_and_sizes(tmp_path, options):
    generator = load_generator(writer.write_pair(tmp_path, **options))
    w = generator.sample(1, seed=0, space="w")
    expected = writer.evaluate(writer.synthesis(seed=2, **options), w)
    rounded = 1e-2 if "dtype" in options else 1e-5  # in float16 the graph's own sqrt(1/2) is off by 1e-4
    torch.testing.assert_close(generator.synthesize(w, space="w"), expected, atol=rounded, rtol=1e-4)


def test_either_file_of_either_network_or_a_stem_will_do(pair):
    refs = [pair, pair.with_suffix(".bin"), pair.with_suffix(""), pair.with_name("MappingNetwork.xml")]
    assert len({load_generator(ref).fingerprint for ref in refs}) == 1


def test_other_weights_are_another_generator(tmp_path):
    first = load_generator(writer.write_pair(tmp_path)).fingerprint
    weights = tmp_path / "MappingNetwork.bin"
    data = bytearray(weights.read_bytes())
    data[100] ^= 1
    weights.write_bytes(data)
    assert load_generator(tmp_path / "SynthesisNetwork.xml").fingerprint != first


def test_w_plus_truncation_noise_and_gradients(pair):
    generator = load_generator(pair)
    w = generator.sample(2, seed=0, space="w+").requires_grad_()
    pictures = generator.synthesize(w, space="w+")
    pictures.square().sum().backward()
    assert (w.grad.abs().amax(dim=(0, 2)) > 0).all()  # every layer has a part in the picture
    assert not torch.allclose(pictures, generator.synthesize(w.detach(), space="w+", noise="none"))
    mean = generator.map(generator.sample(4, seed=9), truncation=0.0)
    torch.testing.assert_close(mean, mean[:1].expand(4, -1))


@pytest.mark.parametrize("widths", [(16, 16, 8), (8, 4, 12, 6)])
def test_strips_paint_what_the_whole_network_does(tmp_path, widths, monkeypatch):
    """The quick way of painting, in strips of few rows and with pictures one by one, against the differentiable one."""
    monkeypatch.setattr(mobilestylegan_fast, "_STRIP", 1)
    monkeypatch.setattr(mobilestylegan_fast, "_ALONE", 16)
    generator = load_generator(writer.write_pair(tmp_path, widths=widths))
    w = generator.sample(3, seed=4, space="w+") + 0.1 * torch.randn(3, generator.num_ws, 12)
    for noise in ("const", "none"):
        plain = generator.synthesize(w.clone().requires_grad_(), space="w+", noise=noise).detach()
        quick = generator.synthesize(w, space="w+", noise=noise)
        assert quick.grad_fn is None
        torch.testing.assert_close(quick, plain, atol=1e-4, rtol=1e-4)
        for side in generator.feature_sides:
            plain = generator.features(w.clone().requires_grad_(), space="w+", noise=noise, side=side).detach()
            features = generator.features(w, space="w+", noise=noise, side=side)
            torch.testing.assert_close(features, plain, atol=1e-5 * float(plain.abs().max()), rtol=1e-4)


def test_a_copy_paints_the_same(pair, tmp_path):
    generator = load_generator(pair)
    w = generator.sample(2, seed=0, space="w")
    copy = load_generator(convert_checkpoint(pair, tmp_path / "copy.safetensors"))
    assert copy.fingerprint == generator.fingerprint
    assert torch.equal(copy.synthesize(w, space="w"), generator.synthesize(w, space="w"))
    torch.testing.assert_close(copy.map(w, truncation=0.0), generator.map(w, truncation=0.0))
    half = load_generator(convert_checkpoint(pair, tmp_path / "half.safetensors", half=True))
    assert half.fingerprint not in (generator.fingerprint, copy.fingerprint)
    difference = half.synthesize(w, space="w") - generator.synthesize(w, space="w")
    assert 0 < difference.abs().mean() < 0.02
    assert (tmp_path / "half.safetensors").stat().st_size < 0.7 * (tmp_path / "copy.safetensors").stat().st_size


def test_inspection(pair):
    found = inspect_checkpoint(pair)
    assert (found.container, found.architecture, found.format) == ("openvino", "mobilestylegan", "OpenVINO IR")
    assert (found.latent_dim, found.w_dim, found.resolution, found.channels) == (12, 12, 32, 3)


# -- features, heads, calling off -------------------------------------------------------------------------------


class Head:
    fingerprint, side, resolution = "0" * 64, 8, 16

    def __call__(self, features, latents):
        assert features.shape[1:] == (16, 8, 8)
        assert latents.shape[1:] == (8, 12)
        return torch.nn.functional.interpolate(features[:, :3], scale_factor=2.0)


def test_a_head_paints_small_pictures(pair):
    generator = load_generator(pair)
    w = generator.sample(2, seed=0, space="w")
    features = generator.features(w, space="w", side=8)
    small = generator.with_head(Head())
    expected = torch.nn.functional.interpolate(features[:, :3], scale_factor=2.0)
    assert torch.equal(small.synthesize(w, space="w", resolution=16), expected)
    assert small.synthesize(w, space="w", resolution=8).shape[-1] == 8
    for resolution in (17, 32, None):  # what the head doesn't paint is the whole picture
        assert torch.equal(
            small.synthesize(w, space="w", resolution=resolution),
            generator.synthesize(w, space="w", resolution=resolution),
        )
    assert generator.head is None
    assert small.with_head(None).head is None
    with pytest.raises(TlganError, match="has no features of 7 px: it has 4, 8, 16"):
        generator.features(w, space="w", side=7)


def test_painting_can_be_called_off(pair):
    generator = load_generator(pair)
    w = generator.sample(1, seed=0, space="w")
    asked = []

    def unwanted():
        asked.append(True)
        return len(asked) == 2

    with pytest.raises(PaintingCalledOff), calling_off(unwanted):
        generator.synthesize(w, space="w")
    assert len(asked) == 2
    generator.synthesize(w, space="w")
    assert len(asked) == 2


# -- what is refused --------------------------------------------------------------------------------------------


def refused(path, pattern):
    with pytest.raises(TlganError) as caught:
        load_generator(path)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    assert path.name in line
    assert re.search(pattern, line), line


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
EDITS = {
    "billion laughs": (r"<net ", f'<!DOCTYPE net [<!ENTITY l0 "lol">{LAUGHS}]><net id="&l9;" ', "document type"),
    "external entity": (r"<net ", '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]><net ', "document type"),
    "remote document type": (r"<net ", '<!DOCTYPE net SYSTEM "http://127.0.0.1:9/x"><net ', "document type"),
    "version 9": (r'version="10"', 'version="9"', "version 9: expected 10 or 11"),
    "version 12": (r'version="10"', 'version="12"', "version 12: expected 10 or 11"),
    "no version": (r'version="10"', "", "expected a whole number"),
    "custom layer": (r'version="opset1"', 'version="extension"', "no standard operations"),
    "offset beyond": (r'offset="0"', 'offset="999999999"', r"its \.bin has \d+"),
    "negative offset": (r'offset="0"', 'offset="-8"', "expected a whole number"),
    "size too large": (r' size="4"', ' size="400000000"', "damaged"),
    "shape too large": (r'shape="1, 16, 4, 4"', 'shape="1, 16, 4, 4000000000"', "damaged"),
    "wrong type": (r'element_type="f32" shape="16, 12"', 'element_type="i8" shape="16, 12"', "damaged"),
    "unknown type": (r'element_type="f32" shape="16, 12"', 'element_type="q3" shape="16, 12"', "not known"),
    "huge output": (r"<dim>32</dim>", "<dim>3000000000</dim>", "more numbers"),
    "edge from nowhere": (r'from-layer="3"', 'from-layer="3000"', "not there"),
    "edge twice": (r"(<edge [^>]*>)", r"\1\1", "no such input free"),
    "missing edge": (r"<edge [^>]*>", "", "no edge leads to"),
    "two of one id": (r'<layer id="3"', '<layer id="2"', "the id 2"),
    "truncated": (r"(?s)<edges>.*", "", "XML is damaged"),
    "another document": (r"(?s)<net .*", "<svg/>", "expected <net>"),
    "no layers": (r"(?s)<layers>.*</edges>", "", "no layers"),
    "layer without layers": (r"(?s)<layers>.*</edges>", '<layer><data a="1"/></layer>', "no layers"),
    "deep": (r"<meta_data/>", "<a>" * 100 + "</a>" * 100, "deeper"),
}


@pytest.mark.parametrize("what", EDITS)
def test_hostile_xml_ends_in_one_line(pair, what):
    pattern, replacement, expected = EDITS[what]
    text, count = re.subn(pattern, replacement, pair.read_text("utf-8"), count=1)
    assert count == 1
    pair.write_text(text, "utf-8")
    refused(pair, expected)


def test_a_cycle(pair):
    net = writer.synthesis(seed=2)
    number = next(i for i, layer in enumerate(net.layers) if layer["kind"] == "Multiply")
    later = next(i for i, layer in enumerate(net.layers) if layer["kind"] == "Convolution")
    index = next(i for i, edge in enumerate(net.edges) if edge[2] == number)
    net.edges[index] = (later, 2, number, net.edges[index][3])
    net.write(pair)
    refused(pair, "depend on themselves")


def test_a_truncated_bin(pair):
    weights = pair.with_suffix(".bin")
    weights.write_bytes(weights.read_bytes()[:-1000])
    refused(pair, "fetch both files again")
    weights.write_bytes(b"")
    refused(pair, "its .bin has 0")
    weights.unlink()
    refused(pair, "SynthesisNetwork.bin is not beside it")


def test_one_network_without_the_other(pair):
    pair.with_name("MappingNetwork.xml").rename(pair.with_name("MappingNetwork.txt"))
    refused(pair, "expected its mapping network beside it, there is none")
    pair.with_name("MappingNetwork.txt").rename(pair.with_name("first.xml"))
    pair.with_name("MappingNetwork.bin").rename(pair.with_name("first.bin"))
    assert load_generator(pair).num_ws == 8  # the only one that fits
    for suffix in (".xml", ".bin"):
        pair.with_name(f"second{suffix}").write_bytes(pair.with_name(f"first{suffix}").read_bytes())
    refused(pair, "there are first.xml, second.xml")


@pytest.mark.parametrize("change", [{"low": 0.7}, {"widths": (16,)}])
def test_what_is_built_otherwise_is_not_taken_for_one(tmp_path, change):
    """Nearly a MobileStyleGAN would be painted wrongly."""
    path = writer.write_pair(tmp_path, **change)
    with pytest.raises(TlganError, match=r"tlgan\[openvino\]|expected|paints"):
        load_generator(path)
