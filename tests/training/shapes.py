"""Labelled pictures whose truth is known: a disc or a square, warm or cold, of some size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 40


def draw_shape(rng: np.random.Generator) -> tuple[Image.Image, dict[str, float]]:
    """One picture and its labels: round (0/1), warm (0/1), and the shape's size in pixels."""
    is_round, warm = int(rng.random() < 0.5), int(rng.random() < 0.4)
    size = float(rng.uniform(8, 17))
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + 0.5
    inside = np.hypot(rows, columns) < size if is_round else np.maximum(abs(rows), abs(columns)) < size
    colour = np.array([220, 120, 40] if warm else [40, 120, 220]) + rng.integers(-30, 30, 3)
    picture = np.where(inside[..., None], colour, 128) + rng.normal(0, 12, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)), {"round": is_round, "warm": warm, "size": size}


def draw_folder(folder: Path, n: int, seed: int = 0) -> list[dict[str, float]]:
    """`n` PNGs 000.png ... in `folder`, and their labels."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    labels = []
    for row in range(n):
        picture, said = draw_shape(rng)
        picture.save(folder / f"{row:03d}.png")
        labels.append(said)
    return labels


def write_csv(path: Path, labels: list[dict[str, float]]) -> Path:
    """The labels as CSV."""
    names = list(labels[0])
    lines = ["file," + ",".join(names)]
    lines += [f"{row:03d}.png," + ",".join(str(said[name]) for name in names) for row, said in enumerate(labels)]
    path.write_text("\n".join(lines) + "\n")
    return path
