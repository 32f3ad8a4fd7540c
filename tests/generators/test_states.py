"""`state_dict`s of StyleGAN's relatives, against what the code that wrote them painted (`tests/checkpoints/README.md`)."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tlgan.errors import AssumedWarning, TlganError
from tlgan.generators import convert_checkpoint, inspect_checkpoint, load_generator
from tlgan.generators.checkpoint import read_checkpoint
from tlgan.generators.checkpoint.persistence import Module

FOLDER = Path(__file__).parents[1] / "checkpoints"
PICTURES, LATENTS = 1e-4, 1e-5  # tolerances
NAMES = {  # what each file leaves open
    "basicsr_stylegan2": ["resample_kernel=1,3,3,1"],
    "genforce_pggan": [],
    "genforce_stylegan": ["fused_scale=auto"],
    "genforce_stylegan2": [],
    "genforce_stylegan2_origin": [],
    "higan_stylegan": [],
    "higan_stylegan2": [],
    "higan_stylegan_fused": [],
    "interfacegan_pggan": [],
    "interfacegan_pggan_fused": [],
    "lucidrains_stylegan2": ["mapping_lr=0.1"],
    "mmgeneration_pggan": [],
    "mmgeneration_pggan_unfused": [],
    "mmgeneration_stylegan": [],
    "rosinality_stylegan1": ["resolution=16"],
}


def golden(name):
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def assert_close(ours, expected, tolerance=PICTURES):
    assert ours.shape == expected.shape
    assert np.abs(ours.numpy() - expected).max() <= tolerance


def quietly(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumedWarning)
        return load_generator(path, **options)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_and_latents(name):
    want, path = golden(name), FOLDER / f"{name}.pth"
    generator = quietly(path)
    label = want.get("labels")
    assert_close(generator.synthesize(want["z"], label=label), want["images"])
    if "w" in want:
        assert_close(generator.map(want["z"], label=label), want["w"], LATENTS)
    if "images_psi07" in want:
        assert_close(generator.synthesize(want["z"], label=label, truncation=0.7), want["images_psi07"])
    found = inspect_checkpoint(path)
    assert found.assumed == list(generator.assumed) == NAMES[name]
    assert (found.resolution, found.channels, found.latent_dim) == (generator.resolution, 3, 8)


def test_what_is_assumed_is_said_and_a_copy_keeps_it(tmp_path):
    path = FOLDER / "genforce_stylegan.pth"
    with pytest.warns(AssumedWarning, match="fused_scale=auto"):
        assumed = load_generator(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = load_generator(path, fused_scale="auto")
        other = load_generator(path, fused_scale=True)
        copy = load_generator(convert_checkpoint(path, tmp_path / "copy.safetensors"))
    assert assumed.fingerprint == given.fingerprint == copy.fingerprint != other.fingerprint
    z, label = golden("genforce_stylegan")["z"], golden("genforce_stylegan")["labels"]
    assert (assumed.synthesize(z, label=label) - other.synthesize(z, label=label)).abs().max() > 0.1
    with pytest.raises(TlganError, match="fused_scale is 3: expected auto, true or false"):
        load_generator(path, fused_scale=3)


def test_a_pggan_whose_doubling_no_tensor_tells_is_refused(tmp_path):
    state = torch.load(FOLDER / "mmgeneration_pggan.pth", weights_only=True)["state_dict"]
    state = {k: v for k, v in state.items() if not re.search(r"(conv_blocks\.[3-9]|torgb_layers\.[2-9])", k)}
    torch.save({"state_dict": state}, tmp_path / "g.pth")  # 8 px: 16 channels throughout
    with pytest.raises(TlganError, match=r"don't say how pictures are doubled.*torch\.onnx\.export"):
        load_generator(tmp_path / "g.pth")


def test_a_rosinality_stylegan_is_cut_to_what_was_trained():
    want, path = golden("rosinality_stylegan1"), FOLDER / "rosinality_stylegan1.pth"
    generator = quietly(path)
    assert_close(generator.synthesize(want["z"], noise="none"), want["images_nonoise"])
    assert_close(load_generator(path, resolution=8).synthesize(want["z"]), want["images_8"])
    assert load_generator(path, resolution=32).resolution == 32  # layers that were never trained, if somebody asks
    assert quietly(path, network="generator").fingerprint != generator.fingerprint
    for resolution in (64, 7, "large"):
        with pytest.raises(TlganError, match="resolution"):
            load_generator(path, resolution=resolution)


def test_noise_rows_and_smaller_pictures_of_lucidrains_network():
    want, path = golden("lucidrains_stylegan2"), FOLDER / "lucidrains_stylegan2.pth"
    generator = quietly(path)
    assert_close(generator.synthesize(want["z"], noise="none"), want["images_nonoise"])
    assert_close(generator.synthesize(want["ws_rand"], space="w+"), want["images_ws_rand"])
    random = [generator.synthesize(want["z"], noise="random") for _ in range(2)]
    assert (random[0] - random[1]).abs().max() > 0.05
    assert generator.synthesize(want["z"], resolution=8).shape == (2, 3, 8, 8)
    assert generator.features(want["z"], side=8).shape[2:] == (8, 8)
    raw = quietly(path, network="G")
    assert raw.fingerprint != generator.fingerprint
    w = quietly(path, mapping_lr=0.2).map(want["z"]).numpy()
    assert np.abs(w - want["w"]).max() > 0.01
    with pytest.raises(TlganError, match="mapping_lr is 0"):
        load_generator(path, mapping_lr=0)


def test_the_filters_of_a_basicsr_file_can_be_given():
    path, want = FOLDER / "basicsr_stylegan2.pth", golden("basicsr_stylegan2")
    given = load_generator(path, resample_kernel=[1, 3, 3, 1])
    assert_close(given.synthesize(want["z"]), want["images"])
    assert (
        load_generator(path, resample_kernel=[1, 1]).synthesize(want["z"]) - given.synthesize(want["z"])
    ).abs().max() > 0.1
    for kernel in ([1, -1], ["a"], 3):
        with pytest.raises(TlganError, match="resample_kernel"):
            load_generator(path, resample_kernel=kernel)


def test_the_student_of_a_mobilestylegan_checkpoint(tmp_path):
    want, generator = golden("mobilestylegan"), load_generator(FOLDER / "mobilestylegan.ckpt")
    assert (generator.resolution, generator.latent_dim, generator.num_ws) == (32, 8, 8)
    assert_close(generator.map(want["z"]), want["w"], LATENTS)
    assert_close(generator.synthesize(want["z"]), want["images"])
    assert_close(generator.synthesize(want["z"], noise="none"), want["images_nonoise"])
    assert (generator.synthesize(want["z"]) - generator.synthesize(want["z"], noise="random")).abs().max() > 0.01
    state = torch.load(FOLDER / "mobilestylegan.ckpt", weights_only=True)["state_dict"]
    assert_close(generator._w_mean(), state["style_mean"].numpy().ravel(), LATENTS)
    for name in ("student.layers.0.conv2.conv.style_inv", "student.layers.1.to_img.bias"):
        torch.save({"state_dict": {key: value for key, value in state.items() if key != name}}, tmp_path / "g.ckpt")
        with pytest.raises(TlganError, match="missing"):
            load_generator(tmp_path / "g.ckpt")


def test_mmgenerations_names_are_rosinalitys(tmp_path):
    """A file as MMGeneration saves it: everything in one `state_dict`, its linear and constant layers renamed."""
    state = torch.load(FOLDER / "rosinality_64.pt", weights_only=True)["g_ema"]
    renamed = {}
    for name, value in state.items():
        new = re.sub(r"^style\.(\d+)\.weight", r"style_mapping.\1.linear.weight_orig", name)
        new = re.sub(r"^style\.", "style_mapping.", new)
        new = re.sub(r"^input\.input", "constant_input.input", new)
        new = re.sub(r"modulation\.weight", "style_modulation.linear.weight_orig", new)
        new = re.sub(r"modulation\.bias$", "style_modulation.bias", new)
        new = re.sub(r"^(convs?.*|to_rgb.*)\.conv\.weight$", r"\1.conv.weight_orig", new)
        new = re.sub(r"\.noise\.weight$", ".noise_injector.weight", new)
        renamed[re.sub(r"^noises\.noise_", "injected_noise_", new)] = value
    assert len(renamed) == len(state)
    both = {f"generator_ema.{name}": value for name, value in renamed.items()}
    both |= {f"generator.{name}": value * 0.5 for name, value in renamed.items()}
    both["discriminator.convs.0.conv.weight_orig"] = torch.zeros(4, 3, 1, 1)
    torch.save({"meta": {"epoch": 1}, "state_dict": both}, tmp_path / "iter.pth")
    generator, want = load_generator(tmp_path / "iter.pth"), golden("rosinality_64")
    assert_close(generator.synthesize(want["z"]), want["images"])
    assert load_generator(tmp_path / "iter.pth", network="generator").fingerprint != generator.fingerprint


# -- FastGAN -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["fastgan.pkl", "fastgan_lite.pth", "fastgan_cond.pth"])
def test_fastgan(file, tmp_path):
    want, generator = golden(file.partition(".")[0]), load_generator(FOLDER / file)
    label = want.get("labels")
    side = 256 if "lite" in file else 128
    assert (generator.resolution, generator.latent_dim, generator.label_dim) == (side, 8, 0 if label is None else 3)
    fourth = lambda images: images[..., ::4, ::4]  # noqa: E731
    assert_close(fourth(generator.synthesize(want["z"], label=label)), want["images"])
    assert_close(fourth(generator.synthesize(want["z"], label=label, noise="none")), want["images_nonoise"])
    assert generator.features(want["z"], label=label, side=16).shape[2:] == (16, 16)
    found = inspect_checkpoint(FOLDER / file)
    assert (found.resolution, found.channels, found.latent_dim, found.label_dim) == (side, 3, 8, generator.label_dim)
    copy = convert_checkpoint(FOLDER / file, tmp_path / "copy.safetensors")
    assert load_generator(copy).fingerprint == generator.fingerprint


def test_a_damaged_fastgan_is_refused(tmp_path):
    state = torch.load(FOLDER / "fastgan_cond.pth", weights_only=True)
    for name, value, line in (
        ("synthesis.init.init.0.weight_u", torch.zeros(64), "no spectral norm"),
        ("synthesis.feat_32.conv1.weight_orig", torch.zeros(3, 5, 3, 3), r"expected"),
        ("synthesis.se_64.main.1.weight_orig", torch.ones(1, 1, 4, 4), r"expected|fits no features"),
        ("synthesis.embed.weight", torch.zeros(5), r"expected \[\?, \?\]"),
    ):
        torch.save(state | {name: value}, tmp_path / "g.pth")
        with pytest.raises(TlganError, match=line) as raised:
            load_generator(tmp_path / "g.pth")
        assert "\n" not in str(raised.value)


def test_fastgans_first_code(tmp_path):
    """It has the same layers under shorter names, and neither normalises z nor adds a bias to the picture."""
    state, want = torch.load(FOLDER / "fastgan_lite.pth", weights_only=True), golden("fastgan_lite")
    first = {
        f"module.{key.removeprefix('synthesis.')}": value
        for key, value in state.items()
        if key != "synthesis.to_big.bias"
    }
    torch.save(
        {"g": first, "d": {"module.a.weight": torch.zeros(2, 2), "module.b.weight": torch.zeros(2)}}, tmp_path / "g.pth"
    )
    with pytest.warns(AssumedWarning, match="output=none"):
        generator = load_generator(tmp_path / "g.pth")
    z = want["z"] / np.sqrt((want["z"] ** 2).mean(1, keepdims=True) + 1e-8)
    bias = state["synthesis.to_big.bias"].numpy()[:, None, None]
    assert_close(generator.synthesize(z)[..., ::4, ::4], want["images"] - bias)
    curved = load_generator(tmp_path / "g.pth", output="tanh").synthesize(z)
    assert_close(curved[..., ::4, ::4], np.tanh(want["images"] - bias))


# -- the official PyTorch code -------------------------------------------------------------------------------------


def official_state(name):
    """The `state_dict` of the averaged network of a snapshot."""
    tree = read_checkpoint(FOLDER / f"{name}.pkl").tree
    return {key: record.load() for key, record in Module(tree["G_ema"]).tensors().items()}


@pytest.mark.parametrize("name", ["sg2_64", "sg2_32_cond", "sg3t_32", "sg3r_32"])
def test_a_state_of_the_official_code(name, tmp_path):
    want, state = golden(name), official_state(name)
    from safetensors.torch import save_file

    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "bare.safetensors")
    torch.save({"g_ema": state, "g": {key: value * 0.5 for key, value in state.items()}}, tmp_path / "both.pt")
    for path in (tmp_path / "bare.safetensors", tmp_path / "both.pt"):
        with pytest.warns(AssumedWarning, match=r"conv_clamp=256, .*mapping_lr=0\.01"):
            generator = load_generator(path)
        assert_close(generator.map(want["z"], label=want.get("c")), want["w"][:, 0], LATENTS)
        assert_close(generator.synthesize(want["z"], label=want.get("c")), want["images"])
        assert_close(generator.synthesize(want["z"], label=want.get("c"), truncation=0.7), want["images_psi07"])
    clamped = quietly(path, conv_clamp=0.01)
    assert np.abs(clamped.synthesize(want["z"], label=want.get("c")).numpy() - want["images"]).max() > 0.01
    faster = quietly(path, mapping_lr=0.02)
    assert np.abs(faster.map(want["z"], label=want.get("c")).numpy() - want["w"][:, 0]).max() > 0.01
    assert quietly(path, conv_clamp=256).assumed == tuple(a for a in generator.assumed if "clamp" not in a)


def test_a_stylegan3_of_other_rates_is_refused(tmp_path):
    state = official_state("sg3t_32")
    names = [key for key in state if key.startswith("synthesis.L1_")]
    moved = {
        key.replace("L1_36", "L1_38").replace("L1_", "L1_9", 1) if key in names else key: state[key] for key in state
    }
    torch.save(moved, tmp_path / "moved.pt")
    with pytest.raises(TlganError, match=r"other sizes than those of the official configurations.*pkl"):
        load_generator(tmp_path / "moved.pt")
    name = next(key for key in state if key.endswith("up_filter"))
    torch.save(state | {name: state[name] * 1.1}, tmp_path / "filtered.pt")
    with pytest.raises(TlganError, match="up_filter is not the filter that its layer's sampling rates ask for"):
        load_generator(tmp_path / "filtered.pt")


@pytest.mark.parametrize("name", ["stylegan_xl_stem", "stylegan_xl"])
def test_stylegan_xl(name, tmp_path):
    want, generator = golden(name), load_generator(FOLDER / f"{name}.pkl")
    z, label = want["z"], want["labels"]
    assert (generator.label_dim, generator.resolution) == (3, want["images"].shape[-1])
    assert_close(generator.map(z, label=label), want["w"], LATENTS)
    assert_close(generator.synthesize(z, label=label), want["images"])
    # every class has a mean of its own
    assert_close(generator.synthesize(z, label=label, truncation=0.7), want["images_psi07"])
    assert_close(generator.synthesize(z, label=label, truncation=0.5, cutoff=3), want["images_psi05_cutoff3"])
    assert generator._w_mean().shape == (8,)
    copy = load_generator(convert_checkpoint(FOLDER / f"{name}.pkl", tmp_path / "copy.safetensors"))
    assert_close(copy.synthesize(z, label=[0, 2], truncation=0.7), want["images_psi07"])


# -- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("basicsr_stylegan2", "style_conv1.activate.bias"),
        ("genforce_stylegan2", "synthesis.layer1.style.bias"),
        ("higan_stylegan", "synthesis.layer3.conv.weight"),
        ("interfacegan_pggan", "layer2.wscale.bias"),
        ("lucidrains_stylegan2", "GE.blocks.1.to_noise2.bias"),
        ("mmgeneration_pggan", "generator_ema.conv_blocks.1.conv.bias"),
        ("mmgeneration_stylegan", "generator_ema.convs.1.adain1.affine.bias"),
        ("rosinality_stylegan1", "generator.progression.1.adain2.style.linear.bias"),
        ("sg2_64", "synthesis.b8.conv0.affine.bias"),
        ("sg3t_32", "synthesis.input.phases"),
    ],
)
def test_a_missing_or_misshapen_tensor_is_named(name, dropped, tmp_path):
    official = name.startswith("sg")
    state = official_state(name) if official else torch.load(FOLDER / f"{name}.pth", weights_only=True)
    for key in ("params_ema", "g_running", "GAN", "state_dict"):
        state = state.get(key, state)
    assert dropped in state
    torch.save({key: value for key, value in state.items() if key != dropped}, tmp_path / "g.pth")
    with pytest.raises(TlganError, match=r"missing|expected") as raised:
        quietly(tmp_path / "g.pth")
    assert "\n" not in str(raised.value)
    for shape in ((1,), (3, 5, 7), (2, 2, 2, 2, 2), (0,)):
        torch.save(state | {dropped: torch.zeros(shape)}, tmp_path / "g.pth")
        with pytest.raises(TlganError) as raised:
            quietly(tmp_path / "g.pth")
        assert "\n" not in str(raised.value)
