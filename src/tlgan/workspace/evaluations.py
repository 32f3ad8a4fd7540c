"""Evaluations as a workspace keeps them: `evaluation.json`, and the side effects of its sliders as the judge saw them.

An evaluation is of the axes it was made with. Where those have changed since, it is not shown any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.evaluation.scores import Evaluation
from tlgan.io.files import replacing
from tlgan.io.foreign import json_of
from tlgan.io.step import Step, held

if TYPE_CHECKING:
    from tlgan.axes import Axes

    from .workspace import Workspace

FILE = "evaluation.json"
FORMAT = 1
#: The method whose side effects are those of a slider that is moved by hand.
BY_HAND = "conditioned"


def keep(workspace: Workspace, evaluation: Evaluation, step: Step) -> Workspace:
    """Write `evaluation.json`, and the measured side effects into the axes, as a part of `step`; the workspace with them."""
    document = {
        "format": FORMAT,
        "axes": {name: slope_digest(workspace.axes, name) for name in evaluation.features},
        "evaluation": evaluation.to_json(),
    }
    with replacing(step.path(FILE)) as temporary:
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
    if any(score.method == BY_HAND for score in evaluation.methods):
        workspace = workspace.changed(axes=with_effects(workspace.axes, evaluation))
        workspace.axes.save(step.path("axes.safetensors"))
    return workspace


def kept(workspace: Workspace) -> Evaluation | None:
    """The workspace's evaluation; None where there is none, or only one of other axes than it has now.

    Raises TlganError for a file that `keep` did not write.
    """
    path = held(workspace.path, FILE)
    try:
        document = json_of(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            return None
        axes, evaluation = document["axes"], Evaluation.from_json(document["evaluation"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TlganError(f"{path} is not an evaluation ({str(error)[:80]}): delete it and evaluate again") from error
    known = set(workspace.axes.names)
    same = all(name in known and slope_digest(workspace.axes, name) == axes.get(name) for name in evaluation.features)
    return evaluation if same else None


def with_effects(axes: Axes, evaluation: Evaluation) -> Axes:
    """The axes with the side effects that a judge saw, where it looked."""
    rows = axes.indices(evaluation.features)
    count = len(axes.features)
    table = np.full((count, count), np.nan, dtype=np.float32) if axes.effects is None else axes.effects.copy()
    for row, slider in zip(rows, evaluation[BY_HAND].sliders, strict=True):
        table[row, rows] = np.asarray(slider.signed) / slider.asked
    return replace(axes, effects=table, effects_by=evaluation.judge)


def slope_digest(axes: Axes, name: str) -> str:
    """What an axis points to and is kept clear of, in a few characters."""
    rows: Sequence[int] = [axes.index(name), *axes.indices(axes.base)]
    content: Any = np.ascontiguousarray(axes.directions[rows], dtype="<f4").tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
