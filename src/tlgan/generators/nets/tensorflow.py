"""Reading what TensorFlow's StyleGANs pickled: `dnnlib.tflib.network.Network`, nested, with arrays by name.

A network's state holds `static_kwargs`, the arguments that its graph was built with, `variables`, pairs of a name and an
array, and `components`, the networks inside it. The source text of its functions lies beside them (`build_module_src`) and
is never looked at. StyleGAN (Karras et al., 2019), StyleGAN2 (2020) in its configurations b to f, and StyleGAN2-ADA (2020)
are told apart by their variables. TensorFlow keeps kernels as [k, k, in, out] and matrices as [in, out].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_LAYERS, MAX_RESOLUTION, Blueprint
from tlgan.generators.checkpoint import ObjectRecord, TensorRecord
from tlgan.generators.checkpoint.records import constant
from tlgan.generators.checkpoint.state_dicts import missing, reshaped, sizes_of, taken

from .growing import is_fused

NETWORKS = {"G": 0, "Gs": 2, "G_ema": 2}
_DNNLIB = "dnnlib.tflib.network.Network"
_TYPES = ("tfutil.Network", _DNNLIB)
_SQRT2 = math.sqrt(2)
_GROWN = 1e-6  # a `lod` below it is that of a network that has grown to its last size
# Arguments that don't change what a grown network paints from given latents, and those that are read below.
_SILENT = {
    "truncation_psi", "truncation_cutoff", "truncation_psi_val", "truncation_cutoff_val", "dlatent_avg_beta", "w_avg_beta",
    "style_mixing_prob", "structure", "conditioning", "fused_modconv", "randomize_noise", "num_fp16_res", "dtype", "fmap_base",
    "fmap_decay", "fmap_min", "fmap_max", "fmap_const", "label_size", "latent_size", "dlatent_size", "num_channels",
    "resolution", "mapping_layers", "mapping_fmaps", "label_fmaps", "mapping_func", "synthesis_func", "use_styles",
    "const_input_layer", "use_noise", "is_training", "is_validation", "return_dlatents",
}  # fmt: skip
_READ = {
    "mapping_lrmul", "mapping_nonlinearity", "normalize_latents", "nonlinearity", "use_wscale", "architecture", "conv_clamp",
    "resample_kernel", "blur_filter", "fused_scale", "use_pixel_norm", "use_instance_norm",
}  # fmt: skip


def is_tensorflow(tree: Any) -> bool:
    """Whether a tree is a network of TensorFlow, or up to three of them: (G, D, Gs)."""
    networks = tree if isinstance(tree, list | tuple) else [tree]
    known = [isinstance(network, ObjectRecord) and str(network.type) in _TYPES for network in networks[:4]]
    return 1 <= len(networks) <= 3 and known[0] and known[-1]


def chosen_state(tree: Any, network: str | None) -> dict[str, Any]:
    """The state of one network of the triple (G, D, Gs): the averaged `Gs` unless another is asked for."""
    networks = tree if isinstance(tree, list | tuple) else [tree]
    if network is not None and network not in NETWORKS:
        raise TlganError(f"network {network!r} is not in a pickle of TensorFlow: expected G or Gs")
    state = networks[NETWORKS[network or "Gs"] if len(networks) == 3 else -1].state
    if not isinstance(state, dict) or not isinstance(state.get("variables"), list | tuple):
        raise TlganError("its network has no variables")
    return state


def static_options(state: Mapping[str, Any]) -> dict[str, Any]:
    static = state.get("static_kwargs")
    return static if isinstance(static, dict) else {}


def variables(state: Mapping[str, Any]) -> dict[str, TensorRecord]:
    """The arrays of one network by name, without those of its components; numbers are arrays of no dimension."""
    found: dict[str, TensorRecord] = {}
    for pair in state["variables"]:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TlganError("its variables are not pairs of a name and a value")
        name, value = pair
        if isinstance(value, int | float):
            value = constant([value])
        if not isinstance(value, TensorRecord):
            raise TlganError(f"its variable {name[:60]} is not an array")
        found[name] = value
    return found


def is_stylegan(state: Mapping[str, Any]) -> bool:
    return isinstance(state.get("components"), dict) and "synthesis" in state["components"]


def read_stylegan(state: Mapping[str, Any], network: str | None) -> Blueprint:
    """The blueprint of a StyleGAN of the first or second generation."""
    static = static_options(state)
    if unknown := sorted(str(key)[:40] for key in static.keys() - _SILENT - _READ):
        raise TlganError(
            f"its network was built with {', '.join(unknown[:3])}, which the official code does not have: it is a variant "
            "whose layers are not known; export it where it runs with `tf2onnx` and load the ONNX"
        )
    parts = {name: variables(_component(state, name)) for name in ("mapping", "synthesis")}
    if any(name.endswith("_sn") for part in parts.values() for name in part):
        raise TlganError("its weights are spectrally normalised while it runs, which is not read")
    blueprint = assembled(variables(state), parts["mapping"], parts["synthesis"], static)
    blueprint.source = {"format": f"{blueprint.source['format']} (official TensorFlow)", "network": network or "Gs"}
    return blueprint


def assembled(
    own: Mapping[str, TensorRecord],
    mapping: Mapping[str, TensorRecord],
    synthesis: Mapping[str, TensorRecord],
    static: Mapping[str, Any],
) -> Blueprint:
    """The blueprint of a StyleGAN whose tensors have the names and layouts of the official code."""
    tensors: dict[str, TensorRecord] = {}
    first = "4x4/Conv/StyleMod/weight" in synthesis
    options = _mapping(mapping, static, tensors, first)
    if "dlatent_avg" in own:
        tensors["mapping.w_avg"] = reshaped(own["dlatent_avg"], own["dlatent_avg"].numel)
    lod = number_of(own.get("lod", synthesis.get("lod")))
    architecture, layers = (_stylegan1 if first else _stylegan2)(synthesis, static, tensors, lod)
    return Blueprint(architecture, options | layers, tensors, {"format": "StyleGAN" if first else "StyleGAN2"})


def _component(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = state["components"].get(name)
    inner = part.state if isinstance(part, ObjectRecord) and str(part.type) in _TYPES else None
    if not isinstance(inner, dict) or not isinstance(inner.get("variables"), list | tuple):
        raise TlganError(f"its network has no {name}")
    return inner


def number_of(record: TensorRecord | None) -> float:
    if record is None:
        return 0.0
    return float(record.load().reshape(-1)[0]) if record.numel == 1 else math.nan


# -- mapping ---------------------------------------------------------------------------------------------------


def _mapping(
    source: Mapping[str, TensorRecord], static: Mapping[str, Any], tensors: dict[str, TensorRecord], first: bool
) -> dict[str, Any]:
    """Take the mapping network over; -> its options. The first StyleGAN scales weights by sqrt(2) where the later ones
    scale what leaves the leaky ReLU, which is the same but for the bias."""
    learning = static.get("mapping_lrmul", 0.01)
    if not isinstance(learning, int | float) or not 0 < learning <= 100:
        raise TlganError("mapping_lrmul of its mapping network is not a small positive number")
    activation = static.get("mapping_nonlinearity", "lrelu")
    options: dict[str, Any] = {"c_dim": 0, "normalize_z": static.get("normalize_latents", True)}
    embedded = 0
    if "LabelConcat/weight" in source:
        weight = tensors["mapping.embed.weight"] = source["LabelConcat/weight"].permuted(1, 0)
        options |= {"normalize_with_label": True, "embed": {"weight_gain": 1.0, "activation": "linear"}}
    elif "LabelEmbed/weight" in source:
        weight = tensors["mapping.embed.weight"] = source["LabelEmbed/weight"].permuted(1, 0)
        tensors["mapping.embed.bias"] = taken(source, "LabelEmbed/bias")
        options["embed"] = {"weight_gain": 1 / math.sqrt(max(weight.shape[1], 1)), "activation": "linear"}
    if "embed" in options:
        embedded, options["c_dim"] = weight.shape
    layers: list[dict[str, Any]] = []
    while f"Dense{len(layers)}/weight" in source and len(layers) < MAX_LAYERS:
        name, index = f"Dense{len(layers)}", len(layers)
        inputs, outputs = sizes_of(source, f"{name}/weight", 2)
        tensors[f"mapping.fc{index}.weight"] = source[f"{name}/weight"].permuted(1, 0)
        tensors[f"mapping.fc{index}.bias"] = taken(source, f"{name}/bias")
        later = _SQRT2 if first else 1.0
        gain = learning / math.sqrt(max(inputs, 1)) if static.get("use_wscale", True) else learning / later
        layers.append({"weight_gain": gain, "bias_gain": learning / later, "activation": activation})
        if not layers[1:]:
            options["z_dim"] = inputs - embedded
        options["w_dim"] = outputs
    if not layers:
        raise missing("Dense0/weight", "mapping network")
    return options | {"mapping": layers}


# -- StyleGAN2 -------------------------------------------------------------------------------------------------


def _stylegan2(
    source: Mapping[str, TensorRecord], static: Mapping[str, Any], tensors: dict[str, TensorRecord], lod: float
) -> tuple[str, dict[str, Any]]:
    """Blocks of the architectures skip, resnet and orig; and, painting from its last size alone, the one that grew
    (configurations b to d), whose ToRGB layers are named by level."""
    grew = "ToRGB_lod0/weight" in source
    if grew and not abs(lod) < _GROWN:
        raise TlganError(
            f"it was saved while it grew (lod {lod:g}): a StyleGAN2 of that kind is read once it has its last size"
        )
    architecture = "orig" if grew else static.get("architecture", "skip")
    fir = _kernel(static.get("resample_kernel", [1, 3, 3, 1]))
    common = {"activation": static.get("nonlinearity", "lrelu"), "use_noise": "noise0" in source}
    clamp = static.get("conv_clamp")
    if clamp is not None:
        common["conv_clamp"] = clamp
    const = taken(source, "4x4/Const/const")
    tensors["b4.const"] = reshaped(const, *sizes_of(source, "4x4/Const/const", 4)[1:])
    blocks: list[dict[str, Any]] = []
    side = 4
    while side <= MAX_RESOLUTION and f"{side}x{side}/{'Conv1' if blocks else 'Conv'}/weight" in source:
        scope, name, index = f"{side}x{side}", f"b{side}", 2 * len(blocks)
        block: dict[str, Any] = {"architecture": architecture}
        if blocks:
            layer = _modulated(source, f"{scope}/Conv0_up", f"{name}.conv0", f"noise{index - 1}", tensors)
            block["conv0"] = common | layer | {"up": 2, "flipped": True}
            tensors[f"{name}.conv0.resample_filter"] = tensors[f"{name}.resample_filter"] = fir
        conv = f"{scope}/{'Conv1' if blocks else 'Conv'}"
        block["conv1"] = common | _modulated(source, conv, f"{name}.conv1", f"noise{index}", tensors)
        if architecture == "resnet" and blocks:
            tensors[f"{name}.skip.weight"] = taken(source, f"{scope}/Skip/weight").permuted(3, 2, 0, 1)
            tensors[f"{name}.skip.resample_filter"] = fir
            block["skip"] = {}
        painter = "ToRGB_lod0" if grew else f"{scope}/ToRGB"
        wanted = f"{2 * side}x{2 * side}/Conv1/weight" not in source if grew else f"{painter}/weight" in source
        if wanted:
            block["torgb"] = _modulated(source, painter, f"{name}.torgb", "", tensors)
            if clamp is not None:
                block["torgb"]["conv_clamp"] = clamp
        blocks.append(block)
        side *= 2
    return "stylegan2", {"blocks": blocks}


def _modulated(
    source: Mapping[str, TensorRecord], scope: str, name: str, noise: str, tensors: dict[str, TensorRecord]
) -> dict[str, Any]:
    """Take the tensors of one modulated convolution over; -> its options."""
    sizes = sizes_of(source, f"{scope}/weight", 4)
    width, _ = sizes_of(source, f"{scope}/mod_weight", 2)
    tensors[f"{name}.weight"] = source[f"{scope}/weight"].permuted(3, 2, 0, 1)
    tensors[f"{name}.bias"] = taken(source, f"{scope}/bias")
    tensors[f"{name}.affine.weight"] = source[f"{scope}/mod_weight"].permuted(1, 0)
    tensors[f"{name}.affine.bias"] = taken(source, f"{scope}/mod_bias")
    if noise in source:
        tensors[f"{name}.noise_const"] = reshaped(source[noise], *source[noise].shape[-2:])
        tensors[f"{name}.noise_strength"] = reshaped(taken(source, f"{scope}/noise_strength"))
    affine = {"weight_gain": 1 / math.sqrt(max(width, 1)), "bias_shift": 1.0}
    return {"weight_gain": 1 / math.sqrt(max(math.prod(sizes[:3]), 1)), "affine": affine}


def _kernel(taps: Any) -> TensorRecord:
    """A low-pass filter as the official code sets it up: the outer product of its taps, with a sum of one."""
    if taps is None:
        taps = [1, 1]
    if isinstance(taps, TensorRecord) and 0 < taps.numel <= 64:
        taps = taps.load().tolist()
    flat = isinstance(taps, list | tuple) and 0 < len(taps) <= 16
    if not flat or not all(isinstance(tap, int | float) and math.isfinite(tap) for tap in taps) or not sum(taps):
        raise TlganError("its low-pass filter is not a list of numbers")
    total = float(sum(taps)) ** 2
    return constant([a * b / total for a in taps for b in taps], len(taps), len(taps))


# -- StyleGAN --------------------------------------------------------------------------------------------------


def _stylegan1(
    source: Mapping[str, TensorRecord], static: Mapping[str, Any], tensors: dict[str, TensorRecord], lod: float
) -> tuple[str, dict[str, Any]]:
    """Two layers a size, and a ToRGB for each."""
    scaled, blur = static.get("use_wscale", True), static.get("blur_filter", [1, 2, 1])
    fused = static.get("fused_scale", "auto")
    layers: list[dict[str, Any]] = []
    side = 4
    while side <= MAX_RESOLUTION:
        scopes = [f"{side}x{side}/{name}" for name in (("Const", "Conv") if side == 4 else ("Conv0_up", "Conv1"))]
        if side == 4 and "4x4/Dense/weight" in source:
            raise TlganError("its first layer is computed from w rather than constant: a variant that is not read")
        if f"{scopes[1]}/weight" not in source:
            break
        for part, scope in enumerate(scopes):
            name, index = f"layers.{len(layers)}", len(layers)
            layer: dict[str, Any] = {"kind": "plain"}
            if side == 4 and part == 0:
                layer["kind"] = "const"
                tensors[f"{name}.const"] = reshaped(
                    taken(source, f"{scope}/const"), *sizes_of(source, f"{scope}/const", 4)[1:]
                )
            else:
                kernel = sizes_of(source, f"{scope}/weight", 4)
                tensors[f"{name}.weight"] = source[f"{scope}/weight"].permuted(3, 2, 0, 1)
                layer["weight_gain"] = _SQRT2 / math.sqrt(max(math.prod(kernel[:3]), 1)) if scaled else 1.0
                if part == 0:
                    layer["kind"] = "fused" if is_fused(fused, side) else "doubled"
                    if blur is not None:
                        tensors[f"{name}.blur"] = _kernel(blur)
            tensors[f"{name}.bias"] = taken(source, f"{scope}/bias")
            if f"noise{index}" in source:
                tensors[f"{name}.noise"] = reshaped(source[f"noise{index}"], *source[f"noise{index}"].shape[-2:])
                tensors[f"{name}.noise_strength"] = taken(source, f"{scope}/Noise/weight")
            width, _ = sizes_of(source, f"{scope}/StyleMod/weight", 2)
            tensors[f"{name}.style.weight"] = source[f"{scope}/StyleMod/weight"].permuted(1, 0)
            tensors[f"{name}.style.bias"] = taken(source, f"{scope}/StyleMod/bias")
            layer["style"] = {"weight_gain": 1 / math.sqrt(max(width, 1)) if scaled else 1.0}
            layers.append(layer)
        side *= 2
    pictures = []
    for level in range(len(layers) // 2):
        scope = f"ToRGB_lod{len(layers) // 2 - 1 - level}"
        kernel = sizes_of(source, f"{scope}/weight", 4)
        tensors[f"pictures.{level}.weight"] = source[f"{scope}/weight"].permuted(3, 2, 0, 1)
        tensors[f"pictures.{level}.bias"] = taken(source, f"{scope}/bias")
        pictures.append({"weight_gain": 1 / math.sqrt(max(kernel[2], 1)) if scaled else 1.0})
    return "stylegan1", {
        "layers": layers,
        "pictures": pictures,
        "activation": static.get("nonlinearity", "lrelu"),
        "pixel_norm": static.get("use_pixel_norm", False),
        "instance_norm": static.get("use_instance_norm", True),
        "style_shift": 1.0,
        "lod": lod,
    }
