"""Audit of a generator: shares, pairs and intersections of features in its pictures, compared with a reference.

Both are measured by the same extractor, so what it errs on both alike cancels. Where the reference carries labels, its error
rates are told by group, and shares are also told as they would be without those errors (Rogan and Gladen 1978).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.evaluation.statistics import Z95, Estimate, difference, holm, wilson
from tlgan.io.pixels import to_images

if TYPE_CHECKING:
    from tlgan.extractors import Extractor, Feature

#: Features in one intersection, at most.
DEEPEST = 6
#: A cell counts as missing where none was seen and this many were to be expected.
EXPECTED = 5.0
#: Rows of a group below which its error rates are not told.
FEWEST = 20


@dataclass(frozen=True)
class Share:
    """A feature, or a combination: the generator's share (a quantity's mean), the reference's, the difference and its adjusted p
    (Holm over all of its kind); ``corrected``: the share without the extractor's errors, where labels tell them."""

    name: str
    kind: str
    generator: Estimate
    reference: Estimate | None = None
    difference: Estimate | None = None
    p: float | None = None
    corrected: float | None = None


@dataclass(frozen=True)
class Tie:
    """Two features that go together, or not: their correlation (φ of yes and no) in generator and reference, and p of the
    difference, or of none where there is no reference."""

    names: tuple[str, str]
    generator: Estimate
    reference: Estimate | None
    p: float


@dataclass(frozen=True)
class Missing:
    """A combination that was never seen in the samples: ``expected`` rows, by the reference or were the features independent,
    and the largest share that it may still have (95 %)."""

    name: str
    expected: float
    at_most: float


@dataclass(frozen=True)
class Errors:
    """The extractor on labelled pictures of one ``group`` ("all", "male", "not male"): rates of wrong yes and wrong no."""

    feature: str
    group: str
    rows: int
    wrong_yes: Estimate
    wrong_no: Estimate


@dataclass(frozen=True)
class GeneratorAudit:
    """All of it, as plain values."""

    generator: str
    extractor: str
    samples: int
    reference: str
    reference_rows: int
    shares: tuple[Share, ...]
    ties: tuple[Tie, ...]
    intersections: tuple[Share, ...]
    missing: tuple[Missing, ...]
    errors: tuple[Errors, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Reference:
    """``values`` [n, f] of the extractor's features (NaN where a table lacks one), and ``labels`` [n] by feature, 0 and 1."""

    name: str
    values: np.ndarray
    labels: dict[str, np.ndarray]


def audit_generator(
    features: Sequence[Feature],
    values: np.ndarray,
    *,
    generator: str = "",
    extractor: str = "",
    reference: Reference | None = None,
    intersect: Sequence[Sequence[str]] = (),
    ties: int = 40,
) -> GeneratorAudit:
    """Audit samples whose features were measured as `values` float [n, f]; `intersect`: sets of features with yes and no whose
    combinations are looked at; `ties`: so many pairs are told, the strongest.

    Raises TlganError for an unknown feature, a quantity in an intersection, and more than `DEEPEST` features in one.
    """
    names = [feature.name for feature in features]
    binary = [k for k, feature in enumerate(features) if feature.kind == "probability"]
    yes = values >= 0.5
    told = [k for k in range(len(names)) if reference is not None and np.isfinite(reference.values[:, k]).any()]
    other = None if reference is None else reference.values
    errors = () if reference is None else tuple(_errors(features, reference))
    shares = _holm_shares(
        [_share(features[k], values[:, k], None if k not in told else other, k, errors) for k in range(len(names))]
    )
    pairs = _ties(names, binary, yes, other, told)
    combinations, missing = [], []
    for some in intersect:
        wrong = next((name for name in some if name not in names), None)
        if wrong is not None:
            raise TlganError(f"unknown feature {wrong!r}: known are {', '.join(names)}")
        rows = [names.index(name) for name in some]
        quantity = next((names[k] for k in rows if k not in binary), None)
        if quantity is not None:
            raise TlganError(f"{quantity} is a quantity: intersections are of features with yes and no")
        if not 1 <= len(rows) <= DEEPEST:
            raise TlganError(f"an intersection of {len(rows)} features has too many cells: give at most {DEEPEST}")
        for cell in itertools.product((True, False), repeat=len(rows)):
            words = ", ".join(names[k] if on else f"not {names[k]}" for k, on in zip(rows, cell, strict=True))
            here = (yes[:, rows] == cell).all(axis=1)
            known = other is not None and all(k in told for k in rows)
            there = (other[:, rows] >= 0.5) == cell if known and other is not None else None
            combinations.append(_counted(words, "cell", here, None if there is None else there.all(axis=1)))
            alone = math.prod(float((yes[:, k] == on).mean()) for k, on in zip(rows, cell, strict=True))
            expected = len(values) * (alone if there is None else float(there.all(axis=1).mean()))
            if not here.any() and expected >= EXPECTED:
                missing.append(Missing(words, expected, wilson(0, len(values)).high))
    return GeneratorAudit(
        generator=generator,
        extractor=extractor,
        samples=len(values),
        reference="" if reference is None else reference.name,
        reference_rows=0 if reference is None else len(reference.values),
        shares=shares,
        ties=tuple(
            sorted(pairs, key=lambda t: -abs(t.generator.value - (t.reference.value if t.reference else 0)))[:ties]
        ),
        intersections=_holm_shares(combinations),
        missing=tuple(missing),
        errors=errors,
    )


def _counted(name: str, kind: str, here: np.ndarray, there: np.ndarray | None, corrected: float | None = None) -> Share:
    counts = int(here.sum()), len(here)
    if there is None:
        return Share(name, kind, wilson(*counts), corrected=corrected)
    others = int(there.sum()), len(there)
    return Share(
        name,
        kind,
        wilson(*counts),
        wilson(*others),
        difference(*counts, *others),
        _two_shares(*counts, *others),
        corrected,
    )


def _two_shares(a: int, n: int, b: int, m: int) -> float:
    """Two-sided p that two shares are equal (pooled z test)."""
    pooled = (a + b) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return _normal_p((a / n - b / m) / error) if error > 0 else 1.0


def _normal_p(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def _share(feature: Feature, column: np.ndarray, other: np.ndarray | None, k: int, errors: Sequence[Errors]) -> Share:
    there = None if other is None else other[np.isfinite(other[:, k]), k]
    if feature.kind == "probability":
        all_rows = next((e for e in errors if e.feature == feature.name and e.group == "all"), None)
        corrected = None if all_rows is None else _without_errors(float((column >= 0.5).mean()), all_rows)
        return _counted(feature.name, "share", column >= 0.5, None if there is None else there >= 0.5, corrected)
    mine = _mean(column)
    if there is None:
        return Share(feature.name, "mean", mine)
    theirs = _mean(there)
    error = math.hypot((mine.high - mine.low), (theirs.high - theirs.low)) / (2 * Z95)
    gap = mine.value - theirs.value
    return Share(feature.name, "mean", mine, theirs, Estimate(gap, gap - Z95 * error, gap + Z95 * error),
                 _normal_p(gap / max(error, 1e-12)))  # fmt: skip


def _mean(column: np.ndarray) -> Estimate:
    middle, error = (
        float(column.mean()),
        float(column.std(ddof=1) / math.sqrt(len(column))) if len(column) > 1 else math.inf,
    )
    return Estimate(middle, middle - Z95 * error, middle + Z95 * error)


def _without_errors(share: float, errors: Errors) -> float | None:
    """(share - wrong yes) / (1 - wrong yes - wrong no), in [0, 1]; None where the extractor tells nothing."""
    told = 1 - errors.wrong_yes.value - errors.wrong_no.value
    return min(max((share - errors.wrong_yes.value) / told, 0.0), 1.0) if told > 0.05 else None


def _holm_shares(shares: Sequence[Share]) -> tuple[Share, ...]:
    from dataclasses import replace

    tested = [share for share in shares if share.p is not None]
    adjusted = iter(holm([float(share.p or 0) for share in tested]))
    return tuple(replace(share, p=next(adjusted)) if share.p is not None else share for share in shares)


def _ties(
    names: Sequence[str], binary: Sequence[int], yes: np.ndarray, other: np.ndarray | None, told: Sequence[int]
) -> list[Tie]:
    """Every pair of features with yes and no; where there is a reference, those that it tells of."""
    rows = [k for k in binary if other is None or k in told]
    here = [k for k in rows if 0 < yes[:, k].mean() < 1 and (other is None or 0 < (other[:, k] >= 0.5).mean() < 1)]
    found, p = [], []
    for a, b in itertools.combinations(here, 2):
        mine = _correlation(yes[:, a], yes[:, b])
        theirs = None if other is None else _correlation(other[:, a] >= 0.5, other[:, b] >= 0.5)
        z = math.atanh(_inside(mine.value)) * math.sqrt(len(yes) - 3)
        if theirs is not None and other is not None:
            error = math.sqrt(1 / (len(yes) - 3) + 1 / (len(other) - 3))
            z = (math.atanh(_inside(mine.value)) - math.atanh(_inside(theirs.value))) / error
        found.append(Tie((names[a], names[b]), mine, theirs, 0.0))
        p.append(_normal_p(z))
    return [Tie(t.names, t.generator, t.reference, adjusted) for t, adjusted in zip(found, holm(p), strict=True)]


def _correlation(one: np.ndarray, other: np.ndarray) -> Estimate:
    """Correlation of yes and no, with Fisher's interval (1921)."""
    r, half = float(np.corrcoef(one, other)[0, 1]), Z95 / math.sqrt(max(len(one) - 3, 1))
    z = math.atanh(_inside(r))
    return Estimate(r, math.tanh(z - half), math.tanh(z + half))


def _inside(r: float) -> float:
    return min(max(r, -0.999999), 0.999999)


def _errors(features: Sequence[Feature], reference: Reference) -> Iterator[Errors]:
    """The extractor's error rates on labelled pictures, over all and by every labelled group."""
    columns = {feature.name: k for k, feature in enumerate(features) if feature.kind == "probability"}
    for name, labels in reference.labels.items():
        if name not in columns:
            continue
        said = reference.values[:, columns[name]] >= 0.5
        groups = {"all": np.ones(len(labels), dtype=bool)}
        for other, marks in reference.labels.items():
            if other != name:
                groups |= {other: marks == 1, f"not {other}": marks == 0}
        for group, rows in groups.items():
            known = rows & np.isfinite(labels) & np.isfinite(reference.values[:, columns[name]])
            no, yes = known & (labels == 0), known & (labels == 1)
            if min(no.sum(), yes.sum()) >= FEWEST:
                yield Errors(name, group, int(known.sum()), wilson(int(said[no].sum()), int(no.sum())),
                             wilson(int((~said[yes]).sum()), int(yes.sum())))  # fmt: skip


def read_reference(
    path: str | Path, extractor: Extractor, *, side: int = 0, says: Callable[[str], None] = lambda words: None
) -> Reference:
    """A reference set: labelled or plain pictures (a folder, a Parquet with pictures), measured by `extractor`; or a table whose
    columns name its features.

    ``side``: pixels that pictures are brought to (0: what the extractor looks at). Labels are columns that name a feature and hold
    yes and no. Raises TlganError for anything else.
    """
    from tlgan.training.finding import is_picture_in
    from tlgan.training.readers import Labelled, read_labelled

    path = Path(path)
    names = [feature.name for feature in extractor.features]
    if path.is_file() and not _has_pictures(path):
        from tlgan.dataset.request import read_table

        columns = read_table(path)
        known = [name for name in names if name in columns]
        if not known:
            raise TlganError(
                f"{path} has no column that names a feature: it has {', '.join(list(columns)[:20]) or 'none of numbers'}"
            )
        rows = len(next(iter(columns.values())))
        return Reference(path.name, np.stack([columns.get(name, np.full(rows, np.nan)) for name in names], axis=1), {})
    here = sorted(p for p in path.iterdir() if is_picture_in(p, path)) if path.is_dir() else []
    if path.is_dir() and here:
        labelled = Labelled([p.name for p in here], {}, lambda start: (p.read_bytes() for p in here[start:]), path.name)
    else:
        labelled = read_labelled(path, None)
    says(f"{extractor.name} looks at {len(labelled.names):,} pictures of {path}")
    values, kept = _measured(labelled, extractor, side or extractor.input_size or 64)
    labels = {}
    for column, words in labelled.columns.items():
        if column.lower() in names:
            marks = np.array([_label(words[row]) for row in kept])
            if np.isfinite(marks).any():
                labels[column.lower()] = marks
    return Reference(path.name, values, labels)


def _label(word: Any) -> float:
    return {
        "1": 1.0,
        "1.0": 1.0,
        "true": 1.0,
        "yes": 1.0,
        "0": 0.0,
        "0.0": 0.0,
        "-1": 0.0,
        "false": 0.0,
        "no": 0.0,
    }.get(str(word).strip().lower(), math.nan)


def _measured(labelled: Any, extractor: Extractor, side: int) -> tuple[np.ndarray, list[int]]:
    from tlgan.training.pictures import square

    values: list[np.ndarray] = []
    kept: list[int] = []
    batch: list[np.ndarray] = []

    def look() -> None:
        if batch:
            images = to_images(np.stack(batch))
            values.append(extractor.extract(images).numpy(force=True))
            batch.clear()

    for row, data in enumerate(labelled.read(0)):
        picture = square(data, side, celeba=labelled.celeba)
        if picture is not None:
            batch.append(picture)
            kept.append(row)
        if len(batch) == 128:
            look()
    look()
    if not kept:
        raise TlganError(f"none of the {len(labelled.names)} pictures of {labelled.source} can be read")
    return np.concatenate(values).astype(np.float64), kept


def _has_pictures(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix.lower() != ".parquet":
        return False
    try:
        schema = pq.read_schema(path.absolute())
    except (OSError, ValueError):
        return False
    return any(
        pa.types.is_binary(f.type) or pa.types.is_large_binary(f.type) or pa.types.is_struct(f.type) for f in schema
    )
