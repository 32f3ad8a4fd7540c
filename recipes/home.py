"""Compute what says where an extractor is at home: the statistics of its embedding over photographs, `celeba40-home.safetensors`.

    python recipes/home.py --celeba celeba.parquet --utkface utkface.parquet -o celeba40-home.safetensors

The first photographs of each set give the mean and the map that makes the covariance the identity; `tlgan.extractors.home`
measures with them. What is printed are the distances in its docstring, each of pictures that had no part in the statistics.
"""

from __future__ import annotations

import argparse
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

import tlgan
from tlgan.extractors import home

PHOTOGRAPHS = 3000  # of each set
OTHERS = 1000  # of each set, to measure
SIDE = 64
FACE = (0, 14, 89, 103)  # the square of CelebA's 89 x 109 pixels that its training saw
GENERATORS = ("photo64", "faces1024", "face64")


def read(path: Path, box: tuple[int, int, int, int] | None) -> Tensor:
    """The first photographs of a set, float32 [n, 3, SIDE, SIDE] in [-1, 1]."""
    found = []
    for blob in pq.read_table(path, columns=["image"])["image"].slice(0, PHOTOGRAPHS + OTHERS).to_pylist():
        with Image.open(io.BytesIO(blob)) as picture:
            square = picture.convert("RGB").crop(box or (0, 0, *picture.size))
            found.append(np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
    return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 127.5 - 1


def statistics(embedded: Tensor) -> dict[str, Tensor]:
    """Of embeddings [n, e]: their mean [e], and the map [e, e] to coordinates of unit variance that don't correlate."""
    values, vectors = torch.linalg.eigh(torch.cov(embedded.double().T))
    whiten = (vectors / values.sqrt()).half().contiguous()
    return {"mean": embedded.double().mean(dim=0).float(), "whiten": whiten}


def fields(seed: int, corner: float) -> Tensor:
    """Random fields [n, 3, 64, 64]: noise whose frequencies beyond `corner` (of the highest) are damped."""
    noise = torch.randn(home.PICTURES, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    frequency = (torch.fft.fftfreq(64)[:, None] ** 2 + torch.fft.fftfreq(64)[None] ** 2).sqrt() * 2
    field = torch.fft.ifft2(torch.fft.fft2(noise) / (1 + (frequency / corner) ** 2)).real
    return (field / field.std((2, 3), keepdim=True) / 2).clamp(-1, 1)


def untrained(seed: int, gain: float) -> Tensor:
    """Pictures of a DCGAN whose weights are torch's random ones times `gain`."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Unflatten(1, (32, 1, 1))]
    for first, (takes, gives) in enumerate(pairwise((32, 64, 32, 16, 8, 3))):
        layer = nn.ConvTranspose2d(takes, gives, 4, 2 if first else 1, 1 if first else 0)
        layer.weight.data.mul_(gain)
        layers += [layer, nn.BatchNorm2d(gives), nn.ReLU()] if gives > 3 else [layer, nn.Tanh()]
    with torch.no_grad():
        return nn.Sequential(*layers)(torch.randn(home.PICTURES, 32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celeba", type=Path, required=True)
    parser.add_argument("--utkface", type=Path, required=True)
    parser.add_argument("--extractor", default="celeba40")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    extractor = tlgan.load_extractor(options.extractor)
    sets = {"CelebA": read(options.celeba, FACE), "UTKFace": read(options.utkface, None)}

    def embedded(pictures: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([extractor.embedding(part) for part in pictures.split(64)])

    kept = statistics(embedded(torch.cat([pictures[:PHOTOGRAPHS] for pictures in sets.values()])))
    save_file(kept, options.out)

    def tell(name: str, pictures: Tensor) -> None:
        print(f"{name:34} {home.shift(embedded(pictures), kept):.2f}", flush=True)

    for name, pictures in sets.items():
        tell(f"other photographs of {name}", pictures[PHOTOGRAPHS:])
    tell("of both", torch.cat([pictures[PHOTOGRAPHS:] for pictures in sets.values()]))
    for name in GENERATORS:
        generator = tlgan.load_generator(name)
        z = generator.sample(home.PICTURES, seed=0)
        tell(name, torch.cat([generator.synthesize(part, resolution=SIDE) for part in z.split(8)]).clamp(-1, 1))
    for gain in (1.0, 6.0):
        for seed in range(2):
            tell(f"a DCGAN of random weights x {gain:g}", untrained(seed, gain))
    tell("smooth random fields", fields(0, 0.1))
    tell("noise", fields(0, 1e9))


if __name__ == "__main__":
    main()
