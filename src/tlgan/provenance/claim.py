"""What a picture says of itself: made or edited, by which generator, how it was measured, what was asked.

A claim travels as XMP. The term that other programs look for is IPTC's `DigitalSourceType` (Photo Metadata Standard,
with `AISystemUsed` and its kin of version 2025.1); the rest stands in a namespace of our own.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
#: Ways a picture came about that are claimed here, and the IPTC term of each.
MADE = {"generated": "trainedAlgorithmicMedia", "edited": "compositeWithTrainedAlgorithmicMedia"}
NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "tlgan": "urn:tlgan:provenance:1#",
}
#: The terms of IPTC's NewsCodes, in words.
WORDS = {
    "trainedAlgorithmicMedia": "made by a trained generative model",
    "compositeWithTrainedAlgorithmicMedia": "a photograph or other picture, edited with a trained generative model",
    "algorithmicMedia": "made by an algorithm that was not trained on pictures",
    "algorithmicallyEnhanced": "enhanced by an algorithm",
    "composite": "put together from several elements",
    "compositeCapture": "put together from several photographs",
    "compositeSynthetic": "put together from several elements, at least one of them synthetic",
    "computationalCapture": "photographed, and computed from several exposures",
    "dataDrivenMedia": "drawn from data",
    "digitalArt": "drawn by a person",
    "digitalCapture": "photographed",
    "digitalCreation": "made by a person with a program",
    "humanEdits": "photographed, then edited by a person",
    "minorHumanEdits": "photographed, then edited a little by a person",
    "multiFrameComputationalCapture": "photographed, and computed from several exposures",
    "negativeFilm": "scanned from a negative",
    "positiveFilm": "scanned from a slide",
    "print": "scanned from a print",
    "screenCapture": "a picture of a screen",
    "softwareImage": "made by a program",
    "virtualRecording": "recorded in a virtual place",
}
MAX_TEXT = 4000  # characters of one entry: all of them together must fit into one JPEG segment


@dataclass(frozen=True)
class Claim:
    """What is claimed of a picture. The default claims only that a trained model made it.

    ``made``: "generated", or "edited" for a photograph that was changed; ``generator`` and ``extractors``: names, with
    the sha256 fingerprints that tlgan knows them by ("" where there is none); ``asked``: what was asked, as
    `tlgan edit` takes it; ``parent``: sha256 of the file of the photograph that was edited.
    """

    made: str = "generated"
    generator: str = ""
    generator_sha256: str = ""
    extractors: tuple[tuple[str, str], ...] = ()
    asked: str = ""
    parent: str = ""

    def __post_init__(self) -> None:
        if self.made not in MADE:
            raise ValueError(f"a picture is made {self.made!r}: expected {' or '.join(MADE)}")

    @property
    def source_type(self) -> str:
        """The address of the IPTC term."""
        return SOURCE_TYPES + MADE[self.made]

    def fields(self) -> dict[str, str]:
        """The claim as XMP properties, qualified name -> text; empty ones are left out."""
        fields = {
            "Iptc4xmpExt:DigitalSourceType": self.source_type,
            "xmp:CreatorTool": software(),
            "Iptc4xmpExt:AISystemUsed": self.generator,
            "Iptc4xmpExt:AISystemVersionUsed": self.generator_sha256,
            "tlgan:Extractors": "; ".join(f"{name} {sha256}".strip() for name, sha256 in self.extractors),
            "tlgan:Asked": self.asked,
            "tlgan:Parent": f"sha256:{self.parent}" if self.parent else "",
        }
        return {name: text[:MAX_TEXT] for name, text in fields.items() if text}


def software() -> str:
    """The program that makes claims, as it is named in them."""
    from tlgan import __version__

    return f"tlgan {__version__}"


def in_words(source_type: str) -> str:
    """A source type as a person reads it; an unknown one as it is."""
    return WORDS.get(source_type.rstrip("/").rpartition("/")[2], f"of an unknown kind ({source_type[:100]})")
