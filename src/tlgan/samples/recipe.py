"""What determines every sample row.

Two runs with the same recipe write the same rows, wherever and in whatever order they draw them; a folder of samples
carries its recipe, and parts of other rows are refused rather than mixed. Columns are another matter: an extractor that
is added later measures the rows that are there, so a part may carry fewer features than are asked for, until it does.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

from tlgan.errors import BadFile
from tlgan.io.foreign import json_of


@dataclass(frozen=True)
class Recipe:
    """All that a row depends on besides its index.

    ``generator``: fingerprint of the generator; ``space``: the latent space the axes will live in; ``latent_dim``: d
    of that space; ``seed`` and ``truncation``: of the latents; ``label``: class index for a conditional generator;
    ``extractors`` and ``features``: what measured the pictures; ``thumbnail``: side of the kept pictures, pixels;
    ``part_rows``: rows in one file, the most that a killed run can lose; ``resolution``: side of the painted pictures,
    None for what the generator paints; ``head``: fingerprint of the picture head that paints so small, empty without one; ``groups``: of layers in w+, see `Source`: rows
    are then mixed draws.
    """

    generator: str
    space: str
    latent_dim: int
    seed: int
    extractors: tuple[str, ...]
    features: tuple[str, ...]
    truncation: float = 1.0
    label: int | None = None
    thumbnail: int = 64
    part_rows: int = 1000
    resolution: int | None = None
    head: str = ""
    groups: tuple[int, ...] = ()

    def to_json(self) -> str:
        """As one line of JSON, the form in which a part file carries it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote. Raises TlganError where it is something else."""
        try:
            values = json_of(text)
            known = {f.name for f in fields(cls)}
            if not isinstance(values, dict) or not set(values) <= known:
                raise ValueError("other fields")
            values["extractors"] = tuple(values["extractors"])
            values["features"] = tuple(values["features"])
            values["groups"] = tuple(values.get("groups", ()))
            recipe = cls(**values)
            if not all(type(size) is int and size > 0 for size in (recipe.latent_dim, recipe.part_rows)):
                raise ValueError("sizes that are none")
            if not all(isinstance(name, str) for name in (recipe.space, *recipe.extractors, *recipe.features)):
                raise ValueError("names that are none")
            return recipe
        except (KeyError, ValueError, TypeError) as error:
            raise BadFile("these samples carry no readable recipe: expected a part file written by tlgan") from error

    def difference(self, other: Recipe) -> str:
        """The first field in which two recipes draw other rows, in words; empty where the rows are the same."""
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            if f.name not in ("extractors", "features") and mine != theirs:
                return f"{f.name} {theirs!r} instead of {mine!r}"
        return ""

    def covers(self, other: Recipe) -> bool:
        """Whether rows of this recipe carry every feature of the other, measured by the same extractors."""
        return set(other.extractors) <= set(self.extractors) and set(other.features) <= set(self.features)
