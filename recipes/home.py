"""Compute what says where an extractor is at home: the statistics of its embedding over photographs, `celeba40-home.safetensors`.

    python recipes/home.py --celeba celeba.parquet --utkface utkface.parquet -o celeba40-home.safetensors

The first photographs of each set give the mean and the map that makes the covariance the identity; `tlgan.extractors.home`
measures with them. What is printed are the distances in its docstring, each of pictures that had no part in the statistics.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

import tlgan
from celeba40.augment import plain_view
from celeba40.data import Faces, read_celeba, read_utkface
from tlgan.extractors import home

PHOTOGRAPHS = 3000  # of each set
OTHERS = 1000  # of each set, to measure
GENERATORS = ("photo64", "faces1024", "face64")


def statistics(embedded: Tensor) -> dict[str, Tensor]:
    """Of embeddings [n, e]: their mean [e], and the map [e, e] to coordinates of unit variance that don't correlate."""
    values, vectors = torch.linalg.eigh(torch.cov(embedded.double().T))
    return {"mean": embedded.double().mean(dim=0).float(), "whiten": (vectors / values.sqrt()).half().contiguous()}


def fields(seed: int, corner: float) -> Tensor:
    """Random fields [n, 3, 64, 64]: noise whose frequencies beyond `corner` (of the highest) are damped."""
    noise = torch.randn(home.PICTURES, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    frequency = (torch.fft.fftfreq(64)[:, None] ** 2 + torch.fft.fftfreq(64)[None] ** 2).sqrt() * 2
    field = torch.fft.ifft2(torch.fft.fft2(noise) / (1 + (frequency / corner) ** 2)).real
    return (field / field.std((2, 3), keepdim=True) / 2).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celeba", type=Path, required=True)
    parser.add_argument("--utkface", type=Path, required=True)
    parser.add_argument("--extractor", default="celeba40")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()
    extractor = tlgan.load_extractor(options.extractor)
    sets: list[Faces] = [read_celeba(options.celeba), read_utkface(options.utkface)]

    def embedded(rows: slice) -> Tensor:
        with torch.no_grad():
            parts = [part for faces in sets for part in plain_view(faces[rows]).split(256)]
            return torch.cat([extractor.embedding(part) for part in parts])

    kept = statistics(embedded(slice(PHOTOGRAPHS)))
    save_file(kept, options.out)

    def tell(name: str, pictures: Tensor) -> None:
        with torch.no_grad():
            points = torch.cat([extractor.embedding(part) for part in pictures.split(64)])
        print(f"{name:34} {home.shift(points, kept):.2f}", flush=True)

    for name, faces in zip(("CelebA", "UTKFace"), sets, strict=True):
        tell(f"{OTHERS} other photographs of {name}", plain_view(faces[PHOTOGRAPHS : PHOTOGRAPHS + OTHERS]))
    tell("other photographs of both", torch.cat([plain_view(f[PHOTOGRAPHS : PHOTOGRAPHS + OTHERS]) for f in sets]))
    for name in GENERATORS:
        generator = tlgan.load_generator(name)
        z = generator.sample(home.PICTURES, seed=0)
        tell(name, torch.cat([generator.synthesize(part, resolution=64) for part in z.split(8)]).clamp(-1, 1))
    tell("smooth random fields", fields(0, 0.1))
    tell("noise", fields(0, 1e9))


if __name__ == "__main__":
    main()
