"""Descriptions of models, as TOML: how a model's input is prepared, and what its outputs mean.

One text in three places: beside a model (`model.toml` for `model.onnx`), inside an ONNX file that `train-extractor`
wrote (its metadata), and in a workspace (`extractors/*.toml`), where everything that was found or given is written
out, so that a reference alone brings the same extractor back. It only ever holds words and numbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tlgan.errors import TlganError
from tlgan.io.foreign import misfit, toml_of

from .base import Feature

Activation = Literal["none", "sigmoid", "softmax"]
#: Where sliders stand whose description names no group.
ADDED = "Added"
METADATA_KEY = "tlgan.extractor"


@dataclass(frozen=True)
class InputPlan:
    """How a picture is handed to a network.

    ``size``: side in pixels (0: as the model's shape says); ``layout``: "NCHW" or "NHWC"; ``colour``: "RGB" or "BGR";
    ``range``: the numbers of black and white before ``mean`` is subtracted and ``sd`` divided by (one number, or one a
    channel); ``crop``: the part of the picture that is looked at, (left, top, right, bottom) in shares of its side,
    which may reach beyond 0 and 1: the alignment of a model that was trained on another framing.
    """

    size: int = 0
    layout: str = "NCHW"
    colour: str = "RGB"
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0,)
    sd: tuple[float, ...] = (1.0,)
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    def check(self, where: str) -> None:
        """Raise TlganError for an entry out of its range."""
        left, top, right, bottom = self.crop
        wrong = {
            "size": (not 0 <= self.size <= 4096, "0 to 4096 pixels"),
            "layout": (self.layout not in ("NCHW", "NHWC"), "NCHW or NHWC"),
            "colour": (self.colour not in ("RGB", "BGR"), "RGB or BGR"),
            "range": (not self.range[0] < self.range[1], "the lower end before the higher one"),
            "mean": (len(self.mean) not in (1, 3), "1 or 3 numbers"),
            "sd": (len(self.sd) not in (1, 3) or min(self.sd) <= 0, "1 or 3 numbers over 0"),
            "crop": (
                not (-1 <= left < right <= 2 and -1 <= top < bottom <= 2),
                "left, top, right and bottom, from -1 to 2",
            ),
        }
        for name, (is_wrong, expected) in wrong.items():
            if is_wrong:
                raise TlganError(f"{where}: input.{name} is {getattr(self, name)!r}: expected {expected}")


@dataclass(frozen=True)
class Head:
    """Where a feature is read: value = offset + scale * activation(output)[column], or [weights · output] in all.

    ``output``: name of the model's output ("" for its only one); ``column``: which number of it; ``weights``: one for
    each number of the output, whose weighted sum is the feature (an expectation over classes).
    """

    feature: Feature
    output: str = ""
    column: int = 0
    activation: Activation = "none"
    weights: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Prompt:
    """A sentence against another: the feature is how much better the first fits a picture."""

    text: str
    against: str
    feature: Feature


@dataclass(frozen=True)
class Description:
    """What a TOML beside a model says. ``kind``: "onnx", "classifier" or "text"; ``model``: a file beside the
    description or any reference the hub takes; ``sha256`` pins it."""

    kind: str = "onnx"
    model: str = ""
    sha256: str = ""
    input: InputPlan = field(default_factory=InputPlan)
    heads: tuple[Head, ...] = ()
    prompts: tuple[Prompt, ...] = ()
    given: frozenset[str] = frozenset()  # which entries of [input] were written down

    def to_toml(self) -> str:
        """The text that `read_description` reads."""
        import tomlkit

        document = tomlkit.document()
        document["kind"], document["model"] = self.kind, self.model
        if self.sha256:
            document["sha256"] = self.sha256
        if self.kind == "onnx":
            document["input"] = {key: _plain(value) for key, value in asdict(self.input).items()}
        rows = tomlkit.aot()
        for head in self.heads:
            rows.append(tomlkit.item(_changed({**asdict(head.feature), **_without_feature(head)}, _HEAD_DEFAULTS)))
        if self.heads:
            document["feature"] = rows
        prompts = tomlkit.aot()
        for prompt in self.prompts:
            entries = {"text": prompt.text, "against": prompt.against, **asdict(prompt.feature)}
            prompts.append(tomlkit.item(_changed(entries, {})))
        if self.prompts:
            document["prompt"] = prompts
        return tomlkit.dumps(document)


def read_description(text: str, where: str) -> Description:
    """Read a description. Raises TlganError naming the entry that is wrong or unknown."""
    try:
        document = toml_of(text)
    except ValueError as error:
        raise TlganError(f"{where} is not TOML: {error}") from error
    _known(document, ("kind", "model", "sha256", "input", "feature", "prompt"), where)
    kind = _get(document, "kind", str, "onnx", where)
    if kind not in ("onnx", "classifier", "text"):
        raise TlganError(f"{where}: kind is {kind!r}, expected onnx, classifier or text")
    table = _get(document, "input", dict, {}, where)
    _known(table, InputPlan.__dataclass_fields__, f"{where}: input")
    plan = InputPlan(**{key: _read_input(key, value, where) for key, value in table.items()})
    plan.check(where)
    return Description(
        kind=kind,
        model=_get(document, "model", str, "", where),
        sha256=_get(document, "sha256", str, "", where),
        input=plan,
        heads=tuple(_head(row, where) for row in _get(document, "feature", list, [], where)),
        prompts=tuple(_prompt(row, where) for row in _get(document, "prompt", list, [], where)),
        given=frozenset(table),
    )


def feature_name(words: str) -> str:
    """Words as a feature's name: "Wearing a Hat!" -> "wearing_a_hat", "Größe" -> "größe", "是否红色" as it is.

    Accents are taken off Latin letters that ASCII has; letters of other scripts stay. Where there is no letter or digit,
    the characters' own names serve: "★" -> "black_star".
    """
    whole = unicodedata.normalize("NFKD", words)
    plain = whole.encode("ascii", "ignore").decode()
    if any(unicodedata.category(char)[0] in "LN" and not char.isascii() for char in whole):
        plain = unicodedata.normalize("NFKC", words)
    elif not any(char.isalnum() for char in plain):
        plain = " ".join(unicodedata.name(char, "") for char in words if not char.isascii())
    kept = "".join(char if unicodedata.category(char)[0] in "LNM" else "_" for char in plain.lower())
    name = re.sub("_+", "_", kept).strip("_")[:60].strip("_")
    while name and unicodedata.category(name[0])[0] == "M":  # a sign without its letter
        name = name[1:].lstrip("_")
    if not name:
        raise TlganError(
            f"{words!r} holds no letter, digit or sign that a feature's name could be made of: name it otherwise"
        )
    return name


def unique_names(heads: Sequence[Head], where: str) -> tuple[Head, ...]:
    """The same heads. Raises TlganError where two features share a name."""
    names = [head.feature.name for head in heads]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TlganError(f"{where} names the feature {twice[0]!r} twice: every feature needs a name of its own")
    return tuple(heads)


_FEATURE = tuple(Feature.__dataclass_fields__)
_HEAD_DEFAULTS = {"output": "", "column": 0, "activation": "none", "weights": [], "scale": 1.0, "offset": 0.0}


def _head(row: Any, where: str) -> Head:
    feature = _feature(row, where, (*_FEATURE, *_HEAD_DEFAULTS))
    activation = row.get("activation", "none")
    if activation not in ("none", "sigmoid", "softmax"):
        raise TlganError(f"{where}: activation {activation!r} is unknown: expected none, sigmoid or softmax")
    column = _get(row, "column", int, 0, where)
    if column < 0:
        raise TlganError(f"{where}: column {column} of {feature.name!r} is negative: columns count from 0")
    return Head(
        feature,
        output=_get(row, "output", str, "", where),
        column=column,
        activation=activation,
        weights=_numbers(row.get("weights", []), f"{where}: weights of {feature.name!r}"),
        scale=float(_get(row, "scale", (int, float), 1.0, where)),
        offset=float(_get(row, "offset", (int, float), 0.0, where)),
    )


def _prompt(row: Any, where: str) -> Prompt:
    feature = _feature(row, where, (*_FEATURE, "text", "against"))
    return Prompt(_get(row, "text", str, ..., where), _get(row, "against", str, ..., where), feature)


def _feature(row: Any, where: str, known: Sequence[str]) -> Feature:
    if not isinstance(row, Mapping):
        raise TlganError(f"{where}: {row!r} is not a table [[feature]]")
    _known(row, known, where)
    words = {key: _get(row, key, str, "", where) for key in _FEATURE if key in row}
    name = _get(row, "name", str, ..., where)
    return Feature(**{"kind": "probability", "label": readable(name), "group": ADDED, **words})


def readable(name: str) -> str:
    """A feature's name as words for a person."""
    return name.replace("_", " ").capitalize()


def _read_input(key: str, value: Any, where: str) -> Any:
    if key == "size":
        if not isinstance(value, int) or isinstance(value, bool):
            raise TlganError(f"{where}: input.size is {value!r}, expected a number of pixels")
        return value
    if key in ("layout", "colour"):
        return str(value).upper()
    numbers = _numbers(value if isinstance(value, list) else [value], f"{where}: input.{key}")
    wanted = {"range": (2,), "crop": (4,)}.get(key, (1, 3))
    if len(numbers) not in wanted:
        raise TlganError(f"{where}: input.{key} has {len(numbers)} numbers, expected {' or '.join(map(str, wanted))}")
    return numbers


def _numbers(values: Any, what: str) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(isinstance(v, (int, float)) and abs(v) < 1e12 for v in values):
        raise TlganError(f"{what} is not a list of numbers")
    return tuple(float(v) for v in values)


def _get(table: Mapping[str, Any], key: str, kind: Any, default: Any, where: str) -> Any:
    value = table.get(key, default)
    if value is ...:
        raise TlganError(f"{where}: an entry has no {key!r}")
    if value is not default and (expected := misfit(value, kind)):
        raise TlganError(f"{where}: {key} is {value!r}: expected {expected}")
    return value


def _known(table: Mapping[str, Any], known: Any, where: str) -> None:
    unknown = [key for key in table if key not in known]
    if unknown:
        raise TlganError(f"{where} has an unknown entry {unknown[0]!r}: known are {', '.join(known)}")


def _without_feature(head: Head) -> dict[str, Any]:
    return {key: _plain(getattr(head, key)) for key in _HEAD_DEFAULTS}


def _changed(entries: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if value != defaults.get(key, "")}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
