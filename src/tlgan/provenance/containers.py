"""Files of pictures, cut into pieces: what makes the picture, XMP, C2PA, and other words.

The digest of a picture covers the bytes that make it, as they lie in the file, so it needs no decoder and no two
decoders can differ about it. Left out is what other programs may add or take away without touching the picture: text,
C2PA, and Exif, which has a digest of its own.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from .xmp import MAX_PACKET

T = TypeVar("T")
PICTURE, XMP, C2PA, EXIF, OTHER = "picture", "xmp", "c2pa", "exif", "other"
#: Pieces of a file, and bytes of a film's table of contents, that are looked at; a film of ten minutes has 72,000 pieces.
MAX_PIECES = 200_000
MAX_MOOV = 2**24
_PNG_XMP = b"XML:com.adobe.xmp"
_PNG_ROLES = dict.fromkeys((b"iTXt", b"tEXt", b"zTXt", b"tIME"), OTHER) | {b"eXIf": EXIF}
_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"
_GIF_TAIL = bytes([1, *range(255, -1, -1), 0])  # makes a reader of sub-blocks come out behind the packet
_MP4_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_MP4_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


class BadContainerError(ValueError):
    """A file is damaged; `str(error)` says where."""


@dataclass(frozen=True)
class Piece:
    """A run of bytes of a file. ``core``: of a picture, the bytes that count; of XMP, the packet."""

    role: str
    raw: bytes
    core: bytes = b""


@dataclass(frozen=True)
class Kind:
    """A file format: how it is cut, and where a packet goes. ``put`` takes pieces without XMP."""

    name: str
    mime: str
    cut: Callable[[bytes], Iterator[Piece]]
    put: Callable[[list[Piece], bytes], list[Piece]]


def kind_of(data: bytes) -> Kind | None:
    """The format, by content; None for one that can't be marked."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return KINDS["PNG"]
    if data.startswith(b"\xff\xd8\xff"):
        return KINDS["JPEG"]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return KINDS["WEBP"]
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return KINDS["GIF"]
    if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return KINDS["MP4"]
    return None


def cut(data: bytes) -> list[Piece]:
    """All pieces of a file, which together are the file. Raises BadContainerError."""
    kind = kind_of(data)
    if kind is None:
        raise BadContainerError("it is no PNG, JPEG, WebP, GIF or MP4")
    try:
        return _listed(kind.cut(data))
    except (IndexError, ValueError) as error:
        if isinstance(error, BadContainerError):
            raise
        raise BadContainerError(f"this {kind.name} is damaged ({error})") from error


def digest(pieces: list[Piece], role: str = PICTURE) -> str:
    """sha256 of what makes the picture, or of the pieces with another role; "" where there are none."""
    cores = [piece.core for piece in pieces if piece.role == role]
    return hashlib.sha256(b"".join(cores)).hexdigest() if cores else ""


def scanned(data: bytes) -> list[bytes]:
    """XMP packets of a file of another format: found by their markers, as the XMP specification allows (part 3)."""
    found: list[bytes] = []
    end = 0
    while len(found) < 2 and (start := data.find(b"<x:xmpmeta", end)) >= 0:
        end = data.find(b"</x:xmpmeta>", start) + len(b"</x:xmpmeta>")
        if end < start:
            break
        found.append(data[start:end])
    return found


def _listed(items: Iterator[T]) -> list[T]:
    found = list(islice(items, MAX_PIECES + 1))
    if len(found) > MAX_PIECES:
        raise BadContainerError(f"it has more than {MAX_PIECES} pieces")
    return found


def _slice(data: bytes, start: int, end: int, what: str) -> bytes:
    if not start <= end <= len(data):
        raise BadContainerError(f"it ends inside {what}")
    return data[start:end]


# -- PNG (third edition, W3C 2025) -------------------------------------------------------------------------------------


def _cut_png(data: bytes) -> Iterator[Piece]:
    yield Piece(PICTURE, data[:8], data[:8])
    at, last = 8, b""
    while last != b"IEND":
        last = _slice(data, at + 4, at + 8, "a chunk")
        end = at + 12 + int.from_bytes(data[at : at + 4])
        raw = _slice(data, at, end, f"chunk {_name(last)}")
        if zlib.crc32(raw[4:-4]) != int.from_bytes(raw[-4:]):
            raise BadContainerError(f"chunk {_name(last)} is damaged: its checksum is wrong")
        body = raw[8:-4]
        if last == b"iTXt" and body.startswith(_PNG_XMP + b"\0"):
            yield Piece(XMP, raw, _itxt(body))
        elif last == b"caBX":
            yield Piece(C2PA, raw)
        else:
            yield Piece(_PNG_ROLES.get(last, PICTURE), raw, raw[4:-4])
        at = end
    if data[at:]:
        yield Piece(PICTURE, data[at:], data[at:])


def _itxt(body: bytes) -> bytes:
    compressed, method = body[len(_PNG_XMP) + 1], body[len(_PNG_XMP) + 2]
    text = body[len(_PNG_XMP) + 3 :].split(b"\0", 2)[2:]
    if not text or compressed > 1 or method:
        raise BadContainerError("its XMP chunk is damaged")
    if not compressed:
        return text[0]
    try:
        return zlib.decompressobj().decompress(text[0], MAX_PACKET + 1)
    except zlib.error as error:
        raise BadContainerError("its XMP chunk is damaged") from error


def _put_png(pieces: list[Piece], packet: bytes) -> list[Piece]:
    body = b"iTXt" + _PNG_XMP + b"\0\0\0\0\0" + packet
    raw = (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    return [*pieces[:2], Piece(XMP, raw, packet), *pieces[2:]]


# -- JPEG (ITU-T T.81; XMP part 3) -------------------------------------------------------------------------------------


def _cut_jpeg(data: bytes) -> Iterator[Piece]:
    yield Piece(PICTURE, data[:2], data[:2])
    at = 2
    while True:
        marker = _slice(data, at, at + 4, "a segment")
        if marker[0] != 0xFF or marker[1] in (0x00, 0xFF):
            raise BadContainerError(f"there is no segment at byte {at}")
        if marker[1] == 0xDA:  # what follows is the picture itself, to the end
            yield Piece(PICTURE, data[at:], data[at:])
            return
        end = at + 2 + int.from_bytes(marker[2:4])
        raw = _slice(data, at, end, "a segment")
        body = raw[4:]
        if marker[1] == 0xE1 and body.startswith(_JPEG_XMP):
            yield Piece(XMP, raw, body[len(_JPEG_XMP) :])
        elif marker[1] == 0xEB and body.startswith(b"JP"):
            yield Piece(C2PA, raw)
        else:
            other = marker[1] in (0xED, 0xFE) or (marker[1] == 0xE1 and body.startswith(b"http:"))
            exif = marker[1] == 0xE1 and body.startswith(b"Exif\0")
            yield Piece(EXIF if exif else OTHER if other else PICTURE, raw, raw)
        at = end


def _put_jpeg(pieces: list[Piece], packet: bytes) -> list[Piece]:
    body = _JPEG_XMP + packet
    if len(body) > 0xFFFD:
        raise BadContainerError(f"a claim of {len(packet)} bytes does not fit into a JPEG")
    raw = b"\xff\xe1" + (len(body) + 2).to_bytes(2) + body
    # JFIF and Exif want to be first
    at = next(k for k, piece in enumerate(pieces) if k and piece.raw[1] != 0xE0 and piece.raw[4:9] != b"Exif\0")
    return [*pieces[:at], Piece(XMP, raw, packet), *pieces[at:]]


# -- WebP (RFC 9649) ---------------------------------------------------------------------------------------------------

_HAS_XMP, _HAS_EXIF, _HAS_ALPHA = 0x04, 0x08, 0x10


def _cut_webp(data: bytes) -> Iterator[Piece]:
    if int.from_bytes(data[4:8], "little") + 8 != len(data):
        raise BadContainerError(
            f"it says that it has {int.from_bytes(data[4:8], 'little') + 8} bytes and has {len(data)}"
        )
    yield Piece(PICTURE, data[:12], b"RIFFWEBP")
    at = 12
    while at < len(data):
        name = _slice(data, at, at + 4, "a chunk")
        size = int.from_bytes(_slice(data, at + 4, at + 8, "a chunk"), "little")
        raw = _slice(data, at, at + 8 + size + size % 2, f"chunk {_name(name)}")
        body = raw[8 : 8 + size]
        if size % 2 and raw[-1]:
            raise BadContainerError(f"chunk {_name(name)} is damaged: its padding is not 0")
        if name == b"XMP ":
            yield Piece(XMP, raw, body)
        elif name == b"C2PA":
            yield Piece(C2PA, raw)
        elif name == b"VP8X":  # its flags tell of words too
            flags = bytes([body[0] & ~(_HAS_XMP | _HAS_EXIF)])
            yield Piece(PICTURE, raw, raw[:8] + flags + body[1:])
        else:
            yield Piece(EXIF if name == b"EXIF" else PICTURE, raw, raw)
        at += len(raw)


def _put_webp(pieces: list[Piece], packet: bytes) -> list[Piece]:
    rest = pieces[1:]
    if rest and rest[0].raw[:4] == b"VP8X":
        extended = rest.pop(0).raw
        extended = extended[:8] + bytes([extended[8] | _HAS_XMP]) + extended[9:]
    else:
        width, height, alpha = _webp_size(next(piece.raw for piece in rest if piece.raw[:4] in (b"VP8 ", b"VP8L")))
        flags = _HAS_XMP | (_HAS_ALPHA if alpha else 0)
        sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        extended = b"VP8X" + (10).to_bytes(4, "little") + bytes([flags, 0, 0, 0]) + sides
    raw = b"XMP " + len(packet).to_bytes(4, "little") + packet + b"\0" * (len(packet) % 2)
    body = b"WEBP" + extended + b"".join(piece.raw for piece in rest) + raw
    return list(_cut_webp(b"RIFF" + len(body).to_bytes(4, "little") + body))


def _webp_size(chunk: bytes) -> tuple[int, int, bool]:
    """Width, height and whether there is transparency, of a VP8 or VP8L chunk."""
    if chunk[:4] == b"VP8L":
        bits = int.from_bytes(chunk[9:13], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bool(bits >> 28 & 1)
    return int.from_bytes(chunk[14:16], "little") & 0x3FFF, int.from_bytes(chunk[16:18], "little") & 0x3FFF, False


# -- GIF (89a; XMP part 3) ---------------------------------------------------------------------------------------------


def _cut_gif(data: bytes) -> Iterator[Piece]:
    end = 13 + _colours(data[10])
    head = _slice(data, 0, end, "its head")
    yield Piece(PICTURE, head, head)
    at = end
    while data[at] != 0x3B:
        if data[at] == 0x21:
            end = _blocks(data, at + 2)
        elif data[at] == 0x2C:
            end = _blocks(data, at + 11 + _colours(data[at + 9]))
        else:
            raise BadContainerError(f"there is no block at byte {at}")
        raw = _slice(data, at, end, "a block")
        if raw.startswith(_GIF_XMP):
            if not raw.endswith(_GIF_TAIL):
                raise BadContainerError("its XMP block is damaged")
            yield Piece(XMP, raw, raw[len(_GIF_XMP) : -len(_GIF_TAIL)])
        elif raw.startswith(b"\x21\xff\x0bC2PA_GIF"):
            yield Piece(C2PA, raw)
        else:
            yield Piece(OTHER if raw[:2] == b"\x21\xfe" else PICTURE, raw, raw)
        at = end
    yield Piece(PICTURE, data[at:], data[at:])


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> int:
    """Where a chain of sub-blocks that begins at `at` ends."""
    while data[at]:
        at += data[at] + 1
    return at + 1


def _put_gif(pieces: list[Piece], packet: bytes) -> list[Piece]:
    head = b"GIF89a" + pieces[0].raw[6:]  # 87a knows no extensions
    raw = _GIF_XMP + packet + _GIF_TAIL
    return [Piece(PICTURE, head, head), Piece(XMP, raw, packet), *pieces[1:]]


# -- MP4 (ISO/IEC 14496-12; XMP part 3) --------------------------------------------------------------------------------

_HOLDERS = (b"trak", b"mdia", b"minf", b"stbl")  # each in the one before it


def _cut_mp4(data: bytes) -> Iterator[Piece]:
    boxes = _listed(_boxes(data, 0, len(data)))
    media = next((start + head for name, start, head, _ in boxes if name == b"mdat"), 0)
    for name, start, head, end in boxes:
        raw = data[start:end]
        user = raw[head : head + 16] if name == b"uuid" else b""
        if user == _MP4_XMP:
            yield Piece(XMP, raw, raw[head + 16 :])
        elif user == _MP4_C2PA:
            yield Piece(C2PA, raw)
        elif name in (b"free", b"skip"):
            yield Piece(OTHER, raw)
        elif name == b"moov":  # where the media lie is counted from the file's begin: it moves when words are added
            if len(raw) > MAX_MOOV:
                raise BadContainerError(f"its table of contents has {len(raw)} bytes")
            yield Piece(PICTURE, raw, b"".join(_without_place(data, start, head, end, media, _HOLDERS)))
        else:
            yield Piece(PICTURE, raw, raw)


def _boxes(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Boxes one after another: name, start, bytes of the head, end."""
    while at < stop:
        head = 8
        size = int.from_bytes(_slice(data, at, at + 4, "a box"))
        name = _slice(data, at + 4, at + 8, "a box")
        if size == 1:
            size, head = int.from_bytes(_slice(data, at + 8, at + 16, "a box")), 16
        end = stop if size == 0 else at + size
        if not at + head <= end <= stop:
            raise BadContainerError(f"it ends inside box {_name(name)}")
        yield name, at, head, end
        at = end


def _without_place(
    data: bytes, start: int, head: int, end: int, media: int, holders: tuple[bytes, ...]
) -> Iterator[bytes]:
    """The bytes of a box, offsets of chunks counted from where the media begin."""
    yield data[start : start + head]
    for name, at, inner, stop in _boxes(data, start + head, end):
        if holders and name == holders[0]:
            yield from _without_place(data, at, inner, stop, media, holders[1:])
        elif name in (b"stco", b"co64"):
            width = 4 if name == b"stco" else 8
            entries = data[at + inner + 8 : stop]
            yield data[at : at + inner + 8]
            for k in range(0, len(entries), width):
                yield (int.from_bytes(entries[k : k + width]) - media).to_bytes(9, signed=True)
        else:
            yield data[at:stop]


def _put_mp4(pieces: list[Piece], packet: bytes) -> list[Piece]:
    """Behind everything: nothing that is counted from the file's begin moves."""
    body = b"uuid" + _MP4_XMP + packet
    return [*pieces, Piece(XMP, (len(body) + 4).to_bytes(4) + body, packet)]


def _name(four: bytes) -> str:
    return four.decode("ascii", "backslashreplace")


KINDS = {
    kind.name: kind
    for kind in (
        Kind("PNG", "image/png", _cut_png, _put_png),
        Kind("JPEG", "image/jpeg", _cut_jpeg, _put_jpeg),
        Kind("WEBP", "image/webp", _cut_webp, _put_webp),
        Kind("GIF", "image/gif", _cut_gif, _put_gif),
        Kind("MP4", "video/mp4", _cut_mp4, _put_mp4),
    )
}
