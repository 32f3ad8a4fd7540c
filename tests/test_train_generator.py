"""The generator's recipe on tiny made-up pictures: data, code, loop, resuming, and the file that `tlgan` loads."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import tlgan
from generator.augment import disturb, moved
from generator.code import Code
from generator.data import as_float, read_pictures
from generator.export import export
from generator.frechet import Moments, frechet_distance
from generator.slim import distil, pruned, widths_of
from generator.training import Plan, Training
from tlgan.errors import TlganError
from tlgan.generators.formats.converted import read_safetensors
from tlgan.generators.formats.inspection import inspect_checkpoint
from tlgan.generators.nets.modulated import ModulatedConv, ModulatedNet, ToPicture

RECIPES = Path(__file__).parents[1] / "recipes"
TINY = {"latent_dim": 12, "widths": (16, 16, 16, 8), "code": 6, "batch": 8, "average_over": 32}


def encoded(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def discs(n: int, side: int = 32, seed: int = 0) -> torch.Tensor:
    """Discs of any size and colour on any ground, uint8 [n, 3, side, side]."""
    rng = np.random.default_rng(seed)
    places = np.arange(side) - side / 2
    inside = (places[:, None] ** 2 + places**2) < (side * rng.uniform(0.15, 0.45, n)[:, None, None]) ** 2
    colours = rng.uniform(0, 255, (2, n, 3, 1, 1))
    return torch.from_numpy(np.where(inside[:, None], colours[0], colours[1]).astype(np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six upright pictures whose rows tell where a square was cut: red grows downwards."""
    for n in range(6):
        array = np.zeros((60, 40, 3), np.uint8)
        array[..., 0] = np.arange(60)[:, None] * 4
        Image.fromarray(array).save(tmp_path / f"{n}.png")
    return tmp_path


def test_squares_are_cut_where_they_were_asked_for(folder: Path) -> None:
    top, bottom = (read_pictures(folder, 32, place=place) for place in (0.0, 1.0))
    assert top.shape == (6, 3, 32, 32)
    assert top[0, 0].float().mean() == pytest.approx(19.5 * 4, abs=1)  # rows 0 to 39
    assert bottom[0, 0].float().mean() == pytest.approx(39.5 * 4, abs=1)  # rows 20 to 59


def test_parquet_holds_bytes_or_structs_of_them(tmp_path: Path) -> None:
    blobs = [encoded(picture.permute(1, 2, 0).numpy()) for picture in discs(3)]
    for name, column in (("plain", blobs), ("hub", [{"bytes": blob, "path": None} for blob in blobs])):
        pq.write_table(pa.table({"image": column}), tmp_path / f"{name}.parquet")
        assert torch.equal(read_pictures(tmp_path / f"{name}.parquet", 32), discs(3))


@pytest.mark.parametrize("source", ["nowhere", "."])
def test_a_source_without_pictures_is_one_line(tmp_path: Path, source: str) -> None:
    with pytest.raises(SystemExit, match=r"expected|neither"):
        read_pictures(tmp_path / source, 32)


def test_codes_of_the_pictures_are_white_and_tell_them_apart() -> None:
    pictures = as_float(discs(200))
    code, codes = Code.fit(pictures.split(50), 6, None)
    assert codes.mean(dim=0).abs().max() < 1e-3
    assert torch.allclose(torch.cov(codes.t()), torch.eye(6), atol=0.02)
    again = code.of(pictures, None)
    assert torch.allclose(again, codes, atol=1e-2)
    assert code.distance(again, codes) < 1e-3 < code.distance(again, codes.flip(0))


def test_disturbed_pictures_let_gradients_through_and_moving_keeps_what_is_seen() -> None:
    x = as_float(discs(8)).requires_grad_(True)
    disturb(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum(dim=(1, 2, 3)).min() > 0
    flat = torch.full((2, 3, 8, 8), 0.25)
    assert torch.equal(moved(flat, 3), flat)


def test_frechet_distance_of_gaussians_is_the_formula() -> None:
    a = Moments(torch.zeros(2).double(), torch.eye(2).double())
    b = Moments(torch.tensor([3.0, 4.0]).double(), 4 * torch.eye(2).double())
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(25 + 2 * (1 - 2) ** 2)


@pytest.mark.parametrize("doubles", [False, True])
def test_a_modulated_convolution_is_one_with_a_kernel_of_its_own_for_each_picture(doubles: bool) -> None:
    """Against StyleGAN2's own way to write it: repeat pixels, scale each kernel, normalise it, convolve, let through."""
    torch.manual_seed(0)
    layer, x, z = ModulatedConv(5, 4, 6, doubles=doubles), torch.randn(3, 4, 7, 5), torch.randn(3, 5)
    torch.nn.init.normal_(layer.bias)
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3) if doubles else x
    for row in range(3):
        kernel = layer.weight * layer.style(z[row])[None, :, None, None]
        kernel = kernel / kernel.square().sum(dim=(1, 2, 3), keepdim=True).add(1e-6).sqrt()
        y = torch.nn.functional.conv2d(repeated[row : row + 1], kernel, layer.bias, padding=1)
        expected = 2**0.5 * torch.nn.functional.leaky_relu(y, 0.2)
        assert torch.allclose(layer(x, layer.style(z))[row : row + 1], expected, atol=1e-5)
    trained = layer(x, layer.style(z))
    layer.freeze()
    assert torch.allclose(layer(x, layer.style(z)), trained, atol=1e-6)


def test_the_picture_layer_mixes_channels_by_a_style_of_their_own() -> None:
    torch.manual_seed(0)
    layer, x, z = ToPicture(5, 4, 3), torch.randn(2, 4, 6, 7), torch.randn(2, 5)
    torch.nn.init.normal_(layer.bias)
    expected = torch.nn.functional.conv2d(x * layer.style(z)[:, :, None, None], layer.weight, layer.bias)
    assert torch.allclose(layer(x, layer.style(z)), expected, atol=1e-5)
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.allclose(layer(last, layer.style(z)), expected, atol=1e-5)


def test_a_frozen_network_paints_the_same() -> None:
    torch.manual_seed(0)
    network, z = ModulatedNet(6, (8, 8, 4)), torch.randn(3, 6)
    trained = network(z)
    network.freeze()
    assert torch.allclose(network(z), trained, atol=1e-6)


def test_a_slimmer_network_of_all_channels_paints_the_same() -> None:
    torch.manual_seed(0)
    network, z = ModulatedNet(6, (8, 8, 4)), torch.randn(3, 6)
    assert torch.allclose(pruned(network, (8, 8, 4))(z), network(z), atol=1e-6)


def test_channels_that_nobody_listens_to_are_left_out_first() -> None:
    torch.manual_seed(0)
    network, z = ModulatedNet(6, (8, 8, 4)), torch.randn(3, 6)
    with torch.no_grad():
        network.blocks[0].narrow.weight[:, 2] = 0  # the ground's
        network.blocks[0].refine.weight[:, 5] = 0
        network.blocks[1].narrow.weight[:, 1] = 0  # a block's own, of which the picture takes nothing either
        network.blocks[0].to_picture.weight[:, 1] = 0
    slim = pruned(network, (7, 7, 4))
    assert widths_of(slim.state_dict()) == (7, 7, 4)
    # One block keeps 7 of 8 in two places: the silent one of each is gone, and nothing else that can be heard.
    assert torch.equal(slim.ground.bias.view(7, -1), network.ground.bias.view(8, -1)[[0, 1, 3, 4, 5, 6, 7]])
    assert torch.allclose(slim(z), network(z), atol=1e-5)


def test_a_slimmer_network_learns_from_the_larger_one() -> None:
    torch.manual_seed(0)
    network, z = ModulatedNet(6, (16, 16, 8)), torch.randn(64, 6)
    slim = pruned(network, (8, 8, 4))
    with torch.no_grad():
        before = (slim(z) - network(z)).abs().mean()
    said: list[str] = []
    distil(network, slim, 16_000, None, batch=64, say=said.append)
    with torch.no_grad():
        assert (slim(z) - network(z)).abs().mean() < 0.7 * before
    assert said == [f"16000 pictures: unlikeness {said[0].split()[-1]}"]


def test_training_learns_the_pictures_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pictures = discs(128)
    plan = Plan(pictures=480, warm_up=320, checkpoint_minutes=60, measure_every=10**9, learning_rate=2e-3, **TINY)
    first = Training(pictures, plan, tmp_path, None)
    sketched = float(first.step()[0])
    said: list[str] = []
    first.run(say=said.append)
    assert float(first.step()[0]) < 0.8 * sketched
    assert said[-1].startswith("480 pictures")
    saved = Training(pictures, plan, tmp_path, None)
    assert saved.seen == 480
    assert saved.run(say=said.append) is not None
    assert saved.seen == 480
    assert list(tmp_path.glob("grid-*.png"))


def test_what_was_trained_is_a_generator_for_everybody(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = ModulatedNet(12, (16, 16, 16, 8))
    path = tmp_path / "mine.safetensors"
    export(network, 480, "discs", path)
    generator = tlgan.load_generator(path)
    assert (generator.latent_dim, generator.resolution, generator.channels, generator.spaces) == (12, 32, 3, ("z",))
    z = generator.sample(5, seed=3).requires_grad_(True)
    images = generator.synthesize(z)
    assert torch.allclose(images, network(z), atol=0.02)
    assert torch.autograd.grad(images.sum(), z)[0].abs().min() > 0
    found = inspect_checkpoint(path)
    assert (found.architecture, found.resolution, found.latent_dim, found.channels) == ("modulated", 32, 12, 3)
    assert all(record.load().dtype == torch.float16 for record in read_safetensors(path)[0].values())


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    network = ModulatedNet(12, (16, 16, 16))
    network.blocks[1].narrow.weight = torch.nn.Parameter(torch.zeros(16, 15, 3, 3))
    export(network, 0, "", tmp_path / "bad.safetensors")
    with pytest.raises(TlganError, match=r"blocks.1.narrow.weight .* expected \[16, 16, 3, 3\]"):
        tlgan.load_generator(tmp_path / "bad.safetensors")


def test_the_command_trains_from_a_folder(tmp_path: Path) -> None:
    (pictures := tmp_path / "pictures").mkdir()
    for n, picture in enumerate(discs(12)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(pictures / f"{n}.png")
    command = [sys.executable, RECIPES / "train_generator.py", "--pictures", pictures, "-o", tmp_path / "out"]
    command += ["--side", "32", "--shown", "8", "--batch", "8", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    generator = tlgan.load_generator(tmp_path / "out" / "generator.safetensors")
    assert generator.synthesize(generator.sample(2, seed=0)).shape == (2, 3, 32, 32)

    slim = [sys.executable, RECIPES / "slim_generator.py", tmp_path / "out", "-o", tmp_path / "slim", "--threads", "1"]
    done = subprocess.run([*slim, "--widths", "64,64,32"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "--widths 64,64,32: expected 4 numbers, none above 256,256,128,64" in done.stderr
    done = subprocess.run(
        [*slim, "--widths", "64,32,16,8", "--shown", "64"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    command[command.index("-o") + 1] = tmp_path / "slim"
    command[command.index("--shown") + 1] = "16"
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "8 of 16 shown so far" in done.stdout
    slimmer = tlgan.load_generator(tmp_path / "slim" / "generator.safetensors")
    assert slimmer.synthesize(slimmer.sample(2, seed=0)).shape == (2, 3, 32, 32)
    assert (tmp_path / "slim" / "generator.safetensors").stat().st_size < 1_000_000

    (pictures / "0.png").unlink()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "was begun with 12 pictures, not 11" in done.stderr
