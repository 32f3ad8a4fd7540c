"""The text of a label file in the encodings that spreadsheets write: UTF-8, UTF-16 and UTF-32 by their marks, else a guess."""

from __future__ import annotations

import codecs
import re
from functools import cache
from pathlib import Path

from tlgan.errors import TlganError

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it starts with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_GUESSES = {"gb18030": "GB18030 (GBK)", "cp1251": "Windows-1251", "cp1252": "Windows-1252"}
_CYRILLIC = re.compile("[А-ЯЁ]?[а-яё]+|[А-ЯЁ]+")
_LATIN = re.compile("(?=.*[A-Za-z]|.$)[A-Za-zÀ-ÖØ-öø-ÿŒœŠšŽžŸ]+")  # a word of accents alone is none
_NONE = 0.15  # of the bytes: of UTF-16, half of those of ASCII's letters
_USUAL_HAN = 0.8  # share of characters that have to be usual ones: names hold rare ones


def read_text(path: Path) -> tuple[str, str]:
    """The text, and what was guessed to read it ("" where nothing was).

    Bytes that are neither UTF-8 nor marked are read in the one encoding of `_GUESSES` that makes plausible words of all of
    them. Raises TlganError where none does, or several do.
    """
    try:
        data = path.read_bytes()
        known = next((name for mark, name in _MARKS.items() if data.startswith(mark)), _unmarked(data))
        try:
            return str(data, known), ""
        except UnicodeDecodeError:
            found = {} if known != "utf-8" else {name: text for name in _GUESSES if (text := _plausible(data, name))}
            if not found:
                raise
    except (OSError, UnicodeDecodeError) as error:
        raise TlganError(f"the labels {path} can't be read as text: {error}; save the file as UTF-8") from error
    if len(found) > 1:
        named = " or ".join(_GUESSES[name] for name in found)
        raise TlganError(f"the labels {path} may be in {named}, which read differently: save the file as UTF-8")
    name, text = found.popitem()
    return text, f"its encoding was guessed: {_GUESSES[name]}"


def _unmarked(data: bytes) -> str:
    """UTF-8; UTF-16 where every other byte of an early part is none, as of letters, digits and separators: its mark is missing."""
    head = data[:400]
    low, high = head[::2].count(0), head[1::2].count(0)
    if max(low, high) < _NONE * len(head):
        return "utf-8"
    return "utf-16-le" if high > low else "utf-16-be"


def _plausible(data: bytes, encoding: str) -> str:
    """The text in this encoding where its words look like it, else ""."""
    try:
        text = str(data, encoding)
    except UnicodeDecodeError:
        return ""
    if encoding == "gb18030":
        signs = [sign for sign in text if not sign.isascii()]
        usual = sum(sign in _usual_han() for sign in signs)
        return text if usual >= _USUAL_HAN * len(signs) else ""
    words = {word for word in re.findall(r"[^\W\d_]+|[^\x00-\x7f]", text) if not word.isascii()}
    return text if all((_CYRILLIC if encoding == "cp1251" else _LATIN).fullmatch(word) for word in words) else ""


@cache
def _usual_han() -> frozenset[str]:
    """GB 2312's level 1, the 3,755 usual characters, and its signs (rows 1 and 3: full-width punctuation and letters)."""
    rows = (0xA1, 0xA3, *range(0xB0, 0xD8))
    return frozenset("".join(str(bytes((row, cell)), "gb2312", "ignore") for row in rows for cell in range(0xA1, 0xFF)))
