"""Parsers of untrusted JSON, TOML and arrays: any fault is a ValueError.

Python's own readers end in a RecursionError where it is nested too deeply, guess an encoding, and take whole numbers
that no float can hold, which then fail far from here.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.errors import TlganError

_DIGITS = 300  # of a whole number: no float holds more


def json_of(text: str | bytes) -> Any:
    """The value of a JSON text; bytes are UTF-8. Raises ValueError."""
    try:
        return json.loads(text if isinstance(text, str) else str(text, "utf-8"), parse_int=_whole, parse_float=_finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def toml_of(text: str) -> dict[str, Any]:
    """The tables of a TOML document. Raises ValueError, also for whole numbers of more than 64 bits, as TOML has it."""
    try:
        document = tomllib.loads(text)
        _check_whole(document)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return document


def arrays_of(
    path: Path, most: int, chosen: Callable[[list[str]], list[str]] = lambda names: names
) -> dict[str, np.ndarray]:
    """The arrays of a `.npz` file, or of a `.npy` file under the name "": those that `chosen` wants of all names, whose
    members have at most `most` bytes unpacked. Nothing in it is executed. Raises ValueError."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            if (size := sum(member.file_size for member in loaded.zip.infolist())) > most:
                raise ValueError(f"it unpacks to {size >> 20} MB")
            found = {name: loaded[name] for name in chosen(list(loaded.files))}
        return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
    except TlganError:
        raise
    except Exception as error:  # its parts are read by zipfile, zlib and Python's tokenizer
        raise ValueError(str(error).partition("\n")[0][:120] or type(error).__name__) from error


#: Kinds of TOML's values in words.
_KINDS: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    (int, float): "a number",
    list: "a list",
    dict: "a table",
}


def misfit(value: Any, kind: Any, each: type | None = None) -> str:
    """What was expected in place of a parsed value, whose entries should be of kind `each`; "" where it is right."""
    entries = value.values() if isinstance(value, dict) else value
    right = isinstance(value, kind) and not isinstance(value, bool)
    if right and (each is None or all(isinstance(entry, each) for entry in entries)):
        return ""
    return f"{_KINDS[kind]}{f' whose entries are {_KINDS[each]}' if each else ''}"


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"it holds a number of {len(digits)} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"it holds the number {digits[:20]}, which is too large")
    return number


def _check_whole(value: Any) -> None:
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("it holds a whole number of more than 64 bits")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_whole(part)
