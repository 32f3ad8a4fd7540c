"""The two sets of photographs, as arrays.

Every set is a stack of pictures of one size, the square in them that holds the face as CelebA's usual crop or
UTKFace's whole picture does, and one row of targets a picture with NaN where nobody said. Both training and
measuring start from here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from tlgan.extractors.attributes import CELEBA_ATTRIBUTES

ATTRIBUTES = [feature.name for feature in CELEBA_ATTRIBUTES]
AGE = "age"
OUTPUTS = len(ATTRIBUTES) + 1  # the attributes, then age
MALE = ATTRIBUTES.index("male")
BLURRY = ATTRIBUTES.index("blurry")
AGE_MEAN, AGE_SD = 33.0, 20.0  # years; the network learns (age - mean) / sd
SIDE = 64
UTKFACE_SIDE = 96  # UTKFace's 200 pixels are more than 64-pixel views can show


@dataclass(frozen=True)
class Faces:
    """``pictures`` uint8 [n, 3, H, W]; ``targets`` float32 [n, 41]: probabilities, then standardised age.

    ``box`` is (top, left, side) of the usual square view; ``zoom`` the range of that square's size under
    augmentation, as a factor. ``teacher`` [n, 41] holds averaged outputs of teachers, where there are any;
    ``group`` int [n] is UTKFace's column, for the bias table alone.
    """

    pictures: Tensor
    targets: Tensor
    box: tuple[float, float, float]
    zoom: tuple[float, float]
    teacher: Tensor | None = None
    group: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: Tensor | slice) -> Faces:
        return replace(
            self,
            pictures=self.pictures[rows],
            targets=self.targets[rows],
            teacher=None if self.teacher is None else self.teacher[rows],
            group=None if self.group is None else self.group[rows],
        )


def read_celeba(path: Path) -> Faces:
    """CelebA pictures of 89x109 with 40 attributes; the view is the 178x178 crop (rows 14 to 103 here)."""
    table = pq.read_table(path)
    columns = {name.lower(): name for name in table.column_names}
    missing = [name for name in ATTRIBUTES if name not in columns]
    if missing:
        raise SystemExit(f"{path}: no column for {', '.join(missing)}; expected CelebA's 40 attributes and 'image'")
    labels = np.stack([table[columns[name]].to_numpy() for name in ATTRIBUTES], axis=1)
    targets = np.full((len(labels), OUTPUTS), np.nan, np.float32)
    targets[:, :-1] = labels > 0  # 0/1 and -1/1 are both in use
    pictures = _decode(table["image"].to_pylist(), None)
    side = pictures.shape[-1]
    return Faces(pictures, torch.from_numpy(targets), ((pictures.shape[-2] - side) * 0.7, 0.0, side), (0.72, 1.06))


def read_utkface(path: Path) -> Faces:
    """UTKFace pictures (whole, tight crops) with age in years and gender."""
    table = pq.read_table(path)
    targets = np.full((table.num_rows, OUTPUTS), np.nan, np.float32)
    targets[:, MALE] = 1 - table["female"].to_numpy()
    targets[:, -1] = (table["age"].to_numpy() - AGE_MEAN) / AGE_SD
    pictures = _decode(table["image"].to_pylist(), UTKFACE_SIDE)
    group = torch.from_numpy(table["ethnicity"].to_numpy().astype(np.int64))
    return Faces(pictures, torch.from_numpy(targets), (0.0, 0.0, UTKFACE_SIDE), (0.8, 1.06), group=group)


def split(faces: Faces, held_out: int, *, seed: int | None) -> tuple[Faces, Faces]:
    """(to train on, to measure on); the last ``held_out`` pictures, after a shuffle where a seed is given."""
    order = torch.arange(len(faces))
    if seed is not None:
        order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(seed))
    return faces[order[:-held_out].sort().values], faces[order[-held_out:].sort().values]


def _decode(blobs: list[bytes], side: int | None) -> Tensor:
    arrays = []
    for blob in blobs:
        picture = Image.open(io.BytesIO(blob)).convert("RGB")
        if side is not None:
            picture = picture.resize((side, side), Image.Resampling.BILINEAR)
        arrays.append(np.asarray(picture))
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()  # (n, 3, H, W)
