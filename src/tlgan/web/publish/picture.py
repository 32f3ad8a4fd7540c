"""The preview picture of links to a site: two faces, each changed by one slider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlgan.editing.claims import claim_of
from tlgan.provenance import encode

if TYPE_CHECKING:
    from tlgan.workspace import Workspace

SIZE = (1200, 630)  # what those who unfurl links ask for
COLUMNS, SIDE, GAP = 4, 283, 16
SPAN = 2.5
PAPER = (246, 246, 244)
ALT = "Two faces that do not exist, each changed by one slider"


def open_graph_picture(workspace: Workspace, seeds: tuple[int, int]) -> bytes:
    """PNG of 1200 x 630: a face a row, its strongest sliders from left to right."""
    from PIL import Image, ImageOps

    sheet = Image.new("RGB", SIZE, PAPER)
    left = (SIZE[0] - COLUMNS * SIDE - (COLUMNS - 1) * GAP) // 2
    top = (SIZE[1] - 2 * SIDE - GAP) // 2
    for row, (seed, name) in enumerate(zip(seeds, _shown(workspace), strict=True)):
        pictures = workspace.face(seed=seed).strip(name, steps=COLUMNS, span=SPAN)
        for column, picture in enumerate(pictures):
            image = ImageOps.pad(Image.fromarray(picture), (SIDE, SIDE), Image.Resampling.LANCZOS, PAPER)
            sheet.paste(image, (left + column * (SIDE + GAP), top + row * (SIDE + GAP)))
    return encode(sheet, claim_of(workspace.canvas), optimize=True)


def _shown(workspace: Workspace) -> tuple[str, str]:
    """A smile, where there is one, and the strongest slider besides."""
    axes = workspace.axes
    order = [axes.names[row] for row in np.argsort(-axes.r2, kind="stable")]
    first = "smiling" if "smiling" in order and not axes.weak[axes.index("smiling")] else order[0]
    return first, next((name for name in order if name != first), first)
