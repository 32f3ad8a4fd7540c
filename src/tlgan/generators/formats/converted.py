"""Generators in safetensors: tensors plus JSON, nothing that could run, quick to open and clear about what it is.

`convert_checkpoint` writes a blueprint down: its architecture and options in the metadata, its tensors as they were
in the file. A plain state_dict in safetensors (as hub mixins write it) is read too, as a state_dict. Layout:
8 bytes of header length, the JSON header, then the bytes (safetensors' own README).
"""

from __future__ import annotations

import math
import mmap
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlgan import __version__
from tlgan.errors import TlganError
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint.others import AGAIN
from tlgan.generators.checkpoint.records import ITEM_SIZES, Allowance, Storage, TensorRecord
from tlgan.io.foreign import json_of
from tlgan.io.tensors import write_tensors

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = "tlgan-generator"
_MAX_HEADER = 2**22
_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def read_safetensors(path: Path) -> tuple[dict[str, TensorRecord], dict[str, str]]:
    """Tensors by name, in natural order of their names, and the file's metadata; no weight is loaded."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        data = memoryview(mapped)
        length = int.from_bytes(data[:8], "little")
        if length > min(_MAX_HEADER, len(data) - 8):
            raise TlganError(f"it announces a header of {length} bytes: damaged, or no safetensors")
        header = json_of(str(data[8 : 8 + length], "utf-8"))  # of bytes, json would guess the encoding
        if not isinstance(header, dict):
            raise TlganError("its header is not a dictionary")
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise TlganError("its metadata is not text")
        allowance = Allowance(len(data), mapped)
        records = {name: _record(name, entry, data[8 + length :], allowance) for name, entry in header.items()}
    except TlganError as error:
        raise TlganError(f"{path.name} can't be read: {error}; {AGAIN}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TlganError(
            f"{path.name} can't be read: its header is damaged ({type(error).__name__}); {AGAIN}"
        ) from error
    return dict(sorted(records.items(), key=lambda item: _natural(item[0]))), metadata


def _record(name: str, entry: dict[str, Any], data: memoryview, allowance: Allowance) -> TensorRecord:
    allowance.spend(40)
    dtype, shape = _DTYPES.get(entry["dtype"]), entry["shape"]
    start, end = entry["data_offsets"]
    if dtype is None or not isinstance(shape, list) or not 0 <= start <= end <= len(data):
        raise TlganError(f"its tensor {name[:60]} is damaged or of a type that is not known")
    storage = Storage(dtype, (end - start) // ITEM_SIZES[dtype], allowance, data[start:end])
    strides = [math.prod(shape[index + 1 :]) for index in range(len(shape))] if len(shape) <= 16 else []
    return TensorRecord(storage, tuple(shape), tuple(strides), 0)


def _natural(name: str) -> list[Any]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d{1,9})", name)]


def converted_blueprint(tensors: dict[str, TensorRecord], metadata: dict[str, str]) -> Blueprint | None:
    """The blueprint of a file that `convert_checkpoint` wrote, or None for other safetensors."""
    if metadata.get("format") != FORMAT:
        return None
    try:
        options, source = json_of(metadata["options"]), json_of(metadata["source"])
        architecture = metadata["architecture"]
    except (KeyError, ValueError) as error:
        raise TlganError(f"its metadata is damaged: {type(error).__name__}") from error
    if not isinstance(options, dict) or not isinstance(source, dict):
        raise TlganError("its metadata is damaged: options and source are not dictionaries")
    return Blueprint(architecture, options, tensors, source)


def write_blueprint(blueprint: Blueprint, out: Path, *, half: bool = False) -> None:
    """Write a blueprint as safetensors, whole or not at all.

    `half` keeps floating-point numbers in float16 where it can hold them all, which makes the file half as large.
    """
    metadata = {
        "format": FORMAT,
        "version": "1",
        "written_by": f"tlgan {__version__}",
        "architecture": blueprint.architecture,
        "options": blueprint.options,
        "source": blueprint.source,
    }
    tensors = {name: record.load() for name, record in blueprint.tensors.items()}
    if half:
        tensors = {name: _halved(tensor) for name, tensor in tensors.items()}
    write_tensors(out, tensors, metadata)


def _halved(tensor: Tensor) -> Tensor:
    half = tensor.half() if tensor.is_floating_point() else tensor
    return half if bool(half.isfinite().all()) else tensor
