"""Smaller pictures, batches that fit, and half the batch where memory ends."""

import numpy as np
import pytest
import torch

from tests.generators import official
from tlgan.errors import TlganError
from tlgan.generators import batch_size, load_generator, synthesize_batches, wrap_generator
from tlgan.samples.source import Source


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("side", [4, 8, 16, 32])
def test_pggan_stops_at_the_size_that_is_asked_for(tmp_path, side):
    network = official.pggan_network(1, resolution=32)
    loaded = load_generator(official.write(tmp_path / "g.pkl", network))
    z = normal(2, loaded.latent_dim)
    blocks = 32 // side  # what level of detail log2(32 / side) paints, each pixel as a block
    expected = official.paint_pggan(network, z, lod=np.log2(blocks))[:, :, ::blocks, ::blocks]
    assert np.abs(loaded.synthesize(z, resolution=side).numpy() - expected).max() < 1e-4


@pytest.mark.parametrize("side", [4, 8, 16])
def test_stylegan2_with_skips_stops_at_the_size_that_is_asked_for(tmp_path, side):
    network = official.stylegan2(1, resolution=16)
    loaded = load_generator(official.write(tmp_path / "g.pkl", {"G_ema": network}))
    w = torch.from_numpy(normal(2, loaded.num_ws, loaded.w_dim))
    blocks = network.state["_modules"]["synthesis"].state["_modules"]
    for larger in [name for name in blocks if int(name[1:]) > side]:
        del blocks[larger]
    images = loaded.synthesize(w, space="w+", resolution=side)
    assert np.abs(images.numpy() - official.paint_stylegan2(network, w.double())).max() < 1e-4


@pytest.mark.parametrize(
    ("make", "side"),
    [
        (lambda: official.stylegan2(1, architecture="resnet"), 8),
        (lambda: official.stylegan2(1, architecture="orig"), 4),
        (lambda: official.stylegan3(1), 8),
    ],
)
def test_others_are_shrunk_without_aliasing(tmp_path, make, side):
    loaded = load_generator(official.write(tmp_path / "g.pkl", {"G_ema": make()}))
    z = normal(2, loaded.latent_dim)
    whole = loaded.synthesize(z)
    box = 16 // side
    means = whole.view(2, 3, side, box, side, box).mean((3, 5))
    assert torch.allclose(loaded.synthesize(z, resolution=side), means, atol=1e-6)
    assert loaded.synthesize(z, resolution=7).shape == (2, 3, 7, 7)
    with pytest.raises(TlganError, match="resolution 17 is out of range"):
        loaded.synthesize(z, resolution=17)


class Stripes(torch.nn.Module):
    """Pictures that show their latent, from a machine with room for `room` of them."""

    def __init__(self, room=10**9):
        super().__init__()
        self.room, self.batches = room, []

    def forward(self, z):
        self.batches.append(len(z))
        if len(z) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return z.repeat_interleave(2, dim=1)[:, None, None, :].expand(-1, 3, 8, -1)


def test_out_of_memory_halves_the_batch_and_goes_on():
    module = Stripes()
    generator = wrap_generator(module, latent_dim=4)
    rows = torch.from_numpy(normal(23, 4)).clamp(-1, 1)
    module.room, module.batches = 3, []
    images = torch.cat(list(synthesize_batches(generator, rows, batch=16)))
    assert module.batches == [16, 8, 4, *[2] * 11, 1]  # halved three times, then every row once
    assert torch.equal(images, Stripes()(rows))


def test_out_of_memory_with_one_picture_is_told():
    module = Stripes()
    generator = wrap_generator(module, latent_dim=4)
    module.room = 0
    with pytest.raises(TlganError, match="not even one 8 px picture fits in the memory of cpu"):
        list(synthesize_batches(generator, torch.zeros(4, 4), batch=2))


class Lamp(torch.nn.Module):
    """A grey picture as bright as its latent, by way of a product that is `gain` times as large."""

    def __init__(self, gain):
        super().__init__()
        self.gain, self.precisions = gain, []

    def forward(self, z):
        product = z @ (torch.eye(4) * self.gain)
        self.precisions.append(product.dtype)
        return (product.float() / self.gain).mean(dim=1)[:, None, None, None].expand(-1, 3, 8, 8)


@pytest.mark.parametrize(("gain", "precision"), [(1.0, torch.float16), (1e6, torch.float32)])
def test_half_precision_is_used_where_the_pictures_stay_the_same(gain, precision):
    module = Lamp(gain)
    generator = wrap_generator(module, latent_dim=4)
    rows = torch.from_numpy(normal(9, 4)).clamp(-1, 1)
    module.precisions = []
    images = torch.cat(list(synthesize_batches(generator, rows, batch=8, half=True)))
    assert module.precisions == [torch.float32, torch.float16, precision, precision]  # tried both ways on four
    assert images.dtype == torch.float32
    assert torch.allclose(images, Lamp(1.0)(rows), atol=1e-3)


def test_half_precision_is_not_for_a_processor():
    module = Lamp(1.0)
    generator = wrap_generator(module, latent_dim=4)
    module.precisions = []
    list(synthesize_batches(generator, torch.zeros(3, 4)))
    assert module.precisions == [torch.float32]


@pytest.mark.parametrize("kind", ["pggan", "stylegan2", "stylegan3"])
def test_half_precision_of_the_kinds_that_are_built_in(kind, tmp_path):
    network = {
        "pggan": lambda: official.pggan_network(1, resolution=32),
        "stylegan2": lambda: official.stylegan2(1),
        "stylegan3": lambda: official.stylegan3(1),
    }[kind]()
    loaded = load_generator(official.write(tmp_path / "g.pkl", network))
    rows = loaded.sample(4, seed=1)
    (half,) = synthesize_batches(loaded, rows, half=True)
    whole = loaded.synthesize(rows)
    assert half.isfinite().all()
    assert (half - whole).abs().mean() <= 2 / 255


def test_the_batch_fits_the_machine(monkeypatch):
    generator = wrap_generator(Stripes(), latent_dim=4)
    generator.resolution = 1024
    assert batch_size(generator) == 1
    assert batch_size(generator, 64) == 32
    assert batch_size(generator, 128) == 8
    generator.device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 * 2**30, 16 * 2**30))
    assert 1 <= batch_size(generator) <= 4
    assert batch_size(generator, 128) > 8 * batch_size(generator)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**20, 16 * 2**30))
    assert batch_size(generator) == 1


def test_a_source_paints_at_its_resolution(tmp_path):
    loaded = load_generator(official.write(tmp_path / "g.pkl", official.pggan_network(1, resolution=32)))
    rows = normal(5, loaded.latent_dim)
    images = torch.cat(list(Source(loaded, resolution=8).pictures(rows)))
    assert torch.equal(images, loaded.synthesize(rows, resolution=8).clamp(-1, 1))
