"""Fit the encoder that turns a small picture of a face into a latent, on pictures that the generator makes itself.

    python recipes/encoder.py faces1024 -o encoder.safetensors --rows 12000

Stage by stage: latents are drawn, painted small by the generator's picture head, disturbed as photographs are (blur,
JPEG, light, colour, noise, a crop that is slightly off) and described; ridge regression finds the latent, or from the
second stage on what the stages before it missed. Only sums are kept, so memory does not grow with the rows, and the
run goes on where it was cut off. The figures are of rows that no sum holds.
"""

from __future__ import annotations

import argparse
import functools
import io
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from tlgan import load_generator
from tlgan.photographs.encoder import SIDE, Description, Encoder, Stage

say = functools.partial(print, flush=True)
BATCH = 50
TRUNCATIONS, SHARES = (1.0, 0.85, 0.7), (0.3, 0.45, 0.25)
HELD_OUT = 12  # batches
ADDED = 10  # batches that are added to the sums at a time: adding moves a quarter of a gigabyte


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", help="a path, an address or a known name; it needs w and a picture head")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=12000, help="pictures a stage")
    parser.add_argument("--stages", type=int, default=2)
    parser.add_argument("--rank", type=int, default=160, help="numbers between the two maps of a stage")
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--save-every", type=int, default=40, help="batches between two notes of the sums; a multiple of 10"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    generator, describe = load_generator(options.generator), Description()

    def paint(latents: Tensor) -> Tensor:
        return generator.synthesize(latents, space="w", resolution=SIDE).clamp(-1, 1)

    stages: list[Stage] = []
    for number in range(options.stages):
        kept = options.output.with_suffix(f".stage{number}.npz")
        stage = _fit(kept, number, stages, generator, describe, paint, options)
        stages.append(stage)
        Encoder(stages, generator.fingerprint).save(options.output)
        say(f"{options.output}: {options.output.stat().st_size:,} bytes with {len(stages)} stages")


def _fit(kept: Path, number: int, stages: list[Stage], generator, describe, paint, options) -> Stage:  # type: ignore[no-untyped-def]
    """One stage: sums over the rows, the best ridge by the held-out rows, cut to `rank`."""
    size, dim = describe.size, generator.w_dim
    sums, batch, held = np.zeros((size + 1, size + 1 + dim)), 0, []
    if kept.exists():
        with np.load(kept) as file:
            sums, batch = file["sums"], int(file["batch"])
    begun, waiting = time.monotonic(), []
    for at in [*range(-HELD_OUT, 0), *range(batch, options.rows // BATCH)]:
        seed = options.seed + number
        inputs, wanted, truth = _batch(at + HELD_OUT, seed, stages, generator, describe, paint)
        if at < 0:
            held.append((inputs, wanted, truth))
            continue
        ones = np.ones((BATCH, 1))
        waiting.append(np.concatenate([inputs, ones, wanted], axis=1))
        if (at + 1) % ADDED and at + 1 != options.rows // BATCH:
            continue
        rows = np.concatenate(waiting)
        sums += rows[:, : size + 1].T @ rows
        waiting.clear()
        if (at + 1) % options.save_every == 0:
            temporary = kept.with_suffix(".tmp.npz")
            np.savez(temporary, sums=sums, batch=at + 1)
            temporary.replace(kept)
            say(f"stage {number}: {(at + 1) * BATCH:,} rows, {time.monotonic() - begun:.0f} s")
    return _solve(sums, held, options.rank, number)


def _solve(sums: np.ndarray, held: list[tuple[np.ndarray, ...]], rank: int, number: int) -> Stage:
    size = sums.shape[0] - 1
    count = sums[-1, size]
    mean = sums[-1] / count
    centred = sums[:-1] / count - np.outer(mean[:size], mean)
    gram, cross = centred[:, :size], centred[:, size + 1 :]
    scale = np.sqrt(np.diag(gram)) + 1e-6
    gram, cross = gram / np.outer(scale, scale), cross / scale[:, None]
    values, basis = np.linalg.eigh(gram)
    turned = basis.T @ cross
    inputs, wanted, truth = (np.concatenate(part) for part in zip(*held, strict=True))
    spread = float(((truth - truth.mean(axis=0)) ** 2).sum())
    best: tuple[float, Stage] | None = None
    for ridge in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0):
        slopes = basis @ (turned / (np.maximum(values, 0) + ridge)[:, None])
        # what a map of lower rank keeps best of the predictions: their principal directions
        _, directions = np.linalg.eigh(slopes.T @ gram @ slopes)
        outer = directions[:, ::-1][:, :rank]
        inner = (slopes / scale[:, None]) @ outer
        offset = mean[size + 1 :] - mean[:size] @ inner @ outer.T
        stage = Stage(*(torch.from_numpy(part).float() for part in (inner, outer.T.copy(), offset)))
        left = wanted - stage(torch.from_numpy(inputs).float()).numpy()
        missed = float((left**2).sum()) / spread
        say(
            f"stage {number}, ridge {ridge}: {1 - missed:.3f} of the variance of w found on {len(wanted)} held-out rows"
        )
        if best is None or missed < best[0]:
            best = missed, stage
    assert best is not None
    return best[1]


def _batch(at: int, seed: int, stages: list[Stage], generator, describe, paint):  # type: ignore[no-untyped-def]
    """(inputs [n, size], wanted [n, d], true w [n, d]) of rows that depend on (seed, at) alone."""
    rng = np.random.default_rng((seed, at))
    z = generator.sample(BATCH, seed=seed, start=at * BATCH)
    psi = torch.from_numpy(rng.choice(TRUNCATIONS, BATCH, p=SHARES).astype(np.float32))[:, None]
    mean = generator.map(z[:1], truncation=0.0)
    truth = mean + psi * (generator.map(z, truncation=1.0) - mean)
    described = describe(torch.cat([disturbed(image, rng) for image in paint(truth)]))
    if not stages:
        return described.numpy().astype(np.float64), truth.numpy(), truth.numpy()
    found = stages[0](described)
    for stage in stages[1:]:
        found = found + stage(described - describe(paint(found)))
    inputs = described - describe(paint(found))
    return inputs.numpy().astype(np.float64), (truth - found).numpy(), truth.numpy()


def disturbed(image: Tensor, rng: np.random.Generator) -> Tensor:
    """A picture [3, s, s] in [-1, 1] as a photograph might have come: [1, 3, s, s]."""
    turn, size = rng.normal(0, 0.03), 1 + rng.normal(0, 0.025)
    shift = rng.normal(0, 0.02, 2)
    c, s = size * np.cos(turn), size * np.sin(turn)
    grid = F.affine_grid(
        torch.tensor([[[c, -s, shift[0]], [s, c, shift[1]]]], dtype=torch.float32),
        [1, 3, SIDE, SIDE],
        align_corners=False,
    )
    x = F.grid_sample(image[None], grid, padding_mode="reflection", align_corners=False)
    gain, lift = rng.normal(1, 0.06, 3) * rng.normal(1, 0.08), rng.normal(0, 0.05)
    x = x * torch.tensor(gain, dtype=torch.float32)[:, None, None] + lift
    levels = ((x[0].clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(levels)
    if rng.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 1.5)))
    if rng.random() < 0.5:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=int(rng.integers(40, 95)))
        picture = Image.open(file)
    x = torch.from_numpy(np.array(picture)).float().permute(2, 0, 1)[None] / 127.5 - 1
    return (x + torch.randn(x.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31)))) * 0.03).clamp(
        -1, 1
    )


if __name__ == "__main__":
    main()
