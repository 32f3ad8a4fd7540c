"""What painting small or in half precision gains and costs: speed, and the cosine to the axes from whole pictures.

    python benchmarks/small_pictures.py network.pkl --resolution 128 --samples 5000
    python benchmarks/small_pictures.py

All ways see the same latents and the same extractors. Half precision is what a GPU paints samples in; a processor can
tell what it does to the axes, not how fast it is. Axes scatter with the samples drawn, so the cosine between the
axes of two halves of the whole pictures stands beside it. Only features that the network moves at all are compared.

Without a file, a pg-GAN of 64 pixels is trained first, since random weights have no axes to compare: it learns to paint
what `face64` paints from the same latents, and grows from 8 pixels on as such networks do, each size faded in and then
alone in being cared for. That is what makes the earlier sizes drift, and what this is about.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.generators import official
from tlgan.axes import AxisLearner, population
from tlgan.extractors import load_extractor
from tlgan.extractors.combined import CombinedExtractor
from tlgan.generators import load_generator
from tlgan.generators.base import LatentGenerator
from tlgan.samples.source import Source

MOVED = 0.2  # held-out R² from which on a feature counts as moved


class Growing(torch.nn.Module):
    """A pg-GAN in training, its weights in the layout of the official files."""

    def __init__(self, **sizes: Any) -> None:
        super().__init__()
        self.network = official.pggan_network(0, fused_scale=False, normalize_latents=False, **sizes)
        self.names = [name for name, _ in self.network.variables if name != "lod"]
        values = [torch.from_numpy(value) for name, value in self.network.variables if name != "lod"]
        self.values = torch.nn.ParameterList(values)

    def forward(self, z: Tensor, level: int, fade: float) -> Tensor:
        """Pictures of 2**level pixels, `fade` of them from the new block."""
        weights = dict(zip(self.names, self.values, strict=True))
        top = int(np.log2(self.network.static_kwargs["resolution"]))

        def conv(x: Tensor, name: str, gain: float = 2**0.5) -> Tensor:
            weight = weights[f"{name}/weight"].permute(3, 2, 0, 1)
            scale = gain / weight[0].numel() ** 0.5
            return F.conv2d(x, weight * scale, weights[f"{name}/bias"], padding=weight.shape[-1] // 2)

        def act(x: Tensor) -> Tensor:
            x = F.leaky_relu(x, 0.2)
            return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)

        dense = weights["4x4/Dense/weight"]
        x = (z @ dense * (2**0.5 / 4 / len(dense) ** 0.5)).view(len(z), -1, 4, 4)
        x = act(conv(act(x + weights["4x4/Dense/bias"][:, None, None]), "4x4/Conv"))
        for step in range(3, level + 1):
            before, name = x, f"{2**step}x{2**step}"
            x = act(conv(act(conv(F.interpolate(x, scale_factor=2.0), f"{name}/Conv0")), f"{name}/Conv1"))
        image = conv(x, f"ToRGB_lod{top - level}", 1.0)
        if fade < 1:
            coarse = F.interpolate(conv(before, f"ToRGB_lod{top - level + 1}", 1.0), scale_factor=2.0)
            image = coarse + (image - coarse) * fade
        return image

    def save(self, path: Path) -> None:
        values = [(name, value.detach().numpy()) for name, value in zip(self.names, self.values, strict=True)]
        self.network.variables = [("lod", np.float32(0.0)), *values]
        official.write(path, self.network)


def train(path: Path, steps: int, batch: int = 32) -> None:
    """A pg-GAN that paints what `face64` paints, grown from 8 to 64 pixels, into a file."""
    teacher = load_generator("face64")
    growing = Growing(resolution=64, latent_size=teacher.latent_dim, fmap_base=1024, fmap_max=64)
    row = 0
    for level in (3, 4, 5, 6):
        optimiser = torch.optim.Adam(growing.parameters(), lr=3e-3, betas=(0.0, 0.99))
        losses = []
        for step in range(steps):
            z = teacher.sample(batch, seed=1, start=row)
            row += batch
            wanted = teacher.synthesize(z, resolution=2**level)
            loss = F.mse_loss(growing(z, level, 1.0 if level == 3 else min(1.0, 3 * step / steps)), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        print(f"trained at {2**level} px: mean squared error {np.mean(losses[-20:]):.4f}", flush=True)
    growing.save(path)


def measured(
    generator: LatentGenerator,
    extractor: CombinedExtractor,
    latents: np.ndarray,
    space: str,
    side: int | None = None,
    *,
    half: bool = False,
) -> tuple[np.ndarray, float]:
    """Features [n, f] of the pictures, and pictures a second."""
    source = Source(generator, space, resolution=side)
    began = time.perf_counter()
    features = [extractor.extract(images).numpy() for images in source.pictures(latents, half=half)]
    return np.concatenate(features), len(latents) / (time.perf_counter() - began)


def axes_of(
    extractor: CombinedExtractor, source: Source, latents: np.ndarray, features: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Unit directions [f, d] and held-out R² [f]."""
    learner = AxisLearner(extractor.features, latents.shape[1], population=population(source, seed=0))
    for part in np.array_split(np.arange(len(latents)), 4):
        learner.add(latents[part], features[part])
    axes = learner.axes(generator="", space=source.space, base=(), seed=0, truncation=1.0, label=None, extractors=())
    return axes.directions / np.linalg.norm(axes.directions, axis=1, keepdims=True), axes.r2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="a checkpoint; without one, a network is trained first")
    parser.add_argument("--resolution", type=int, nargs="+", default=[32, 16])
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=400, help="of training at every size")
    parser.add_argument("--keep", type=Path, help="where the trained network is written")
    parser.add_argument("--space", default="z")
    parser.add_argument("--extractor", action="append")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.file or options.keep or Path(folder) / "trained.pkl"
        if options.file is None:
            train(path, options.steps)
        generator = load_generator(path)
    extractor = CombinedExtractor([load_extractor(ref) for ref in options.extractor or ("celeba40", "colour")])
    source = Source(generator, options.space)
    latents = source.sample(options.samples, seed=0)[options.space].numpy()
    whole, rate = measured(generator, extractor, latents, options.space)
    directions, r2 = axes_of(extractor, source, latents, whole)
    moved = r2 > MOVED
    half = options.samples // 2
    halves = [axes_of(extractor, source, latents[part], whole[part])[0] for part in (slice(half), slice(half, None))]
    agreement = (halves[0] * halves[1]).sum(axis=1)[moved]
    print(f"{generator.name}, {options.samples} samples in {options.space}, {torch.get_num_threads()} threads")
    print(
        f"{'painted':>8} {'pictures/s':>11} {'speed-up':>9} {'cosine: median':>15} {'worst':>6}   of {moved.sum()} features"
    )
    print(
        f"{generator.resolution:>8} {rate:>11.2f} {1:>9.1f} {np.median(agreement):>15.3f} {agreement.min():>6.3f}   (two halves)"
    )
    ways: list[tuple[str, dict[str, Any]]] = [("float16", {"half": True})]
    ways += [(str(side), {"side": side}) for side in options.resolution]
    for name, way in ways:
        small, quick = measured(generator, extractor, latents, options.space, **way)
        cosine = (axes_of(extractor, source, latents, small)[0] * directions).sum(axis=1)[moved]
        print(f"{name:>8} {quick:>11.2f} {quick / rate:>9.1f} {np.median(cosine):>15.3f} {cosine.min():>6.3f}")


if __name__ == "__main__":
    main()
