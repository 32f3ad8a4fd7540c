"""What the process prints, character by character: nothing in it is an order to a terminal, and an output that can't be
written is one clear error.

Names, references and messages may come from a stranger's file. Everything that is printed goes through `printable`.
"""

from __future__ import annotations

import logging
import os
import sys
import unicodedata
from typing import Any

from tlgan.errors import TlganError

_JOINERS = "\u200c\u200d"  # part of words in some scripts
_lost: tuple[Any, Exception | None] = None, None  # the standard output that could not be written, and why


def printable(text: str, keep: str = "") -> str:
    """`text` with escapes in place of what a terminal obeys or hides: control characters, line ends, the characters
    that turn the direction of writing, half surrogates. Characters in `keep` stay."""
    if text.isprintable():
        return text
    return "".join(c if c in keep or c in _JOINERS or not _obeyed(c) else _escape(c) for c in text)


def _obeyed(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def hold_streams() -> None:
    """Make standard input, output and error safe to use: a closed one is held by the null device, so that no file
    opened later takes its number; what an encoding lacks is written as an escape."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest free number
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finish() -> None:
    """Hand everything that was printed on. Raises TlganError where standard output can't take it."""
    if sys.stdout is not None and sys.stdout is not _lost[0]:
        put("")


def write(line: str) -> None:
    """One line on standard output. Raises TlganError where it can't be written, BrokenPipeError where nobody reads."""
    put(printable(line) + "\n")


class PlainFormatter(logging.Formatter):
    """A record of a log as lines in which nothing is an order to a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep="\n")


def put(text: str) -> None:
    """Text on standard output, as it is and at once; errors as for `write`, and again for all that follows one."""
    global _lost
    try:
        if sys.stdout is None:
            raise ValueError("it is closed")
        if sys.stdout is _lost[0] and _lost[1] is not None:
            raise _lost[1]
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        _lost = sys.stdout, error
        abandon(sys.stdout)
        if isinstance(error, BrokenPipeError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise TlganError(
            f"standard output can't be written ({reason}): the result is not shown; what was done is kept"
        ) from error


def abandon(stream: Any) -> None:
    """Let what a stream still holds go nowhere, so that the end of the process does not fail on it once more."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError, AttributeError):
        pass
