"""The split of pictures into training, validation (early stopping) and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tlgan.errors import TlganError

from .targets import Target


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of each share, int64, sorted."""

    train: np.ndarray
    stop: np.ndarray
    test: np.ndarray


def split_rows(
    targets: Sequence[Target], rows: np.ndarray, *, stop: float = 0.1, test: float = 0.1, seed: int = 0
) -> Split:
    """Deal `rows` out at random, the rarest classes evenly. Raises TlganError where a class can't be in all three."""
    rng = np.random.default_rng(seed)
    shares = np.full(len(rows), -1)
    quota = np.array([1 - stop - test, stop, test])
    for members in _strata(targets, rows):
        order = rng.permutation(members)
        # Every share gets its part of each stratum, the small ones rounded up so that no class misses there.
        cut = np.floor(np.cumsum(quota[1:]) * len(order) + rng.random()).astype(int)
        if len(order) >= 3:
            cut = np.maximum(cut, [1, 2])
        shares[order[: cut[0]]], shares[order[cut[0] : cut[1]]], shares[order[cut[1] :]] = 1, 2, 0
    found = Split(*(np.sort(rows[shares == share]) for share in (0, 1, 2)))
    _check(targets, found)
    return found


def _strata(targets: Sequence[Target], rows: np.ndarray) -> list[np.ndarray]:
    """Positions in `rows`, grouped by the rarest class that each picture shows."""
    sizes: list[tuple[int, np.ndarray]] = []
    for target in targets:
        if target.kind == "number":
            continue
        values = target.values[rows]
        for value in np.unique(values[~np.isnan(values)]):
            members = np.flatnonzero(values == value)
            sizes.append((len(members), members))
    free = np.ones(len(rows), dtype=bool)
    strata = []
    for _, members in sorted(sizes, key=lambda entry: entry[0]):
        mine = members[free[members]]
        free[mine] = False
        if len(mine):
            strata.append(mine)
    rest = np.flatnonzero(free)
    return [*strata, rest] if len(rest) else strata


def _check(targets: Sequence[Target], split: Split) -> None:
    for target in targets:
        everywhere = np.concatenate([split.train, split.stop, split.test])
        known = target.values[everywhere]
        if target.kind == "number":
            if min(np.isfinite(target.values[rows]).sum() for rows in (split.train, split.stop, split.test)) < 2:
                raise TlganError(f"{target.name} is known for {np.isfinite(known).sum()} pictures only: label more")
            continue
        for value in np.unique(known[~np.isnan(known)]):
            count = int((known == value).sum())
            missing = any(not (target.values[rows] == value).any() for rows in (split.train, split.stop, split.test))
            if missing:
                word = target.classes[int(value)] if target.classes else ("no", "yes")[int(value)]
                raise TlganError(
                    f"only {count} picture{'' if count == 1 else 's'} of {target.name} = {word}: too few to learn from, to "
                    f"stop by and to measure on; label at least 10, or leave it out (--skip {target.name})"
                )
