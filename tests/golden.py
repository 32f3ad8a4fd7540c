"""Golden vectors: what the algebra of edits gave, on which Python and the page's JavaScript are both tested.

`golden.json` holds all that is needed to compute them again: axes, networks, edits. After a change that is meant,
`python tests/golden.py` writes it anew.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.worlds import BARS, Bars, DifferentiableRuler, Ruler
from tlgan.axes import Axes, AxisLearner, Metric
from tlgan.editing import QUALITIES, Canvas, Edit, resolve, resolved, solve
from tlgan.editing.solve import Solution
from tlgan.editing.state import from_json, to_json
from tlgan.generators import wrap_generator
from tlgan.generators.latents import sample_latents

PATH = Path(__file__).with_suffix(".json")
#: Seed, row and length.
LATENTS = [(0, 0, 12), (7, 3, 12), (2**31 - 1, 41, 6), (123456789, 2**20, 5)]
EDITS: dict[str, dict[str, Any]] = {
    "one": {"asked": {"bar0": 1.2}},
    "locks": {"asked": {"bar0": 1.0}, "locks": frozenset({"bar1", "bar2", "bar3"})},
    "two and a soft lock": {"asked": {"bar1": -0.8, "bar3": 0.6}, "locks": frozenset({"bar0"}), "soft": {"bar2": 0.7}},
    "too much": {"asked": {"bar2": 30.0}, "locks": frozenset({"bar3"})},
}


def read() -> dict[str, Any]:
    """The file."""
    golden: dict[str, Any] = json.loads(PATH.read_text())
    return golden


def axes_of(golden: Mapping[str, Any], space: str) -> Axes:
    """The axes in that space."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "axes.safetensors"
        path.write_bytes(base64.b64decode(golden["axes"][space]))
        return Axes.load(path)


def canvas_of(golden: Mapping[str, Any], *, gradients: bool) -> Canvas:
    """The networks with the axes in z."""
    module = Bars()
    with torch.no_grad():
        module.mix.copy_(torch.tensor(golden["bars"]["mix"]))
        module.bend.copy_(torch.tensor(golden["bars"]["bend"]))
    generator = wrap_generator(module, latent_dim=BARS)
    axes = replace(axes_of(golden, "z"), generator=generator.fingerprint)
    return Canvas(generator, DifferentiableRuler() if gradients else Ruler(), axes)


def edit_of(golden: Mapping[str, Any], case: Mapping[str, Any]) -> Edit:
    """What is asked in a case, unresolved."""
    return from_json(case["edit"], axes_of(golden, case["edit"]["space"]))


def _numbers(solution: Solution) -> dict[str, Any]:
    short = {key: [float(f"{v:.7g}") for v in getattr(solution, key)] for key in ("latent", "reached")}
    return {**short, "share": round(float(solution.share), 6), "in_the_way": list(solution.in_the_way)}


def _write() -> None:
    module = Bars()
    generator, ruler = wrap_generator(module, latent_dim=BARS), Ruler()
    rng = np.random.default_rng(6)
    axes: dict[str, Axes] = {}
    for space in ("z", "w"):
        z = generator.sample(3000, seed=5)
        latents = z.numpy() @ (np.eye(BARS) + 0.3 * rng.normal(size=(BARS, BARS))) + 1 if space == "w" else z.numpy()
        population = Metric.around(latents, latents.mean(axis=0), np.cov(latents.T)) if space == "w" else None
        learner = AxisLearner(ruler.features, BARS, population=population)
        learner.add(latents.astype(np.float32), ruler.extract(generator.synthesize(z)).numpy())
        axes[space] = learner.axes(generator=generator.fingerprint, space=space, base=())
    golden: dict[str, Any] = {
        "latents": [
            {"of": of, "latent": [float(v) for v in sample_latents(1, of[2], seed=of[0], start=of[1])[0]]}
            for of in LATENTS
        ],
        "bars": {"mix": module.mix.tolist(), "bend": module.bend.tolist()},
        "axes": {},
        "solved": [],
        "refined": [],
    }
    for space, one in axes.items():
        with tempfile.TemporaryDirectory() as folder:
            one.save(Path(folder) / "axes.safetensors")
            golden["axes"][space] = base64.b64encode((Path(folder) / "axes.safetensors").read_bytes()).decode()
        for name, wishes in EDITS.items():
            edit = Edit(one.metric.colour(rng.normal(size=BARS)).astype(np.float32), **wishes)
            golden["solved"].append({"name": name, "edit": to_json(edit, one), **_numbers(solve(one, edit))})
    for gradients in (False, True):
        canvas = canvas_of(golden, gradients=gradients)
        for name, wishes in EDITS.items():
            edit = Edit(canvas.start(3), seed=3, exact=True, **wishes)
            for quality in QUALITIES:
                found = resolve(canvas, edit, quality)
                case = {"name": name, "quality": quality, "gradients": gradients, "by": found.by}
                golden["refined"].append({**case, "edit": to_json(edit, canvas.axes), **_numbers(found)})
    golden["symmetric"] = canvas.symmetric.tolist()
    golden["state"] = to_json(resolved(edit, found, quality), canvas.axes)
    PATH.write_text(json.dumps(golden, indent=None, separators=(",", ":")).replace('{"', '\n{"') + "\n")


if __name__ == "__main__":
    _write()
