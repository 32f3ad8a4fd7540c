"""The verb `dataset`: pictures composed as asked. Parses, calls one function, prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from tlgan.errors import TlganError

from .options import DEFAULT_JUDGE, Consent, Engine, JsonOption, WorkspaceArgument, listed


def dataset(
    workspace: WorkspaceArgument,
    *,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder to write: new, empty, or begun by the same command.")
    ],
    n: Annotated[int, typer.Option("-n", "--rows", help="How many rows.")] = 1000,
    balance: Annotated[
        list[str] | None, typer.Option(help="Features uniform over all combinations, like male,eyeglasses.")
    ] = None,
    marginal: Annotated[
        list[str] | None, typer.Option(help="Share of a feature, smiling=.5, or of its bins, age=.2:.3:.5; repeatable.")
    ] = None,
    like: Annotated[Path | None, typer.Option(help="CSV or Parquet whose joint distribution is wanted.")] = None,
    features: Annotated[
        list[str] | None, typer.Option(help="Columns of --like that count; all that name sliders.")
    ] = None,
    where: Annotated[
        str, typer.Option(help="What every row fulfils: 'eyeglasses and not young', '30 <= age < 50'.")
    ] = "",
    bins: Annotated[
        list[str] | None, typer.Option(help="Edges of a quantity's bins, age=30:50, or how many quantiles, age=q4.")
    ] = None,
    pairs: Annotated[str, typer.Option(help="Show each face with and without this feature.")] = "",
    edit: Annotated[
        bool, typer.Option("--edit", help="Move every face to its cell, from a start nobody chose.")
    ] = False,
    select: Annotated[bool, typer.Option("--select", help="Only plain samples, chosen; no edits.")] = False,
    judge: Annotated[
        str, typer.Option(help="Extractor that had no part in finding the axes and must agree.")
    ] = DEFAULT_JUDGE,
    margin: Annotated[float, typer.Option(help="How far inside its cell a picture must lie, in sd: 0 to 2.")] = 0.25,
    quality: Annotated[
        str, typer.Option(help="Of the edits: quick (no gradients), live, or final (slowest).")
    ] = "quick",
    form: Annotated[
        str, typer.Option("--format", help="folder, jsonl (a folder with metadata.jsonl), parquet or webdataset.")
    ] = "folder",
    resolution: Annotated[int, typer.Option(help="Side of the pictures in pixels; 0 as the generator paints.")] = 0,
    seed: Annotated[int, typer.Option(help="Row i depends on this seed, i and the request alone.")] = 0,
    engine: Engine,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """A data set on demand: balanced, like another, or with conditions; every picture checked by two networks."""
    from tlgan.dataset import Request, make_dataset, read_like
    from tlgan.editing.resolve import quality_named
    from tlgan.io.streams import write

    from .terminal import print_dataset, print_json, working

    quality_named(quality)
    at = engine.make()
    opened = consent.open(workspace)
    axes = opened.axes
    edges = tuple(_bins(word, axes) for word in listed(bins))
    table: Any = ((), ()) if like is None else read_like(like, axes, dict(edges), listed(features))
    if features and like is None:
        raise TlganError("--features chooses columns of --like: give that too, or name the features with --balance")
    request = Request(
        n=n,
        balance=tuple(listed(balance)),
        marginals=tuple(_marginal(word) for word in listed(marginal)),
        where=where,
        like=table,
        bins=edges,
        seed=seed,
        source="both" if edit == select else "edit" if edit else "select",
        quality=quality,
        margin=margin,
        pairs=pairs,
        resolution=resolution or None,
        judge=judge,
    )
    with working() as display:
        result = make_dataset(opened, out, request, form=form, progress=display, engine=at)
    if json:
        print_json(result.to_json())
    else:
        print_dataset(result)
        write(f"{out}: {result.pictures:,} pictures; {out / 'README.md'} says how they were made")


def _named(word: str, example: str) -> tuple[str, list[str]]:
    name, sign, rest = word.partition("=")
    if not sign or not name or not rest:
        raise TlganError(f"{word!r} is not understood: expected {example}")
    return name.strip(), [part.strip() for part in rest.split(":")]


def _numbers(parts: list[str], word: str, example: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError:
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        raise TlganError(f"{word!r} is not understood: expected {example}")
    return numbers


def _marginal(word: str) -> tuple[str, tuple[float, ...]]:
    name, parts = _named(word, "smiling=.5, or age=.2:.3:.5 for bins")
    shares = _numbers(parts, word, "smiling=.5, or age=.2:.3:.5 for bins")
    if len(shares) == 1:
        shares = (1 - shares[0], shares[0])
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise TlganError(f"{word!r}: shares lie between 0 and 1, and those of bins add up to 1")
    return name, shares


def _bins(word: str, axes: Any) -> tuple[str, tuple[float, ...]]:
    from tlgan.dataset.request import quantile_edges

    name, parts = _named(word, "age=30:50, or age=q4 for quantiles")
    axes.index(name)
    if len(parts) == 1 and parts[0][:1] == "q" and parts[0][1:].isdecimal():
        count = int(parts[0][1:])
        if not 2 <= count <= 100:
            raise TlganError(f"{word!r}: expected 2 to 100 quantiles")
        return name, quantile_edges(axes, name, count)
    return name, _numbers(parts, word, "age=30:50, or age=q4 for quantiles")
