"""What a data set asked for in the page would be: its cells, how many samples lie in each, and the command that makes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.dataset import Plan, Request
from tlgan.dataset.request import MAX_ROWS
from tlgan.errors import TlganError
from tlgan.samples.store import features_of

from . import wire

if TYPE_CHECKING:
    from tlgan.workspace import Workspace

#: Cells that a page shows at most, and features that it asks of.
SHOWN, FEATURES = 64, 16
#: A cell is rare where fewer than one of so many samples lies in it: on `faces1024` 84 % of the rows of such a one were edited, and
#: 6 to 60 % of the others'.
RARE = 100
SOURCES = {"both": "", "select": "--select", "edit": "--edit"}
FORMS = ("folder", "jsonl", "parquet", "webdataset")


def cells(workspace: Workspace, message: Mapping[str, Any]) -> wire.Json:
    """{n, balance, where, source, format} as the cells of a data set, in the order of their rows; `samples` of each are those of
    the workspace that the extractor sees in it, `rare` ones so few that most rows are edits.

    Raises TlganError with what is wrong with the request.
    """
    n = wire.integer(message, "n", 1, MAX_ROWS, default=1000)
    names, where = message.get("balance", []), message.get("where", "")
    source, form = message.get("source", "both"), message.get("format", "folder")
    if not isinstance(names, list) or len(names) > FEATURES or not all(isinstance(name, str) for name in names):
        raise TlganError(f"'balance' must be a list of at most {FEATURES} features")
    if not isinstance(where, str):
        raise TlganError("'where' must be a condition like 'eyeglasses and not young', or empty")
    if source not in SOURCES or form not in FORMS:
        raise TlganError(f"'source' must be {' or '.join(SOURCES)}, 'format' {' or '.join(FORMS)}")
    request = Request(n, balance=tuple(names), where=where.strip(), source=source)
    plan = Plan(replace(request, n=max(n, SHOWN)), workspace.axes)
    if len(plan.cells) > SHOWN:
        raise TlganError(f"{len(plan.cells)} cells are more than are shown here ({SHOWN}): choose fewer features")
    if n < SHOWN:
        plan = Plan(request, workspace.axes)
    counts, samples = np.zeros(len(plan.cells), dtype=int), 0
    store = workspace.samples
    for table in store.read(plan.asked, stop=store.measured()):
        counts += plan.count(dict(zip(plan.asked, features_of(table, plan.asked).T, strict=True)))
        samples += table.num_rows
    found = [
        {"words": cell.words, "rows": cell.rows, "samples": int(count), "rare": bool(count * RARE < samples), "impossible": cell.impossible}
        for cell, count in zip(plan.cells, counts, strict=True)
    ]  # fmt: skip
    return {"cells": found, "samples": samples, "command": _command(workspace.name, request, form)}


def _command(name: str, request: Request, form: str) -> str:
    words = ["tlgan", "dataset", name, "-n", str(request.n)]
    words += ["--balance", ",".join(request.balance)] if request.balance else []
    words += ["--where", request.where] if request.where else []
    words += [SOURCES[request.source]] if SOURCES[request.source] else []
    words += ["--format", form] if form != "folder" else []
    return shlex.join([*words, "-o", "data"])
