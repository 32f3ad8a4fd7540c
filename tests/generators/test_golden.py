"""Every kind of checkpoint against the outputs of the official code for it (`tests/checkpoints/README.md`)."""

from pathlib import Path

import numpy as np
import pytest

from tlgan.errors import TlganError
from tlgan.generators import load_generator

FOLDER = Path(__file__).parents[1] / "checkpoints"
PICTURES, LATENTS = 1e-4, 1e-5  # tolerances
PGGANS = ["pggan_64_fused", "pggan_32_unfused_labels", "pggan_128_lod"]
STYLEGANS = ["sg2_64", "sg2_32_cond", "sg3t_32", "sg3r_32", "rosinality_64"]


def file(name):
    return next(path for path in FOLDER.glob(f"{name}.p*") if path.suffix in (".pkl", ".pt"))


def golden(name):
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def assert_close(ours, expected, tolerance):
    ours = ours.numpy()
    assert ours.dtype == np.float32
    assert ours.shape == expected.shape
    assert np.abs(ours - expected).max() <= tolerance


@pytest.mark.parametrize("name", PGGANS)
def test_pggan(name):
    want, generator = golden(name), load_generator(file(name))
    label = want["labels"] if want["labels"].shape[1] else None
    assert generator.spaces == ("z",)
    assert generator.latent_dim == want["z"].shape[1]
    assert generator.label_dim == want["labels"].shape[1]
    assert generator.resolution == want["images"].shape[-1]
    assert_close(generator.synthesize(want["z"], label=label), want["images"], PICTURES)
    raw = load_generator(file(name), network="G")
    assert_close(raw.synthesize(want["z"], label=label), want["images_G"], PICTURES)
    assert raw.fingerprint != generator.fingerprint


@pytest.mark.parametrize("lod", ["0", "1", "1.7", "3.25"])
def test_pggan_levels_of_detail(lod):
    name = "pggan_128_lod"
    want = golden(name)
    expected = want[f"images_lod_{lod}"]
    assert_close(load_generator(file(name), lod=float(lod)).synthesize(want["z"]), expected, PICTURES)
    assert_close(load_generator(file(name)).synthesize(want["z"], lod=float(lod)), expected, PICTURES)


@pytest.mark.parametrize("name", STYLEGANS)
def test_stylegan_mapping(name):
    want, generator = golden(name), load_generator(file(name))
    label = want.get("c")
    n, layers, dim = want["w"].shape
    assert (generator.num_ws, generator.w_dim) == (layers, dim)
    assert generator.spaces == ("z", "w", "w+")
    w = generator.map(want["z"], label=label)
    assert w.shape == (n, dim)
    assert_close(w, want["w"][:, 0], LATENTS)
    assert_close(generator.map(want["z"], label=label, truncation=0.7), want["w_psi07"][:, 0], LATENTS)
    if "w_psi05_cutoff3" in want:
        cut = generator.map(want["z"], label=label, truncation=0.5, cutoff=3)
        assert_close(cut, want["w_psi05_cutoff3"], LATENTS)


@pytest.mark.parametrize("name", STYLEGANS)
def test_stylegan_pictures(name):
    want, generator = golden(name), load_generator(file(name))
    label = want.get("c")
    assert_close(generator.synthesize(want["z"], label=label), want["images"], PICTURES)
    assert_close(generator.synthesize(want["w"][:, 0], space="w"), want["images"], PICTURES)
    assert_close(generator.synthesize(want["w"], space="w+"), want["images"], PICTURES)
    assert_close(generator.synthesize(want["w_psi07"], space="w+"), want["images_psi07"], PICTURES)
    assert_close(generator.synthesize(want["z"], label=label, truncation=0.7), want["images_psi07"], PICTURES)
    assert_close(generator.synthesize(want["ws_rand"], space="w+"), want["images_ws_rand"], PICTURES)
    if "images_G" in want:
        raw = load_generator(file(name), network="G")
        assert_close(raw.synthesize(want["z"], label=label), want["images_G"], PICTURES)


@pytest.mark.parametrize("name", ["sg2_64", "sg2_32_cond", "rosinality_64"])
def test_noise(name):
    want, generator = golden(name), load_generator(file(name))
    label = want.get("c")
    assert_close(generator.synthesize(want["z"], label=label, noise="none"), want["images_nonoise"], PICTURES)
    # the constant noise is not the same as none, and the random one is neither of the two
    assert np.abs(want["images"] - want["images_nonoise"]).max() > 100 * PICTURES
    random = [generator.synthesize(want["z"], label=label, noise="random") for _ in range(2)]
    assert (random[0] - random[1]).abs().max() > 100 * PICTURES


@pytest.mark.parametrize("name", ["sg3t_32", "sg3r_32"])
def test_input_transform(name):
    want, generator = golden(name), load_generator(file(name))
    moved = generator.synthesize(want["z"], transform=want["transform"])
    assert_close(moved, want["images_transform"], PICTURES)
    each = np.stack([want["transform"], np.eye(3, dtype=np.float32)])
    both = generator.synthesize(want["z"], transform=each)
    assert_close(both[:1], want["images_transform"][:1], PICTURES)
    assert_close(both[1:], want["images"][1:], PICTURES)
    with pytest.raises(TlganError, match="transform of shape"):
        generator.synthesize(want["z"], transform=np.eye(2))


def test_a_default_truncation():
    want = golden("sg2_64")
    generator = load_generator(file("sg2_64"), truncation=0.7)
    assert_close(generator.map(want["z"]), want["w_psi07"][:, 0], LATENTS)
    assert_close(generator.synthesize(want["z"]), want["images_psi07"], PICTURES)
    assert_close(generator.map(want["z"], truncation=1.0), want["w"][:, 0], LATENTS)


def test_the_average_of_w_is_computed_where_the_file_has_none():
    generator = load_generator(file("rosinality_64"))
    np.testing.assert_allclose(generator._w_mean(), golden("rosinality_64")["latent_avg"].ravel(), atol=1e-6)
    generator._average = None  # as it is where `latent_avg` is missing
    w = generator.map(generator.sample(20_000, seed=1), truncation=1.0)
    standard_error = w.std(0) / 20_000**0.5
    assert ((generator._w_mean() - w.mean(0)).abs() < 6 * standard_error).all()
    assert_close(
        generator.map(generator.sample(3, seed=2), truncation=0.0), generator._w_mean().expand(3, -1).numpy(), LATENTS
    )
