"""Model cards: prose is written by hand, every table lies between `<!-- name -->` and `<!-- end -->` and is replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fill(card: Path, tables: Mapping[str, str]) -> None:
    """Put each table into its place; SystemExit, and nothing written, where a name has not exactly one."""
    text = card.read_text(encoding="utf-8")
    for name, new in tables.items():
        text, count = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{new}\n\g<2>", text, flags=re.DOTALL)
        if count != 1:
            raise SystemExit(f"{card}: expected one place for the table {name!r}, found {count}")
    card.write_text(text, encoding="utf-8")
