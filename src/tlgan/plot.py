"""Figures of a workspace as Matplotlib axes, for papers and notebooks; the same numbers as in the report.

Every function draws into ``ax``, or into a new figure, and returns the axes: `tlgan.plot.map(ws).figure.savefig("map.pdf")`.
Needs the extra `plot`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tlgan.errors import TlganError
from tlgan.workspace import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tlgan.editing import Face
    from tlgan.workspace import Workspace

BLUE, ORANGE, GREY = "#2b6cb0", "#d9730d", "#8a8f94"


def strip(workspace: Workspace, name: str, **options: Any) -> Axes:
    """One feature asked from -span to +span sd on one face: `grid` with a single row."""
    return grid(workspace, [name], **options)


def grid(
    workspace: Workspace,
    names: Sequence[str],
    *,
    seed: int = 0,
    face: Face | None = None,
    steps: int = 7,
    span: float = 3.0,
    ax: Axes | None = None,
) -> Axes:
    """A strip for each of several features, from -``span`` to +``span`` sd in ``steps`` pictures, a row a feature.

    ``face``: whose other wishes are kept; by default the one that ``seed`` draws. Raises TlganError for unknown names.
    """
    start = face or workspace.face(seed=seed)
    rows = [np.concatenate(list(pictures), axis=1) for pictures in start.grid(names, steps, span)]
    if not rows:
        raise TlganError("a grid of no features shows nothing: give at least one name")
    picture = np.concatenate(rows, axis=0)
    height, width = picture.shape[0] / len(rows), picture.shape[1] / steps
    ax = _new(ax, (steps * 1.1 + 1, len(rows) * 1.1 * height / width + 0.5))
    ax.imshow(picture)
    asks = np.linspace(-span, span, steps)
    ax.set_xticks((np.arange(steps) + 0.5) * width - 0.5, [f"{ask:+.2g} sd" if ask else "0" for ask in asks])
    ax.set_yticks((np.arange(len(rows)) + 0.5) * height - 0.5, _labels(workspace, names))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def map(workspace: Workspace, *, of: Literal["measured", "axes"] = "measured", ax: Axes | None = None) -> Axes:
    """Correlation of every two features over the population: as ``measured`` on pictures, or of what the ``axes`` predict."""
    axes = workspace.axes
    table = axes.correlation if of == "measured" else axes.correlation_of_axes()
    return _matrix(workspace, table, figures.by_group(axes), "correlation", ax)


def side_effects(workspace: Workspace, *, ax: Axes | None = None) -> Axes:
    """Mean change of every feature (column), in sd, for one sd of a slider (row); white where it was not measured.

    Raises TlganError where no side effects have been measured.
    """
    axes = workspace.axes
    if axes.effects is None:
        raise TlganError(
            f"{workspace.path} has no measured side effects: run `tlgan evaluate` or `tlgan discover` again"
        )
    ax = _matrix(workspace, axes.effects, figures.by_group(axes), "change, sd", ax)
    ax.set(ylabel="slider moved", xlabel=f"feature, measured by {axes.effects_by}")
    return ax


def explained(workspace: Workspace, *, ax: Axes | None = None) -> Axes:
    """R² of every feature on rows that the fit has not seen, best first, with 95 % intervals; weak ones in grey."""
    axes = workspace.axes
    order = np.argsort(axes.r2, kind="stable")
    ax = _new(ax, (6, 1 + len(order) * 0.2))
    errors = None if axes.r2_interval is None else np.abs(axes.r2_interval[order].T - axes.r2[order])
    colours = [GREY if axes.weak[row] else BLUE for row in order]
    ax.barh(_labels(workspace, [axes.names[row] for row in order]), axes.r2[order], xerr=errors, color=colours)
    ax.set(xlabel="held-out R²", xlim=(min(0.0, float(axes.r2.min())), 1))
    return ax


def learning_curve(workspace: Workspace, *, names: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """R² on unseen rows by number of samples: the mean over all features, and each of ``names``.

    Raises TlganError where there are too few samples for a curve.
    """
    rows = workspace.axes.indices(names)
    curve = figures.learning_curve(workspace)
    if len(curve.samples) < 2:
        raise TlganError(
            f"{workspace.path} has too few samples for a learning curve: discover with a higher --max-samples"
        )
    ax = _new(ax, (6, 4))
    ax.plot(curve.samples, curve.r2.mean(axis=1), color="black", linewidth=2, marker="o", label="mean of all features")
    for row, label in zip(rows, _labels(workspace, names), strict=True):
        ax.plot(curve.samples, curve.r2[:, row], marker="o", label=label)
    ax.set_xscale("log", base=2)
    ax.set_xticks(curve.samples, [f"{count:,}" for count in curve.samples])
    ax.minorticks_off()
    ax.set(xlabel="samples", ylabel="held-out R²")
    ax.legend(frameon=False)
    return ax


def histogram(workspace: Workspace, name: str, *, face: Face | None = None, ax: Axes | None = None) -> Axes:
    """A feature over the population, in its own unit; where ``face`` stands, as measured on its picture, is a line."""
    row = workspace.axes.index(name)
    feature = workspace.axes.features[row]
    values = np.concatenate([values[:, row] for _, values in workspace.samples.read_arrays()])
    shares, edges = figures.histogram(feature, values)
    ax = _new(ax, (5, 3))
    ax.stairs(shares, edges, fill=True, color=GREY)
    if face is not None:
        value = face.measured()[name]
        ax.axvline(
            float(np.clip(value, edges[0], edges[-1])), color=ORANGE, linewidth=2, label=f"this face: {value:.3g}"
        )
        ax.legend(frameon=False)
    unit = feature.unit or ("probability" if feature.kind == "probability" else "")
    ax.set(xlabel=f"{feature.label or name}{f', {unit}' if unit else ''}", ylabel="share of the population")
    return ax


def _new(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """The axes given, else those of a new figure of this size in inches."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise TlganError(f"plots need Matplotlib ({error}): pip install 'tlgan[plot]'") from error
    return plt.subplots(figsize=size, layout="constrained")[1]


def _labels(workspace: Workspace, names: Sequence[str]) -> list[str]:
    features = workspace.axes.features
    return [features[row].label or features[row].name for row in workspace.axes.indices(names)]


def _matrix(workspace: Workspace, table: np.ndarray, order: list[int], words: str, ax: Axes | None) -> Axes:
    """Cells [f, f] in this order, blue for -1 over white to orange for 1."""
    side = 2 + 0.18 * len(order)
    ax = _new(ax, (side + 1, side))
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("tlgan", [BLUE, "white", ORANGE])
    cells = ax.pcolormesh(np.ma.masked_invalid(table[np.ix_(order, order)]), cmap=shades, vmin=-1, vmax=1)
    labels = _labels(workspace, [workspace.axes.names[row] for row in order])
    ax.set_xticks(np.arange(len(order)) + 0.5, labels, rotation=90)
    ax.set_yticks(np.arange(len(order)) + 0.5, labels)
    ax.invert_yaxis()
    ax.set_aspect("equal")
    ax.tick_params(length=0, labelsize=7 if len(order) > 20 else 9)
    ax.get_figure().colorbar(cells, ax=ax, label=words, shrink=0.6)  # type: ignore[union-attr]
    return ax
