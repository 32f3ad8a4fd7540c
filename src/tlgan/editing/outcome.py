"""What became of an edit, in numbers a person or a script can read."""

from __future__ import annotations

from typing import Any

from .editor import Editor


def outcome(editor: Editor) -> dict[str, Any]:
    """Asked beside measured for what was moved, the drift of what was locked, and every feature's natural value.

    Changes are in population sd, counted from the unedited face.
    """
    changed = editor.changed()
    asked = editor.edit.asked
    return {
        "seed": editor.edit.seed,
        "moved": {name: {"asked": float(ask), "measured": changed[name]} for name, ask in sorted(asked.items())},
        "locked": {name: changed[name] for name in sorted(editor.edit.locks) if name not in asked},
        "granted": editor.solution.share,
        "values": editor.measured(),
    }
