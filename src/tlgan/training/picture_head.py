"""Train the head that paints a large generator's small pictures.

Pairs of latent and whole picture come from the generator itself. The head learns the whole picture shrunk to its own
side: pixels, their local means, the differences between neighbours, and what a differentiable extractor measures, so
that small pictures can be labelled in place of whole ones. Everything lies in a folder of its own and goes on after a
kill; the features that the pairs keep there (a megabyte a pair for 512 channels of 32 pixels) go when it is done.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.extractors import Extractor
from tlgan.generators import LatentGenerator
from tlgan.generators.picture_head import SCALE, HeadNetwork, TrainedHead, bfloat16_is_quick
from tlgan.io.files import replacing
from tlgan.io.pixels import levels_of
from tlgan.progress import Progress, ProgressLike, as_progress

from .loop import read_checkpoint, write_checkpoint

_PART = 50  # pairs a file
_KEEP = 250  # steps between two checkpoints
_HELD_OUT = 10  # every tenth pair is kept from training
_WARM = 300  # steps before the extractor's measurements count: there is no picture yet
_AVERAGE = 0.998  # of the parameters, over steps (Polyak)
_TRUNCATIONS = (1.0, 0.85, 0.7)  # psi of the pairs, with the shares below
_SHARES = (0.3, 0.45, 0.25)
_MIXED = 0.2  # of the pairs take their later layers from another latent (style mixing)


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is trained: `pairs` painted, `steps` of `batch` pairs, the largest learning `rate` of one cycle, the
    `side` in pixels of the features that it reads, and the `seed` of everything drawn."""

    pairs: int = 600
    steps: int = 1200
    batch: int = 16
    rate: float = 4e-3
    side: int = 32
    seed: int = 1_000_000
    label: int | None = None


@dataclass(frozen=True)
class HeadQuality:
    """Measured on pairs that no step has used: `grey` is the mean difference to the shrunk whole picture in grey levels
    (0 to 255); `correlation` [f], by name, of what the extractor measures on small and on whole pictures."""

    grey: float
    correlation: dict[str, float]


def train_head(
    generator: LatentGenerator,
    extractor: Extractor | None,
    folder: str | Path,
    recipe: HeadRecipe = HeadRecipe(),
    *,
    progress: ProgressLike = None,
) -> tuple[TrainedHead, HeadQuality]:
    """A head for `generator`, trained in `folder`, and how good it is.

    ``extractor``: its `logits` are matched where it has them; None trains on pixels alone. The same call again goes on
    where it was cut off. Raises TlganError where the generator has no features of that side.
    """
    folder = Path(folder)
    if recipe.side not in generator.feature_sides or generator.resolution <= SCALE * recipe.side:
        have = ", ".join(map(str, generator.feature_sides)) or "none"
        raise TlganError(
            f"{generator.name} can't have a picture head: that needs features of {recipe.side} px and pictures of more "
            f"than {SCALE * recipe.side} px, it has features of {have} and pictures of {generator.resolution} px"
        )
    parts = [] if extractor is None else getattr(extractor, "parts", (extractor,))
    measures = [part for part in parts if part.differentiable]
    progress = as_progress(progress)
    pairs = Pairs(folder, generator.fingerprint, recipe)
    for part in pairs.missing():
        pairs.paint(part, generator, measures)
        progress.step("pairs painted", min((part + 1) * _PART, recipe.pairs), recipe.pairs)
    head = TrainedHead(_train(pairs, generator, measures, progress), generator.fingerprint).to(generator.device)
    quality = _quality(head, pairs, measures)
    pairs.drop_features()
    return head, quality


class Pairs:
    """Latents, whole pictures shrunk to the head's side, features and measurements, in files of `_PART` pairs."""

    def __init__(self, folder: Path, generator: str, recipe: HeadRecipe) -> None:
        self.folder = folder
        self.generator = generator
        self.recipe = recipe
        self._open: dict[int, tuple[dict[str, np.ndarray], np.ndarray]] = {}

    def __len__(self) -> int:
        return self.recipe.pairs

    def path(self, part: int) -> Path:
        return self.folder / f"{self.generator[:12]}-{self.recipe.seed}-{part:05d}.npz"

    def missing(self) -> Iterator[int]:
        """Parts that are not there yet."""
        count = -(-self.recipe.pairs // _PART)
        return (p for p in range(count) if not (self.path(p).exists() and _features_of(self.path(p)).exists()))

    @torch.inference_mode()
    def paint(self, part: int, generator: LatentGenerator, measures: list[Any]) -> None:
        """Make one part."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, part))
        start = part * _PART
        latents = _latents(generator, recipe, rng, start)
        small, features, logits = [], [], []
        space = "w+" if generator.w_dim else "z"
        for row in torch.split(latents, 1):
            whole = generator.synthesize(row, space=space, label=recipe.label).clamp(-1, 1)
            small.append(F.interpolate(whole, size=SCALE * recipe.side, mode="area"))
            features.append(generator.features(row, space=space, side=recipe.side, label=recipe.label).half())
            logits.append(torch.cat([m.logits(whole) for m in measures], 1) if measures else torch.empty(1, 0))
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(_features_of(self.path(part))) as temporary, temporary.open("wb") as file:
            np.save(file, torch.cat(features).numpy(force=True))
        with replacing(self.path(part)) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                latents=latents.numpy(force=True).astype(np.float32),
                small=levels_of(torch.cat(small)).numpy(force=True),
                logits=torch.cat(logits).float().numpy(force=True),
            )

    def rows(self, which: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features, latents, pictures in [-1, 1] and logits of the pairs `which` [n]."""
        found = [(*self._part(int(i) // _PART), int(i) % _PART) for i in which]
        features = np.stack([features[at] for _, features, at in found]).astype(np.float32)
        latents, small, logits = (
            np.stack([d[key][at] for d, _, at in found]) for key in ("latents", "small", "logits")
        )
        return (
            torch.from_numpy(features).contiguous(memory_format=torch.channels_last),
            torch.from_numpy(latents),
            torch.from_numpy(small).float() / 127.5 - 1,
            torch.from_numpy(logits),
        )

    def logits(self, which: np.ndarray) -> np.ndarray:
        """What the extractors measured on the whole pictures `which` [n]: float32 [n, f]."""
        return np.stack([self._part(int(i) // _PART)[0]["logits"][int(i) % _PART] for i in which])

    def held_out(self) -> np.ndarray:
        """Pairs that no step uses."""
        return np.arange(0, self.recipe.pairs, _HELD_OUT)

    def drop_features(self) -> None:
        """Remove what can be painted again."""
        self._open.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, part: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        if part not in self._open:
            with np.load(self.path(part), allow_pickle=False) as file:
                plain = {key: file[key] for key in ("latents", "small", "logits")}
            self._open[part] = plain, np.load(_features_of(self.path(part)), mmap_mode="r", allow_pickle=False)
        return self._open[part]


def _features_of(path: Path) -> Path:
    return path.with_suffix(".features.npy")


def _latents(generator: LatentGenerator, recipe: HeadRecipe, rng: np.random.Generator, start: int) -> Tensor:
    """z [n, latent_dim], or w+ [n, num_ws, w_dim] of several truncations, some of them of two latents."""
    seed = recipe.seed
    z = generator.sample(_PART, seed=seed, start=start)
    if not generator.w_dim:
        return z
    psi = torch.from_numpy(rng.choice(_TRUNCATIONS, _PART, p=_SHARES).astype(np.float32))[:, None].to(z.device)
    mean = generator.map(z[:1], label=recipe.label, truncation=0.0)
    w, other = (
        mean + psi * (generator.map(z, label=recipe.label, truncation=1.0) - mean)
        for z in (z, generator.sample(_PART, seed=seed + 1, start=start))
    )
    cross = torch.from_numpy(
        np.where(rng.random(_PART) < _MIXED, rng.integers(1, generator.num_ws, _PART), generator.num_ws)
    ).to(z.device)
    later = torch.arange(generator.num_ws, device=z.device)[None] >= cross[:, None]
    return torch.where(later[..., None], other[:, None], w[:, None])


def _train(pairs: Pairs, generator: LatentGenerator, measures: list[Any], progress: Progress) -> HeadNetwork:
    recipe = pairs.recipe
    torch.manual_seed(recipe.seed)
    features, latents, _, _ = pairs.rows(np.arange(1))
    rows = latents.shape[1] if latents.ndim == 3 else 1
    network = HeadNetwork(features.shape[1], latents.shape[-1], rows, generator.channels, side=recipe.side)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=1e-4, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps + 1, pct_start=0.08)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    checkpoint, first = pairs.folder / f"checkpoint-{recipe.steps}.pt", 0
    if checkpoint.exists():
        kept = read_checkpoint(checkpoint)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        schedule.load_state_dict(kept["schedule"])
        average, first = kept["average"], kept["step"]
    used = np.setdiff1d(np.arange(len(pairs)), pairs.held_out())
    spread = torch.from_numpy(pairs.logits(used).std(axis=0)).clamp_min(1e-6)  # [f]
    for step in range(first, recipe.steps):
        chosen = np.random.default_rng((recipe.seed, step)).choice(used, recipe.batch)
        features, latents, wanted, logits = pairs.rows(np.sort(chosen))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16_is_quick()):
            painted = network(features, latents)
        loss = _loss(painted.float(), wanted, logits, measures if step >= _WARM else [], spread)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        share = min(_AVERAGE, step / (step + 1))
        with torch.no_grad():
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 1 - share)
        progress.step("steps of the head", step + 1, recipe.steps)
        if (step + 1) % _KEEP == 0 or step + 1 == recipe.steps:
            kept = {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "average": average,
                "step": step + 1,
            }
            write_checkpoint(checkpoint, kept)
    # in the half precision that its file keeps, so that what is measured is what is loaded
    network.load_state_dict({name: value.half().float() for name, value in average.items()})
    return network


def _loss(painted: Tensor, wanted: Tensor, logits: Tensor, measures: list[Any], spread: Tensor) -> Tensor:
    """L1 of pixels, of their means over 4x4 and of differences between neighbours; then what is measured."""
    loss = (painted - wanted).abs().mean()
    loss = loss + 0.5 * (F.avg_pool2d(painted, 4) - F.avg_pool2d(wanted, 4)).abs().mean()
    for dim in (2, 3):
        loss = loss + 0.5 * (painted.diff(dim=dim) - wanted.diff(dim=dim)).abs().mean()
    if measures:
        measured = torch.cat([measure.logits(painted) for measure in measures], dim=1)
        loss = loss + 0.06 * F.smooth_l1_loss(measured / spread, logits / spread)
    for measure in measures:
        if measure.embeds:
            with torch.no_grad():
                embedded = measure.embedding(wanted)
            loss = loss + 0.06 * (measure.embedding(painted) - embedded).abs().mean() / embedded.std().clamp_min(1e-6)
    return loss


@torch.inference_mode()
def _quality(head: TrainedHead, pairs: Pairs, measures: list[Any]) -> HeadQuality:
    grey, small, whole = [], [], []
    for chosen in np.array_split(pairs.held_out(), max(1, len(pairs.held_out()) // 16)):
        features, latents, wanted, logits = pairs.rows(chosen)
        painted = head(features, latents).clamp(-1, 1)
        grey.append((painted - wanted).abs().mean(dim=(1, 2, 3)) * 127.5)
        if measures:
            small.append(torch.cat([measure.logits(painted) for measure in measures], dim=1))
            whole.append(logits)
    correlation = {}
    if measures:
        names = [feature.name for measure in measures for feature in measure.features]
        a, b = torch.cat(small).numpy(), torch.cat(whole).numpy()
        correlation = {name: float(np.corrcoef(a[:, k], b[:, k])[0, 1]) for k, name in enumerate(names)}
    return HeadQuality(float(torch.cat(grey).mean()), correlation)
