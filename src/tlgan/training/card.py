"""The model card that is written beside every trained extractor: what it learned from, how good it is, what it is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from tlgan.io.files import replacing

from .objective import Figures, headline


def write_card(
    path: Path, *, title: str, facts: Sequence[tuple[str, str]], table: Sequence[Figures], notes: Sequence[str]
) -> None:
    """Write the card as Markdown, atomically."""
    lines = [f"# {title}", "", f"On pictures it has not seen: {headline(table)}.", ""]
    lines += [f"- {name}: {words}" for name, words in facts]
    lines += ["", "## Figures by label, on pictures it has not seen", ""]
    lines += ["| label | kind | pictures | rarer side | AUC | balanced accuracy | mean error | R² |"]
    lines += ["|---|---|---:|---:|---:|---:|---:|---:|"]
    for row in table:
        cells = [row.name, row.kind, str(row.count), _share(row.share), *(_number(getattr(row, k)) for k in _COLUMNS)]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "## Know before use", ""]
    lines += [f"- {note}" for note in (*notes, *_ALWAYS)]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


_COLUMNS = ("auc", "balanced", "error", "r2")
_ALWAYS = (
    "The figures hold for pictures like those it learned from; a generator's pictures are others. `tlgan add` measures how "
    "well each label can be steered there.",
    "It repeats what the people who labelled said, their mistakes and prejudices among it.",
)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.1%}"
