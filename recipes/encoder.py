"""Fit the encoder that turns a small picture of a face into a latent, on pictures that the generator makes itself.

    python recipes/encoder.py faces1024 -o encoder.safetensors --rows 4000

Latents are drawn, painted small by the generator's picture head, disturbed as photographs are (blur, JPEG, light,
colour, noise, a crop that is slightly off) and described; ridge regression finds the latent. Only sums are kept, so memory
does not grow with the rows, and the run goes on where it was cut off. The figures are of rows that no sum holds.
"""

from __future__ import annotations

import argparse
import functools
import io
import time
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from tlgan import load_generator
from tlgan.photographs.encoder import SIDE, Description, Encoder

say = functools.partial(print, flush=True)
BATCH = 50
TRUNCATIONS, SHARES = (1.0, 0.85, 0.7), (0.3, 0.45, 0.25)
HELD_OUT = 12  # batches
ADDED = 10  # batches that are added to the sums at a time: adding moves a quarter of a gigabyte


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", help="a path, an address or a known name; it needs w and a picture head")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4000, help="pictures; a multiple of 500")
    parser.add_argument("--rank", type=int, default=160, help="numbers between the two maps")
    parser.add_argument("--seed", type=int, default=5000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    generator, describe = load_generator(options.generator), Description()

    def paint(latents: Tensor) -> Tensor:
        return torch.cat([generator.synthesize(row, space="w", resolution=SIDE) for row in latents.split(8)]).clamp(
            -1, 1
        )

    kept = options.output.with_suffix(".sums.npz")
    size, begun = describe.size, time.monotonic()
    sums, first = np.zeros((size + 1, size + 1 + generator.w_dim)), HELD_OUT
    if kept.exists():
        with np.load(kept) as file:
            sums, first = file["sums"], int(file["batch"])
    waiting = []
    for at in range(first, HELD_OUT + options.rows // BATCH):
        described, truth = _batch(at, options.seed, generator, describe, paint)
        waiting.append(np.concatenate([described.double().numpy(), np.ones((BATCH, 1)), truth.numpy()], axis=1))
        if len(waiting) == ADDED:
            rows = np.concatenate(waiting)
            sums += rows[:, : size + 1].T @ rows
            waiting.clear()
            temporary = kept.with_suffix(".tmp.npz")
            np.savez(temporary, sums=sums, batch=at + 1)
            temporary.replace(kept)
            say(f"{(at + 1 - HELD_OUT) * BATCH:,} rows, {time.monotonic() - begun:.0f} s")
    held = [_batch(at, options.seed, generator, describe, paint) for at in range(HELD_OUT)]
    described, truth = (torch.cat(part) for part in zip(*held, strict=True))
    encoder = Encoder(*_solve(sums, described, truth, options.rank), generator.fingerprint)
    encoder.save(options.output)
    say(f"{options.output}: {options.output.stat().st_size:,} bytes")


def _solve(sums: np.ndarray, described: Tensor, truth: Tensor, rank: int) -> tuple[Tensor, Tensor, Tensor]:
    """inner, outer and offset by the ridge that is best on held-out rows."""
    size = sums.shape[0] - 1
    count = sums[-1, size]
    mean = sums[-1] / count
    centred = sums[:-1] / count - np.outer(mean[:size], mean)
    gram, cross = centred[:, :size], centred[:, size + 1 :]
    scale = np.sqrt(np.diag(gram)) + 1e-6
    gram, cross = gram / np.outer(scale, scale), cross / scale[:, None]
    best: tuple[float, tuple[Tensor, Tensor, Tensor]] | None = None
    for ridge in (0.1, 0.2, 0.3, 0.5, 1.0, 2.0):
        slopes = scipy.linalg.solve(gram + ridge * np.eye(size), cross, assume_a="pos")
        # what a map of lower rank keeps best of the predictions: their principal directions
        _, directions = np.linalg.eigh(slopes.T @ gram @ slopes)
        outer = directions[:, ::-1][:, :rank]
        inner = (slopes / scale[:, None]) @ outer
        offset = mean[size + 1 :] - mean[:size] @ inner @ outer.T
        maps = tuple(torch.from_numpy(np.ascontiguousarray(part)).float() for part in (inner, outer.T, offset))
        found = _share(maps[2] + described @ maps[0] @ maps[1], truth)
        say(f"{count:,.0f} rows, ridge {ridge}: {found:.3f} of the variance of w on {len(truth)} held-out rows")
        if best is None or found > best[0]:
            best = found, maps  # type: ignore[assignment]
    assert best is not None
    return best[1]


def _share(found: Tensor, truth: Tensor) -> float:
    return 1 - float((found - truth).square().sum() / (truth - truth.mean(dim=0)).square().sum())


def _batch(at: int, seed: int, generator, describe, paint) -> tuple[Tensor, Tensor]:  # type: ignore[no-untyped-def]
    """(described [n, size], w [n, d]) of rows that depend on (seed, at) alone."""
    rng = np.random.default_rng((seed, at))
    z = generator.sample(BATCH, seed=seed, start=at * BATCH)
    psi = torch.from_numpy(rng.choice(TRUNCATIONS, BATCH, p=SHARES).astype(np.float32))[:, None]
    mean = generator.map(z[:1], truncation=0.0)
    truth = mean + psi * (generator.map(z, truncation=1.0) - mean)
    return describe(torch.cat([disturbed(image, rng) for image in paint(truth)])), truth


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
