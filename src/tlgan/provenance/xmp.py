"""XMP packets: one is written, any is read.

Our own packet carries two digests: `tlgan:Picture` of what makes the picture (see `containers`), and `tlgan:Seal` of
the packet itself. They find an accident, and a change by a program that knows nothing of them. They are no signature:
whoever changes a picture on purpose can write both anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from .claim import NAMESPACES

MAX_PACKET = 2**20  # bytes of a packet that is looked at
MAX_DEPTH = 64  # of its elements
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_OPEN = 64 * "0"  # stands for the seal while it is computed
_PREFIXES = {address: prefix for prefix, address in NAMESPACES.items()}


class BadPacketError(ValueError):
    """A packet can't be read; `str(error)` says why."""


def write_packet(fields: Mapping[str, str]) -> bytes:
    """Properties (qualified name -> text) as an XMP packet with its seal."""
    names = "".join(f'\n    xmlns:{prefix}="{address}"' for prefix, address in NAMESPACES.items())
    values = "".join(f"\n    {name}={_quoted(text)}" for name, text in fields.items())
    packet = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{RDF}">\n  <rdf:Description rdf:about=""{names}{values}\n    tlgan:Seal="{_OPEN}"/>\n'
        ' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()
    return _resealed(packet, _OPEN, hashlib.sha256(packet).hexdigest())


def is_sealed(packet: bytes, seal: str) -> bool:
    """Whether a packet of ours is as it was written."""
    return hashlib.sha256(_resealed(packet, seal, _OPEN)).hexdigest() == seal


def _resealed(packet: bytes, old: str, new: str) -> bytes:
    return packet.replace(f'tlgan:Seal="{old}"'.encode(), f'tlgan:Seal="{new}"'.encode())


def _quoted(text: str) -> str:
    """An attribute's value. What XML can't hold becomes a question mark."""
    plain = re.sub("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
    return '"' + quoteattr(plain, {'"': "&quot;"})[1:-1] + '"'


def read_packet(packet: bytes) -> dict[str, str]:
    """The simple properties of a packet from anyone: qualified name -> text, of the namespaces known here.

    Items of a list are joined by "; ". A document type, and with it every entity, is refused. Raises BadPacketError.
    """
    if len(packet) > MAX_PACKET:
        raise BadPacketError(f"its XMP has {len(packet)} bytes, more than the {MAX_PACKET} that are read")
    found: dict[str, str] = {}
    path: list[str] = []
    text: list[list[str]] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        if len(path) == MAX_DEPTH:
            raise BadPacketError("its XMP is nested too deeply")
        path.append(name)
        text.append([])
        if name == f"{RDF} Description":
            for key, value in attributes.items():
                keep(key, value)
        elif f"{RDF} resource" in attributes:
            keep(name, attributes[f"{RDF} resource"])

    def end(name: str) -> None:
        words = "".join(text.pop()).strip()
        path.pop()
        if name == f"{RDF} li":
            owner = next((other for other in reversed(path) if not other.startswith(RDF)), "")
            words = "; ".join(filter(None, [found.get(_qualified(owner) or "", ""), words]))
            keep(owner, words)
        elif words:
            keep(name, words)

    def keep(name: str, value: str) -> None:
        if qualified := _qualified(name):
            found[qualified] = value

    def refuse(*_: Any) -> None:
        raise BadPacketError("its XMP has a document type, which no XMP needs")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = lambda part: text[-1].append(part) if text else None
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(packet.strip(b"\0 \r\n\t"), True)
    except (expat.ExpatError, ValueError) as error:
        if isinstance(error, BadPacketError):
            raise
        raise BadPacketError(f"its XMP is no XML ({error})") from error
    return found


def _qualified(name: str) -> str | None:
    address, _, local = name.rpartition(" ")
    prefix = _PREFIXES.get(address)
    return f"{prefix}:{local}" if prefix else None
