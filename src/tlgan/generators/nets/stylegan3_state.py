"""Reading a StyleGAN3 from its `state_dict`, whose tensors hold its filters but not its sampling rates.

The rates follow from a few numbers (Karras et al., 2021, section 3.2 and appendix C), which the official configurations t and r
share. They give the sizes in the layers' names, and the filters: a file with others is refused. Left open by it are the
clamp, the scale of the output and the learning rate of the mapping network, for which what the code sets is assumed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, MAX_RESOLUTION, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State, sizes_of, taken

from .stylegan2_ada import dense_options, mapping_state_options
from .stylegan3 import StyleGAN3

_FIRST_CUTOFF, _FIRST_STOPBAND = 2.0, 2**2.1
_LAST_STOPBAND = 2**0.3  # relative to the cutoff
_CRITICAL = 2  # layers at the end that are sampled critically
_MARGIN, _TAPS, _OVERSAMPLING = 10, 6, 2
_LAYER = re.compile(r"synthesis\.(L(\d+)_(\d+)_(\d+))\.weight")


def is_stylegan3_state(state: State) -> bool:
    return "synthesis.input.freqs" in state and "mapping.fc0.weight" in state


@dataclass(frozen=True)
class _Rates:
    """Of every layer: its cutoff, its transition's half width, its sampling rate and its size with margins."""

    cutoffs: np.ndarray
    half_widths: np.ndarray
    rates: np.ndarray
    sizes: np.ndarray


def _rates(layers: int, resolution: int) -> _Rates:
    last = resolution / 2
    exponents = np.minimum(np.arange(layers + 1) / (layers - _CRITICAL), 1)
    cutoffs = _FIRST_CUTOFF * (last / _FIRST_CUTOFF) ** exponents
    stopbands = _FIRST_STOPBAND * (last * _LAST_STOPBAND / _FIRST_STOPBAND) ** exponents
    rates = np.exp2(np.ceil(np.log2(np.minimum(stopbands * 2, resolution))))
    sizes = rates + 2 * _MARGIN
    sizes[-2:] = resolution
    return _Rates(cutoffs, np.maximum(stopbands, rates / 2) - cutoffs, rates, sizes)


def read_stylegan3_state(state: State) -> Blueprint:
    """The blueprint of a `Generator`'s `state_dict`."""
    tensors = {
        name.removeprefix("synthesis."): state[name] for name in state if name.startswith(("synthesis.", "mapping."))
    }
    found = sorted((int(match[2]), int(match[3]), match[1]) for name in state if (match := _LAYER.fullmatch(name)))
    count, resolution = len(found) - 1, found[-1][1] if found else 0
    if not _CRITICAL < count < MAX_LAYERS or not 4 <= resolution <= MAX_RESOLUTION:
        raise TlganError("its synthesis network has no list of layers L0_..., L1_...")
    rates = _rates(count, resolution)
    if [(index, int(size)) for index, size in enumerate(rates.sizes)] != [entry[:2] for entry in found]:
        raise TlganError(
            "its layers have other sizes than those of the official configurations, and a state_dict does not hold the "
            "sampling rates that would explain them: load the snapshot (.pkl) that it was made from"
        )
    options = mapping_state_options(state)
    layers: list[dict[str, Any]] = []
    for index, (_, size, name) in enumerate(found):
        before, last = max(index - 1, 0), index == count
        kernel = sizes_of(tensors, f"{name}.weight", 4)[-1]
        rate = max(rates.rates[before], rates.rates[index]) * (1 if last else _OVERSAMPLING)
        up, down = int(np.rint(rate / rates.rates[before])), int(np.rint(rate / rates.rates[index]))
        up_taps, down_taps = (_TAPS * factor if factor > 1 and not last else 1 for factor in (up, down))
        _check_filter(tensors, f"{name}.up_filter", up_taps, rates, before, rate)
        _check_filter(tensors, f"{name}.down_filter", down_taps, rates, index, rate)
        inner = int(rates.sizes[before])
        total = (size - 1) * down + 1 - (inner + kernel - 1) * up + up_taps + down_taps - 2
        low = (total + up) // 2
        layers.append(
            {
                "name": name,
                "is_torgb": last,
                "up_factor": up,
                "down_factor": down,
                "padding": [low, total - low, low, total - low],
                "in_size": [inner, inner],
                "out_size": [size, size],
                "affine": dense_options(tensors, f"{name}.affine"),
            }
        )
    options |= {
        "layers": layers,
        "input": {
            "size": [int(rates.sizes[0])] * 2,
            "sampling_rate": float(rates.rates[0]),
            "bandwidth": float(rates.cutoffs[0]),
            "affine": dense_options(tensors, "input.affine"),
        },
    }
    blueprint = Blueprint("stylegan3", options, tensors, {"format": "StyleGAN3 (official, state_dict)"})
    blueprint.assume(StyleGAN3, conv_clamp=256, output_scale=0.25, mapping_lr=0.01)
    return blueprint


def _check_filter(
    tensors: dict[str, TensorRecord], name: str, taps: int, rates: _Rates, layer: int, rate: float
) -> None:
    """That a kept filter is the one that the rates ask for; radial ones, of configuration r, are known by their length."""
    from scipy.signal import firwin

    shape = taken(tensors, name).shape if taps > 1 or name in tensors else ()
    kept = tensors[name].load().double().numpy() if 0 < len(shape) <= 2 and max(shape) <= 64 else np.ones(1)
    wanted = np.ones(1)
    if taps > 1 and kept.ndim == 1:
        wanted = firwin(taps, rates.cutoffs[layer], width=2 * rates.half_widths[layer], fs=rate)
    if kept.shape[0] != taps or (kept.ndim == 1 and not np.allclose(kept, wanted, atol=1e-5)):
        raise TlganError(
            f"tensor {name} is not the filter that its layer's sampling rates ask for, so these are not the official ones: "
            "load the snapshot (.pkl) that it was made from"
        )
