"""The data card: a README in the form that hubs read, written from what was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlgan.evaluation.statistics import wilson
from tlgan.io.files import replacing

from .parts import Parts

if TYPE_CHECKING:
    from tlgan.workspace import Workspace

    from .run import Result

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**9, "n>1M"))
_GAP = 0.25  # sd by which the mean of a feature differs from plain samples to be worth a word


def write_card(path: Path, workspace: Workspace, result: Result, parts: Parts, form: str) -> None:
    """Write the card of a finished data set."""
    with replacing(path) as temporary:
        temporary.write_text("\n".join(_lines(workspace, result, parts, form)) + "\n", encoding="utf-8")


def _lines(workspace: Workspace, result: Result, parts: Parts, form: str) -> Iterator[str]:
    from tlgan import __version__

    request = result.request
    size = next(words for most, words in _SIZES if result.pictures < most)
    yield from ("---", "license: other", "license_name: see-terms-below", f"size_categories: [{size}]")
    yield from ("task_categories: [image-classification]", "tags: [synthetic, gan, tlgan, counterfactual]")
    if form in ("parquet", "webdataset"):  # a folder of pictures is found without being named
        yield from ("configs:", "- config_name: default", "  data_files:", "  - split: train")
        yield f"    path: data/train-*.{'parquet' if form == 'parquet' else 'tar'}"
    yield from ("---", "", f"# {result.pictures:,} synthetic pictures, composed as asked", "")
    yield (f"Made by tlgan {__version__} from the generator `{workspace.settings.generator}` "
           f"(`{workspace.axes.generator[:16]}`); nobody in them exists. Every picture was measured by the extractor "
           f"({', '.join(workspace.settings.extractors)}) and by `{result.judge}`, which had no part in finding the axes, and is "
           "here because both saw what was asked.")  # fmt: skip
    yield from ("", "## What was asked", "")
    for name in ("n", "balance", "marginals", "like", "where", "pairs", "bins", "source", "quality", "margin", "seed"):
        if request[name] or name == "seed":
            yield f"- {name}: `{request[name]}`"
    yield from ("", "## What there is", "")
    yield "| cell | asked | made | share, 95 % interval | edited | diversity |"
    yield "|---|---|---|---|---|---|"
    for cell in result.cells:
        share = wilson(cell.made, result.rows)
        yield (f"| {cell.words} | {cell.asked:,} | {cell.made:,} | {share.value:.3f} ({share.low:.3f} to {share.high:.3f}) "
               f"| {cell.edited:,} | {cell.diversity:.2f} |")  # fmt: skip
    yield from (
        "",
        "Diversity is the distance between two faces of a cell in the judge's embedding, where plain faces are 1 apart.",
    )
    yield f"A picture nearer to an earlier one than {result.twin:.2f} was refused. Edited rows were moved to their cell with every"
    yield "other feature locked; `drift_extractor` and `drift_judge` tell by how much those changed on average, in sd."
    missing = [cell for cell in result.cells if cell.reason]
    if missing:
        yield from ("", "### What is missing", "")
        for cell in missing:
            yield f"- {cell.words}: {cell.made:,} of {cell.asked:,} rows. {cell.reason}"
    yield from ("", "## How far to trust the labels", "")
    agreed = result.agreed
    yield (f"Of the pictures that the extractor saw as asked, the judge agreed with {agreed.value:.1%} ({agreed.low:.1%} to "
           f"{agreed.high:.1%}); the others were refused. {result.thrown:.0%} of {result.painted:,} painted pictures were "
           "refused in all. Labels are what two networks see, and both err.")  # fmt: skip
    if result.unjudged:
        yield f"\n`{result.judge}` does not know {', '.join(result.unjudged)}: of these the extractor alone was asked."
    yield from ("", "## Known gaps", "")
    gaps = list(_gaps(workspace, parts, result))
    yield ("Means of what was not asked for, in sd of the generator's plain pictures: " + ", ".join(gaps) + "."
           if gaps else "No other feature's mean is a quarter of a sd from that of the generator's plain pictures.")  # fmt: skip
    yield "The generator's own gaps remain: what it never paints is not here either."
    yield from ("", "## Columns", "", _columns(parts), "", "## Terms", "")
    for heading, words in workspace.about.items():
        yield f"- **{heading}**: {words}"


def _columns(parts: Parts) -> str:
    return (
        "`NAME_asked` is the label (1 or 0, or a bin); `NAME_extractor` and `NAME_judge` what was measured; `edited` whether "
        "the face was moved, and `edit` how (changes in sd, locks); `seed` and `draw` which latent it began with, `start`; "
        "`latent` the one that was painted (base64 of little-endian float32). Each PNG carries its state: tlgan's studio "
        f"opens it. {len(parts.columns)} columns in all."
    )


def _gaps(workspace: Workspace, parts: Parts, result: Result) -> Iterator[str]:
    """Features that nothing was asked of, whose mean differs from that of plain pictures."""
    axes = workspace.axes
    asked = {column.removesuffix("_asked") for column in parts.columns if column.endswith("_asked")}
    total, count = np.zeros(len(axes.names)), 0
    for table in parts.read([f"{name}_extractor" for name in axes.names]):
        values = np.stack([np.asarray(table[f"{name}_extractor"], dtype=np.float64) for name in axes.names], axis=1)
        total, count = total + axes.positions(values).sum(axis=0), count + len(values)
    means: Mapping[str, float] = dict(zip(axes.names, total / max(count, 1), strict=True))
    for name, mean in sorted(means.items(), key=lambda pair: -abs(pair[1])):
        if name not in asked and abs(mean) >= _GAP:
            yield f"{name} {mean:+.2f}"
