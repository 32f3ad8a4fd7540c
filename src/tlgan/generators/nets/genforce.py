"""Reading the generators of genforce's PyTorch code: GenForce, InterFaceGAN, HiGAN, SeFa and what was made from them.

Their networks are ports of the official TensorFlow ones, layer for layer, so a `state_dict` is brought to the names and
layouts of TensorFlow and read as such. Two generations of names exist: `layer2.conv.weight` beside
`layer2.epilogue.style_mod.dense.fc.weight` of the older code, `layer2.weight` beside `layer2.style.weight` of the newer.
"""

from __future__ import annotations

import math
import re

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, Blueprint
from tlgan.generators.checkpoint import TensorRecord
from tlgan.generators.checkpoint.state_dicts import State, missing, sizes_of, taken

from .stylegan1 import StyleGAN1
from .tensorflow import assembled, number_of

_OLDER = (
    ("epilogue.style_mod.dense.", "style."),
    ("epilogue.", ""),
    ("apply_noise.", "noise_"),
    ("first_layer", "const"),
)
_WRAPPERS = re.compile(r"\.(?:fc|linear|wscale|conv)\.")


def is_genforce(state: State) -> bool:
    """Whether a `state_dict` has the names of one of the three networks."""
    if "synthesis.layer0.weight" in state and "synthesis.early_layer.const" in state:
        return True
    if "truncation.w_avg" in state or "mapping.dense0.weight" in state:
        return any(name.startswith(("synthesis.layer0.", "synthesis.early_layer.")) for name in state)
    return any(f"layer0.{conv}weight" in state and f"output0.{conv}weight" in state for conv in ("", "conv."))


def read_genforce(state: State) -> Blueprint:
    """The blueprint of a pg-GAN, StyleGAN or StyleGAN2 of this code."""
    older = any(".epilogue." in name for name in state)  # which kept a fused kernel in a layout of its own
    state = {_name(name): record for name, record in state.items()}
    if "synthesis.layer0.style.weight" not in state:
        return _pggan(state)
    mapping = {
        f"Dense{match[1]}/{match[2]}": record.permuted(1, 0) if match[2] == "weight" else record
        for name, record in state.items()
        if (match := re.fullmatch(r"mapping\.dense(\d+)\.(weight|bias)", name))
    }
    if "mapping.label_weight" in state:
        mapping["LabelConcat/weight"] = state["mapping.label_weight"]
    synthesis: dict[str, TensorRecord] = {}
    second = "synthesis.early_layer.const" in state
    levels = sum(
        f"synthesis.layer{2 * level if second else 2 * level + 1}.weight" in state for level in range(MAX_LAYERS)
    )
    if second:
        synthesis["4x4/Const/const"] = state["synthesis.early_layer.const"]
    for level in range(levels):
        side, lod = 4 << level, levels - 1 - level
        upper = 2 * level - 1 if second else 2 * level
        if level:
            _layer(state, f"layer{upper}", f"{side}x{side}/Conv0_up", synthesis, f"noise{upper}")
        elif not second:
            _layer(state, "layer0", "4x4/Const", synthesis, "noise0")
        _layer(
            state, f"layer{upper + 1}", f"{side}x{side}/{'Conv1' if level else 'Conv'}", synthesis, f"noise{upper + 1}"
        )
        if f"synthesis.skip_layer{level - 1}.weight" in state:
            synthesis[f"{side}x{side}/Skip/weight"] = _kernel(state, f"synthesis.skip_layer{level - 1}.weight")
        if f"synthesis.output{level}.weight" in state:
            painter = f"{side}x{side}/ToRGB" if second else f"ToRGB_lod{lod}"
            _layer(state, f"output{level}", painter, synthesis, "")
    own = {"lod": state["synthesis.lod"]} if "synthesis.lod" in state else {}
    if "truncation.w_avg" in state:
        own["dlatent_avg"] = state["truncation.w_avg"]
    static: dict[str, object] = {}
    if second:
        resnet = any("/Skip/" in name for name in synthesis)
        static["architecture"] = "resnet" if resnet else "skip" if "4x4/ToRGB/weight" in synthesis else "orig"
        if "synthesis.layer1.filter.kernel" in state:
            static["resample_kernel"] = _taps(state["synthesis.layer1.filter.kernel"])
    else:
        static["fused_scale"] = [
            4 << level for level in range(1, levels) if _is_fused(state, f"synthesis.layer{2 * level}.weight")
        ]
    blueprint = assembled(own, mapping, synthesis, static)
    blueprint.source["format"] += " (genforce)"
    if not second and not older:
        blueprint.assume(StyleGAN1, fused_scale="auto")
    return blueprint


def _name(name: str) -> str:
    for older, newer in _OLDER:
        name = name.replace(older, newer)
    while (inner := _WRAPPERS.sub(".", name)) != name:
        name = inner
    return name


def _kernel(state: State, name: str) -> TensorRecord:
    """[out, in, k, k] as TensorFlow keeps it; a fused one of the older code is so already."""
    record = taken(state, name)
    return record if _is_fused(state, name) else record.permuted(2, 3, 1, 0)


def _is_fused(state: State, name: str) -> bool:
    """Whether it is a kernel [k, k, in, out], as the older code keeps those that double the picture by themselves."""
    k, other, width, _ = sizes_of(state, name, 4)
    return k == other <= 3 < width


def _layer(state: State, source: str, scope: str, found: dict[str, TensorRecord], noise: str) -> None:
    """Take the tensors of one layer over, under the names of TensorFlow."""
    source = f"synthesis.{source}"
    if f"{source}.const" in state:
        found[f"{scope}/const"] = state[f"{source}.const"]
    else:
        found[f"{scope}/weight"] = _kernel(state, f"{source}.weight")
    if f"{source}.bias" in state:
        found[f"{scope}/bias"] = state[f"{source}.bias"]
    modulated = "synthesis.early_layer.const" in state
    if f"{source}.style.weight" in state:
        found[f"{scope}/{'mod_weight' if modulated else 'StyleMod/weight'}"] = state[f"{source}.style.weight"].permuted(
            1, 0
        )
        found[f"{scope}/{'mod_bias' if modulated else 'StyleMod/bias'}"] = taken(state, f"{source}.style.bias")
    drawn = f"{source}.noise" if modulated else f"{source}.noise_noise"
    if noise and drawn in state:
        found[noise] = state[drawn]
        strength = f"{source}.noise_strength" if modulated else f"{source}.noise_weight"
        found[f"{scope}/{'noise_strength' if modulated else 'Noise/weight'}"] = taken(state, strength)


def _taps(kernel: TensorRecord) -> list[float]:
    """A kept filter [1, 1, k, k] as taps whose outer product it is, but for its gain."""
    if len(kernel.shape) != 4 or not 1 <= kernel.shape[-1] == kernel.shape[-2] <= 16:
        raise TlganError(f"its low-pass filter is {list(kernel.shape)}: expected a small square")
    square = kernel.load().double()[0, 0]
    taps = square.sum(dim=0) / square.sum()
    if not math.isclose(float((taps[:, None] * taps - square / square.sum()).abs().max()), 0, abs_tol=1e-5):
        raise TlganError("its low-pass filter is not the product of a column and a row")
    return [float(tap) for tap in taps]


# -- pg-GAN ----------------------------------------------------------------------------------------------------


def _pggan(state: State) -> Blueprint:
    levels = sum(f"output{level}.weight" in state for level in range(MAX_LAYERS))
    if "layer0.weight" not in state or not levels:
        raise missing("synthesis.layer0.style.weight or layer0.weight")
    tensors = {"4x4/Dense/weight": taken(state, "layer0.weight").permuted(1, 0, 2, 3)}
    tensors["4x4/Dense/bias"] = taken(state, "layer0.bias")
    for level in range(levels):
        scope = f"{4 << level}x{4 << level}"
        if level:
            kept, fused = taken(state, f"layer{2 * level}.weight"), _is_fused(state, f"layer{2 * level}.weight")
            name = f"{scope}/{'Conv0_up' if fused else 'Conv0'}"
            tensors[f"{name}/weight"] = kept.permuted(0, 1, 3, 2) if fused else kept.permuted(2, 3, 1, 0)
            tensors[f"{name}/bias"] = taken(state, f"layer{2 * level}.bias")
        name = f"{scope}/{'Conv1' if level else 'Conv'}"
        tensors[f"{name}/weight"] = _kernel(state, f"layer{2 * level + 1}.weight")
        tensors[f"{name}/bias"] = taken(state, f"layer{2 * level + 1}.bias")
        painter = f"ToRGB_lod{levels - 1 - level}"
        tensors[f"{painter}/weight"] = _kernel(state, f"output{level}.weight")
        tensors[f"{painter}/bias"] = taken(state, f"output{level}.bias")
    options = {"dense_flipped": True, "lod": number_of(state.get("lod"))}
    if "label_weight" in state:
        raise TlganError("its labels are embedded, which a pg-GAN of this code is not read with")
    return Blueprint("pggan", options, tensors, {"format": "pg-GAN (genforce)"})
