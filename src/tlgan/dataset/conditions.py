"""Conditions on features as boxes: `eyeglasses and not young`, `30 <= age < 50 or smiling > .8`.

A box is a conjunction of intervals, and a condition a list of boxes of which one has to hold. Text is read by a small
parser of its own; nothing in it is evaluated as code.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from tlgan.axes import Axes
from tlgan.errors import TlganError

#: low <= value < high, in natural units: probabilities, years, ...
Interval = tuple[float, float]
Box = Mapping[str, Interval]

ANYTHING: Interval = (-math.inf, math.inf)
MAX_TEXT = 1000
MAX_DEPTH = 100
MAX_BOXES = 256
_TOKEN = re.compile(r"\s*(<=|>=|<|>|\(|\)|[A-Za-z0-9_]*[A-Za-z_][A-Za-z0-9_]*|[+-]?(?:\d+\.?\d*|\.\d+))")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def yes_or_no(yes: bool) -> Interval:
    """The half of a probability that counts as yes, or as no."""
    return (0.5, math.inf) if yes else (-math.inf, 0.5)


def meet(*boxes: Box) -> Box | None:
    """What holds where all of these hold; None where nothing does."""
    together: dict[str, Interval] = {}
    for box in boxes:
        for name, (low, high) in box.items():
            old_low, old_high = together.get(name, ANYTHING)
            together[name] = max(low, old_low), min(high, old_high)
    return together if all(low < high for low, high in together.values()) else None


def meet_any(some: Iterable[Box], others: Sequence[Box]) -> list[Box]:
    """Boxes of which one holds where one of `some` and one of `others` do."""
    both = (meet(a, b) for a, b in itertools.product(some, others))
    return list({tuple(sorted(box.items())): box for box in both if box is not None}.values())


def parse_where(text: str, axes: Axes) -> list[Box]:
    """The boxes of a condition. Raises TlganError for an unknown feature, and for what is no condition."""
    if len(text) > MAX_TEXT:
        raise TlganError(f"the condition has {len(text)} characters: expected at most {MAX_TEXT}")
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise _wrong(text, f"{text[at:].strip()[:12]!r} is not understood")
        tokens.append(match[1])
        at = match.end()
    if tokens.count("(") + tokens.count("not") > MAX_DEPTH:
        raise TlganError(f"the condition has more than {MAX_DEPTH} brackets and nots: say it more simply")
    boxes = _Parser(tokens, text, axes).whole()
    if not boxes:
        raise TlganError(f"the condition {text!r} contradicts itself: no picture can fulfil it")
    return boxes


class _Parser:
    """Recursive descent: or < and < not < comparison or name. `yes` False parses the opposite (De Morgan)."""

    def __init__(self, tokens: list[str], text: str, axes: Axes) -> None:
        self.tokens, self.text, self.axes, self.at = tokens, text, axes, 0

    def whole(self) -> list[Box]:
        boxes = self._or(True)
        if self._peek():
            raise _wrong(self.text, f"{self._peek()!r} is one too many")
        return boxes

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self.at += 1
        return token

    def _or(self, yes: bool) -> list[Box]:
        return self._chain("or", yes, either=yes)

    def _and(self, yes: bool) -> list[Box]:
        return self._chain("and", yes, either=not yes)

    def _chain(self, word: str, yes: bool, *, either: bool) -> list[Box]:
        part = self._and if word == "or" else self._not
        boxes = part(yes)
        while self._peek() == word:
            self._take()
            more = part(yes)
            boxes = [*boxes, *more] if either else meet_any(boxes, more)
            if len(boxes) > MAX_BOXES:
                raise TlganError(f"the condition has more than {MAX_BOXES} alternatives: say it more simply")
        return boxes

    def _not(self, yes: bool) -> list[Box]:
        if self._peek() == "not":
            self._take()
            return self._not(not yes)
        if self._peek() == "(":
            self._take()
            boxes = self._or(yes)
            if self._take() != ")":
                raise _wrong(self.text, "a bracket is not closed")
            return boxes
        return self._comparison(yes)

    def _comparison(self, yes: bool) -> list[Box]:
        chain = [self._operand()]
        while self._peek() in _MIRRORED:
            chain += [self._take(), self._operand()]
        if len(chain) == 1:
            return [{self._feature(chain[0], "probability"): yes_or_no(yes)}]
        links = [self._link(*chain[i : i + 3]) for i in range(0, len(chain) - 2, 2)]
        if yes:
            together = meet(*links)
            return [] if together is None else [together]
        return [{name: _other_side(interval)} for link in links for name, interval in link.items()]

    def _operand(self) -> str:
        token = self._take()
        if not token or token in (*_MIRRORED, "(", ")", "and", "or", "not"):
            raise _wrong(self.text, f"a feature or a number is expected, not {repr(token) if token else 'the end'}")
        return token

    def _link(self, left: str, sign: str, right: str) -> Box:
        if _NUMBER.fullmatch(left):
            left, sign, right = right, _MIRRORED[sign], left
        if _NUMBER.fullmatch(left) or not _NUMBER.fullmatch(right):
            raise _wrong(self.text, f"{left} {sign} {right} does not compare a feature with a number")
        bound = float(right)
        return {self._feature(left): (-math.inf, bound) if sign in ("<", "<=") else (bound, math.inf)}

    def _feature(self, name: str, kind: str = "") -> str:
        if _NUMBER.fullmatch(name):
            raise _wrong(self.text, f"{name} is a number and no condition")
        feature = self.axes.features[self.axes.index(name)]
        if kind and feature.kind != kind:
            raise _wrong(self.text, f"{name} is a quantity: compare it, like {name} > 30")
        return name


def _other_side(interval: Interval) -> Interval:
    low, high = interval
    return (-math.inf, low) if high == math.inf else (high, math.inf)


def _wrong(text: str, why: str) -> TlganError:
    return TlganError(
        f"{text!r} is no condition: {why}; expected one like 'eyeglasses and not young' or '30 <= age < 50'"
    )
