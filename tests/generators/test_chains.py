"""State_dicts of chains of layers: what tensors and names determine is painted, what they leave open is refused or said."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from tlgan.errors import AssumedWarning, TlganError
from tlgan.generators import convert_checkpoint, inspect_checkpoint, load_generator
from tlgan.generators.formats.candidates import try_checkpoint
from tlgan.generators.options import parse_options, written


def settled(module):
    """Statistics and affine parameters as training leaves them: none of them trivial."""
    torch.manual_seed(3)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.bias.data):
                tensor.normal_()
            for tensor in (layer.running_var, layer.weight.data):
                tensor.uniform_(0.5, 2)
    return module.eval().requires_grad_(False)


def latents(dim, n=3):
    return torch.from_numpy(np.random.default_rng(1).normal(size=(n, dim)).astype(np.float32))


def transposed(*layers, bias=False, activation=nn.ReLU, output=nn.Tanh):
    parts = []
    for index, (given, made, *applied) in enumerate(layers):
        parts.append(nn.ConvTranspose2d(given, made, *applied, bias=bias))
        parts += [nn.BatchNorm2d(made), activation()] if index < len(layers) - 1 else [output()]
    return nn.Sequential(*parts)


class Named(nn.Module):
    """A module under the name that a published generator gives it."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, z):
        for part in self.children():
            z = part(z)
        return z


class Pixels(nn.Module):
    def forward(self, z):
        return z[:, :, None, None]


class Square(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        side = round((x.shape[1] / self.channels) ** 0.5)
        return x.view(len(x), self.channels, side, side)


def upsampling(channels=3, side=8):
    convolutions = nn.Sequential(
        nn.BatchNorm2d(128), nn.Upsample(scale_factor=2), nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128, 0.8),
        nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, padding=1), nn.BatchNorm2d(64, 0.8),
        nn.LeakyReLU(0.2), nn.Conv2d(64, channels, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    return Named(l1=nn.Sequential(nn.Linear(20, 128 * side**2)), view=Square(128), conv_blocks=convolutions)


def blocks(*layers, last_bias=True, activation=nn.ReLU):
    """Blocks of their own `nn.Sequential`, as two well-known courses and torchgan write them."""
    made = [
        nn.Sequential(nn.ConvTranspose2d(a, b, *rest, bias=last_bias), nn.BatchNorm2d(b), activation())
        for a, b, *rest in layers[:-1]
    ]
    a, b, *rest = layers[-1]
    return nn.Sequential(*made, nn.Sequential(nn.ConvTranspose2d(a, b, *rest, bias=True), nn.Tanh()))


def linear():
    layers = [nn.Linear(20, 16), nn.LeakyReLU(0.2)]
    for a, b in ((16, 24), (24, 32), (32, 48)):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b, 0.8), nn.LeakyReLU(0.2)]
    return Named(model=nn.Sequential(*layers, nn.Linear(48, 784), nn.Tanh()), view=Square(1))


TUTORIAL = ((20, 16, 4, 1, 0), (16, 12, 4, 2, 1), (12, 8, 4, 2, 1), (8, 6, 4, 2, 1))
PUBLISHED = {
    "tutorial": lambda: Named(view=Pixels(), main=transposed(*TUTORIAL, (6, 3, 4, 2, 1))),
    "MNIST, last kernel 1": lambda: Named(view=Pixels(), main=transposed(*TUTORIAL, (6, 1, 1, 1, 2))),
    "CIFAR-10, last kernel 1": lambda: Named(view=Pixels(), main=transposed(*TUTORIAL, (6, 3, 1, 1, 0))),
    "3-6-13-28": lambda: Named(view=Pixels(), gen=blocks((20, 16, 3, 2), (16, 12, 4, 1), (12, 8, 3, 2), (8, 1, 4, 2))),
    "3-7-15-31-64": lambda: Named(
        view=Pixels(), gen=blocks((20, 16, 3, 2), (16, 12, 3, 2), (12, 8, 3, 2), (8, 6, 3, 2), (6, 3, 4, 2))
    ),
    "upsampling": upsampling,
    "linear layers": linear,
    "torchgan": lambda: Named(
        view=Pixels(),
        model=blocks(*TUTORIAL[:3], (8, 3, 4, 2, 1), last_bias=False, activation=lambda: nn.LeakyReLU(0.2)),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_recipes_are_painted_as_their_code_paints_them(tmp_path, name):
    module = settled(PUBLISHED[name]())
    torch.save(module.state_dict(), tmp_path / "g.pth")
    with pytest.warns(
        AssumedWarning, match="assumed activation=(none,)?(leaky_)?relu, output=tanh"
    ):  # a copy may have others
        loaded = load_generator(tmp_path / "g.pth")
    z = latents(20)
    expected = module(z)
    assert loaded.synthesize(z).shape == expected.shape
    assert torch.allclose(loaded.synthesize(z), expected, atol=1e-4)


def test_a_copy_of_a_recipe_with_another_activation_is_told_from_it_by_an_option(tmp_path):
    module = transposed(*TUTORIAL, (6, 3, 4, 2, 1), activation=lambda: nn.LeakyReLU(0.2))
    module = settled(Named(view=Pixels(), main=module))
    torch.save(module.state_dict(), tmp_path / "g.pth")
    with pytest.warns(AssumedWarning, match="assumed activation=relu, output=tanh"):
        load_generator(tmp_path / "g.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_generator(tmp_path / "g.pth", activation="leaky_relu", output="tanh")
    z = latents(20)
    assert torch.allclose(loaded.synthesize(z), module(z), atol=1e-4)


OPEN = {
    "kernel 3 between": (transposed((20, 16, 4, 1, 0), (16, 8, 3, 1, 1), (8, 3, 4, 2, 1)), "t1p0,t1p1,t2p1"),
    "kernel 5": (transposed((20, 16, 4, 1, 0), (16, 3, 5, 2, 2, 1)), "t1p0,t2p2o1"),
    "7-14-28": (transposed((20, 16, 7, 1, 0), (16, 8, 3, 2, 1, 1), (8, 1, 4, 2, 1)), "t1p0,t2p1o1,t2p1"),
    "28 or 32": (transposed((20, 16, 4, 1, 0), (16, 8, 4, 1, 0), (8, 6, 4, 2, 1), (6, 1, 4, 2, 1)), "t1p0,t1p0,t2p1,t2p1"),
    "last kernel 1": (transposed((20, 16, 4, 1, 0), (16, 8, 4, 2, 1), (8, 3, 1, 1, 0)), "t1p0,t2p1,t1p0"),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN)
def test_what_the_shapes_leave_open_is_refused_and_given_by_an_option(tmp_path, name):
    module, layers = settled(OPEN[name][0]), OPEN[name][1]
    torch.save(module.state_dict(), tmp_path / "g.pth")
    with pytest.raises(TlganError, match=r"tensors don't determine.*option layers.*inspect --try"):
        load_generator(tmp_path / "g.pth")
    assert "option layers" in inspect_checkpoint(tmp_path / "g.pth").undetermined
    z = latents(20)
    expected = module(z[:, :, None, None])
    options = {"layers": layers, "activation": "relu", "output": "tanh"}
    assert torch.allclose(load_generator(tmp_path / "g.pth", **options).synthesize(z), expected, atol=1e-5)
    assert inspect_checkpoint(tmp_path / "g.pth", **options).resolution == expected.shape[-1]
    copy = convert_checkpoint(tmp_path / "g.pth", tmp_path / "g.safetensors", **options)
    assert torch.allclose(load_generator(copy).synthesize(z), expected, atol=1e-5)
    assert load_generator(copy).fingerprint == load_generator(tmp_path / "g.pth", **options).fingerprint


def test_upsampling_instance_norm_slopes_and_order_are_options(tmp_path):
    z, file = latents(20), tmp_path / "g.pth"
    module = settled(nn.Sequential(
        nn.Linear(20, 8 * 16), Square(8), nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(8, 6, 3, padding=1),
        nn.InstanceNorm2d(6, affine=True), nn.LeakyReLU(0.01), nn.Upsample(scale_factor=2), nn.Conv2d(6, 3, 3, padding=1),
        nn.Sigmoid(),
    ))  # fmt: skip
    torch.save(module.state_dict(), file)
    with pytest.raises(TlganError, match="option layers"):
        load_generator(file)
    with pytest.raises(TlganError, match="norm=instance"):
        load_generator(file, layers="b1p1,u1p1")
    loaded = load_generator(
        file, layers="b1p1,u1p1", norm="instance", activation="none,leaky_relu:0.01", output="sigmoid"
    )
    assert loaded.synthesize(z).shape == (3, 3, 16, 16)
    # the linear layer is no picture yet when its instance would be normalised: its activation is `none` and no norm follows
    module = nn.Sequential(
        nn.ConvTranspose2d(20, 8, 4), nn.ReLU(), nn.BatchNorm2d(8), nn.ConvTranspose2d(8, 3, 4, 2, 1)
    )
    torch.save(settled(module).state_dict(), file)
    loaded = load_generator(file, output="none")  # the numbers say that the activation comes first
    assert torch.allclose(loaded.synthesize(z), module(z[:, :, None, None]), atol=1e-5)


@pytest.mark.parametrize("new", [False, True], ids=["hooks", "parametrizations"])
def test_spectral_and_weight_norm_and_prelu(tmp_path, new):
    spectral = nn.utils.parametrizations.spectral_norm if new else nn.utils.spectral_norm
    weighted = nn.utils.parametrizations.weight_norm if new else nn.utils.weight_norm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = nn.Sequential(
            spectral(nn.ConvTranspose2d(20, 8, 4)), nn.PReLU(8), weighted(nn.ConvTranspose2d(8, 6, 4, 2, 1)), nn.PReLU(),
            spectral(nn.ConvTranspose2d(6, 3, 4, 2, 1)), nn.Tanh(),
        )  # fmt: skip
    module(torch.randn(4, 20, 1, 1))
    module.eval()
    torch.save(module.state_dict(), tmp_path / "g.pth")
    z = latents(20)
    loaded = load_generator(tmp_path / "g.pth")
    assert torch.allclose(loaded.synthesize(z), module(z[:, :, None, None]), atol=1e-5)


def test_branches_and_labels_are_refused_with_the_way_out(tmp_path):
    for name, word in (("block.shortcut", "branches"), ("label_emb", "class label")):
        state = {"l1.weight": torch.zeros(64 * 16, 20), f"{name}.weight": torch.zeros(64, 64, 1, 1),
                 "out.weight": torch.zeros(3, 64, 3, 3)}  # fmt: skip
        torch.save(state, tmp_path / "g.pth")
        with pytest.raises(TlganError, match=f"{word}.*(wrap_generator|module:function)"):
            load_generator(tmp_path / "g.pth")


def test_customary_activations_are_said_and_transparency_lies_over_white(tmp_path):
    module = nn.Sequential(nn.ConvTranspose2d(20, 8, 4), nn.ReLU(), nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.Tanh())
    torch.save(module.state_dict(), tmp_path / "g.pth")
    with pytest.warns(AssumedWarning, match="activation=relu, output=tanh"):
        loaded = load_generator(tmp_path / "g.pth")
    z = latents(20)
    images = module(z[:, :, None, None])
    opaque = (images[:, 3:] + 1) / 2
    assert torch.allclose(loaded.synthesize(z), images[:, :3] * opaque + 1 - opaque, atol=1e-5)


def test_trying_puts_the_true_reading_first(tmp_path):
    """A net whose running statistics are its own is told apart by them; the sheet shows a row a candidate."""
    torch.manual_seed(0)
    module = transposed((20, 32, 4, 1, 0), (32, 16, 3, 1, 1), (16, 12, 4, 2, 1), (12, 3, 4, 2, 1),
                        activation=lambda: nn.LeakyReLU(0.2))  # fmt: skip
    for layer in module:
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    module.train()
    for _ in range(8):
        module(torch.randn(64, 20, 1, 1))
    torch.save(module.eval().state_dict(), tmp_path / "g.pth")
    found = try_checkpoint(tmp_path / "g.pth", tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert found[0].options["layers"] == "t1p0,t1p1,t2p1,t2p1"
    assert found[0].options["activation"] == "leaky_relu"
    assert parse_options(found[0].words.replace("-g ", "").split()) == found[0].options


def test_options_are_written_and_read_alike():
    options = {"activation": "leaky_relu:0.1", "layers": "t1p0,t2p1", "picture_range": [0, 1], "norm_last": True}
    assert parse_options(written(options).replace("-g ", "").split()) == options
    for wrong in ("activation", "=3", "a b=c", "x="):
        with pytest.raises(TlganError, match="KEY=VALUE"):
            parse_options([wrong])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weight: weight.to(torch.complex64), "complex64, which is complex or quantised"),
        (
            lambda weight: (weight * 100).to(torch.int8),
            "int8, which is complex or quantised: save the weights as float32",
        ),
        (lambda weight: weight.clone().fill_(torch.nan), "not finite"),
    ],
)
def test_weights_that_are_no_plain_numbers_are_refused(tmp_path, change, words):
    state = transposed(*TUTORIAL[:2], (12, 3, 4, 2, 1)).state_dict()
    torch.save(state | {"3.weight": change(state["3.weight"])}, tmp_path / "g.pth")
    with pytest.raises(TlganError, match=words):
        load_generator(tmp_path / "g.pth")


def test_a_decoder_is_not_painted_without_what_comes_before_it(tmp_path):
    layers = transposed(*TUTORIAL[:2], (12, 3, 4, 2, 1)).state_dict()
    state = {f"decoder.{name}": tensor for name, tensor in layers.items()}
    state |= {"encoder.0.weight": torch.zeros(8, 3, 4, 4), "decoder_input.weight": torch.zeros(320, 8)}
    torch.save(state, tmp_path / "vae.pth")
    with pytest.raises(TlganError, match=r"tlgan\.wrap_generator"):
        load_generator(tmp_path / "vae.pth")
