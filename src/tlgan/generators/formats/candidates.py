"""The ways to read a state_dict that leaves its geometry or its activations open, painted and put in order.

Two measures order them. Where the file holds batch normalisation, its running statistics are those of the network as
it was trained: what a candidate's layers give for random latents is compared with them (the Kullback-Leibler divergence
of Gaussians, nats a channel). Then roughness: the mean step between neighbouring pixels over the pictures' standard
deviation, which is about 1.1 for white noise and well below for pictures. Both are evidence, not proof: the pictures are
written for a person to judge.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint import read_checkpoint
from tlgan.generators.latents import sample_latents
from tlgan.generators.loading import describe, fetch_generator
from tlgan.generators.nets.chain import Geometry, steps_of
from tlgan.generators.nets.dcgan import DCGAN
from tlgan.generators.options import written
from tlgan.io import hub
from tlgan.io.files import replacing
from tlgan.io.pixels import to_bytes
from tlgan.provenance import Claim, encode

from .kinds import set_options

_SIDES = (16, 28, 32, 48, 64, 96, 128, 192, 256, 512)  # usual sides, pixels
_MOST_GEOMETRIES = 12
_MOST_TRIED = 20_000
_PAINTED = 6
_PROBES = 64
_TILE = 128  # the largest tile of the sheet, pixels


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read a file."""

    options: dict[str, Any]
    words: str  # the options for the command line
    resolution: int  # pixels
    statistics: float | None  # nats a channel off the running statistics; None where the file holds none
    roughness: float
    saturated: float  # share of values beyond 0.99
    picture: str = ""  # the sheet that was written
    images: Tensor = field(default_factory=lambda: torch.zeros(0), compare=False, repr=False)

    @property
    def order(self) -> tuple[float, float]:
        return (0.0 if self.statistics is None else round(self.statistics, 2), self.roughness + self.saturated)

    def as_dict(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "images"}


def try_checkpoint(
    ref: str | Path,
    out: str | Path,
    *,
    network: str | None = None,
    progress: hub.Progress | None = None,
    **options: Any,
) -> list[Candidate]:
    """Paint the candidates for a file, the most picture-like first, one row each, and write them to `out` (PNG).

    `options` are held fixed. Raises `TlganError` where the file is no chain of layers.
    """
    path = fetch_generator(ref, progress=progress)

    def blueprint() -> Blueprint:
        return describe(read_checkpoint(path), network)

    first = blueprint()
    if first.architecture != "dcgan":
        raise TlganError(f"{path.name} is a {first.architecture}, which leaves nothing open: there is nothing to try")
    shapes = {name: record.shape for name, record in first.tensors.items()}
    found = [made for tried in _choices(shapes, options) if (made := _candidate(blueprint(), tried)) is not None]
    if not found:
        raise TlganError(
            f"{path.name}: none of the usual ways to apply its layers makes a picture; export it to ONNX or TorchScript, or "
            "wrap it in Python with tlgan.wrap_generator"
        )
    found.sort(key=lambda candidate: candidate.order)
    _write(found, Path(out), path.name)
    extra = {} if network is None else {"network": network}
    return [
        Candidate(**(_fields(made) | {"picture": str(out), "words": written({**extra, **made.options})}))
        for made in found
    ]


def _fields(candidate: Candidate) -> dict[str, Any]:
    return {name: getattr(candidate, name) for name in Candidate.__dataclass_fields__}


def _choices(shapes: dict[str, tuple[int, ...]], fixed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    activations = [fixed["activation"]] if "activation" in fixed else ["relu", "leaky_relu"]
    outputs = [fixed["output"]] if "output" in fixed else ["tanh", "sigmoid"]
    geometries = [fixed["layers"]] if "layers" in fixed else list(_geometries(shapes))
    for layers, activation, output in itertools.product(geometries, activations, outputs):
        yield {**fixed, "activation": activation, "output": output} | ({"layers": layers} if layers else {})


def _geometries(shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Words for `layers` that end in a picture of a usual side, the plainest first."""
    steps = steps_of(shapes)
    convolutions = [step.shape for step in steps if len(step.shape) == 4]
    if not convolutions:
        return [""]
    linear = [step.shape for step in steps if len(step.shape) == 2]
    first = [["t1p0"]] if not linear else []
    rest = convolutions[1:] if not linear else convolutions
    ways = [*first, *(_ways(shape) for shape in rest)]
    kept: dict[str, int] = {}
    for words in itertools.islice(itertools.product(*ways), _MOST_TRIED):
        side = _side(convolutions, linear, words)
        if side in _SIDES:
            unlike = sum(a.partition("p")[0] != b.partition("p")[0] for a, b in itertools.pairwise(words[1:]))
            kept[",".join(words)] = 2 * unlike + len(set(words[1:]))
    return sorted(kept, key=lambda words: kept[words])[:_MOST_GEOMETRIES]


def _ways(shape: Sequence[int]) -> list[str]:
    """The customary ways to apply one convolution of that shape."""
    kernel = shape[2]
    same = f"p{kernel // 2}"
    plain = [f"c1{same}", f"u1{same}"] if kernel % 2 else []
    if kernel == 1:
        return ["t1p0", "t1p2", *plain[:1]]
    if kernel % 2:
        return [f"t2{same}o1", f"t2{same}", f"t1{same}", "t2p0", *plain]
    return [f"t2p{kernel // 2 - 1}", "t1p0", "t2p0"]


def _side(convolutions: Sequence[Sequence[int]], linear: Sequence[Sequence[int]], words: Sequence[str]) -> int:
    """Side of the picture in pixels; 0 where the layers don't follow one another."""
    geometry = [Geometry.of(word) for word in words]
    side, rest = 1, list(zip(convolutions, geometry, strict=True))
    if linear:
        channels = convolutions[0][0 if geometry[0].kind == "t" else 1]
        side = math.isqrt(linear[-1][0] // max(channels, 1))
        if channels * side * side != linear[-1][0]:
            return 0
    else:
        side, channels, rest = convolutions[0][2], convolutions[0][1], rest[1:]
    for shape, applied in rest:
        takes, gives = (shape[0], shape[1]) if applied.kind == "t" else (shape[1], shape[0])
        if takes != channels or side < 1:
            return 0
        side, channels = applied.side(side, shape[2]), gives
    return side


def _candidate(blueprint: Blueprint, options: dict[str, Any]) -> Candidate | None:
    """One way, painted; None where the tensors don't fit it."""
    try:
        made = DCGAN(set_options(blueprint, "the file", options), name="candidate", fingerprint="")
    except TlganError:
        return None
    z = torch.from_numpy(sample_latents(_PROBES, made.latent_dim, seed=0))
    with torch.no_grad():
        statistics = made.off_statistics(z)
        images = made.synthesize(z[:_PAINTED]).clamp(-1, 1)
    if not torch.isfinite(images).all():
        return None
    steps = (images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()) / 2
    return Candidate(
        options,
        "",
        made.resolution,
        statistics,
        float(steps / images.std().clamp_min(1e-3)),
        float((images.abs() > 0.99).float().mean()),
        images=images,
    )


def _write(found: Sequence[Candidate], out: Path, name: str) -> None:
    """One row of pictures a candidate."""
    from PIL import Image

    tile = min(_TILE, max(candidate.resolution for candidate in found))
    sheet = Image.new("RGB", (_PAINTED * (tile + 2), len(found) * (tile + 2)), "white")
    for row, candidate in enumerate(found):
        for column, image in enumerate(candidate.images):
            levels = to_bytes(image.expand(3, -1, -1)[None])[0]
            picture = Image.fromarray(levels).resize((tile, tile), Image.Resampling.NEAREST)
            sheet.paste(picture, (column * (tile + 2), row * (tile + 2)))
    with replacing(out) as temporary:
        temporary.write_bytes(encode(sheet, Claim(generator=name, asked="candidates")))
