"""A small network that paints small pictures from the intermediate features of a large generator.

A generator of 1024 pixels spends nine tenths of its time on the last three doublings. Its features at 32 pixels already
hold the face: a head of some hundred thousand parameters reads them as a picture of four times their side, so that a
slider moves smoothly and samples are cheap. What the later layers' styles would have changed is told to the head by the
latent. `tlgan.training.picture_head` trains one for any generator that has features.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlgan import __version__
from tlgan.errors import TlganError
from tlgan.io.foreign import json_of
from tlgan.io.tensors import read_tensors, write_tensors

FORMAT = "tlgan.picture-head"
SCALE = 4  # pixels of the picture a pixel of the features
_SLOPE = 0.2
_STYLES = 3  # groups of layers with a style of their own: at the features' side, at twice it, at four times it
_SIZES = ("features", "latent_dim", "rows", "channels", "side", "wide", "narrow", "code")
_LARGEST = 4096


class HeadNetwork(nn.Module):
    """Features [n, features, side, side] and latents [n, rows, latent_dim] -> pictures [n, channels, 4 side, 4 side].

    Separable convolutions with styles: every layer's input channels are scaled by an affine map of a code of the latent,
    as in StyleGAN. Each group of layers mixes the rows of w+ with weights of its own, since coarse and fine layers may
    have been given different latents. The first row that the features have not yet felt is unknown to the head, so
    all rows are offered.
    """

    def __init__(
        self,
        features: int,
        latent_dim: int,
        rows: int,
        channels: int = 3,
        *,
        side: int = 32,
        wide: int = 256,
        narrow: int = 96,
        code: int = 96,
    ) -> None:
        super().__init__()
        self.sizes = dict(zip(_SIZES, (features, latent_dim, rows, channels, side, wide, narrow, code), strict=True))
        self.rows = nn.Parameter(torch.zeros(_STYLES, rows))
        self.code = nn.Linear(latent_dim, code)
        self.reduce = _Layer(code, features, wide, depthwise=False)
        self.spread = _Layer(code, wide, 4 * narrow)
        self.narrow = nn.ModuleList(_Layer(code, narrow, narrow) for _ in range(3))
        self.picture = nn.Conv2d(narrow, 4 * channels, 3, padding=1)

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        if latents.ndim == 2:
            latents = latents[:, None]
        mixed = torch.einsum("sr,nrd->nsd", self.rows.softmax(dim=1), latents)
        first, second, third = F.leaky_relu(self.code(mixed), _SLOPE).unbind(1)
        x = self.reduce(features, first)
        x = F.pixel_shuffle(self.spread(x, first), 2)
        for layer, code in zip(self.narrow, (second, second, third), strict=True):
            x = x + layer(x, code)
        return F.pixel_shuffle(self.picture(x), 2)


class _Layer(nn.Module):
    """leaky_relu(pointwise(depthwise(x * style)))"""

    def __init__(self, code: int, inner: int, outer: int, *, depthwise: bool = True) -> None:
        super().__init__()
        self.style = nn.Linear(code, inner)
        nn.init.normal_(self.style.weight, std=0.02)
        nn.init.ones_(self.style.bias)
        self.depthwise = nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False) if depthwise else nn.Identity()
        self.pointwise = nn.Conv2d(inner, outer, 1)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        x = x * self.style(code)[:, :, None, None]
        return F.leaky_relu(self.pointwise(self.depthwise(x)), _SLOPE)


class TrainedHead:
    """A `PictureHead` as generators take it: a network, and which generator's features it reads.

    ``generator``: fingerprint of that generator; ``fingerprint``: sha256 over the parameters.
    """

    def __init__(self, network: HeadNetwork, generator: str) -> None:
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.generator = generator
        self.side = int(network.sizes["side"])
        self.resolution = SCALE * self.side
        digest = sha256(json.dumps(network.sizes).encode())
        for name, value in sorted(network.state_dict().items()):
            digest.update(name.encode() + value.contiguous().cpu().numpy().tobytes())
        self.fingerprint = digest.hexdigest()

    def __call__(self, features: Tensor, latents: Tensor) -> Tensor:
        """Features [n, C, side, side], latents z [n, d] or w+ [n, rows, d] -> [n, channels, resolution, resolution].

        Without gradients in bfloat16 where the processor has it: a quarter of the time, .14 grey levels off.
        """
        exported = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
        plain = exported or torch.is_grad_enabled() or features.device.type != "cpu" or not bfloat16_is_quick()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=not plain):
            pictures: Tensor = self.network(features, latents)
        return pictures.float()

    def to(self, device: str | torch.device) -> TrainedHead:
        """The same head where a generator paints; moved in place."""
        self.network.to(device)
        return self

    def save(self, path: Path) -> None:
        """Write the head as safetensors in half precision, whole or not at all."""
        metadata = {
            "format": FORMAT,
            "version": "1",
            "written_by": f"tlgan {__version__}",
            "generator": self.generator,
            "sizes": self.network.sizes,
        }
        write_tensors(path, {name: value.half() for name, value in self.network.state_dict().items()}, metadata)


@cache
def bfloat16_is_quick() -> bool:
    """Whether the processor multiplies matrices of bfloat16 in hardware (AMX)."""
    supported = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(supported and supported())


def load_head(path: Path) -> TrainedHead:
    """Read what `TrainedHead.save` wrote. Raises TlganError for anything else."""
    try:
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise TlganError(f"{path} is no picture head: expected a file that `tlgan discover --preview` wrote")
        sizes = json_of(metadata["sizes"])
        values = [sizes[name] for name in _SIZES]
        if not all(type(value) is int and 1 <= value <= _LARGEST for value in values):
            raise ValueError("sizes out of range")
        with torch.device("meta"):
            network = HeadNetwork(**sizes)
        network.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        line = str(error).partition("\n")[0][:120]
        raise TlganError(f"{path} can't be read as a picture head: {line}; train it again with --preview") from error
    return TrainedHead(network, str(metadata.get("generator", "")))
