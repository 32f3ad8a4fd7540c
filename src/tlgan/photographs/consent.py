"""What is said once, at the first use of photographs on a machine."""

from __future__ import annotations

from contextlib import suppress

from tlgan.io.hub import cache_dir

WORDS = (
    "Edit photographs of other people only with their agreement, and do not pass an edited one off as unaltered. "
    "Photographs stay on this machine: the only things kept are the files that you name."
)


def first_use() -> str:
    """`WORDS` at the first call on this machine, "" from then on."""
    said = cache_dir() / "photographs-said"
    if said.exists():
        return ""
    with suppress(OSError):  # where nothing can be noted it is said again
        said.parent.mkdir(parents=True, exist_ok=True)
        said.touch()
    return WORDS
