"""The public checkpoints that are known by name: where they are, how large, under which terms."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

from tlgan.io import hub

_CONVERSION = 2  # raised when models of several files are to be converted anew


@dataclass(frozen=True, slots=True)
class KnownModel:
    """One public checkpoint. `address` is a reference as `tlgan.io.hub` takes it, empty where the model ships with
    tlgan (`packaged`) or only a person can fetch it."""

    name: str
    kind: str
    resolution: int  # pixels; 0 where its page doesn't say
    terms: str
    page: str  # the publisher's own page
    read: str  # the day that page was last read, ISO
    address: str = ""
    packaged: str = ""  # its file in the package, where it ships with tlgan
    head: str = ""  # the file in the package of the head that paints its small pictures
    size: int | None = None  # bytes, where known
    sha256: str | None = None
    archive_sha256: str | None = None
    members: Mapping[str, str] = field(
        default_factory=dict
    )  # its files under `address`, where they are several: sha256
    fingerprint: str = ""  # of the generator that they are converted to (`generators.fingerprint`)
    alignment: str = ""  # how its training pictures were cropped around a face: "ffhq", "celeba"
    truncation: float = 1.0  # psi of its samples, unless another is asked for
    about: str = ""

    @property
    def cached(self) -> bool:
        """Is it on this disk already?"""
        return self.packaged_file is not None or (bool(self.address) and hub.cached(self.key) is not None)

    @property
    def key(self) -> str:
        """The reference under which the cache keeps it."""
        return f"{self.address}#{self.name}-{_CONVERSION}" if self.members else self.address

    @property
    def packaged_file(self) -> Path | None:
        """Where a model that ships with tlgan lies."""
        return _weights(self.packaged)

    @property
    def head_file(self) -> Path | None:
        """Where the head of its small pictures lies."""
        return _weights(self.head)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"cached": self.cached}


def _weights(name: str) -> Path | None:
    return Path(str(files(__package__).joinpath("weights", name))) if name else None


@cache
def known_models() -> dict[str, KnownModel]:
    """Every known public checkpoint by its name, in the order of the list."""
    return {model.name: model for family in families() for model in family.models}


@dataclass(frozen=True, slots=True)
class Family:
    """Files of one kind from one publisher. ``kind``: its row in the table of docs/generators.md; ``models`` is empty where
    its authors publish none."""

    kind: str
    terms: str
    page: str
    models: tuple[KnownModel, ...]


@cache
def families() -> tuple[Family, ...]:
    """Every family whose files are read, in the order of the list."""
    table = tomllib.loads(files(__package__).joinpath("catalogue.toml").read_text("utf-8"))
    return tuple(Family(f["kind"], f["terms"], f["page"], tuple(_models(f))) for f in table["family"])


def known_model(name: str) -> KnownModel | None:
    """The one of that name, if any; `-256` stands for `-256x256`."""
    return known_models().get(name) or known_models().get(re.sub(r"-(\d+)$", r"-\1x\1", name))


def _models(family: dict[str, Any]) -> Iterator[KnownModel]:
    common = {key: family[key] for key in ("kind", "terms", "page", "read")}
    aligned = family.get("aligned", {})  # by what a name has in it
    base = family.get("base", "")
    for entry in family.get("models", []):
        file = entry.pop("file", entry["name"])
        yield KnownModel(**common, **{"address": base.format(name=entry["name"], file=file)} | entry)
    for pattern in family.get("names", []):
        for name in _expand(pattern):
            resolution = int(name.rpartition("x")[2])
            alignment = next((how for part, how in aligned.items() if part in name), "")
            address = base.format(name=name, file=name)
            yield KnownModel(**common, name=name, resolution=resolution, address=address, alignment=alignment)


def _expand(pattern: str) -> Iterator[str]:
    """ "a-{b,c}" -> "a-b", "a-c" """
    parts = re.split(r"\{([^}]*)\}", pattern)
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    return ("".join(words) for words in product(*choices))
