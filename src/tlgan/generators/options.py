"""Options of a generator as a person writes them: `KEY=VALUE` on the command line, a table in `tlgan.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tlgan.errors import TlganError

_KEY = re.compile(r"[a-z][a-z0-9_]{0,40}")
_RESERVED = ("device", "progress", "ref", "truncation", "trust")  # said elsewhere, and not by a file
_TEXTS = (
    "layers",
    "activation",
    "latent_input",
    "label_input",
    "inputs",
    "output",
    "network",
)  # text, whatever it looks like


def parse_options(given: Iterable[str]) -> dict[str, Any]:
    """["activation=elu", "picture_range=0,1"] -> {"activation": "elu", "picture_range": [0, 1]}."""
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not value or not _KEY.fullmatch(key):
            raise TlganError(f"the option {text[:60]!r} is not KEY=VALUE: write it like activation=leaky_relu")
        if key in _RESERVED:
            raise TlganError(f"{key} is no option of a generator's file: see `tlgan discover --help`")
        if key in options:
            raise TlganError(f"the option {key} is given twice: give it once")
        options[key] = value.strip() if key in _TEXTS else _value(value.strip())
    return options


def checked_options(given: Any, where: str) -> dict[str, Any]:
    """A table of options from a file: names, numbers, text, truth and flat lists of those."""
    if not isinstance(given, Mapping):
        raise TlganError(f'{where} is no table: expected lines like activation = "leaky_relu"')
    for key, value in given.items():
        parts = value if isinstance(value, list) else [value]
        if (
            key in _RESERVED
            or not _KEY.fullmatch(str(key))
            or not all(isinstance(part, str | int | float | bool) for part in parts)
        ):
            raise TlganError(f"{where}.{key} is {str(value)[:40]!r}: expected text, a number, true or false, or a list")
    return dict(given)


def written(options: Mapping[str, Any]) -> str:
    """The same as words for the command line."""
    return " ".join(f"-g {key}={_text(value)}" for key, value in options.items())


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_text(part) for part in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str) -> Any:
    if "," in text:
        return [_value(part.strip()) for part in text.split(",")]
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
