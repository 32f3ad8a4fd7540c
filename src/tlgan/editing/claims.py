"""What is claimed of the pictures of a canvas: by which networks, and what was asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlgan.provenance import Claim

if TYPE_CHECKING:
    from .canvas import Canvas
    from .edit import Edit


def claim_of(canvas: Canvas, asked: Edit | str = "") -> Claim:
    """The claim of a picture that `canvas` painted; ``asked``: the edit that it shows, or words for it."""
    parts = getattr(canvas.extractor, "parts", (canvas.extractor,))
    return Claim(
        generator=_without_folders(canvas.generator.name),
        generator_sha256=canvas.axes.generator,
        extractors=tuple((_without_folders(part.name), part.fingerprint) for part in parts),
        asked=asked if isinstance(asked, str) else in_words(asked),
    )


def _without_folders(name: str) -> str:
    """A name as strangers may read it, should somebody have named a network by its path."""
    return re.split(r"[/\\]", name)[-1]


def in_words(edit: Edit) -> str:
    """What is asked of a face, as `tlgan edit` takes it: "smiling=+2 young=-1 --lock male --exact"; the face itself, which
    only the state names, is left out."""
    locks = sorted({*edit.locks, *edit.soft})
    words = [f"{name}={value:+g}" for name, value in sorted(edit.asked.items())]
    words += ["--lock " + ",".join(locks)] if locks else []
    return " ".join(words + ["--exact"] * edit.exact)
