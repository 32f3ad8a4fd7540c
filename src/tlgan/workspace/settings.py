"""The settings of a workspace: `tlgan.toml`, which a person may edit."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlgan.errors import BadFile
from tlgan.generators.options import checked_options
from tlgan.io.foreign import misfit, toml_of
from tlgan.io.step import held

SETTINGS_FILE = "tlgan.toml"
AXES_FILE = "axes.safetensors"
SAMPLES_FOLDER = "samples"
REPORT_FILE = "report.html"
PREVIEW_WORK = "preview.work"  # what that head is trained in
PREVIEW_FILE = "preview.safetensors"  # the head of a large generator's small pictures
EXTRACTORS_FOLDER = "extractors"
DEFAULT_EXTRACTORS = ("celeba40", "colour")
DEFAULT_BASE = ("male", "young")


@dataclass(frozen=True)
class Settings:
    """What `tlgan.toml` holds.

    ``generator``: reference as `load_generator` takes it; ``sha256``: its fingerprint, checked at every opening;
    ``accepted``: fingerprints of other files that a person has said hold the same network;
    ``space``: "z", "w", "w+" or "" for the better one of z and w; ``truncation`` (None: what suits the generator, else
    1) and ``label`` of the sampled pictures;
    ``extractors``: references as `load_extractor` takes them, or files inside the workspace; ``extractor_sha256``: pairs
    of a reference and its fingerprint, of those that are read from files, checked at every opening; ``seed`` of the samples and
    ``max_samples`` their cap; ``resolution``: side of the sampled pictures, None for what the generator paints;
    ``options``: of the generator, as `load_generator` takes them (`network`, `activation`, `picture_range` ...);
    ``distance``: pairs of an extractor and how far the pictures are from those it was trained on (`extractors.home`);
    ``base``: axes that every other axis is kept clear of (None: male and young, where there are such features);
    ``groups``: in w+ the first layer of each group with a w of its own, () to find them by measurement; ``method``: that
    found the axes, as `tlgan.hooks.AXIS_METHODS` knows it, "" for regression; ``language``: that `report.html` was last asked
    for in, "" for English.
    """

    generator: str
    sha256: str = ""
    space: str = ""
    truncation: float | None = None
    label: int | None = None
    extractors: tuple[str, ...] = DEFAULT_EXTRACTORS
    seed: int = 0
    max_samples: int = 20_000
    base: tuple[str, ...] | None = None
    resolution: int | None = None
    accepted: tuple[str, ...] = ()
    extractor_sha256: tuple[tuple[str, str], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    distance: tuple[tuple[str, float], ...] = ()
    groups: tuple[int, ...] = ()
    method: str = ""
    language: str = ""

    @property
    def origin(self) -> dict[str, Any]:
        """What axes are told of where they were found."""
        return {
            "space": self.space,
            "base": self.base or (),
            "seed": self.seed,
            "truncation": self.psi,
            "label": self.label,
            "extractors": self.extractors,
            "groups": self.groups,
        }

    @property
    def psi(self) -> float:
        """The truncation in force."""
        return 1.0 if self.truncation is None else self.truncation

    def to_toml(self) -> str:
        """As the text of `tlgan.toml`."""
        import tomlkit

        document = tomlkit.document()
        document.add(
            tomlkit.comment("What this workspace is made of. Everything else in the folder is derived from it.")
        )
        generator = tomlkit.table()
        generator["ref"], generator["sha256"] = self.generator, self.sha256
        if self.accepted:
            generator["accepted"] = list(self.accepted)
        generator["space"], generator["truncation"] = self.space, self.psi
        if self.label is not None:
            generator["label"] = self.label
        if self.groups:
            generator["groups"] = list(self.groups)
        if self.options:
            generator["options"] = {
                key: list(value) if isinstance(value, tuple) else value for key, value in self.options.items()
            }
        document["generator"] = generator
        extractors = tomlkit.table()
        extractors["refs"] = list(self.extractors)
        if self.extractor_sha256:
            known = tomlkit.inline_table()
            known.update(self.extractor_sha256)
            extractors["sha256"] = known
        if self.distance:
            far = tomlkit.inline_table()
            far.update({name: round(value, 3) for name, value in self.distance})
            extractors["distance"] = far
        document["extractors"] = extractors
        samples = tomlkit.table()
        samples["seed"], samples["max"] = self.seed, self.max_samples
        if self.resolution is not None:
            samples["resolution"] = self.resolution
        document["samples"] = samples
        document["axes"] = {"base": list(self.base or ())} | ({"method": self.method} if self.method else {})
        if self.language:
            document["report"] = {"language": self.language}
        return tomlkit.dumps(document)

    @classmethod
    def from_toml(cls, text: str, where: str) -> Settings:
        """Read what `to_toml` wrote or a person changed. Raises TlganError naming the entry that is wrong."""
        try:
            document = toml_of(text)
        except ValueError as error:
            raise BadFile(f"{where} is not TOML: {error}") from error
        table = _Reader(document, where)
        return cls(
            generator=table.get("generator", "ref", str),
            sha256=table.get("generator", "sha256", str, ""),
            accepted=tuple(table.get("generator", "accepted", list, [])),
            space=table.get("generator", "space", str, ""),
            truncation=float(table.get("generator", "truncation", (int, float), 1.0)),
            label=table.get("generator", "label", int, None),
            extractors=tuple(table.get("extractors", "refs", list, list(DEFAULT_EXTRACTORS))),
            extractor_sha256=tuple(table.get("extractors", "sha256", dict, {}).items()),
            seed=table.get("samples", "seed", int, 0),
            max_samples=table.get("samples", "max", int, 20_000),
            base=tuple(table.get("axes", "base", list, [])),
            resolution=table.get("samples", "resolution", int, None),
            groups=layer_groups(table.get("generator", "groups", list, [], each=int), where),
            method=table.get("axes", "method", str, ""),
            language=table.get("report", "language", str, ""),
            options=checked_options(
                table.get("generator", "options", dict, {}, each=object), f"{where}: generator.options"
            ),
            distance=tuple(
                (str(name), float(value))
                for name, value in table.get("extractors", "distance", dict, {}, each=object).items()
                if isinstance(value, int | float)
            ),
        )


def layer_groups(given: Sequence[int], where: str) -> tuple[int, ...]:
    """First layers of groups, checked: from 0 upwards, each once. Raises TlganError otherwise."""
    groups = tuple(given)
    if groups and (groups[0] != 0 or any(b <= a for a, b in itertools.pairwise(groups))):
        raise BadFile(f"{where}: generator.groups is {list(groups)}: expected first layers like [0, 4, 8]")
    return groups


def generator_ref(ref: str, folder: Path) -> str:
    """A generator's reference as `load_generator` takes it: a relative path is looked up beside `tlgan.toml` first.

    Raises TlganError where links lead out of the workspace.
    """
    if Path(ref).is_absolute() or ".." in Path(ref).parts or not (folder / ref).is_file():
        return ref
    return str(held(folder, ref))


def located(ref: str, *folders: Path) -> str:
    """An extractor's reference as `load_extractor` takes it: a file inside a workspace (the first of `folders` that has
    it) is named from there. Raises TlganError where links lead out of it."""
    if "/" in ref and not Path(ref).is_absolute() and ".." not in Path(ref).parts:
        for folder in folders:
            if (inside := held(folder, ref)).is_file():
                return str(inside)
    return ref


class _Reader:
    """Typed look-ups in a TOML document, so that a hand-made mistake is named."""

    def __init__(self, document: Mapping[str, Any], where: str) -> None:
        self.document = document
        self.where = where

    def get(self, table: str, key: str, kind: Any, default: Any = ..., each: type = str) -> Any:
        value = self.document.get(table, {})
        value = value.get(key, default) if isinstance(value, Mapping) else default
        if value is ...:
            raise BadFile(f"{self.where} has no entry {table}.{key}: write it, or discover again")
        if value is not default and (expected := misfit(value, kind, each if kind in (list, dict) else None)):
            raise BadFile(f"{self.where}: {table}.{key} is {value!r}: expected {expected}")
        return value
