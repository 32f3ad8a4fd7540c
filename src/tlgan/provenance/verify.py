"""What a picture claims, and whether the claim holds: our XMP, other people's XMP, and C2PA.

The file comes from anyone. It is cut into pieces under limits, its XMP is read without entities, and C2PA's library
reads it offline; nothing in it is followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError

from . import signing
from .claim import in_words
from .containers import C2PA, EXIF, XMP, BadContainerError, Piece, cut, digest, kind_of, scanned
from .signing import Manifest
from .xmp import BadPacketError, is_sealed, read_packet

MAX_FILE = 2**28  # bytes that are looked at
_SOURCE = "Iptc4xmpExt:DigitalSourceType"


@dataclass(frozen=True)
class Report:
    """What is known of one file.

    ``verdict``: "broken" (what is claimed is not what is there, or nothing can be made of the file), "signed" (a C2PA
    signature holds), "intact" (our own unsigned claim holds), "unchecked" (somebody's XMP, which nothing ties to the
    picture), or "none"; ``source``: how the picture came about, in words; ``claim``: the XMP properties;
    ``problems``: what speaks against it, one line each; ``note``: what could not be looked at.
    """

    file: str
    verdict: str
    source: str
    claim: Mapping[str, str]
    problems: tuple[str, ...] = ()
    note: str = ""
    manifest: Manifest | None = None

    @property
    def holds(self) -> bool:
        """Whether something is claimed and nothing speaks against it."""
        return self.verdict in ("signed", "intact", "unchecked")

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)

    def lines(self) -> dict[str, str]:
        """For people, what -> words."""
        told = {"says": self.source or "nothing of how it came about, which proves nothing"}
        for name, what in _TOLD.items():
            if self.claim.get(name):
                told[what] = self.claim[name][:300]
        if self.manifest is not None:
            told |= _signed_words(self.manifest)
        told["verdict"] = _VERDICTS[self.verdict]
        if self.problems or self.note:
            told["because" if self.problems else "note"] = "; ".join(filter(None, [*self.problems, self.note]))
        return told


_TOLD = {
    "xmp:CreatorTool": "made with",
    "Iptc4xmpExt:AISystemUsed": "generator",
    "Iptc4xmpExt:AISystemVersionUsed": "fingerprint",
    "tlgan:Extractors": "measured by",
    "tlgan:Asked": "asked",
    "tlgan:Parent": "photograph",
}
_VERDICTS = {
    "broken": "BROKEN: do not rely on it",
    "signed": "holds, and is signed",
    "intact": "holds; it is not signed, so anybody could have written it, or could write another",
    "unchecked": "nothing ties these words to the picture, so nothing can be checked",
    "none": "there is nothing to check",
}


def _signed_words(manifest: Manifest) -> dict[str, str]:
    issuer = f" ({manifest.issuer})" if manifest.issuer not in ("", manifest.signer) else ""
    trust = "an authority you named" if manifest.trusted else "nobody that you named vouches for that"
    words = {"signed by": f"{manifest.signer or 'somebody without a name'}{issuer}; {trust}"}
    words["C2PA"] = ", ".join(filter(None, [manifest.program, *manifest.actions]))
    if manifest.parents:
        words["made from"] = ", ".join(manifest.parents)
    if manifest.signed_at:
        words["signed at"] = manifest.signed_at
    return words


def verify_file(path: str | Path, *, anchors: str | None = None) -> tuple[Report, bytes]:
    """The report on a file, and its bytes. Raises TlganError where it can't be read, or is too large."""
    path = Path(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise TlganError(f"{path} can't be read: {error.strerror or error}") from error
    if len(data) > MAX_FILE:
        raise TlganError(f"{path} has more than {MAX_FILE >> 20} MB, which is more than is looked at")
    return verify(data, str(path), anchors=anchors), data


def verify(data: bytes, name: str = "", *, anchors: str | None = None) -> Report:
    """What a picture or film claims. ``anchors``: certificates (PEM) of authorities whose signatures count as trusted.

    C2PA is read with the extra; without it, a manifest inside is told of. Never raises for what is in the file.
    """
    kind = kind_of(data)
    try:
        pieces = cut(data) if kind is not None else []
    except BadContainerError as error:
        return Report(name, "broken", "", {}, (str(error),))
    problems: list[str] = []
    packets = [piece.core for piece in pieces if piece.role == XMP] if kind is not None else scanned(data)
    if len(packets) > 1:
        problems.append("it carries two XMP packets, and programs differ in which they show")
    claim, sealed = _claim(packets[0], pieces, problems) if packets else ({}, False)
    manifest, note = None, ""
    if any(piece.role == C2PA for piece in pieces) or (kind is None and b"jumb" in data and b"c2pa" in data):
        if signing.available():
            manifest = _manifest(data, kind.mime if kind else None, anchors, problems)
        else:
            note = "it carries Content Credentials (C2PA), which are read with the extra: pip install 'tlgan[c2pa]'"
    elif kind is None and not packets:
        note = "it is no PNG, JPEG, WebP, GIF or MP4, and no words of that kind were found in it"
    source = claim.get(_SOURCE, "")
    if manifest is not None:
        problems += manifest.problems
        if source and manifest.source_types and source not in manifest.source_types:
            problems.append(f"its XMP says otherwise than its signed manifest: {in_words(source)}")
        source = next(iter(manifest.source_types), source)
    verdict = "signed" if manifest is not None else "intact" if sealed else "unchecked" if source else "none"
    words = in_words(source) if source else ""
    return Report(name, "broken" if problems else verdict, words, claim, tuple(problems), note, manifest)


def _claim(packet: bytes, pieces: list[Piece], problems: list[str]) -> tuple[dict[str, str], bool]:
    """The properties of a packet, and whether they are ours and hold."""
    try:
        claim = read_packet(packet)
    except BadPacketError as error:
        problems.append(str(error))
        return {}, False
    seal, picture, exif = (claim.pop(f"tlgan:{name}", "") for name in ("Seal", "Picture", "Exif"))
    if not seal and not picture:
        return claim, False
    if not is_sealed(packet, seal):
        problems.append("its claim was changed after it was written")
    if picture != digest(pieces):
        problems.append("the picture is not the one that the claim was written for")
    if exif and digest(pieces, EXIF) not in (exif, ""):
        problems.append("its Exif, which can turn the picture, is not what it was")
    return claim, not problems


def _manifest(data: bytes, mime: str | None, anchors: str | None, problems: list[str]) -> Manifest | None:
    try:
        manifest = signing.read_manifest(data, mime, anchors)
    except TlganError as error:
        problems.append(str(error))
        return None
    if manifest is None:
        problems.append("its Content Credentials (C2PA) are damaged")
    return manifest
