"""Keras models: `.keras` and HDF5 files against Keras itself, and against a reading of its layers in numpy."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tlgan.errors import AssumedWarning, TlganError
from tlgan.generators import convert_checkpoint, inspect_checkpoint, load_generator
from tlgan.generators.checkpoint import hdf5_child

h5py = pytest.importorskip("h5py")
CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"


@pytest.mark.parametrize(
    ("name", "sigmoid"), [("keras2_acgan.h5", False), ("keras3_acgan.keras", False), ("keras3_odd.keras", True)]
)
def test_pictures_are_those_of_keras(name: str, sigmoid: bool) -> None:
    generator = load_generator(CHECKPOINTS / name)
    with np.load((CHECKPOINTS / name).with_suffix(".npz")) as file:
        z, expected = torch.from_numpy(file["z"]), np.moveaxis(file["images"], -1, 1)
    label = torch.tensor([3, 1]) if generator.label_dim else None
    made = generator.synthesize(z, label=label).numpy()
    if sigmoid:  # with transparency, over white; every fourth pixel is kept
        expected = expected[:, :3] * 2 * expected[:, 3:] + 1 - 2 * expected[:, 3:]
        made = made[:, :, ::4, ::4]
    assert np.std(expected) > 0.04
    np.testing.assert_allclose(made, expected, atol=1e-5)


# -- a generator of the tutorials, in numpy ------------------------------------------------------------------------


def weights() -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(np.prod(shape[:-1])))

    norm = {
        key: rng.uniform(0.5, 2, 6).astype(np.float32) for key in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    return {
        "first": {"kernel": drawn(5, 24)},
        "norm": norm,
        "larger": {"kernel": 4 * drawn(5, 5, 4, 6)},
        "last": {"kernel": 2 * drawn(3, 4, 4, 1), "bias": np.float32([0.1])},
    }  # fmt: skip


def layer(kind: str, name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, **config}}


SEQUENTIAL = {
    "class_name": "Sequential",
    "config": {
        "name": "generator",
        "layers": [
            layer("InputLayer", "input", batch_input_shape=[None, 5]),
            layer("Dense", "first", use_bias=False, activation="linear"),
            layer("Reshape", "to_pixels", target_shape=[2, 2, 6]),
            layer("BatchNormalization", "norm", axis=[3], epsilon=0.01),
            layer("LeakyReLU", "leaky", alpha=0.25),
            layer("Dropout", "drop", rate=0.5),
            layer("Conv2DTranspose", "larger", strides=[2, 2], padding="same", use_bias=False, activation="relu"),
            layer("Conv2D", "last", strides=[1, 1], padding="same", activation="tanh"),
        ],
    },
}


def painted(z: np.ndarray) -> np.ndarray:
    """[n, 4, 4, 1], as Keras describes its layers: sums written out, one pixel after the other."""
    w = weights()
    x = (z @ w["first"]["kernel"]).reshape(-1, 2, 2, 6)
    norm = w["norm"]
    x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 0.01) * norm["gamma"] + norm["beta"]
    x = np.where(x > 0, x, 0.25 * x)
    larger = np.zeros((len(z), 7, 7, 4))  # (2 - 1) * 2 + 5, of which 4 are kept: 3 = 1 + 2 are cut off
    for row in range(2):
        for column in range(2):
            stamp = np.einsum("nc,hwoc->nhwo", x[:, row, column], w["larger"]["kernel"])
            larger[:, 2 * row : 2 * row + 5, 2 * column : 2 * column + 5] += stamp
    x = np.maximum(larger[:, 1:5, 1:5], 0)
    wide = np.pad(x, ((0, 0), (1, 1), (1, 2), (0, 0)))  # of a kernel of 3 x 4: the odd pixel goes to the right
    out = np.zeros((len(z), 4, 4, 1))
    for row in range(4):
        for column in range(4):
            patch = wide[:, row : row + 3, column : column + 4]
            out[:, row, column] = np.einsum("nhwc,hwco->no", patch, w["last"]["kernel"]) + w["last"]["bias"]
    return np.tanh(out)


def write_h5(path: Path, config: Any = SEQUENTIAL, **settings: Any) -> Path:
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
        for name, leaves in weights().items():
            for leaf, values in leaves.items():
                file.create_dataset(f"model_weights/{name}/{name}/{leaf}:0", data=values, **settings)
    return path


def write_keras(path: Path, config: Any = SEQUENTIAL) -> Path:
    places = {"first": "dense", "norm": "batch_normalization", "larger": "conv2d_transpose", "last": "conv2d"}
    with h5py.File(buffer := io.BytesIO(), "w") as file:
        for name, leaves in weights().items():
            for number, values in enumerate(leaves.values()):
                file[f"layers/{places[name]}/vars/{number}"] = values
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


@pytest.mark.parametrize("write", [write_h5, write_keras])
def test_layers_do_what_keras_describes(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "generator.keras")
    generator = load_generator(path)
    z = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_allclose(generator.synthesize(z).permute(0, 2, 3, 1).numpy(), painted(z), atol=1e-5)
    found = inspect_checkpoint(path)
    assert (found.container, found.format, found.latent_dim) == ("keras", "Keras", 5)
    assert (found.resolution, found.channels, found.fingerprint) == (4, 1, generator.fingerprint)
    copy = load_generator(convert_checkpoint(path, tmp_path / "copy.safetensors"))
    assert copy.fingerprint == generator.fingerprint
    assert torch.equal(copy.synthesize(z), generator.synthesize(z))
    row = torch.from_numpy(z).requires_grad_()
    generator.synthesize(row).sum().backward()
    assert float(row.grad.abs().min()) > 0


def changed(index: int, kind: str = "", **config: Any) -> dict[str, Any]:
    """The configuration with one layer that is another."""
    copy: dict[str, Any] = json.loads(json.dumps(SEQUENTIAL))
    found = copy["config"]["layers"][index]
    found["class_name"] = kind or found["class_name"]
    found["config"] |= config
    return copy


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (changed(4, "Lambda"), r"leaky \(Lambda\) holds code.*generator alone.*tf2onnx"),
        (changed(4, "Addons>InstanceNormalization"), "holds code"),
        (changed(4, "Softmax"), r"leaky \(Softmax\) is not known here.*tf2onnx"),
        (changed(6, activation="my_activation"), "activation 'my_activation' is not known"),
        (changed(6, data_format="channels_first"), "channels first"),
        (changed(6, strides=[2]), r"strides is \[2\]"),
        (changed(2, target_shape=[3, 3, 6]), "layer 2 doesn't fit what comes before it"),
        (changed(2, target_shape=[2**20, 2**20, 6]), "doesn't fit"),
        (changed(6, strides=[4000, 4000]), "more than any picture needs"),
        (changed(1, name="other"), "weight kernel of its layer other is missing"),
        ({"class_name": "GAN", "config": {"layers": []}}, "class 'GAN', which holds code"),
        ({"class_name": "Sequential", "config": {}}, "no layers"),
        ([1, 2], "configuration is damaged"),
        (None, r"weights of a Keras model and not its layers.*model.save"),
    ],
)
def test_what_is_not_read_is_refused_with_the_way_out(tmp_path: Path, config: Any, words: str) -> None:
    with pytest.raises(TlganError, match=words) as caught:
        load_generator(write_h5(tmp_path / "generator.h5", config))
    assert "\n" not in str(caught.value)


def test_no_tensor_is_unpacked_and_none_comes_from_elsewhere(tmp_path: Path) -> None:
    """A packed tensor may be a bomb; a linked or external one another file of the person's."""
    with pytest.raises(TlganError, match="missing, or packed"):
        load_generator(write_h5(tmp_path / "packed.h5", chunks=True, compression="gzip"))
    other = write_h5(tmp_path / "other.h5")
    with h5py.File(path := tmp_path / "linked.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(SEQUENTIAL)
        file["model_weights"] = h5py.ExternalLink(str(other), "model_weights")
    with pytest.raises(TlganError, match="missing, or packed"):
        load_generator(path)
    with h5py.File(path := tmp_path / "external.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(SEQUENTIAL)
        for name, leaves in weights().items():
            for leaf, values in leaves.items():
                place = [(str(other), 0, values.nbytes)]
                file.create_dataset(f"model_weights/{name}/{name}/{leaf}:0", values.shape, "f4", external=place)
    with pytest.raises(TlganError, match="missing, or packed"):
        load_generator(path)


def test_a_damaged_file_ends_the_child_and_not_the_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_h5(tmp_path / "whole.h5").read_bytes()
    (cut := tmp_path / "cut.h5").write_bytes(whole[:3000])
    with pytest.raises(TlganError, match=r"Keras.*can't be read.*fetch it again"):
        load_generator(cut)
    crash = tmp_path / "crash.py"
    crash.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(hdf5_child, "__file__", str(crash))
    with pytest.raises(TlganError, match="process that read it ended with status -11"):
        load_generator(tmp_path / "whole.h5")


def functional(outputs: Any = (("paint", 0, 0),), **options: Any) -> dict[str, Any]:
    """Latents and a one-hot class, joined, as Keras 3 writes it."""

    def tensor(name: str) -> dict[str, Any]:
        return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}

    def node(kind: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
        args = [[tensor(source) for source in sources]] if len(sources) > 1 else [tensor(source) for source in sources]
        calls: list[Any] = [{"args": args, "kwargs": {}}] if sources else []
        return layer(kind, name, **config) | {"name": name, "inbound_nodes": calls}

    layers = [
        node("Dense", "first", "join", use_bias=False),  # in no order
        node("Concatenate", "join", "z", "condition", axis=-1),
        node("Reshape", "paint", "first", target_shape=[4, 6]),
        node("InputLayer", "z", batch_shape=[None, 3]),
        node("InputLayer", "condition", batch_shape=[None, 2]),
    ]
    ends = {"input_layers": [["z", 0, 0], ["condition", 0, 0]], "output_layers": [list(end) for end in outputs]}
    return {"class_name": "Functional", "config": {"name": "g", "layers": layers, **ends, **options}}


def test_a_class_joins_by_the_input_that_is_called_so(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "g.h5", functional())
    with pytest.warns(AssumedWarning, match="picture_range=-1,1"):
        generator = load_generator(path)
    assert (generator.latent_dim, generator.label_dim, generator.size) == (3, 2, (4, 6))
    z = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    joined = np.concatenate([z, [[0, 1], [0, 1]]], axis=1)
    expected = (joined @ weights()["first"]["kernel"]).reshape(2, 1, 4, 6)
    np.testing.assert_allclose(generator.synthesize(z, label=1), expected, atol=1e-6)
    brighter = load_generator(path, picture_range=[0, 2])
    np.testing.assert_allclose(brighter.synthesize(z, label=1), expected - 1, atol=1e-6)
    assert brighter.fingerprint != generator.fingerprint
    with pytest.raises(TlganError, match=r"takes z \[3\], condition \[2\].*label_input"):
        load_generator(path, label_input="nothing")


def test_a_class_at_the_end_of_the_latents(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "g.h5")
    generator = load_generator(path, classes=2)
    assert (generator.latent_dim, generator.label_dim) == (3, 2)
    z = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float32)
    joined = np.concatenate([z, [[1, 0], [1, 0]]], axis=1).astype(np.float32)
    np.testing.assert_allclose(generator.synthesize(z, label=0), load_generator(path).synthesize(joined), atol=1e-6)


def test_damaged_graphs_are_refused(tmp_path: Path) -> None:
    training = functional()
    training["config"]["layers"][0]["inbound_nodes"][0]["kwargs"] = {"training": True}
    apart = functional()
    apart["config"]["layers"].pop(3)
    for config, words in (
        (functional((("nobody", 0, 0),)), "outputs are none of its layers"),
        (functional((("paint", 0, 0), ("first", 0, 0))), "gives 2 results"),
        (functional(output_layers="paint"), "output_layers can't be read"),
        (training, "in training mode"),
        (apart, "not joined"),
    ):
        with pytest.raises(TlganError, match=words):
            load_generator(write_h5(tmp_path / "g.h5", config))
