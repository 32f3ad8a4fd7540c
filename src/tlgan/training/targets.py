"""What labels mean: yes or no, one of several classes, or a number; found from the values, or said.

Every target owns a run of the network's outputs, and becomes one feature (or one a class).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tlgan.errors import TlganError
from tlgan.extractors import Feature
from tlgan.extractors.attributes import AGE, CELEBA_ATTRIBUTES
from tlgan.extractors.description import ADDED, feature_name, readable

Kind = Literal["binary", "classes", "number"]
MOST_CLASSES = 200
CLASS = "class"  # a column of this name, as folders make it, gives features that are called after its classes alone
_YES = {"1", "1.0", "true", "yes", "y", "t", "ja", "oui", "sí", "sim", "да", "是", "はい", "예", "ναι", "نعم"}
_NO = {
    "0",
    "0.0",
    "-1",
    "-1.0",
    "false",
    "no",
    "n",
    "f",
    "nein",
    "non",
    "não",
    "нет",
    "否",
    "いいえ",
    "아니요",
    "όχι",
    "لا",
}
#: Words for a label that nobody gave; the second ones only where the others are numbers, or yes and no: "none" and "-" may be
#: classes.
_UNKNOWN = {"", "nan", "na", "n/a", "n.a.", "#n/a", "<na>", "null", "?"}
_MAYBE_UNKNOWN = {"none", "-", "--", "unknown", ".", "nil", "missing", "k.a."}
#: Signs between groups of three digits, where a number can't be read otherwise; and what may stand in a number and counts nothing.
_POINTS_BETWEEN, _COMMAS_BETWEEN = re.compile(r"\d\.\d{3}[.,]\d"), re.compile(r"\d,\d{3}[.,]\d")
_SPACES_BETWEEN = re.compile(r"(?<=\d)[ '\u00a0\u202f\u2019](?=\d{3}\b)")
_KNOWN = {feature.name: feature for feature in (*CELEBA_ATTRIBUTES, AGE)}


@dataclass(frozen=True, eq=False)
class Target:
    """One column of labels. ``values`` float32 [n]: 0 or 1, the number of a class, or the number itself; NaN unknown.

    ``classes``: words of the classes in their order (of "no" and "yes" for a binary target of words); ``centre`` and
    ``spread`` are what a number is standardised by.
    """

    name: str
    kind: Kind
    values: np.ndarray
    classes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Outputs of the network that belong to it."""
        return len(self.classes) if self.kind == "classes" else 1

    @property
    def centre(self) -> float:
        """Mean of a number; 0 otherwise."""
        return float(np.nanmean(self.values)) if self.kind == "number" else 0.0

    @property
    def spread(self) -> float:
        """Standard deviation of a number; 1 otherwise."""
        return float(np.nanstd(self.values)) or 1.0 if self.kind == "number" else 1.0

    def features(self) -> tuple[Feature, ...]:
        """The features it becomes; those of CelebA's names keep their words."""
        if self.name in _KNOWN and (_KNOWN[self.name].kind == "quantity") == (self.kind == "number"):
            return (_KNOWN[self.name],) if self.kind != "classes" else self._classes()
        if self.kind == "number":
            return (Feature(self.name, "quantity", label=readable(self.name), group=ADDED),)
        if self.kind == "binary":
            low, high = self.classes or ("", "")
            name = feature_name(high) if high and self.name == CLASS else self.name
            return (Feature(name, "probability", label=readable(name), low=low, high=high, group=ADDED),)
        return self._classes()

    def _classes(self) -> tuple[Feature, ...]:
        group = readable(self.name)
        stem = "" if self.name == CLASS else f"{self.name} "
        return tuple(
            Feature(feature_name(f"{stem}{word}"), "probability", label=readable(word), group=group)
            for word in self.classes
        )


def read_targets(
    columns: Mapping[str, Sequence[Any]],
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
) -> tuple[Target, ...]:
    """Targets from raw columns of labels (text, numbers, booleans, None where there is none).

    ``only`` and ``skip`` choose columns; ``kinds`` says what a column is where its values mislead. Raises TlganError
    for a column that is the same throughout, or that nothing can be made of.
    """
    kinds = dict(kinds or {})
    for asked in (*only, *skip, *kinds):
        if asked not in columns:
            raise TlganError(f"there is no column {asked!r} among the labels: {', '.join(columns)}")
    chosen = [name for name in columns if (not only or name in only) and name not in skip]
    if not chosen:
        raise TlganError("no column of labels is left to learn: name one with --only, or skip fewer")
    targets = tuple(_target(name, columns[name], kinds.get(name, "")) for name in chosen)
    constant = [target.name for target in targets if len(np.unique(target.values[~np.isnan(target.values)])) < 2]
    if constant:
        verb = "is" if len(constant) == 1 else "are"
        raise TlganError(
            f"the label {', '.join(constant)} {verb} the same for every picture, so there is nothing to learn: leave "
            f"it out (--skip {constant[0]})"
        )
    made = [(feature.name, target, feature) for target in targets for feature in target.features()]
    names = [name for name, _, _ in made]
    if twice := next((name for name in names if names.count(name) > 1), None):
        words = [
            f"{target.name} {feature.label!r}" if target.kind == "classes" else f"the column {target.name}"
            for name, target, feature in made
            if name == twice
        ]
        raise TlganError(f"{' and '.join(words)} make the same feature {twice!r}: rename one, or skip a column")
    return targets


def _target(name: str, raw: Sequence[Any], kind: str) -> Target:
    words = [None if _missing(value) else str(value).strip() for value in raw]
    said = {word for word in words if word is not None and word.lower() not in _MAYBE_UNKNOWN}
    plain = dict(zip(said, _plain(list(said)), strict=True))
    if said and (all(map(_is_number, plain.values())) or {word.lower() for word in said} <= _YES | _NO):
        words = [plain.get(word) if word is not None else None for word in words]
    given = {word for word in words if word is not None}
    feature = feature_name(name)
    if kind not in ("", "binary", "classes", "number"):
        raise TlganError(f"{name}: kind {kind!r} is unknown: expected binary, classes or number")
    lower = {word.lower() for word in given}
    if not kind:
        if lower <= _YES | _NO:
            kind = "binary"
        elif all(_is_number(word) for word in given):
            kind = "number"
        else:
            kind = "binary" if len(given) == 2 else "classes"
    if kind == "number":
        wrong = next((word for word in given if not _is_number(word)), None)
        if wrong is not None:
            raise TlganError(f"the label {wrong!r} of {name} is not a number")
        return Target(feature, "number", _array(words, float))
    if kind == "binary" and lower <= _YES | _NO:
        return Target(feature, "binary", _array(words, lambda word: float(word.lower() in _YES)))
    classes = tuple(sorted(given, key=lambda word: (float(word), "") if _is_number(word) else (np.inf, word)))
    if len(classes) > MOST_CLASSES:
        raise TlganError(
            f"{name} has {len(classes)} different labels: expected at most {MOST_CLASSES} classes, or numbers"
        )
    if kind == "binary" and len(classes) != 2:
        raise TlganError(
            f"{name} is said to be binary but has {len(classes)} different labels: {', '.join(classes[:5])}"
        )
    values = _array(words, lambda word: float(classes.index(word)))
    return Target(feature, "binary" if len(classes) == 2 else "classes", values, classes)


def _array(words: Sequence[str | None], read: Any) -> np.ndarray:
    return np.array([np.nan if word is None else read(word) for word in words], dtype=np.float32)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or str(value).strip().lower() in _UNKNOWN


def _plain(words: Sequence[str]) -> list[str]:
    """Numbers as Python reads them, from a column of one habit: "1.234,5", "1,234.5", "1 234,5", "0,5", "85 %"."""
    points, commas = (any(sign.search(word) for word in words) for sign in (_POINTS_BETWEEN, _COMMAS_BETWEEN))

    def plain(word: str) -> str:
        word = _SPACES_BETWEEN.sub("", word.replace("\u2212", "-").removesuffix("%").strip())
        if points:
            word = word.replace(".", "")
        return word.replace(",", "" if commas else ".")

    return [found if _is_number(found := plain(word)) else word for word in words]


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False
