"""StyleGAN, StyleGAN2 and StyleGAN2-ADA as TensorFlow pickled them, against what the official code painted."""

import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from tlgan.errors import TlganError
from tlgan.generators import convert_checkpoint, inspect_checkpoint, load_generator

FOLDER = Path(__file__).parents[1] / "checkpoints"
NAMES = sorted(path.stem for path in FOLDER.glob("tf_*.pkl"))
PICTURES, LATENTS = 1e-4, 1e-5  # tolerances


def golden(name):
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def assert_close(ours, expected, tolerance=PICTURES):
    assert ours.shape == expected.shape
    assert np.abs(ours.numpy() - expected).max() <= tolerance


def test_every_generation_is_there():
    kinds = {"ada", "orig", "resnet", "revised", "skip"}
    assert {name.removeprefix("tf_stylegan2_") for name in NAMES} == kinds | {"tf_stylegan1", "tf_stylegan1_lod"}


@pytest.mark.parametrize("name", NAMES)
def test_pictures_and_latents(name):
    want, generator = golden(name), load_generator(FOLDER / f"{name}.pkl")
    z, label = want["z"], want["labels"] if want["labels"].shape[1] else None
    assert generator.spaces == ("z", "w", "w+")
    assert (generator.latent_dim, generator.label_dim) == (9, want["labels"].shape[1])
    assert (generator.num_ws, generator.w_dim) == want["ws_rand"].shape[1:]
    assert_close(generator.map(z, label=label), want["w"], LATENTS)
    assert_close(generator.synthesize(z, label=label), want["images"])
    assert_close(generator.synthesize(z, label=label, truncation=0.7), want["images_psi07"])
    assert_close(generator.synthesize(z, label=label, truncation=0.5, cutoff=3), want["images_psi05_cutoff3"])
    assert_close(generator.synthesize(want["ws_rand"], space="w+"), want["images_ws_rand"])
    raw = load_generator(FOLDER / f"{name}.pkl", network="G")
    assert_close(raw.synthesize(z, label=label), want["images_G"])
    with pytest.raises(AssertionError):  # what is compared tells the two networks apart
        assert_close(raw.synthesize(z, label=label), want["images"])


@pytest.mark.parametrize("lod", ["0", "0.4", "1", "1.6"])
def test_levels_of_detail(lod):
    want = golden("tf_stylegan1_lod")
    generator = load_generator(FOLDER / "tf_stylegan1_lod.pkl", lod=float(lod))
    assert_close(generator.synthesize(want["z"]), want[f"images_lod_{lod}"])
    assert_close(load_generator(FOLDER / "tf_stylegan1_lod.pkl").synthesize(want["z"]), want["images_lod_1.6"])


@pytest.mark.parametrize("name", ["tf_stylegan1", "tf_stylegan2_orig"])
def test_noise_smaller_pictures_and_a_copy(name, tmp_path):
    want, generator = golden(name), load_generator(FOLDER / f"{name}.pkl")
    w = want["ws_rand"]
    paint = lambda noise: generator.synthesize(w, space="w+", noise=noise)  # noqa: E731
    assert (paint("none") - paint("const")).abs().max() > 0.05
    assert (paint("random") - paint("random")).abs().max() > 0.05
    assert generator.synthesize(w, space="w+", resolution=8).shape == (2, 3, 8, 8)
    assert generator.features(w, space="w+", side=8).shape[2:] == (8, 8)
    copy = convert_checkpoint(FOLDER / f"{name}.pkl", tmp_path / "copy.safetensors")
    assert_close(load_generator(copy).synthesize(w, space="w+"), want["images_ws_rand"])
    found = inspect_checkpoint(copy)
    assert found.fingerprint == inspect_checkpoint(FOLDER / f"{name}.pkl").fingerprint == generator.fingerprint
    assert (found.resolution, found.channels, found.latent_dim, found.w_dim) == (16, 3, 9, 8)


def changed(tmp_path, name, change):
    """A copy of a file of TensorFlow, its networks changed as they are written."""
    network = type("Network", (), {"__module__": "dnnlib.tflib.network"})
    parts = ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network", "dnnlib.util")
    modules = {part: types.ModuleType(part) for part in parts}
    modules["dnnlib.tflib.network"].Network = network
    modules["dnnlib.util"].EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    sys.modules.update(modules)
    try:
        tree = pickle.loads((FOLDER / f"{name}.pkl").read_bytes())
        for part in (tree[0], tree[2]):
            change(part.__dict__)
        (tmp_path / "changed.pkl").write_bytes(pickle.dumps(tree, protocol=2))
    finally:
        for part in parts:
            del sys.modules[part]
    return tmp_path / "changed.pkl"


def test_source_code_in_the_file_is_never_run(tmp_path):
    mark = tmp_path / "ran"

    def change(state):
        for network in (state, *(part.__dict__ for part in state["components"].values())):
            network["build_module_src"] = f"open({str(mark)!r}, 'w')"

    want = golden("tf_stylegan2_skip")
    generator = load_generator(changed(tmp_path, "tf_stylegan2_skip", change))
    assert_close(generator.synthesize(want["z"]), want["images"])
    assert not mark.exists()


def _without(name):
    def change(state):
        part = state["components"]["synthesis"].__dict__
        part["variables"] = [pair for pair in part["variables"] if pair[0] != name]

    return change


def _replaced(name, value):
    def change(state):
        part = state["components"]["synthesis"].__dict__
        part["variables"] = [(key, value if key == name else old) for key, old in part["variables"]]

    return change


def _static(**given):
    return lambda state: state["static_kwargs"].update(given)


@pytest.mark.parametrize(
    ("name", "change", "line"),
    [
        ("tf_stylegan2_skip", _without("4x4/Const/const"), "4x4/Const/const is missing"),
        ("tf_stylegan2_skip", _without("8x8/Conv1/mod_bias"), "8x8/Conv1/mod_bias is missing"),
        ("tf_stylegan2_skip", _replaced("8x8/Conv1/weight", np.zeros((3, 3, 7, 9), np.float32)), r"expected \["),
        ("tf_stylegan2_skip", _replaced("8x8/Conv1/weight", np.zeros(5, np.float32)), "expected 4 sizes"),
        ("tf_stylegan2_skip", _replaced("8x8/Conv1/weight", "text"), "is not an array"),
        ("tf_stylegan2_skip", _static(init_res=[4, 8]), "built with init_res.*ONNX"),
        ("tf_stylegan2_skip", _static(architecture="twisted"), "architecture is 'twisted'"),
        ("tf_stylegan2_skip", _static(resample_kernel=[1] * 99), "low-pass filter"),
        ("tf_stylegan2_ada", _static(conv_clamp="no"), "conv_clamp is 'no'"),
        ("tf_stylegan2_revised", _replaced("lod", np.float32(1)), None),  # the outer network's own counts
        ("tf_stylegan2_revised", lambda state: state.update(variables=[("lod", 1.6)]), "while it grew"),
        ("tf_stylegan1", _without("8x8/Conv0_up/StyleMod/bias"), "StyleMod/bias is missing"),
        ("tf_stylegan1", _static(mapping_lrmul="1"), "damaged|mapping_lrmul"),
        ("tf_stylegan1", lambda state: state["components"].pop("mapping"), "has no mapping"),
        ("tf_stylegan1", lambda state: state.update(variables=7), "has no variables"),
    ],
)  # fmt: skip
def test_what_is_damaged_or_not_known_is_refused(name, change, line, tmp_path):
    path = changed(tmp_path, name, change)
    if line is None:
        assert_close(
            load_generator(path).synthesize(golden(name)["ws_rand"], space="w+"), golden(name)["images_ws_rand"]
        )
    else:
        with pytest.raises(TlganError, match=line) as raised:
            load_generator(path)
        assert "\n" not in str(raised.value)
