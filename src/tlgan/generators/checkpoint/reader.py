"""One file in, one tree of records out, whatever container the file is."""

from __future__ import annotations

import mmap
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError

from . import keras_files, others, torch_files
from .openvino_ir import is_xml, read_ir
from .records import Allowance, GlobalName, ObjectRecord, TensorRecord

_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file holds. `container` is "pickle", "torch" (zip), "torch-legacy", "torchscript", "torch-export",
    "safetensors", "onnx", "openvino" or "keras"; `tree` is set for the first three, and a `Graph` for the last."""

    path: Path
    container: str
    size: int  # bytes
    tree: Any = None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file into records, without executing any of it and without loading a weight.

    Raises `TlganError` with one line on what the file is where it isn't a checkpoint.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if is_xml(file.peek(64)[:64] if size else b""):
                return Checkpoint(path, "openvino", size, read_ir(path))
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        return parse_checkpoint(path, memoryview(mapped or b""), mapped)
    except TlganError as error:
        raise TlganError(others.with_way_out(f"{path.name} can't be read: {error}", others.AGAIN)) from error
    except (OSError, MemoryError, RecursionError) as error:
        raise TlganError(f"{path.name} can't be read: {type(error).__name__} {error}; {others.AGAIN}") from error


def parse_checkpoint(path: Path, data: memoryview, mapped: mmap.mmap | None = None) -> Checkpoint:
    """As `read_checkpoint`, of bytes that are at hand; `path` only names them."""
    size = len(data)
    if size == 0:
        raise TlganError("it is empty: fetch it again")
    head = bytes(data[:4096])
    allowance = Allowance(size, mapped)
    if _HTML.match(head):
        raise TlganError(
            "it is a web page, not a checkpoint: open the address in a browser and download the file there"
        )
    if head.startswith(_GZIP):
        return _read_gzip(path, data)
    if other := others.named(data):
        raise TlganError(f"it is {other}")
    if head.startswith(torch_files.ZIP_HEAD):
        return _read_zip(path, data, allowance)
    if head.startswith(keras_files.HDF5_HEAD):
        return Checkpoint(path, "keras", size)
    if torch_files.LEGACY_HEAD in head[:32]:
        value, _ = torch_files.read_legacy(data, allowance)
        return Checkpoint(path, "torch-legacy", size, value)
    if _is_safetensors(head, size):
        return Checkpoint(path, "safetensors", size)
    if _is_onnx(head):
        return Checkpoint(path, "onnx", size)
    try:
        if not _may_be_pickle(head):
            raise TlganError
        value, _ = torch_files.read_pickle(data, allowance)
    except TlganError as error:
        if head[0] == 0x80 or _GLOBAL.match(head):
            raise
        if text := _text(head):  # pickles of the first protocols are text too
            raise TlganError(f"it is text that begins with {text!r}, and no checkpoint: {others.AGAIN}") from error
        begins, why = head[:8].hex(" "), f" ({error})" if str(error) else ""
        raise TlganError(f"it starts with {begins}, which is no checkpoint that is known{why}: {_EXPECTED}") from error
    return Checkpoint(path, "pickle", size, value)


_GLOBAL = re.compile(rb"\(?c[\w.]+\n[\w.]+\n")  # how a pickle of the first protocols names what it would call
_GZIP = b"\x1f\x8b"
_MOST_UNPACKED, _LEAST_UNPACKED, _PACKED, _PART = 2**32, 2**20, 8, 2**22  # bytes; times the packed size
_EXPECTED = (
    "expected a pickle, a torch file, safetensors, a Keras file, ONNX or the XML of OpenVINO IR; fetch it again "
    f"if it is one of these; {others.OTHER_FRAMEWORK}"
)


def _read_gzip(path: Path, data: memoryview) -> Checkpoint:
    """A pickle or torch file in gzip, unpacked in memory, as far as weights can be packed: they are nearly noise."""
    most = min(_MOST_UNPACKED, _LEAST_UNPACKED + _PACKED * len(data))
    unpacked, stream, after = bytearray(), zlib.decompressobj(wbits=31), 0
    try:
        while after < len(data) and not stream.eof:
            unpacked += stream.decompress(data[after : after + _PART], most + 1 - len(unpacked))
            after += _PART
            if len(unpacked) > most:
                raise TlganError(
                    f"it is compressed with gzip, and unpacks to over {most / 1e6:.0f} MB from {len(data) / 1e6:.1f}: "
                    "run `gunzip FILE` first if you know it"
                )
    except zlib.error as error:
        raise TlganError(f"it is compressed with gzip, and damaged ({error}): fetch it again") from error
    if not stream.eof:
        raise TlganError("it is compressed with gzip, and cut off: fetch it again")
    if stream.unused_data.strip(b"\0") or after < len(data):  # thousands of empty ones would take hours
        raise TlganError("it holds more than one gzip stream: run `gunzip FILE` first")
    if unpacked.startswith(_GZIP):
        raise TlganError("it is compressed with gzip twice: run `gunzip FILE` first")
    if unpacked[257:262] == b"ustar":
        raise TlganError("it is a tar archive compressed with gzip: run `tar xzf FILE` and name the checkpoint inside")
    found = parse_checkpoint(path, memoryview(unpacked))
    if found.container not in ("pickle", "torch", "torch-legacy"):
        raise TlganError(f"it is {found.container} compressed with gzip: run `gunzip FILE` first")
    return found


def _read_zip(path: Path, data: memoryview, allowance: Allowance) -> Checkpoint:
    names = torch_files.zip_members(data, allowance)
    if keras_files.WEIGHTS in names:
        return Checkpoint(path, "keras", len(data))
    if (
        any(
            re.fullmatch(r"[^/]+/archive_format|archive_format|models/[^/]+\.json|[^/]+/models/[^/]+\.json", name)
            for name in names
        )
        or "serialized_exported_program.json" in names
    ):
        return Checkpoint(path, "torch-export", len(data))
    if other := others.zipped(names):
        raise TlganError(f"it is {other}")
    value, members = torch_files.read_archive(data, allowance)
    if torch_files.is_torchscript(members):
        return Checkpoint(path, "torchscript", len(data))
    return Checkpoint(path, "torch", len(data), value)


def _text(head: bytes) -> str:
    """The beginning of a text, or nothing where bytes are no text that people write."""
    try:
        words = " ".join(head[:400].decode("utf-8").split())
    except UnicodeDecodeError as error:
        if error.start < min(400, len(head)) - 3:  # else a letter is cut
            return ""
        words = " ".join(head[: error.start].decode("utf-8").split())
    return words[:40] if words.isprintable() else ""


def _may_be_pickle(head: bytes) -> bool:
    """Protocols 2 and later start with their number; 0 and 1 with an object."""
    return head[0] == 0x80 or head[:1] in b"(]})cNIJKMLGFSTUVXlpd"


def _is_safetensors(head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    return len(head) > 9 and head[8:9] == b"{" and 2 <= length <= size - 8


def _is_onnx(head: bytes) -> bool:
    """A protobuf whose first field is ir_version (1, varint), a small number, with another field after it."""
    return (
        len(head) > 4
        and head[0] == 0x08
        and 1 <= head[1] <= 64
        and head[2] in (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72)
    )


def summary(value: Any) -> str:
    """What a value of a tree is, in a few words for a message."""
    match value:
        case dict():
            keys = [str(key)[:40] if isinstance(key, str | int) else "..." for key in list(value)[:6]]
            more = ", ..." if len(value) > 6 else ""
            return f"a dictionary of {len(value)} ({', '.join(keys)}{more})" if value else "an empty dictionary"
        case list() | tuple() | set() | frozenset():
            kinds = sorted({_kind(item) for item in list(value)[:20]})
            return f"a {type(value).__name__} of {len(value)}" + (f" ({', '.join(kinds)[:80]})" if kinds else "")
        case TensorRecord():
            return f"one tensor {list(value.shape)}"
        case ObjectRecord():
            return f"a {value.type}"
    return "nothing (None)" if value is None else f"a {_kind(value)}"


def _kind(value: Any) -> str:
    if isinstance(value, ObjectRecord | GlobalName):
        return str(value.type if isinstance(value, ObjectRecord) else value)[:60]
    return {"TensorRecord": "tensor", "NoneType": "None", "LongText": "str"}.get(
        type(value).__name__, type(value).__name__
    )
