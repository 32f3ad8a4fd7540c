"""A compact generator whose latent modulates every layer: what `recipes/train_generator.py` trains.

One linear layer lays a 4x4 ground, another sketches a picture of 16x16; every block doubles the side by repeating pixels
between two 3x3 convolutions (so there are no checkerboards) and adds its picture to what is there. Each convolution
scales its inputs by a linear function of z and its outputs back to unit variance, which is StyleGAN2's modulation
(Karras et al., 2020) written with one shared kernel: fast on a CPU, and plain operators in ONNX. There is no mapping
network: pictures depend on z as directly as they can, since axes are straight lines in it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import MAX_RESOLUTION, Blueprint

START = 4  # pixels: the side of the ground
SKETCH = 16  # pixels: the side of the sketch
_SLOPE = 0.2  # of the leaky ReLUs
_GAIN = math.sqrt(2)  # keeps the variance of what they let through near one
_EPSILON = 1e-6


class ModulatedConv(nn.Module):
    """A 3x3 convolution under a style, and a leaky ReLU: x [n, inner, H, W], style [n, inner] -> [n, outer, H, W].

    With `doubles` every pixel of x is repeated in a 2x2 square first: -> [n, outer, 2H, 2W].
    """

    def __init__(self, latent_dim: int, inner: int, outer: int, *, doubles: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outer, inner, 3, 3) / math.sqrt(inner * 9))
        self.bias = nn.Parameter(torch.zeros(outer))
        self.style = _style(latent_dim, inner)
        self.doubles = doubles
        self._frozen: tuple[Tensor, Tensor, Tensor] | None = None

    def freeze(self) -> None:
        """The weights stay as they are from now on: what follows from them is computed once, and not for every picture."""
        kernel, energy, bias = (part.detach() for part in self._derived())
        self._frozen = kernel.contiguous(memory_format=torch.channels_last), energy.contiguous(), bias

    def _derived(self) -> tuple[Tensor, Tensor, Tensor]:
        """The kernel; the weights' energy [inner, outer]; the bias [outer, 1, 1]. The ReLU's gain is drawn into both,
        which is the same and spares a pass over the picture."""
        kernel = self._doubling() if self.doubles else self.weight
        energy = self.weight.square().sum(dim=(2, 3)).t() / _GAIN**2
        return kernel, energy, (_GAIN * self.bias)[:, None, None]

    def _doubling(self) -> Tensor:
        """The 4x4 kernel [inner, outer, 4, 4] of a transposed convolution that repeats pixels and convolves in one: four
        ninths of the multiplications. Where the 3x3 kernel meets copies of one pixel, its weights add up."""
        flipped = self.weight.flip(2, 3).transpose(0, 1)
        inner, outer = flipped.shape[:2]
        square = flipped.new_ones(1, 1, 2, 2)
        return F.conv2d(flipped.reshape(inner * outer, 1, 3, 3), square, padding=1).view(inner, outer, 4, 4)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        kernel, energy, bias = self._frozen or self._derived()
        x = x * style[..., None, None].to(x.dtype)
        y = F.conv_transpose2d(x, kernel, stride=2, padding=1) if self.doubles else F.conv2d(x, kernel, padding=1)
        # Variance of each output for inputs of unit variance; scaling after the convolution equals scaling kernels.
        scale = ((style.square() @ energy).float() + _EPSILON).rsqrt()
        y = torch.addcmul(bias.to(y.dtype), y, scale[..., None, None].to(y.dtype))
        return F.leaky_relu(y, _SLOPE, inplace=True)


class ToPicture(nn.Module):
    """A 1x1 convolution under a style: x [n, inner, H, W], style [n, inner] -> [n, channels, H, W]."""

    def __init__(self, latent_dim: int, inner: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, inner, 1, 1) / math.sqrt(inner))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.style = _style(latent_dim, inner)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        # There are fewer weights than pixels: the style is cheaper on them.
        weight = style[:, None, :] * self.weight.flatten(1)  # [n, channels, inner]
        y: Tensor = weight.to(x.dtype) @ x.flatten(2) + self.bias[:, None].to(x.dtype)
        return y.view(x.shape[0], -1, *x.shape[2:])


class Block(nn.Module):
    """Features [n, inner, s, s] -> [n, outer, 2s, 2s], and what they add to the picture [n, C, 2s, 2s]."""

    def __init__(self, latent_dim: int, inner: int, outer: int, channels: int) -> None:
        super().__init__()
        self.narrow = ModulatedConv(latent_dim, inner, outer)  # before doubling: a quarter of the work
        self.refine = ModulatedConv(latent_dim, outer, outer, doubles=True)
        self.to_picture = ToPicture(latent_dim, outer, channels)

    def forward(self, x: Tensor, narrow: Tensor, refine: Tensor, to_picture: Tensor) -> tuple[Tensor, Tensor]:
        x = self.refine(self.narrow(x, narrow), refine)
        return x, self.to_picture(x, to_picture)


class ModulatedNet(nn.Module):
    """z [n, latent_dim] -> pictures [n, channels, S, S] with S = 4 * 2 ** (len(widths) - 1), not clipped.

    `widths` are the channels at 4, 8, 16, ... pixels; S is at least 16.
    """

    def __init__(self, latent_dim: int, widths: tuple[int, ...], channels: int = 3) -> None:
        super().__init__()
        self.latent_dim, self.widths, self.channels = latent_dim, tuple(widths), channels
        self.ground = nn.Linear(latent_dim, widths[0] * START**2)
        self.sketch = nn.Linear(latent_dim, channels * SKETCH**2)
        self.blocks = nn.ModuleList(
            Block(latent_dim, inner, outer, channels) for inner, outer in itertools.pairwise(widths)
        )
        self._styling: tuple[Tensor, Tensor] | None = None

    def freeze(self) -> None:
        """The weights stay as they are from now on: what follows from them is computed once, and not for every picture."""
        for layer in self.modules():
            if isinstance(layer, ModulatedConv):
                layer.freeze()
        styles = self._style_layers()
        self._styling = (torch.cat([style.weight for style in styles]), torch.cat([style.bias for style in styles]))

    def _style_layers(self) -> list[nn.Linear]:
        blocks = cast("Iterable[Block]", self.blocks)
        return [layer.style for block in blocks for layer in (block.narrow, block.refine, block.to_picture)]

    def _styles(self, z: Tensor) -> Sequence[Tensor]:
        """The style of every layer, in the order of the blocks. All depend on z alone: frozen, they are one product."""
        layers = self._style_layers()
        if self._styling is None:
            return [layer(z) for layer in layers]
        return torch.split(F.linear(z, *self._styling), [layer.out_features for layer in layers], dim=1)

    def forward(self, z: Tensor) -> Tensor:
        styles = self._styles(z)
        x = (_GAIN * F.leaky_relu(self.ground(z), _SLOPE)).view(-1, self.widths[0], START, START)
        picture: Tensor | None = None
        for index, block in enumerate(self.blocks):
            x, added = block(x, *styles[3 * index : 3 * index + 3])
            if picture is None:
                picture = added
            else:
                larger = F.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)
                picture = larger + added
            if picture.shape[-1] == SKETCH:
                picture = picture + self.sketch(z).view(-1, self.channels, SKETCH, SKETCH)
        assert picture is not None
        return picture


def _style(latent_dim: int, inner: int) -> nn.Linear:
    """From latents to a factor for each input, at first near 1."""
    style = nn.Linear(latent_dim, inner)
    nn.init.normal_(style.weight, std=0.5 / math.sqrt(latent_dim))
    nn.init.ones_(style.bias)
    return style


class Modulated(LatentGenerator):
    """The generator of a `ModulatedNet` on file; every size is taken from its tensors."""

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        count = sum(key.startswith("blocks.") and key.endswith(".narrow.weight") for key in blueprint.tensors)
        count = min(count, 64)  # more is refused below
        resolution = START * 2**count
        if not SKETCH <= resolution <= MAX_RESOLUTION:
            raise TlganError(f"this modulated generator has {count} blocks: expected 2 to 11")
        ground, latent_dim = blueprint.shape("ground.weight")[:2]
        widths = [ground // START**2]
        widths += [blueprint.shape(f"blocks.{index}.narrow.weight")[0] for index in range(count)]
        channels = blueprint.shape(f"blocks.{count - 1}.to_picture.weight")[0]
        if channels not in (1, 3):
            raise TlganError(f"its last layer paints {channels} channels: expected 1 or 3")
        with torch.device("meta"):  # sizes only: nothing is allocated before every tensor was found to fit
            network = ModulatedNet(latent_dim, tuple(widths), channels)
        state = {key: blueprint.load(key, *like.shape) for key, like in network.state_dict().items()}
        network.load_state_dict(state, assign=True)
        self.network = network.requires_grad_(False).eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.freeze()
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=latent_dim,
            resolution=resolution,
            channels=channels,
            device=device,
        )

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        images: Tensor = self.network(latents)
        return images
