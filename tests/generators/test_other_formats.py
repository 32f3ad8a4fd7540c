"""Generators in everyday formats: state_dicts of DCGANs, ONNX, TorchScript, torch.export, a module, a hub, a plug-in."""

import collections
import dataclasses
import datetime
import enum
import gzip
import importlib.metadata
import json
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.generators import official
from tests.test_hub import cache, site  # noqa: F401  the fixtures
from tlgan.errors import TlganError
from tlgan.generators import inspect_checkpoint, load_generator, wrap_generator


def dcgan(latent=12, activation=nn.ReLU, output=nn.Tanh, bias=False, channels=3, linear=False):
    torch.manual_seed(0)
    first = [nn.ConvTranspose2d(latent, 16, 4, 1, 0, bias=bias)]
    if linear:
        first = [nn.Linear(latent, 16 * 4 * 4), nn.Unflatten(1, (16, 4, 4))]
    layers = [
        *first, nn.BatchNorm2d(16), activation(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=bias), nn.BatchNorm2d(8), activation(),
        nn.ConvTranspose2d(8, channels, 4, 2, 1, bias=bias), output(),
    ]  # fmt: skip
    module = nn.Sequential(*layers)
    for layer in module:
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.bias.data):
                tensor.normal_()
            for tensor in (layer.running_var, layer.weight.data):
                tensor.uniform_(0.5, 2)
    return module.eval().requires_grad_(False)


def normal(*shape, seed=1):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.mark.parametrize(
    ("options", "load"),
    [
        ({}, {}),
        ({"bias": True, "channels": 1}, {}),
        ({"linear": True}, {}),
        ({"activation": nn.ELU, "output": nn.Sigmoid}, {"activation": "elu", "output": "sigmoid"}),
        ({"activation": lambda: nn.LeakyReLU(0.2)}, {"activation": "leaky_relu"}),
    ],
)
def test_dcgan(tmp_path, options, load):
    module = dcgan(**options)
    prefixed = {f"module.main.{name}": tensor for name, tensor in module.state_dict().items()}
    torch.save({"epoch": 7, "netG": prefixed, "netD": {"main.0.weight": torch.zeros(8, 3, 4, 4)}}, tmp_path / "g.pth")
    loaded = load_generator(tmp_path / "g.pth", **load)
    assert (loaded.latent_dim, loaded.resolution, loaded.spaces) == (12, 16, ("z",))
    z = normal(3, 12)
    expected = module(z if "linear" in options else z[:, :, None, None])
    if options.get("output") is nn.Sigmoid:
        expected = expected * 2 - 1
    assert torch.allclose(loaded.synthesize(z), expected, atol=1e-5)
    assert inspect_checkpoint(tmp_path / "g.pth").architecture == "dcgan"
    with pytest.raises(TlganError, match="has no option colour: a dcgan has activation, output"):
        load_generator(tmp_path / "g.pth", colour=1)


@pytest.mark.parametrize("low", [-1.0, 0.0, 0.5], ids=["-1 to 1", "0 to 1", "0 to 255"])
@pytest.mark.parametrize("last", [True, False], ids=["channels last", "channels first"])
def test_onnx(tmp_path, low, last):
    onnx = pytest.importorskip("onnx")
    weight = normal(3 * 64, 12).numpy() * 0.3
    helper = onnx.helper
    nodes = [
        helper.make_node("Flatten", ["z"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["mixed"]),
        helper.make_node("Tanh" if low < 0 else "Sigmoid", ["mixed"], ["levels"]),
        helper.make_node("Mul", ["levels", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "shape"], ["picture"]),
    ]
    shape = [-1, 8, 8, 3] if last else [-1, 3, 8, 8]
    scale = 255.0 if low > 0 else 1.0
    constants = [
        onnx.numpy_helper.from_array(weight.T.copy(), "weight"),
        onnx.numpy_helper.from_array(np.array(scale, dtype=np.float32), "scale"),
        onnx.numpy_helper.from_array(np.array(shape, dtype=np.int64), "shape"),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("z", 1, ["n", 12, 1, 1])], [value("picture", 1, ["n", *shape[1:]])], constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "g.onnx")
    loaded = load_generator(tmp_path / "g.onnx")
    assert (loaded.latent_dim, loaded.resolution, loaded.channels, loaded.differentiable) == (12, 8, 3, False)
    z = normal(5, 12)
    mixed = z @ torch.from_numpy(weight).T
    expected = mixed.tanh() if low < 0 else mixed.sigmoid() * 2 - 1
    expected = expected.view(5, 8, 8, 3).permute(0, 3, 1, 2) if last else expected.view(5, 3, 8, 8)
    assert torch.allclose(loaded.synthesize(z), expected, atol=1e-5)
    raw = expected if low < 0 else (expected + 1) / 2 * scale
    given = load_generator(tmp_path / "g.onnx", picture_range=(-10.0, 500.0))
    assert torch.allclose(given.synthesize(z), (raw + 10) / 255 - 1, atol=1e-5)
    with pytest.raises(TlganError, match="no gradients"):
        loaded.synthesize(z.requires_grad_())


def test_torchscript_and_export_need_trust(tmp_path):
    module, z = dcgan(), normal(3, 12)
    expected = module(z[:, :, None, None])
    torch.jit.trace(module, z[:, :, None, None]).save(str(tmp_path / "g.pt"))
    batch = torch.export.Dim("n", min=2, max=64)
    torch.export.save(
        torch.export.export(module, (z[:, :, None, None],), dynamic_shapes=[{0: batch}]), tmp_path / "g.pt2"
    )
    torch.export.save(torch.export.export(module, (z[:, :, None, None],)), tmp_path / "fixed.pt2")
    for name in ("g.pt", "g.pt2", "fixed.pt2"):
        with pytest.raises(TlganError, match="can hold code: load it with trust"):
            load_generator(tmp_path / name)
        loaded = load_generator(tmp_path / name, trust=True)
        assert loaded.latent_dim == 12
        assert torch.allclose(loaded.synthesize(z), expected, atol=1e-5)
        assert loaded.synthesize(normal(5, 12)).shape == (5, 3, 16, 16)


def test_a_module_of_ones_own():
    module, z = dcgan(), normal(3, 12)
    wrapped = wrap_generator(module, latent_dim=12)
    assert torch.equal(wrapped.synthesize(z), module(z[:, :, None, None]))
    assert wrapped.fingerprint == wrap_generator(dcgan(), latent_dim=12).fingerprint
    with pytest.raises(TlganError, match="check latent_dim"):
        wrap_generator(module, latent_dim=13)
    with pytest.raises(TlganError, match="paints 16 px, not 32"):
        wrap_generator(module, latent_dim=12, resolution=32)


# -- Hugging Face --------------------------------------------------------------------------------------------------


def served(site, name, path):  # noqa: F811
    site.files[f"/someone/{name}/resolve/main/{path.name}"] = path.read_bytes()


def test_hugging_face_file_and_mixin_repositories(tmp_path, site, monkeypatch):  # noqa: F811
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    snapshot = official.write(tmp_path / "network.pkl", {"G_ema": official.stylegan2(1)})
    served(site, "art", snapshot)
    assert load_generator("hf:someone/art/network.pkl").resolution == 16

    from huggingface_hub import PyTorchModelHubMixin

    class Faces(nn.Module, PyTorchModelHubMixin):
        def __init__(self, latent: int = 12):
            super().__init__()
            self.main = dcgan(latent)

    Faces(latent=12).save_pretrained(tmp_path / "mixin")
    assert json.loads((tmp_path / "mixin" / "config.json").read_text()) == {"latent": 12}
    served(site, "faces", tmp_path / "mixin" / "model.safetensors")
    z = normal(3, 12)
    loaded = load_generator("hf:someone/faces")
    assert torch.allclose(loaded.synthesize(z), dcgan()(z[:, :, None, None]), atol=1e-5)

    with np.load(official.__file__.replace("generators/official.py", "checkpoints/rosinality_64.npz")) as want:
        z, expected = want["z"], want["images"]
    checkpoint = torch.load(
        official.__file__.replace("generators/official.py", "checkpoints/rosinality_64.pt"), weights_only=True
    )
    save_file(checkpoint["g_ema"], tmp_path / "model.safetensors")
    served(site, "style", tmp_path / "model.safetensors")
    torch.save(checkpoint["g_ema"], tmp_path / "pytorch_model.bin")
    served(site, "old", tmp_path / "pytorch_model.bin")
    for ref in ("hf:someone/style", "hf:someone/old"):
        assert np.abs(load_generator(ref).synthesize(z).numpy() - expected).max() < 1e-4
    with pytest.raises(TlganError, match=r"has neither model\.safetensors nor pytorch_model\.bin"):
        load_generator("hf:someone/nothing")


# -- a kind of a third party's own ---------------------------------------------------------------------------------


def test_an_entry_point_takes_its_scheme_and_files_that_nobody_knows(tmp_path, monkeypatch):
    seen = []

    def load(ref, **options):
        seen.append((str(ref), options))
        if str(ref).endswith(".stripes") or str(ref) == "anything":
            return wrap_generator(dcgan(), latent_dim=12, name="striped")
        return None

    entry = importlib.metadata.EntryPoint("stripes", "a_module:load", "tlgan.generators")
    monkeypatch.setattr(type(entry), "load", lambda self: load)
    monkeypatch.setattr("tlgan.hooks.entry_points", lambda group: [entry])
    assert load_generator("stripes:anything").name == "striped"
    (tmp_path / "a.stripes").write_bytes(b"stripes of no known format")
    assert load_generator(tmp_path / "a.stripes", width=3).name == "striped"
    assert seen[-1][1] == {"device": "cpu", "width": 3}
    (tmp_path / "b.bin").write_bytes(b"nobody's")
    with pytest.raises(TlganError, match="no checkpoint"):
        load_generator(tmp_path / "b.bin")
    with pytest.raises(TlganError, match="makes no generator of that"):
        load_generator("stripes:else")


# -- graphs that don't paint the same twice ------------------------------------------------------------------------


class Noisy(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x) * 0.3


def unsteady(*inside):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(12, 32), nn.BatchNorm1d(32), *inside, nn.Linear(32, 3 * 64), nn.Unflatten(1, (3, 8, 8)), nn.Tanh()
    )


def test_a_graph_exported_in_training_mode_or_with_noise_inside_is_refused(tmp_path):
    example = normal(4, 12)
    torch.jit.trace(unsteady().train(), example, check_trace=False).save(str(tmp_path / "train.pt"))
    torch.jit.trace(unsteady(Noisy()).eval(), example, check_trace=False).save(str(tmp_path / "noise.pt"))
    with pytest.raises(TlganError, match=r"when others are beside it.*\.eval\(\)"):
        load_generator(tmp_path / "train.pt", trust=True)
    with pytest.raises(TlganError, match="each time it is given the same latent"):
        load_generator(tmp_path / "noise.pt", trust=True)
    with pytest.raises(TlganError, match="each time it is given the same latent"):
        wrap_generator(unsteady(Noisy()), latent_dim=12)
    assert wrap_generator(unsteady(), latent_dim=12).resolution == 8  # a module is put in evaluation mode
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    constants = [
        onnx.numpy_helper.from_array(normal(12, 48).numpy(), "weight"),
        onnx.numpy_helper.from_array(np.array([-1, 3, 4, 4], dtype=np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("MatMul", ["z", "weight"], ["mixed"]),
        helper.make_node("ReduceMean", ["mixed"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["mixed", "mean"], ["centred"]),
        helper.make_node("Reshape", ["centred", "shape"], ["picture"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value("z", 1, ["n", 12])], [value("picture", 1, ["n", 3, 4, 4])], constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "train.onnx"
    )
    with pytest.raises(TlganError, match="when others are beside it"):
        load_generator(tmp_path / "train.onnx")


# -- what people hold in place of a checkpoint, and what lies beside the weights ------------------------------------


class Mode(enum.Enum):
    FAST = 1


@dataclasses.dataclass
class Config:
    latent: int = 16


@pytest.mark.parametrize(
    "beside",
    [
        collections.defaultdict(list, {"loss": [1.0]}), collections.deque([1.0, 2.0], maxlen=9), {1, 2}, frozenset({1}),
        datetime.date(2024, 1, 1), slice(1, 2), range(3), 1 + 2j, Mode.FAST, Config(),
        torch.optim.Adam([nn.Parameter(torch.zeros(2))]),
    ],
    ids=lambda beside: type(beside).__name__,
)  # fmt: skip
def test_plain_values_and_unknown_objects_beside_the_weights_are_passed_over(tmp_path, beside):
    torch.save({"netG": dcgan().state_dict(), "beside": beside}, tmp_path / "g.pth")
    assert load_generator(tmp_path / "g.pth").resolution == 16


def test_files_in_place_of_a_checkpoint_are_named_with_what_helps(tmp_path):
    (tmp_path / "lfs.pkl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 363\n")
    (tmp_path / "g.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(2000))
    (tmp_path / "g.gz").write_bytes(gzip.compress(bytes(200_000_000)))
    packed = gzip.compress(np.random.default_rng(0).bytes(20_000))
    (tmp_path / "cut.gz").write_bytes(packed[:9_000])
    (tmp_path / "spoilt.gz").write_bytes(packed[:-5] + b"\0" + packed[-4:])
    (tmp_path / "twice.gz").write_bytes(gzip.compress(packed))
    (tmp_path / "several.gz").write_bytes(
        gzip.compress(b"") * 300_000
    )  # each costs time: hours for a file of gigabytes
    (tmp_path / "name.gz").write_bytes(b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 10_000_000)  # of which no end comes
    with zipfile.ZipFile(tmp_path / "g.keras", "w") as file:
        file.writestr("model.weights.h5", "x")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\x08\x01")
    expected = {
        "lfs.pkl": "git lfs pull",
        "g.h5": "Keras.*tf2onnx",
        "g.gz": "gunzip",
        "cut.gz": "cut off",
        "spoilt.gz": "damaged",
        "twice.gz": "twice",
        "several.gz": "more than one",
        "name.gz": "cut off",
        "g.keras": "Keras",
        "saved": "TensorFlow",
    }
    for name, words in expected.items():
        with pytest.raises(TlganError, match=words):
            load_generator(tmp_path / name)
    (tmp_path / "hub").mkdir()
    save_file(dcgan().state_dict(), tmp_path / "hub" / "model.safetensors")
    assert load_generator(tmp_path / "hub").resolution == 16


def test_a_fragment_of_a_family_says_what_it_lacks_and_the_way_out(tmp_path):
    fragments = {
        "feat_128.1.weight_orig of this FastGAN is missing.*ONNX": {
            "init.init.0.weight_orig": (64, 64, 4, 4),
            "feat_8.1.weight_orig": (64, 64, 3, 3),
            "to_big.weight_orig": (3, 32, 3, 3),
        },
        "blocks.0.0.bn1.stored_mean.*module:function": {
            "shared.weight": (10, 8),
            "linear.weight": (512, 20),
            "linear.bias": (512,),
            "blocks.0.0.conv1.weight": (32, 32, 3, 3),
            "output_layer.1.weight": (3, 32, 3, 3),
        },
        "b4.conv1.affine.bias is missing.*ONNX": {
            "synthesis.b4.const": (32, 4, 4),
            "synthesis.b4.conv1.weight": (32, 32, 3, 3),
            "synthesis.b4.conv1.affine.weight": (32, 32),
            "synthesis.b4.torgb.weight": (3, 32, 1, 1),
            "mapping.fc0.weight": (32, 32),
            "mapping.fc0.bias": (32,),
            "mapping.w_avg": (32,),
        },
        "layers without tensors.*option layers.*inspect --try": {
            "0.weight_orig": (100, 32, 4, 4),
            "0.weight_u": (32,),
            "0.weight_v": (1600,),
            "3.weight_orig": (32, 3, 4, 4),
            "3.weight_u": (3,),
            "3.weight_v": (512,),
        },
    }
    for words, shapes in fragments.items():
        torch.save({name: torch.randn(shape) for name, shape in shapes.items()}, tmp_path / "g.pth")
        with pytest.raises(TlganError, match=words):
            load_generator(tmp_path / "g.pth")
    assert load_generator(tmp_path / "g.pth", layers="t1p0,t2p1").resolution == 8
