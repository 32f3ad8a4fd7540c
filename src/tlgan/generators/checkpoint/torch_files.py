"""The two containers of `torch.save`: the zip archive (since 1.6) and the five pickles before it.

Both hold one pickle whose storages are persistent ids ("storage", class, key, device, numel) and the storages' bytes
elsewhere. The archive's members are read where they lie: torch stores them uncompressed (but for the code in
TorchScript, which isn't read), so a packed member is refused and there is no bomb to go off. Zip layout: PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.14 to 16.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tlgan.errors import TlganError

from . import allowed
from .pickle_reader import PickleReader
from .records import ITEM_SIZES, Allowance, Storage

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_HEAD = b"\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little") + b"."
ZIP_HEAD = b"PK\x03\x04"

_LEGACY_PROTOCOL = 1001
_MAX_MEMBERS = 20_000
_MAX_NESTING = 2  # a storage inside a pickle inside a storage inside a pickle is nobody's file


def read_pickle(
    data: memoryview, allowance: Allowance, *, persistent: Callable[[Any], Any] | None = None, nesting: int = 0
) -> tuple[Any, int]:
    """The object of the pickle at the start of `data`, and where it ends."""

    def load_storage(inner: memoryview) -> Storage:
        if nesting >= _MAX_NESTING:
            raise TlganError("its storages are nested in one another")
        value, _ = read_legacy(inner, allowance, nesting + 1)
        if not isinstance(value, Storage):
            raise TlganError("the bytes of a storage hold something else")
        return value

    constructor = allowed.Constructor(allowance, load_storage)
    reader = PickleReader(
        data,
        allowance,
        resolve=allowed.resolve,
        construct=constructor.construct,
        set_state=constructor.set_state,
        persistent=persistent,
    )
    try:
        return reader.read(), reader.position
    except PickleReader.DAMAGE as error:
        raise TlganError(f"it is damaged near byte {reader.position}: {_reason(error)}") from error


def read_legacy(data: memoryview, allowance: Allowance, nesting: int = 0) -> tuple[Any, int]:
    """The format before torch 1.6: magic, version, system, object, keys, then every storage's length and bytes."""
    storages: dict[str, Storage] = {}
    position = 0

    def following(persistent: Callable[[Any], Any] | None = None) -> Any:
        nonlocal position
        value, length = read_pickle(data[position:], allowance, persistent=persistent, nesting=nesting)
        position += length
        return value

    def persistent(identity: Any) -> Storage:
        key, dtype, numel = _storage_id(identity)
        if len(identity) > 5 and identity[5] is not None:
            raise TlganError("a storage is a window on another one: save it again with a newer torch")
        return storages.setdefault(key, Storage(dtype, numel, allowance))

    if following() != LEGACY_MAGIC or following() != _LEGACY_PROTOCOL:
        raise TlganError("it doesn't start as a torch file does")
    system = following()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise TlganError("it was written on a big-endian machine")
    value = following(persistent)
    keys = following()
    if not isinstance(keys, list) or len(keys) != len(set(map(str, keys))):
        raise TlganError("its list of storages is not a list of different keys")
    for key in keys:
        storage = storages.get(str(key))
        if storage is None:
            raise TlganError("it holds a storage that no tensor uses")
        if position + 8 > len(data):
            raise TlganError("it ends before its last storage: the file is cut off")
        (numel,) = struct.unpack_from("<q", data, position)
        size = numel * ITEM_SIZES[storage.dtype]
        if numel != storage.numel or not 0 <= size <= len(data) - position - 8:
            raise TlganError(
                f"a storage announces {numel} elements, {len(data) - position - 8} bytes follow: the file is cut off"
            )
        storage.attach(data[position + 8 : position + 8 + size])
        position += 8 + size
    return value, position


def read_archive(data: memoryview, allowance: Allowance) -> tuple[Any, set[str]]:
    """The object of a torch zip archive, and the names of its members below the archive's folder."""
    members = zip_members(data, allowance)
    pickles = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise TlganError(f"it is a zip archive of {len(members)} files without a data.pkl: expected one of torch.save")
    folder = pickles[0].removesuffix("data.pkl")
    names = {name.removeprefix(folder) for name in members}
    if is_torchscript(names):
        return None, names
    if "byteorder" in names and bytes(_stored(members, f"{folder}byteorder")[:16]) != b"little":
        raise TlganError("it was written on a big-endian machine")
    storages: dict[str, Storage] = {}

    def persistent(identity: Any) -> Storage:
        key, dtype, numel = _storage_id(identity)
        if key not in storages:
            if f"{folder}data/{key}" not in members:
                raise TlganError("it refers to a storage that is not in the archive")
            storages[key] = Storage(dtype, numel, allowance)
            storages[key].attach(_stored(members, f"{folder}data/{key}"))
        if storages[key].dtype != dtype or storages[key].numel != numel:
            raise TlganError("it uses one storage as two")
        return storages[key]

    value, _ = read_pickle(_stored(members, pickles[0]), allowance, persistent=persistent)
    return value, names


def _stored(members: dict[str, memoryview | None], name: str) -> memoryview:
    member = members[name]
    if member is None:
        raise TlganError("its zip archive is compressed or encrypted: expected one as torch.save writes it")
    return member


def is_torchscript(names: set[str]) -> bool:
    """Does an archive with these members hold a compiled module, code and all?"""
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def _storage_id(identity: Any) -> tuple[str, str, int]:
    """("storage", class, key, device, numel, ...) -> key, dtype, numel"""
    if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
        raise TlganError("it refers to an object outside the file that is not a storage")
    dtype, key, numel = allowed.storage_type(identity[1]), identity[2], identity[4]
    if not isinstance(key, str | int) or type(numel) is not int or not 0 <= numel < 2**40:
        raise TlganError("a storage has a strange key or length")
    return str(key), dtype, numel


def zip_members(data: memoryview, allowance: Allowance) -> dict[str, memoryview | None]:
    """Name -> bytes of every member of a zip archive, in place; None for what is compressed or encrypted."""
    count, size, offset = _central_directory(data)
    if count > _MAX_MEMBERS:
        raise TlganError(f"it is a zip archive of {count} files: expected a few hundred")
    if offset + size > len(data):
        raise TlganError("its zip directory lies outside the file: the file is cut off or damaged")
    allowance.spend(8 * count)
    members: dict[str, memoryview | None] = {}
    position, end = offset, offset + size
    for _ in range(count):
        if position + 46 > end or bytes(data[position : position + 4]) != b"PK\x01\x02":
            raise TlganError("its zip directory is damaged")
        fields = struct.unpack_from("<HHHHHHIIIHHHHHII", data, position + 4)
        flags, method, packed, length = fields[2], fields[3], fields[7], fields[8]
        name_size, extra_size, comment_size, local = fields[9], fields[10], fields[11], fields[15]
        name = str(data[position + 46 : position + 46 + name_size], "utf-8", "replace")
        extra = data[position + 46 + name_size : position + 46 + name_size + extra_size]
        length, packed, local = _zip64(extra, length, packed, local)
        position += 46 + name_size + extra_size + comment_size
        if name in members:
            raise TlganError("its zip archive holds one name twice")
        stored = not flags & 1 and method == 0 and packed == length
        members[name] = _member(data, local, length) if stored else None
    return members


def _member(data: memoryview, local: int, length: int) -> memoryview:
    if local + 30 > len(data) or bytes(data[local : local + 4]) != ZIP_HEAD:
        raise TlganError("its zip directory points at something that is no file: damaged")
    name_size, extra_size = struct.unpack_from("<HH", data, local + 26)
    start = local + 30 + name_size + extra_size
    if start + length > len(data):
        raise TlganError("a file of its zip archive reaches past the end: the file is cut off")
    return data[start : start + length]


def _central_directory(data: memoryview) -> tuple[int, int, int]:
    """Entries, size and offset of the directory."""
    tail = bytes(data[-(22 + 2**16) :])
    found = tail.rfind(b"PK\x05\x06")
    if found < 0 or found + 22 > len(tail):
        raise TlganError("it starts as a zip archive and has no directory: the file is cut off")
    count, size, offset = struct.unpack_from("<HII", tail, found + 10)
    if count == 0xFFFF or 0xFFFFFFFF in (size, offset):
        locator = found - 20
        if locator < 0 or tail[locator : locator + 4] != b"PK\x06\x07":
            raise TlganError("its zip directory is damaged")
        (where,) = struct.unpack_from("<Q", tail, locator + 8)
        if where + 56 > len(data) or bytes(data[where : where + 4]) != b"PK\x06\x06":
            raise TlganError("its zip directory is damaged")
        count, size, offset = struct.unpack_from("<QQQ", data, where + 32)
    return count, size, offset


def _zip64(extra: memoryview, length: int, packed: int, local: int) -> tuple[int, int, int]:
    """The 64-bit values of the extra field (id 1), in the order of the fields that are all ones."""
    position = 0
    while position + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            values = list(struct.unpack_from(f"<{min(size, 24) // 8}Q", extra, position + 4))
            length = values.pop(0) if length == 0xFFFFFFFF and values else length
            packed = values.pop(0) if packed == 0xFFFFFFFF and values else packed
            local = values.pop(0) if local == 0xFFFFFFFF and values else local
        position += 4 + size
    return length, packed, local


def _reason(error: Exception) -> str:
    return f"{type(error).__name__} {error}".replace("\n", " ")[:120]
