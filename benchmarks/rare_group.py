"""Does synthesized data help a classifier with a group that is rare among its photographs?

    python benchmarks/rare_group.py --photographs celeba.parquet --workspace faces

The photographs are of your own: a folder or Parquet as `tlgan train-extractor` reads it, with columns for the target and the
group. A small network learns `--target` from `--real` photographs, in which the group (`--group "eyeglasses,young,-male"`) is
thinned out to `--rare` of them; it is tested on held-out photographs of that group. Four ways: no help, the rare photographs
repeated, usual augmentation, and synthetic pictures of the group by `tlgan dataset`. Five seeds, 95 % intervals (t).
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlgan.dataset import Request, make_dataset
from tlgan.training.pictures import square
from tlgan.training.readers import read_labelled
from tlgan.workspace import open_workspace

SIDE = 48
T4 = 2.776  # 97.5 % quantile of Student's t with four degrees of freedom


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", required=True, help="labelled photographs: a Parquet file or a folder")
    parser.add_argument("--labels", help="their table, where they do not say themselves")
    parser.add_argument("--workspace", type=Path, required=True, help="of a generator of such faces")
    parser.add_argument("--target", default="smiling")
    parser.add_argument("--group", default="eyeglasses,young,-male", help="features that the group has; - for has not")
    parser.add_argument("--real", type=int, default=2000)
    parser.add_argument("--rare", type=int, default=10)
    parser.add_argument("--synthetic", type=int, default=200)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    pictures, target, group = photographs(options)
    synthetic = synthesized(options)
    ways: dict[str, list[tuple[float, float]]] = {
        "no help": [],
        "oversampling": [],
        "augmentation": [],
        "synthetic": [],
    }
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(pictures))
        members, others = order[group[order]], order[~group[order]]
        rare, held_out, common = members[: options.rare], members[options.rare :], others[: options.real]
        rest = others[options.real : options.real + 1000]
        train = np.concatenate([common, rare])
        for way, scores in ways.items():
            x, y, weight = pictures[train], target[train], np.ones(len(train))
            if way == "oversampling":
                weight[len(common) :] *= len(common) * 0.1 / max(len(rare), 1)
            if way == "synthetic":
                x, y = np.concatenate([x, synthetic[0]]), np.concatenate([y, synthetic[1]])
                weight = np.ones(len(x))
            net = learned(x, y, weight, seed, options.steps, augment=way == "augmentation")
            scores.append(
                (accuracy(net, pictures[held_out], target[held_out]), accuracy(net, pictures[rest], target[rest]))
            )
            print(json.dumps({"seed": seed, "way": way, "group": scores[-1][0], "others": scores[-1][1]}), flush=True)
    print(
        f"{len(held_out)} held-out photographs of the group; accuracy on them, and on others; difference to no help, paired by seed"
    )
    for way, scores in ways.items():
        values, base = np.array(scores), np.array(ways["no help"])
        gain = values[:, 0] - base[:, 0]
        half = T4 * gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) == 5 else float("nan")
        print(f"{way:14s} {values[:, 0].mean():.3f}  {values[:, 1].mean():.3f}  {gain.mean():+.3f} ± {half:.3f}")


def photographs(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures uint8 [n, SIDE, SIDE, 3], the target and membership of the group, bool [n] each."""
    labelled = read_labelled(options.photographs, options.labels)
    columns = {
        name.lower(): np.array([str(v) in ("1", "1.0", "True") for v in values])
        for name, values in labelled.columns.items()
    }
    read = [square(data, SIDE, celeba=labelled.celeba) for data in labelled.read(0)]
    kept = np.array([picture is not None for picture in read])
    pictures = np.stack([picture for picture in read if picture is not None])
    group = np.ones(len(read), dtype=bool)
    for word in options.group.split(","):
        group &= columns[word.removeprefix("-")] ^ word.startswith("-")
    return pictures, columns[options.target][kept], group[kept]


def synthesized(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of the group by this tool, half of them with the target."""
    from PIL import Image

    where = " and ".join(f"not {word[1:]}" if word.startswith("-") else word for word in options.group.split(","))
    workspace = open_workspace(options.workspace)
    side = min(64, workspace.generator.resolution)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "data"
        result = make_dataset(
            workspace, out, Request(options.synthetic, balance=(options.target,), where=where, resolution=side)
        )
        print(
            json.dumps(
                {
                    "synthetic rows": result.rows,
                    "thrown away": round(result.thrown, 2),
                    "edited": sum(c.edited for c in result.cells),
                }
            )
        )
        with open(out / "metadata.csv", newline="") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
        read = [np.asarray(Image.open(out / row["file_name"]).convert("RGB").resize((SIDE, SIDE))) for row in rows]
    return np.stack(read), np.array([row[f"{options.target}_asked"] == "1" for row in rows])


class Small(nn.Module):
    """Three convolutions and a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 48, 3, 2, 1), nn.BatchNorm2d(48), nn.ReLU(),
            nn.Conv2d(48, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(576, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, SIDE, SIDE] -> logits [n]."""
        return self.layers(x)[:, 0]


def learned(
    pictures: np.ndarray, target: np.ndarray, weight: np.ndarray, seed: int, steps: int, *, augment: bool
) -> Small:
    """A network after `steps` batches of 64, drawn by `weight`."""
    torch.manual_seed(seed)
    rng, net = np.random.default_rng(seed), Small()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(steps):
        rows = rng.choice(len(pictures), 64, p=weight / weight.sum())
        x, y = tensor(pictures[rows]), torch.from_numpy(target[rows]).float()
        if augment:
            x = varied(x, rng)
        loss = F.binary_cross_entropy_with_logits(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.eval()


def varied(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures [n, 3, SIDE, SIDE], each mirrored or not, moved by up to a pixel, and with a contrast and brightness of its own."""
    n = len(x)
    flip = torch.from_numpy(rng.random(n) < 0.5)[:, None, None, None]
    x = F.pad(torch.where(flip, x.flip(-1), x), (1, 1, 1, 1), mode="replicate")
    places = rng.integers(0, 3, (n, 2))
    x = torch.stack([one[:, top : top + SIDE, left : left + SIDE] for one, (top, left) in zip(x, places, strict=True)])
    contrast, brightness = (
        torch.from_numpy(rng.uniform(low, high, (n, 1, 1, 1))).float() for low, high in ((0.8, 1.2), (-0.1, 0.1))
    )
    return x * contrast + brightness


@torch.no_grad()
def accuracy(net: Small, pictures: np.ndarray, target: np.ndarray) -> float:
    """Mean of the accuracies on those with and without the target."""
    said = torch.cat([net(tensor(pictures[k : k + 256])) for k in range(0, len(pictures), 256)]).numpy() > 0
    return float(np.mean([(said[target == side] == side).mean() for side in (True, False)]))


def tensor(pictures: np.ndarray) -> Tensor:
    """uint8 [n, H, W, 3] -> float32 [n, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


if __name__ == "__main__":
    main()
