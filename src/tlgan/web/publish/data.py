"""What the page computes with besides the networks: the axes, and where the sampled faces stand.

Numbers go into one safetensors file, in the precision that Python computes with; words and constants go into JSON. The
constants come from `tlgan.axes` and `tlgan.editing` themselves, so that the page can't drift away from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.axes import LIMIT
from tlgan.editing import QUALITIES, state
from tlgan.editing.edit import HOLD
from tlgan.editing.exact import ENOUGH, STEP, TARGET
from tlgan.editing.solve import FAR, IN_THE_WAY, NEARLY_ALL, NOISE, TRUST
from tlgan.io.pixels import to_bytes
from tlgan.web.server.wire import SEEDS

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.generators import Generator
    from tlgan.workspace import Workspace

#: Sampled faces that the page can search; each is its row number and a byte a feature.
SEARCHED = 4000
#: What one step of those bytes means, in standard deviations: +-7.9 in all.
STEPS = 1 / 16
#: Side of the picture that a visitor's graphics processor is tried on.
PROBE = 16


def axes_file(axes: Axes, samples: np.ndarray) -> bytes:
    """The numbers of the algebra as a safetensors file; ``samples``: what `searched` gives."""
    from safetensors.numpy import save

    arrays = {
        "directions": axes.directions.astype(np.float32),
        "mean": axes.mean.astype(np.float32),
        "sd": axes.sd.astype(np.float32),
        "latent_mean": axes.latent_mean.astype(np.float32),
        "samples": samples,
    }
    if axes.latent_covariance is not None:
        arrays["root"] = axes.metric.root
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def facts(axes: Axes, generator: Generator, *, resolution: int, columns: list[int], samples: int) -> dict[str, Any]:
    """The words and constants of the algebra.

    ``columns``: each feature's place in what the exported extractor gives, -1 where it has none; ``samples``: how many
    sampled faces are in `axes_file`.
    """
    from tlgan.generators.base import picture_size

    height, width = picture_size(generator, resolution)
    return {
        "names": list(axes.names),
        "kinds": [feature.kind for feature in axes.features],
        "weak": [bool(weak) for weak in axes.weak],
        "base": list(axes.base),
        "space": axes.space,
        "generator": axes.generator,
        "white": axes.latent_covariance is None,
        "radius": float(axes.latent_radius),
        "limit": LIMIT,
        "noise": NOISE,
        "trust": TRUST,
        "hold": HOLD,
        "far": FAR,
        "step": STEP,
        "target": TARGET,
        "enough": ENOUGH,
        "nearlyAll": NEARLY_ALL,
        "inTheWay": IN_THE_WAY,
        "looks": {name: quality.looks for name, quality in QUALITIES.items()},
        "state": {
            "version": state.VERSION,
            "read": list(state.READ),
            "asked": state.MAX_ASKED,
            "weight": state.MAX_WEIGHT,
            "latent": state.MAX_LATENT,
            "seeds": SEEDS,
            "by": list(state.BY),
        },
        "scale": draw_scale(generator, axes),
        "latentDim": generator.latent_dim,
        "samples": {"seed": axes.seed, "rows": samples, "step": STEPS},
        "columns": columns,
        "picture": {"channels": generator.channels, "resolution": resolution, "height": height, "width": width},
    }


def draw_scale(generator: Generator, axes: Axes) -> float:
    """What the standard normal latents of a draw are multiplied by: truncation, where a generator has no w."""
    if axes.space != "z" or generator.w_dim:
        return 1.0
    return float(axes.truncation if axes.truncation != 1.0 else getattr(generator, "truncation", 1.0))


def probe(latent: np.ndarray, picture: np.ndarray) -> dict[str, Any]:
    """A latent [d] and a few pixels of its picture [C, H, W], for trying a visitor's graphics processor on."""
    import torch

    side = min(PROBE, *picture.shape[-2:])
    down, across = (np.floor(np.arange(side) * (length / side)).astype(int) for length in picture.shape[-2:])
    levels = to_bytes(torch.from_numpy(picture[None]))[0][down][:, across].transpose(2, 0, 1)
    return {"latent": [float(f"{v:.9g}") for v in latent], "side": side, "pixels": levels.reshape(-1).tolist()}


def searched(workspace: Workspace) -> np.ndarray:
    """Positions of the first sampled faces as int8 [n, f], in `STEPS`; no rows where the samples are gone, or in w+."""
    axes = workspace.axes
    if axes.groups:  # these samples are mixed draws, and the page draws ordinary ones from a row's number
        return np.zeros((0, len(axes.features)), dtype=np.int8)
    blocks = [values for _, values in workspace.samples.read_arrays(stop=SEARCHED)]
    if not blocks:
        return np.zeros((0, len(axes.features)), dtype=np.int8)
    positions = axes.positions(np.concatenate(blocks)[:SEARCHED])
    return np.clip(np.rint(positions / STEPS), -127, 127).astype(np.int8)
