"""The networks of a site: exported, tried against the originals, and in the coarsest weights that are good enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError

from . import checks, data, export
from .checks import Check

if TYPE_CHECKING:
    import onnx

    from tlgan.workspace import Workspace

#: Bits of a half's fraction that weights are rounded to where that costs no more than half of what is allowed: the
#: fewest that do.
ROUNDED = (6, 7)


@dataclass
class Networks:
    """The exported networks (by name) and how they did.

    ``columns``: each feature's place in what the extractor gives, -1 where it has none; ``milliseconds``: of one native
    run on one thread; ``probe``: a latent and some pixels of its picture; ``notes``: one line each.
    """

    models: dict[str, onnx.ModelProto] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)


def export_networks(workspace: Workspace, side: int, tell: Callable[[str], None], *, whole: bool = False) -> Networks:
    """Export, try and choose the precision of every network; ``whole``: one for whole pictures too."""
    axes, generator, canvas = workspace.axes, workspace.generator, workspace.canvas
    if not 1 <= side <= generator.resolution:
        raise TlganError(
            f"resolution {side} is out of range: {generator.name} paints up to {generator.resolution} pixels"
        )
    found = Networks()
    latents = canvas.sample(checks.CHECKED, seed=checks.SEED)
    tell(f"exporting the generator {generator.name}")
    pictures = _pictures(workspace, latents, side)
    painted = export.export_generator(generator, axes, side)
    found.models["generator"], check = _chosen(
        painted, lambda model: checks.compare_pictures("generator", pictures, checks.run(model, latents))
    )
    found.checks.append(check)
    found.milliseconds["generator"] = checks.milliseconds(found.models["generator"], latents[:1])
    found.probe = data.probe(latents[0], pictures[0])

    if whole:
        tell(f"exporting whole pictures, {generator.resolution} px")
        few = latents[: checks.CHECKED_WHOLE]
        largest = _pictures(workspace, few, generator.resolution)
        found.models["whole"], check = _chosen(
            export.export_generator(generator, axes, generator.resolution),
            lambda model: checks.compare_pictures("whole pictures", largest, checks.run(model, few)),
        )
        found.checks.append(check)
        found.milliseconds["whole"] = checks.milliseconds(found.models["whole"], few[:1], repeats=3)

    mapping = export.export_mapping(generator, axes)
    if mapping is not None:
        tell("exporting the mapping")
        z = generator.sample(checks.CHECKED, seed=checks.SEED, space="z").numpy(force=True)

        def painted_from(model: onnx.ModelProto) -> Check:
            mapped = checks.run(model, z)
            return checks.compare_pictures("mapping", pictures, _pictures(workspace, mapped, side))

        found.models["mapping"], check = _chosen(mapping, painted_from)
        found.checks.append(check)

    parts = workspace.extractor.parts
    traced = [part for part in parts if part.differentiable]
    for part in parts:
        if part not in traced:
            found.notes.append(
                f"{part.name} is no function of tensors and can't run in a browser: its sliders work, unmeasured"
            )
    found.columns = _columns(parts, traced)
    if traced:
        tell(f"exporting the extractor {' and '.join(part.name for part in traced)}")
        clipped = np.clip(pictures, -1, 1)
        rows = [row for row, column in enumerate(found.columns) if column >= 0]
        seen = _positions(workspace, clipped)[:, rows]
        looked = export.export_extractor(traced, pictures.shape[1:])

        def compared(model: onnx.ModelProto) -> Check:
            place = _places(workspace, checks.run(model, clipped), found.columns)[:, rows]
            return checks.compare_positions("extractor", seen, place)

        found.models["extractor"], check = _chosen(looked, compared)
        found.checks.append(check)
        found.milliseconds["extractor"] = checks.milliseconds(found.models["extractor"], clipped[:1])
    return found


def _chosen(model: onnx.ModelProto, compare: Callable[[onnx.ModelProto], Check]) -> tuple[onnx.ModelProto, Check]:
    """The coarsest weights that are good enough: rounded halves, halves, whole ones. Else a TlganError."""
    for bits, allowed in (*((bits, 0.5) for bits in ROUNDED), (export.HALF_BITS, 1.0)):
        smaller = export.halved(model, bits)
        check = compare(smaller)
        if check.mean <= allowed * check.bound:
            return smaller, check
    return model, checks.require(compare(model))


def _columns(parts: Any, traced: list[Any]) -> list[int]:
    """Each feature's place in what the exported extractor gives, -1 where it has none."""
    columns, next_column = [], 0
    for part in parts:
        for _ in part.features:
            columns.append(next_column if part in traced else -1)
            next_column += part in traced
    return columns


def _pictures(workspace: Workspace, latents: np.ndarray, side: int) -> np.ndarray:
    """Pictures float32 [n, C, H, W], the larger side `side`, by the original generator."""
    import torch

    source, parts = replace(workspace.canvas.source, resolution=side), []
    with torch.inference_mode():
        for k in range(0, len(latents), 8):
            rows = torch.from_numpy(np.ascontiguousarray(latents[k : k + 8]))
            images = source.synthesize(rows)
            parts.append(images.numpy(force=True))
    return np.concatenate(parts)


def _positions(workspace: Workspace, pictures: np.ndarray) -> np.ndarray:
    """Positions [n, f] by the original extractors."""
    import torch

    return workspace.axes.positions(workspace.extractor.extract(torch.from_numpy(pictures)).numpy(force=True))


def _places(workspace: Workspace, responses: np.ndarray, columns: list[int]) -> np.ndarray:
    """Positions [n, f] from the responses of an exported extractor, as the page computes them; NaN where there is none."""
    from tlgan.axes import LIMIT

    axes = workspace.axes
    full = np.full((len(responses), len(columns)), np.nan)
    for row, column in enumerate(columns):
        if column >= 0:
            values = responses[:, column].astype(np.float64)
            full[:, row] = np.clip(values, -LIMIT, LIMIT) if axes.features[row].kind == "probability" else values
    place: np.ndarray = (full - axes.mean) / axes.sd
    return place
