"""Options that the golden files don't have, against the literal float64 readings of `official.py`."""

import argparse

import numpy as np
import pytest
import torch

from tests.generators import official
from tlgan.errors import TlganError
from tlgan.generators import convert_checkpoint, inspect_checkpoint, load_generator

PICTURES, LATENTS = 1e-4, 1e-5


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_close(ours, expected, tolerance=PICTURES):
    assert ours.dtype == torch.float32
    assert tuple(ours.shape) == expected.shape
    assert float(np.abs(expected).max()) > 100 * tolerance  # neither is nothing
    assert float(np.abs(ours.numpy() - expected).max()) <= tolerance


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_pixelnorm": False},
        {"use_pixelnorm": False, "fused_scale": False, "num_channels": 1},
        {"use_wscale": False},
        {"use_leakyrelu": False, "pixelnorm_epsilon": 1e-2},
        {"normalize_latents": False, "latent_size": 7},
        {"label_size": 4, "structure": "recursive"},
        {"num_channels": 1, "label_size": 2, "fused_scale": False, "use_leakyrelu": False},
        {"fmap_decay": 0.5, "fmap_base": 30, "fmap_max": 9, "resolution": 32},
        {"resolution": 4},
        {"dtype": np.float64, "mbstd_group_size": 4, "tanh_at_end": None},
    ],
    ids=str,
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_pggan_options(tmp_path, options, protocol):
    networks = [official.pggan_network(seed, **options) for seed in (1, 2, 3)]
    path = official.write(tmp_path / "network-snapshot.pkl", tuple(networks), protocol)
    labels = options.get("label_size", 0)
    for name, network in (("G", networks[0]), (None, networks[2])):
        loaded = load_generator(path, network=name)
        z, label = normal(3, loaded.latent_dim), normal(3, labels, seed=2) if labels else None
        assert (loaded.label_dim, loaded.channels) == (labels, options.get("num_channels", 3))
        assert_close(loaded.synthesize(z, label=label), official.paint_pggan(network, z, label))


@pytest.mark.parametrize("lod", [0.0, 0.25, 1.0, 1.9, 2.0, 7.0])
@pytest.mark.parametrize("fused", [True, False])
def test_pggan_level_of_detail_of_the_file(tmp_path, lod, fused):
    network = official.pggan_network(5, lod=lod, fused_scale=fused)
    loaded = load_generator(official.write(tmp_path / "g.pkl", network))  # a network alone, not a triple
    z = normal(2, loaded.latent_dim)
    assert_close(loaded.synthesize(z), official.paint_pggan(network, z))
    assert_close(loaded.synthesize(z, lod=1.5), official.paint_pggan(network, z, lod=1.5))


STYLEGAN2 = [
    {"architecture": "orig"},
    {"architecture": "resnet"},
    {"architecture": "resnet", "clamp": 0.5, "channels": 1},
    {"clamp": 0.4},
    {"c_dim": 3, "channels": 1},
    {"channels_last": True, "old": True},
    {"use_noise": False, "act": "relu"},
    {"act": "swish", "taps": (1, 2, 1)},
    {"taps": (1, 4, 2, 0.5, 3), "architecture": "resnet"},  # neither even nor symmetric
    {"taps": (1, 2, 3, 4, 4, 3, 2, 1), "c_dim": 2, "architecture": "orig"},  # stored as one row
    {"act": "elu", "kernel": 1, "average": False},
]


def styles(network, loaded, label_dim):
    z = normal(2, loaded.latent_dim)
    label = np.eye(label_dim, dtype=np.float32)[[1, 0]] if label_dim else None
    w = official.apply_mapping(network.state["_modules"]["mapping"], z, label)
    return z, label, w


@pytest.mark.parametrize("options", STYLEGAN2, ids=str)
def test_stylegan2_options(tmp_path, options):
    networks = {"G": official.stylegan2(1, **options), "G_ema": official.stylegan2(2, **options)}
    tree = {"G": networks["G"], "D": None, "G_ema": networks["G_ema"], "training_set_kwargs": official.EasyDict(a=1)}
    path = official.write(tmp_path / "network-snapshot-000.pkl", tree, 3)
    for name, network in networks.items():
        loaded = load_generator(path, network=name)
        z, label, w = styles(network, loaded, options.get("c_dim", 0))
        assert_close(loaded.map(z, label=label), w.detach().numpy(), LATENTS)
        ws = w[:, None].expand(-1, loaded.num_ws, -1)
        for noise in ("const", "none"):
            expected = official.paint_stylegan2(network, ws, noise)
            assert_close(loaded.synthesize(z, label=label, noise=noise), expected)
    if "average" not in options:
        mean = networks["G_ema"].state["_modules"]["mapping"].state["_buffers"]["w_avg"].double()
        truncated = (mean + 0.6 * (w - mean)).detach()
        loaded = load_generator(path)
        assert_close(loaded.map(z, label=label, truncation=0.6), truncated.numpy(), LATENTS)
        mixed = torch.where(torch.arange(loaded.num_ws)[:, None] < 3, truncated[:, None], w[:, None])
        expected = official.paint_stylegan2(networks["G_ema"], mixed)
        assert_close(loaded.synthesize(z, label=label, truncation=0.6, cutoff=3), expected)


STYLEGAN3 = [
    {},
    {"c_dim": 3},
    {"c_dim": 2, "conv_kernel": 1, "radial": True, "channels": 1},
    {"clamp": 0.3, "output_scale": 1.0},
    {"clamp": None, "margin": 7, "num_critical": 2, "num_layers": 5},
    {"filter_size": 5, "first_cutoff": 3.0, "last_stopband_rel": 2**0.5, "old": True},
    {"lrelu_upsampling": 4, "radial": True, "resolution": 32, "channel_max": 8},
]


@pytest.mark.parametrize("options", STYLEGAN3, ids=str)
def test_stylegan3_options(tmp_path, options):
    network = official.stylegan3(3, **options)
    path = official.write(tmp_path / "snapshot.pkl", {"G": None, "G_ema": network})
    loaded = load_generator(path)
    z, label, w = styles(network, loaded, options.get("c_dim", 0))
    assert_close(loaded.map(z, label=label), w.detach().numpy(), LATENTS)
    mixed = w.detach()[:, None] + torch.from_numpy(normal(2, loaded.num_ws, loaded.w_dim, seed=4)) * 0.3
    expected = official.paint_stylegan3(network, mixed)
    assert_close(loaded.synthesize(mixed.float(), space="w+"), expected)
    move = np.array([[0.8, -0.6, 0.1], [0.6, 0.8, -0.05], [0, 0, 1]], dtype=np.float32)
    moved = official.paint_stylegan3(network, mixed, move)
    assert np.abs(moved - expected).max() > 100 * PICTURES
    assert_close(loaded.synthesize(mixed.float(), space="w+", transform=move), moved)


@pytest.mark.parametrize("make", [official.stylegan2, official.stylegan3])
def test_conversion_keeps_the_options(tmp_path, make):
    path = official.write(tmp_path / "snapshot.pkl", {"G_ema": make(4, c_dim=2, clamp=0.5, channels=1)})
    copy = convert_checkpoint(path, tmp_path / "copy.safetensors")
    z, label = normal(2, load_generator(path).latent_dim), 1
    assert torch.equal(load_generator(path).synthesize(z, label=label), load_generator(copy).synthesize(z, label=label))
    assert load_generator(path).fingerprint == load_generator(copy).fingerprint
    before, after = inspect_checkpoint(path), inspect_checkpoint(copy)
    assert (before.resolution, before.channels, before.label_dim) == (16, 1, 2)
    assert (before.latent_dim, before.w_dim, before.parameters) == (after.latent_dim, after.w_dim, after.parameters)


# -- rosinality: the same pictures whatever the file around the state_dict ------------------------------------------


def rosinality_state():
    with np.load(official.__file__.replace("generators/official.py", "checkpoints/rosinality_64.npz")) as want:
        golden = dict(want)
    checkpoint = torch.load(
        official.__file__.replace("generators/official.py", "checkpoints/rosinality_64.pt"), weights_only=True
    )
    return checkpoint, golden


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_rosinality_training_checkpoint(tmp_path, zipped, protocol):
    checkpoint, want = rosinality_state()
    parameters = [torch.nn.Parameter(torch.zeros(3))]
    optimiser = torch.optim.Adam(parameters, lr=0.002, betas=(0.0, 0.99))
    parameters[0].grad = torch.ones(3)
    optimiser.step()
    raw = {name: tensor.roll(1) if tensor.ndim else tensor for name, tensor in checkpoint["g_ema"].items()}
    tree = {
        "g": {f"module.{name}": tensor for name, tensor in raw.items()},
        "d": {"convs.0.0.weight": torch.zeros(4, 3, 1, 1), "final_linear.1.weight": torch.zeros(1, 4)},
        "g_ema": checkpoint["g_ema"],
        "g_optim": optimiser.state_dict(),
        "args": argparse.Namespace(path="/data", iter=800000, size=64, mixing=0.9, ckpt=None, distributed=False),
        "ada_aug_p": 0.0,
        "latent_avg": checkpoint["latent_avg"],
    }
    path = tmp_path / "550000.pt"
    torch.save(tree, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    loaded = load_generator(path)
    assert_close(loaded.synthesize(want["z"]), want["images"])
    assert_close(loaded.map(want["z"], truncation=0.7), want["w_psi07"][:, 0], LATENTS)
    assert (load_generator(path, network="G").synthesize(want["z"]) - loaded.synthesize(want["z"])).abs().max() > 0.01


def test_rosinality_state_alone_without_its_noise(tmp_path):
    checkpoint, want = rosinality_state()
    state = {name: tensor for name, tensor in checkpoint["g_ema"].items() if not name.startswith("noises.")}
    channels_last = {
        name: tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in state.items()
    }
    torch.save(channels_last, tmp_path / "g.pt")
    loaded = load_generator(tmp_path / "g.pt")
    assert_close(loaded.synthesize(want["z"], noise="none"), want["images_nonoise"])
    assert torch.equal(loaded.synthesize(want["z"]), loaded.synthesize(want["z"]))


def test_a_part_that_is_missing_is_named(tmp_path):
    checkpoint, _ = rosinality_state()
    del checkpoint["g_ema"]["convs.1.noise.weight"]
    torch.save(checkpoint, tmp_path / "g.pt")
    with pytest.raises(TlganError, match=r"convs\.1\.noise\.weight is missing: .*ONNX"):
        load_generator(tmp_path / "g.pt")
