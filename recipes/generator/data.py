"""Pictures of one size from a folder or a Parquet file, squares cut from them, in memory as bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageOps
from torch import Tensor

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def read_pictures(source: Path, side: int, *, place: float = 0.5) -> Tensor:
    """Every picture of ``source`` as its largest square, scaled to ``side``: uint8 [n, 3, side, side].

    ``source`` is a folder (searched through, sorted by name) or a Parquet file with a column ``image`` of encoded
    bytes, or of structs with ``bytes`` as the Hugging Face hub writes them. ``place`` says where along the longer
    side the square lies: 0 first, 0.5 in the middle, 1 last.
    """
    blobs = _from_parquet(source) if source.is_file() else _from_folder(source)
    pictures = [_square(blob, side, place) for blob in blobs]
    if len(pictures) < 2:
        raise SystemExit(f"{source} holds {len(pictures)} pictures: expected hundreds or more ({', '.join(SUFFIXES)})")
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def as_float(pictures: Tensor) -> Tensor:
    """uint8 -> float32 in [-1, 1], channels last."""
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _from_parquet(path: Path) -> Iterator[bytes]:
    table = pq.ParquetFile(path)
    if "image" not in table.schema_arrow.names:
        raise SystemExit(f"{path} has no column 'image': expected one of encoded pictures")
    for batch in table.iter_batches(256, columns=["image"]):
        for value in batch.column(0).to_pylist():
            yield value["bytes"] if isinstance(value, dict) else value


def _from_folder(folder: Path) -> Iterator[bytes]:
    if not folder.is_dir():
        raise SystemExit(f"{folder} is neither a folder nor a Parquet file")
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES:
            yield path.read_bytes()


def _square(blob: bytes, side: int, place: float) -> np.ndarray:
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(blob))).convert("RGB")
    short = min(picture.size)
    left, top = (round((length - short) * place) for length in picture.size)
    if picture.width == short:
        left = 0
    return np.asarray(
        picture.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + short, top + short))
    )
