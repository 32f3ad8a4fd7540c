"""Axes that were found elsewhere: InterFaceGAN's boundaries, GANSpace's components, SeFa's eigenvectors, latent directions.

Such files are bare numbers. They say neither which generator and space they are of, nor how far a step goes; so the shape
is checked against the workspace, the scale is measured on pictures, and a direction that doesn't move its feature is
refused. Nothing in a file is executed: arrays are read without pickle, `.pt` files by the reader that reads checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.axes.directions import Directions, measured, turned
from tlgan.editing import side_effects
from tlgan.editing.answers import answers
from tlgan.errors import TlganError
from tlgan.io.foreign import arrays_of
from tlgan.io.step import Step
from tlgan.progress import ProgressLike, as_progress

from .discover import labelled
from .settings import AXES_FILE, REPORT_FILE
from .workspace import Workspace, writing_into

#: What is looked for in files that hold several arrays, in this order: GANSpace's components in the latent space, the
#: eigenvectors of closed-form factorisation (in columns), and what boundaries and directions are usually called.
KEYS = ("lat_comp", "eigvec", "boundary", "direction", "directions")
IN_COLUMNS = ("eigvec",)
#: Largest file: a direction of some thousand numbers has kilobytes, all components of a large generator megabytes.
MOST_BYTES = 256 * 2**20
#: A slider has to change its feature by so many sd in a whitened unit, and by this share of what the workspace's own does.
LEAST_ANSWER, LEAST_SHARE = 0.01, 0.1


@dataclass(frozen=True)
class Imported:
    """``name`` of the slider; ``answer``: what its feature changes for a whitened unit of the move, in sd, measured on
    pictures, and ``own``: what it changes along the axis that was there; ``cosine`` of the two in the population's metric."""

    name: str
    answer: float
    own: float
    cosine: float


def read_direction(path: str | Path, component: int | None = None) -> np.ndarray:
    """The direction in a file, float64 [d] or [layers, d]; ``component``: which row (or eigenvector) of many, from 0.

    Raises TlganError for a file that is no array of finite numbers, and where a component has to be named.
    """
    path = Path(path)
    if not path.is_file():
        raise TlganError(f"{path} is no file: give a .npy, .npz, .pt or .pth with a direction")
    if path.stat().st_size > MOST_BYTES:
        raise TlganError(f"{path} has {path.stat().st_size >> 20} MB: a file of directions has at most 256")
    found, columns = _array(path)
    if not np.issubdtype(found.dtype, np.floating):
        raise TlganError(f"{path} holds {found.dtype} of shape {list(found.shape)}: expected floating-point numbers")
    array = found.astype(np.float64)
    if not array.size or not np.isfinite(array).all():
        raise TlganError(f"{path} holds no finite numbers alone: expected a direction")
    array = array.T if columns and array.ndim == 2 else array
    if component is not None:
        if array.ndim < 2 or not 0 <= component < len(array):
            raise TlganError(f"{path} is of shape {list(array.shape)}: it has no component {component}")
        array = array[component]
    while array.ndim > 1 and len(array) == 1:
        array = array[0]
    if not array.ndim:
        raise TlganError(f"{path} holds one number: expected a direction, a number for each dimension of the latents")
    if array.ndim > 2:
        raise TlganError(f"{path} holds {len(array)} directions: name one with --component, from 0")
    if not np.abs(array).max() > 0:
        raise TlganError(f"{path} holds zeros alone: a direction has a length")
    return array


def _array(path: Path) -> tuple[np.ndarray, bool]:
    """The array that a file holds, and whether its directions are columns."""
    kind = path.suffix.lower()
    if kind in (".npy", ".npz"):
        try:
            for key, found in arrays_of(path, MOST_BYTES, lambda names: [_key(path, names)]).items():
                return found, key in IN_COLUMNS
            raise ValueError("what it holds is no array")
        except ValueError as error:
            raise TlganError(f"{path} can't be read as an array without running what is in it ({error})") from error
    if kind in (".pt", ".pth"):
        from tlgan.generators.checkpoint import TensorRecord, read_checkpoint

        tree: Any = read_checkpoint(path).tree
        key = ""
        if isinstance(tree, dict):
            key = _key(path, [key for key, value in tree.items() if isinstance(value, TensorRecord)])
            tree = tree[key]
        if not isinstance(tree, TensorRecord):
            raise TlganError(f"{path} holds a {type(tree).__name__}: expected a tensor, or a dictionary with one")
        return _numbers(tree.load()), key in IN_COLUMNS
    raise TlganError(f"{path} ends in {path.suffix or 'nothing'}: expected .npy, .npz, .pt or .pth")


def _numbers(tensor: Any) -> np.ndarray:
    """A tensor for NumPy, which lacks some of the floats that torch has."""
    return np.asarray(tensor.double() if tensor.is_floating_point() else tensor)


def _key(path: Path, keys: list[Any]) -> Any:
    """Which of several arrays is the direction."""
    chosen = [key for key in KEYS if key in keys] or (keys if len(keys) == 1 else [])
    if not chosen:
        raise TlganError(
            f"{path} holds {', '.join(map(str, keys[:8])) or 'no array'}: expected one array, or one called {', '.join(KEYS)}"
        )
    return chosen[0]


def import_axis(
    workspace: Workspace, path: str | Path, name: str, *, component: int | None = None, progress: ProgressLike = None
) -> Imported:
    """Let slider `name` of a workspace move along the direction in a file, its scale as measured on pictures.

    Raises TlganError where the file holds none, where it doesn't fit the generator's latents, and where it doesn't change
    the feature: then it is of another generator or space. The workspace stays as it was.
    """
    direction, says = read_direction(path, component), as_progress(progress).stage
    with writing_into(workspace.path, says), Step(workspace.path) as step:
        workspace = workspace.refreshed()
        axes = workspace.axes
        row = axes.index(name)
        move = _in_space(direction, workspace, Path(path))
        directions = Directions((name,), move[None], f"imported from {Path(path).name}")
        canvas = workspace.canvas_as_sampled(axes)
        own = axes.whitened_slopes[row] / max(float(np.linalg.norm(axes.whitened_slopes[row])), 1e-30)
        unit = directions.whitened(axes)[0]
        says(f"measuring what {Path(path).name} changes")
        answer, ours = (float(table[row]) for table in answers(canvas, np.stack([unit, own])))
        if abs(answer) < max(LEAST_ANSWER, LEAST_SHARE * abs(ours)):
            raise TlganError(
                f"{path} changes {name} by {answer:+.3f} sd for a unit of the latents, the axis that is there by "
                f"{ours:+.3f}: it is of another generator or latent space ({axes.space} here), or of another feature"
            )
        changed = turned(axes, directions, np.array([answer]))
        changed = measured(changed, labelled(workspace, axes), (name,))
        if axes.effects is not None:
            says("moving the slider to see what else changes")
            canvas = workspace.canvas_as_sampled(changed)
            effects = axes.effects.copy()
            effects[row] = side_effects(canvas, (name,))[0]
            changed = replace(changed, effects=effects, effects_by=axes.effects_by)
        changed.save(step.path(AXES_FILE))
        workspace = workspace.changed(axes=changed)
        if (workspace.path / REPORT_FILE).exists():
            from .report import write_report

            says("writing the report")
            write_report(workspace, step)
    return Imported(name, answer, ours, float(unit @ own) * (1 if answer > 0 else -1))


def _in_space(direction: np.ndarray, workspace: Workspace, path: Path) -> np.ndarray:
    """A direction [d] or [layers, d] as a move [latent_dim] of the workspace's space.

    Of layers that share a w (all of them in w, those of a group in w+) the rows are averaged where they are nearly one
    direction; where they are not, a move of one w can't do what they do.
    """
    axes, generator = workspace.axes, workspace.generator
    width = generator.w_dim if axes.space != "z" else generator.latent_dim
    fits = f"[{width}]" + (f" or [{generator.num_ws}, {width}]" if axes.space != "z" else "")
    if direction.shape[-1] != width or (
        direction.ndim == 2 and (axes.space == "z" or len(direction) != generator.num_ws)
    ):
        raise TlganError(
            f"{path} holds a direction of shape {list(direction.shape)}: {generator.name} in {axes.space} takes {fits}"
        )
    rows = direction if direction.ndim == 2 else np.tile(direction, (max(generator.num_ws, 1), 1))
    starts = axes.groups or (0,)
    moves = []
    for first, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        mean = rows[first:end].mean(axis=0)
        if np.linalg.norm(mean) < 0.5 * np.sqrt((rows[first:end] ** 2).sum(axis=1).mean()):
            raise TlganError(
                f"{path} moves layers {first} to {end - 1} in different directions, which the axes of {workspace.path} can't: "
                "discover with --space w+ for axes by layers"
            )
        moves.append(mean)
    return np.concatenate(moves)
