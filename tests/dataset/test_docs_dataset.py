"""Every command that the pages on data sets and audits show is understood, with the default extractors' features."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlgan.axes import Axes
from tlgan.cli import main
from tlgan.dataset import Plan, Request
from tlgan.extractors.attributes import AGE, CELEBA_ATTRIBUTES

DOCS = Path(__file__).parents[2] / "docs"
COMMANDS = [
    line
    for page in ("dataset.md", "audit.md")
    for block in re.findall(r"```\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("tlgan")
]


def axes() -> Axes:
    features = (*CELEBA_ATTRIBUTES, AGE)
    f, levels = len(features), np.linspace(0.001, 0.999, 9)
    flat = np.zeros(f, dtype=np.float32)
    mean = np.array([38.0 if feature.name == "age" else 0.0 for feature in features], dtype=np.float32)
    sd = np.array([12.0 if feature.name == "age" else 1.0 for feature in features], dtype=np.float32)
    return Axes(
        features=features, space="z", generator="g", samples=1, directions=np.ones((f, 4), np.float32), intercepts=flat, mean=mean, sd=sd,
        quantile_levels=levels, quantiles=mean[:, None] + sd[:, None] * np.linspace(-3, 3, 9)[None], r2=flat + 0.5, auc=flat, calibration=flat,
        agreement=flat, weak=np.zeros(f, bool), correlation=np.eye(f, dtype=np.float32), latent_mean=np.zeros(4, np.float32), latent_radius=3.6,
    )  # fmt: skip


def test_pages_show_commands() -> None:
    assert len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    workspace = SimpleNamespace(axes=axes(), path=Path("faces"))
    monkeypatch.setattr("tlgan.workspace.open_workspace", lambda path, trust=False: workspace)

    def made(ws: Any, out: Path, request: Request, **_: Any) -> None:
        found.append(Plan(request, ws.axes).cells)
        raise SystemExit(7)

    def audited(ws: Any, *given: Any, **options: Any) -> None:
        names = [
            *(options.get("features") or ()),
            *options.get("expected", ()),
            *(n for some in options.get("intersect", ()) for n in some),
        ]
        found.append(ws.axes.indices([*names, *(n for pair in options.get("interact", ()) for n in pair)]))
        raise SystemExit(7)

    monkeypatch.setattr("tlgan.dataset.make_dataset", made)
    monkeypatch.setattr("tlgan.audit.page.run_classifier", audited)
    monkeypatch.setattr("tlgan.audit.page.run_generator", audited)
    with pytest.raises(SystemExit) as end:
        main(shlex.split(command)[1:])
    assert end.value.code == 7
    assert found
