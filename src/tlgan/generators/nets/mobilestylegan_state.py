"""Reading a MobileStyleGAN from a training checkpoint of its PyTorch code (`MobileStyleGAN.pytorch`, Lightning).

The checkpoint holds the teacher, the mapping network that both share, and the student, which alone paints here.
"""

from __future__ import annotations

import math

from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State, reshaped, sizes_of, taken

from .mapping import equalized, read_mapping

_LEARNING_RATE = 0.01  # of the mapping network; not in the file, the same in every version of the code


def is_mobilestylegan_state(state: State) -> bool:
    return "student.input.input" in state and "mapping_net.layers.1.weight" in state


def read_mobilestylegan_state(state: State) -> Blueprint:
    """The blueprint of the student in a `Distiller`'s `state_dict`."""
    tensors: dict[str, TensorRecord] = {}
    names = "mapping_net.layers.{}.weight", "mapping_net.layers.{}.bias"
    options = read_mapping(state, tensors, names, range(1, MAX_LAYERS + 1), equalized(_LEARNING_RATE), _LEARNING_RATE)
    w_dim = options["w_dim"]
    if "style_mean" in state and state["style_mean"].numel == w_dim:
        tensors["mapping.w_avg"] = reshaped(state["style_mean"], w_dim)
    tensors["const"] = reshaped(state["student.input.input"], *sizes_of(state, "student.input.input", 4)[1:])
    styles = [_convolution(state, "student.conv1", "start", tensors)]
    blocks = 0
    while f"student.layers.{blocks}.up.modulation.weight" in state and blocks < MAX_LAYERS:
        source = f"student.layers.{blocks}"
        styles.append((f"{source}.up", 1.0))
        for part in range(2):
            styles.append(_convolution(state, f"{source}.conv{part + 1}", f"blocks.{blocks}.{part}", tensors))
        blocks += 1
    painter = f"student.layers.{blocks - 1}.to_img" if blocks else "student.to_img1"
    width, inputs, *_ = sizes_of(state, f"{painter}.conv.weight", 4)
    tensors["picture.weight"] = reshaped(state[f"{painter}.conv.weight"], width, inputs)
    tensors["picture.bias"] = reshaped(taken(state, f"{painter}.bias"), width)
    styles.append((f"{painter}.conv", 1 / math.sqrt(max(inputs, 1))))
    for index, (source, _) in enumerate(styles):
        for kind in ("weight", "bias"):
            tensors[f"styles.{index}.{kind}"] = taken(state, f"{source}.modulation.{kind}")
    del options["c_dim"]  # workspaces know the network by its options, and there never was one
    options |= {"blocks": blocks, "style_gains": [gain for _, gain in styles]}
    return Blueprint("mobilestylegan", options, tensors, {"format": "MobileStyleGAN (training checkpoint)"})


def _convolution(state: State, source: str, name: str, tensors: dict[str, TensorRecord]) -> tuple[str, float]:
    """Take a convolution over; -> where its style is, and by what that is scaled."""
    conv = f"{source}.conv"
    if f"{conv}.weight_dw" in state:
        inputs, _, *kernel = sizes_of(state, f"{conv}.weight_dw", 4)
        outputs = sizes_of(state, f"{conv}.weight_permute", 4)[0]
        tensors[f"{name}.depthwise"] = reshaped(state[f"{conv}.weight_dw"], inputs, *kernel)
        tensors[f"{name}.pointwise"] = reshaped(state[f"{conv}.weight_permute"], outputs, inputs)
    else:
        outputs, inputs, *kernel = sizes_of(state, f"{conv}.weight", 4)
        tensors[f"{name}.weight"] = state[f"{conv}.weight"]
    tensors[f"{name}.style_inv"] = taken(state, f"{conv}.style_inv")
    tensors[f"{name}.noise_strength"] = taken(state, f"{source}.noise.weight")
    tensors[f"{name}.bias"] = reshaped(taken(state, f"{source}.bias"), outputs)
    return conv, 1 / math.sqrt(max(inputs * math.prod(kernel), 1))
