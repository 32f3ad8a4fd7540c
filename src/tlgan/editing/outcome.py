"""The measured result of an edit, as plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .face import Face
from .solve import share_of


def outcome(face: Face) -> dict[str, Any]:
    """Asked beside measured for what was moved, the drift of what was locked, and every feature's natural value.

    Changes are in population sd, counted from the unedited face.
    """
    changed, edit = face.changed(), face.edit
    share = share_of(face.canvas.axes, edit, np.array(list(changed.values()))) if edit.exact else face.solution.share
    asked = edit.asked
    return {
        "seed": edit.seed,
        "moved": {name: {"asked": float(ask), "measured": changed[name]} for name, ask in sorted(asked.items())},
        "locked": {name: changed[name] for name in sorted(edit.locks) if name not in asked},
        "granted": share,
        "values": face.measured(),
    }
