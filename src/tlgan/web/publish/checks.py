"""An exported network against the original, on the same 64 latents: nothing is published unseen.

Differences of pictures are in grey levels (1/255 of the range), as they would be seen on a screen; differences of
measurements are in standard deviations of the feature over the population, the unit of every slider.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlgan.errors import TlganError

from .export import batch_of

if TYPE_CHECKING:
    import onnx
    import onnxruntime

#: Latents that every export is tried on, and the seed they are drawn with: not one that a visitor starts from.
CHECKED = 64
#: The same for whole pictures, a second each.
CHECKED_WHOLE = 8
SEED = 2**31 - 1
#: Mean difference of a picture that is still published: one grey level.
MOST_LEVELS = 1.0
#: Mean difference of a measurement that is still published, in standard deviations: a tenth of what a slider shows.
MOST_DEVIATIONS = 0.01
#: A frame in WebAssembly on one thread, as a multiple of the same frame in native ONNX Runtime on one thread.
WASM_FACTOR = 4.0


@dataclass(frozen=True)
class Check:
    """Largest and mean absolute difference to the original over some ``latents``, in ``unit``, and the ``bound`` on the mean."""

    what: str
    largest: float
    mean: float
    bound: float
    unit: str
    latents: int = CHECKED

    @property
    def passed(self) -> bool:
        """Whether the mean difference is finite and within the bound."""
        return bool(self.mean <= self.bound)

    def __str__(self) -> str:
        return f"{self.what}: mean {self.mean:.2g}, largest {self.largest:.2g} {self.unit} on {self.latents} latents"


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """The model in native ONNX Runtime, on one thread as in the slowest browser."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(model: onnx.ModelProto, rows: np.ndarray) -> np.ndarray:
    """Output [n, ...] of a model with one input [n, ...]."""
    runs = session(model)
    batch = batch_of(model) or 8
    given = runs.get_inputs()[0].name
    parts = [runs.run(None, {given: rows[k : k + batch]})[0] for k in range(0, len(rows), batch)]
    return np.concatenate(parts)


def compare_pictures(what: str, original: np.ndarray, exported: np.ndarray) -> Check:
    """Pictures [n, C, H, W] in nominal [-1, 1], clipped as they are shown."""
    gap = np.abs(np.clip(original, -1, 1) - np.clip(exported, -1, 1)) * 127.5
    return Check(what, float(gap.max()), float(gap.mean()), MOST_LEVELS, "grey levels", len(gap))


def compare_positions(what: str, original: np.ndarray, exported: np.ndarray) -> Check:
    """Positions [n, f] in population standard deviations."""
    gap = np.abs(original.astype(np.float64) - exported)
    return Check(what, float(gap.max()), float(gap.mean()), MOST_DEVIATIONS, "sd")


def require(check: Check) -> Check:
    """The check, or a TlganError where it did not pass."""
    if not check.passed:
        raise TlganError(
            f"the exported network does not do what the original does ({check}; at most {check.bound:g} on average): "
            "not published; please report the kind of generator and extractor"
        )
    return check


def milliseconds(model: onnx.ModelProto, row: np.ndarray, repeats: int = 15) -> float:
    """Median time of one native run on one row [1, ...], one thread."""
    runs = session(model)
    given = runs.get_inputs()[0].name
    times = []
    warm = min(3, repeats)
    for _ in range(repeats + warm):
        begun = time.perf_counter()
        runs.run(None, {given: row})
        times.append(time.perf_counter() - begun)
    return float(np.median(times[warm:]) * 1e3)
