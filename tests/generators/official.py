"""Checkpoints in the official formats with any options, and what they paint by a literal reading in float64.

The files are written as the official code writes them: pickled modules whose class is not there when they are read.
The readings follow the definitions (weights modulated per sample, zeros inserted and filtered, transposed
convolutions as sums), not the shorter ways that the package takes.
"""

from __future__ import annotations

import math
import pickle
import sys
import types
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional as F

EPSILON = 1e-8


# -- the pickled classes -------------------------------------------------------------------------------------------


def _class(module, name, base=object):
    return type(name, (base,), {"__module__": module})


EasyDict = _class("dnnlib.util", "EasyDict", dict)
Network = _class("tfutil", "Network")


def _reconstruct_persistent_obj(meta):
    raise AssertionError("a checkpoint was executed")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


@contextmanager
def official_modules():
    """The modules that pickle looks classes up in, for as long as a file is written."""
    made = {
        "dnnlib": {},
        "dnnlib.util": {"EasyDict": EasyDict},
        "tfutil": {"Network": Network},
        "torch_utils": {},
        "torch_utils.persistence": {"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
    }
    for name, contents in made.items():
        sys.modules[name] = module = types.ModuleType(name)
        module.__dict__.update(contents)
    try:
        yield
    finally:
        for name in made:
            del sys.modules[name]


class Persistent:
    """A pickled module of the official code: parameters, buffers, children and plain attributes."""

    def __init__(self, class_name, parameters=None, buffers=None, modules=None, old=False, **attributes):
        hooks = ["_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks"]
        hooks += ["_load_state_dict_pre_hooks"]
        if not old:  # torch 1.7 had fewer
            hooks += ["_backward_pre_hooks", "_forward_hooks_with_kwargs", "_load_state_dict_post_hooks"]
        parameters = {name: torch.nn.Parameter(tensor) for name, tensor in (parameters or {}).items()}
        self.class_name = class_name
        self.state = {
            "training": False,
            "_parameters": OrderedDict(parameters),
            "_buffers": OrderedDict(buffers or {}),
            "_non_persistent_buffers_set": set(),
            **{name: OrderedDict() for name in hooks},
            "_modules": OrderedDict(modules or {}),
            **attributes,
        }

    def __reduce__(self):
        meta = EasyDict(type="class", version=6, module_src="# removed", class_name=self.class_name, state=self.state)
        return _reconstruct_persistent_obj, (meta,)


def write(path, tree, protocol=4):
    with official_modules(), path.open("wb") as file:
        pickle.dump(tree, file, protocol=protocol)
    return path


# -- pg-GAN --------------------------------------------------------------------------------------------------------


def pggan_network(seed, *, resolution=16, num_channels=3, label_size=0, latent_size=None, fmap_base=64, fmap_decay=1.0,
                  fmap_max=12, lod=0.0, dtype=np.float32, **options):  # fmt: skip
    """A `tfutil.Network` of G_paper with random weights; `options` go into its `static_kwargs` as they are."""
    rng = np.random.default_rng(seed)
    top = int(math.log2(resolution))

    def nf(stage):
        return min(int(fmap_base / 2 ** (stage * fmap_decay)), fmap_max)

    latent_size = nf(0) if latent_size is None else latent_size
    shapes = {"4x4/Dense": (latent_size + label_size, nf(1) * 16), "4x4/Conv": (3, 3, nf(1), nf(1))}
    for level in range(3, top + 1):
        name = f"{2**level}x{2**level}"
        if options.get("fused_scale", True):
            shapes[f"{name}/Conv0_up"] = (3, 3, nf(level - 1), nf(level - 2))
        else:
            shapes[f"{name}/Conv0"] = (3, 3, nf(level - 2), nf(level - 1))
        shapes[f"{name}/Conv1"] = (3, 3, nf(level - 1), nf(level - 1))
    for level in range(2, top + 1):
        shapes[f"ToRGB_lod{top - level}"] = (1, 1, nf(level - 1), num_channels)
    scale = 1.0 if options.get("use_wscale", True) else 0.2
    variables = [("lod", np.float32(lod))]
    for name, shape in shapes.items():
        outputs = shape[1] // 16 if "Dense" in name else shape[2] if "_up" in name else shape[-1]
        variables.append((f"{name}/weight", (rng.normal(size=shape) * scale).astype(dtype)))
        variables.append((f"{name}/bias", (rng.normal(size=outputs) * 0.1).astype(dtype)))
    static = {"num_channels": num_channels, "resolution": resolution, "label_size": label_size}
    static |= {"latent_size": latent_size, "fmap_base": fmap_base, "fmap_max": fmap_max, "fmap_decay": fmap_decay}
    network = Network()
    network.__dict__ |= {
        "version": 2,
        "name": "G",
        "static_kwargs": EasyDict(static | options),
        "build_module_src": "# removed",
        "build_func_name": "G_paper",
        "variables": variables,
    }
    return network


def paint_pggan(network, z, labels=None, lod=None):
    """[n, C, side, side] in float64; the linear structure."""
    static = network.static_kwargs
    weights = {name: torch.from_numpy(np.asarray(value, dtype=np.float64)) for name, value in network.variables}
    lod = float(weights["lod"]) if lod is None else lod
    epsilon = static.get("pixelnorm_epsilon", 1e-8)

    def norm(x):
        return x / (x.square().mean(1, keepdim=True) + epsilon).sqrt()

    def act(x, name):
        x = x + weights[f"{name}/bias"][:, None, None]
        x = torch.where(x > 0, x, x * (0.2 if static.get("use_leakyrelu", True) else 0.0))
        return norm(x) if static.get("use_pixelnorm", True) else x

    def weight(name, fan_in, gain=2**0.5):
        std = gain / math.sqrt(fan_in) if static.get("use_wscale", True) else 1.0
        return weights[f"{name}/weight"] * std

    def conv(x, name):
        w = weight(name, 9 * x.shape[1])
        return act(F.conv2d(x, w.permute(3, 2, 0, 1), padding=1), name)

    def conv_up(x, name):
        w = F.pad(weight(name, 9 * x.shape[1]), (0, 0, 0, 0, 1, 1, 1, 1))
        w = w[1:, 1:] + w[:-1, 1:] + w[1:, :-1] + w[:-1, :-1]
        n, _, h, _ = x.shape
        out = torch.zeros(n, w.shape[2], 2 * h + 2, 2 * h + 2, dtype=torch.float64)
        for row in range(4):
            for column in range(4):
                part = torch.einsum("nihw,oi->nohw", x, w[row, column])
                out[:, :, row : row + 2 * h : 2, column : column + 2 * h : 2] += part
        return act(out[:, :, 1:-1, 1:-1], name)

    def rgb(x, lod):
        w = weight(f"ToRGB_lod{lod}", x.shape[1], 1.0)
        return torch.einsum("nihw,io->nohw", x, w[0, 0]) + weights[f"ToRGB_lod{lod}/bias"][:, None, None]

    def double(x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    x = torch.from_numpy(np.asarray(z, dtype=np.float64))
    if labels is not None:
        x = torch.cat([x, torch.from_numpy(np.asarray(labels, dtype=np.float64))], 1)
    if static.get("normalize_latents", True):
        x = norm(x)
    x = (x @ weight("4x4/Dense", x.shape[1], math.sqrt(2) / 4)).view(len(x), -1, 4, 4)
    x = conv(act(x, "4x4/Dense"), "4x4/Conv")
    top = int(math.log2(static["resolution"]))
    images = rgb(x, top - 2)
    for level in range(3, top + 1):
        name = f"{2**level}x{2**level}"
        fused = f"{name}/Conv0_up/weight" in weights
        x = conv_up(x, f"{name}/Conv0_up") if fused else conv(double(x), f"{name}/Conv0")
        x = conv(x, f"{name}/Conv1")
        images = double(images)
        painted = rgb(x, top - level)
        images = painted + (images - painted) * min(max(lod - (top - level), 0.0), 1.0)
    return images.numpy()


# -- what both StyleGANs are made of -------------------------------------------------------------------------------

_GAINS = {"linear": 1.0, "lrelu": math.sqrt(2), "relu": math.sqrt(2), "swish": math.sqrt(2), "elu": 1.0, "tanh": 1.0}
_FUNCTIONS = {
    "linear": lambda x: x,
    "lrelu": lambda x: torch.where(x > 0, x, 0.2 * x),
    "relu": lambda x: x.clamp(min=0),
    "swish": lambda x: x / (1 + (-x).exp()),
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
    "tanh": torch.tanh,
}


def bias_act(x, bias=None, act="linear", gain=None, clamp=None):
    if bias is not None:
        x = x + bias.double().view(1, -1, *[1] * (x.ndim - 2))
    x = _FUNCTIONS[act](x) * (_GAINS[act] if gain is None else gain)
    return x if clamp is None else x.clamp(-clamp, clamp)


def upfirdn(x, kernel, up=1, down=1, pad=(0, 0, 0, 0), gain=1.0):
    n, c, h, w = x.shape
    if kernel is None:
        kernel = torch.ones(1, 1, dtype=torch.float64)
    kernel = kernel.double()
    kernel = torch.outer(kernel, kernel) if kernel.ndim == 1 else kernel
    wide = torch.zeros(n, c, h * up, w * up, dtype=torch.float64)
    wide[:, :, ::up, ::up] = x
    wide = F.pad(wide, pad)
    weight = (kernel * gain).flip(0, 1).expand(c, 1, *kernel.shape)
    return F.conv2d(wide, weight, groups=c)[:, :, ::down, ::down]


class Weights:
    """Random float32 tensors."""

    def __init__(self, seed, channels_last=False):
        self.generator = torch.Generator().manual_seed(seed)
        self.channels_last = channels_last

    def __call__(self, *shape, scale=1.0, shift=0.0):
        tensor = torch.randn(shape, generator=self.generator) * scale + shift
        if self.channels_last and tensor.ndim == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor


def dense(weights, inputs, outputs, act="linear", lr=1.0, shift=0.0, **state):
    parameters = {
        "weight": weights(outputs, inputs, scale=1 / lr),
        "bias": weights(outputs, scale=0.3, shift=shift / lr),
    }
    return Persistent("FullyConnectedLayer", parameters, activation=act, weight_gain=np.float64(lr / np.sqrt(inputs)),
                      bias_gain=lr, in_features=inputs, out_features=outputs, **state)  # fmt: skip


def apply_dense(layer, x):
    p, s = layer.state["_parameters"], layer.state
    return bias_act(x @ (p["weight"].double() * float(s["weight_gain"])).T, p["bias"] * s["bias_gain"], s["activation"])


def mapping(weights, z_dim, c_dim, w_dim, num_ws, layers, old=False, average=True, act="lrelu"):
    modules, width = {}, z_dim
    if c_dim:
        modules["embed"] = dense(weights, c_dim, w_dim, old=old)
        width += w_dim
    for index in range(layers):
        modules[f"fc{index}"] = dense(weights, width, w_dim, act, lr=0.01, old=old)
        width = w_dim
    buffers = {"w_avg": weights(w_dim, scale=0.3)} if average else {}
    return Persistent("MappingNetwork", None, buffers, modules, old=old, z_dim=z_dim, c_dim=c_dim, w_dim=w_dim,
                      num_ws=num_ws, num_layers=layers, w_avg_beta=0.995 if average else None)  # fmt: skip


def apply_mapping(network, z, c=None):
    """w [n, w_dim] in float64."""
    modules = network.state["_modules"]

    def normalise(x):
        return x / (x.square().mean(1, keepdim=True) + EPSILON).sqrt()

    x = normalise(torch.as_tensor(z).double())
    if "embed" in modules:
        x = torch.cat([x, normalise(apply_dense(modules["embed"], torch.as_tensor(c).double()))], 1)
    for index in range(network.state["num_layers"]):
        x = apply_dense(modules[f"fc{index}"], x)
    return x


def generator(mapping_network, synthesis, resolution, channels, old=False):
    sizes = {name: mapping_network.state[name] for name in ("z_dim", "c_dim", "w_dim", "num_ws")}
    return Persistent("Generator", modules={"synthesis": synthesis, "mapping": mapping_network}, old=old,
                      img_resolution=resolution, img_channels=channels, _init_args=(), _init_kwargs=EasyDict(), **sizes)  # fmt: skip


# -- StyleGAN2 -----------------------------------------------------------------------------------------------------


def stylegan2(seed, *, architecture="skip", resolution=16, channels=3, c_dim=0, clamp=None, act="lrelu", use_noise=True,
              taps=(1, 3, 3, 1), channels_last=False, old=False, average=True, z_dim=10, w_dim=12, kernel=3,
              width=lambda side: max(20 - side, 5)):  # fmt: skip
    """A pickled `Generator` of StyleGAN2-ADA with random weights; `width` gives the channels of a side."""
    weights = Weights(seed, channels_last)
    taps = torch.tensor(taps, dtype=torch.float32)
    fir = torch.outer(taps, taps) / taps.sum() ** 2 if len(taps) < 8 else taps / taps.sum()

    def layer(inputs, outputs, side, up=1):
        buffers = {"resample_filter": fir} | ({"noise_const": weights(side, side)} if use_noise else {})
        parameters = {"weight": weights(outputs, inputs, kernel, kernel), "bias": weights(outputs, scale=0.2)}
        if use_noise:
            parameters["noise_strength"] = weights(scale=0.5)
        return Persistent("SynthesisLayer", parameters, buffers, {"affine": dense(weights, w_dim, inputs, shift=1.0, old=old)},
                          old=old, resolution=side, up=up, use_noise=use_noise, activation=act, conv_clamp=clamp,
                          padding=kernel // 2, act_gain=np.float64(_GAINS[act]))  # fmt: skip

    modules, side, before, num_ws = {}, 4, 0, 0
    while side <= resolution:
        outputs, last = width(side), side == resolution
        parts, parameters = {}, {}
        if side == 4:
            parameters["const"] = weights(outputs, 4, 4)
        else:
            parts["conv0"] = layer(before, outputs, side, up=2)
        parts["conv1"] = layer(outputs, outputs, side)
        if last or architecture == "skip":
            parameters_rgb = {"weight": weights(channels, outputs, 1, 1), "bias": weights(channels, scale=0.2)}
            affine = dense(weights, w_dim, outputs, shift=1.0, old=old)
            parts["torgb"] = Persistent("ToRGBLayer", parameters_rgb, None, {"affine": affine}, old=old, conv_clamp=clamp,
                                        weight_gain=np.float64(1 / np.sqrt(outputs)))  # fmt: skip
        if side > 4 and architecture == "resnet":
            parts["skip"] = Persistent("Conv2dLayer", {"weight": weights(outputs, before, 1, 1)}, {"resample_filter": fir},
                                       old=old, activation="linear", up=2, down=1, conv_clamp=None, padding=0, bias=None,
                                       weight_gain=np.float64(1 / np.sqrt(before)), act_gain=1)  # fmt: skip
        modules[f"b{side}"] = Persistent("SynthesisBlock", parameters, {"resample_filter": fir}, parts, old=old,
                                         architecture=architecture, use_fp16=side > 8, resolution=side, is_last=last,
                                         img_channels=channels)  # fmt: skip
        num_ws += 1 if side == 4 else 2
        before, side = outputs, side * 2
    num_ws += 1
    synthesis = Persistent("SynthesisNetwork", modules=modules, old=old, w_dim=w_dim, num_ws=num_ws,
                           img_resolution=resolution, block_resolutions=[4 << i for i in range(len(modules))])  # fmt: skip
    network = mapping(weights, z_dim, c_dim, w_dim, num_ws, 2, old, average)
    return generator(network, synthesis, resolution, channels, old)


def paint_stylegan2(network, ws, noise="const"):
    """[n, C, side, side] in float64 of w+ [n, num_ws, w_dim]."""
    synthesis = network.state["_modules"]["synthesis"]

    def modulated(x, layer, w, gain=1.0, rgb=False):
        s, p, b = layer.state, layer.state["_parameters"], layer.state["_buffers"]
        style = apply_dense(s["_modules"]["affine"], w) * (float(s["weight_gain"]) if rgb else 1.0)
        weight = p["weight"].double()[None] * style[:, None, :, None, None]
        if not rgb:
            weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + EPSILON).sqrt()
        pad, up = (0, 1) if rgb else (s["padding"], s["up"])
        if up == 2:
            size = b["resample_filter"].shape[0]
            ends = (pad + (size + 1) // 2, pad + (size - 2) // 2)
            x = upfirdn(x, b["resample_filter"], up=2, pad=(*ends, *ends), gain=4.0)
            x = torch.cat([F.conv2d(one[None], kernels.flip(2, 3)) for one, kernels in zip(x, weight, strict=True)])
        else:
            x = torch.cat([F.conv2d(one[None], kernels, padding=pad) for one, kernels in zip(x, weight, strict=True)])
        if not rgb and s["use_noise"] and noise == "const":
            x = x + b["noise_const"].double() * p["noise_strength"].double()
        clamp = None if s["conv_clamp"] is None else s["conv_clamp"] * gain
        act, act_gain = ("linear", 1.0) if rgb else (s["activation"], float(s["act_gain"]))
        return bias_act(x, p["bias"], act, act_gain * gain, clamp)

    def enlarge(x, fir, gain=4.0):
        size = fir.shape[0]
        ends = ((size + 1) // 2, (size - 2) // 2)
        return upfirdn(x, fir, up=2, pad=(*ends, *ends), gain=gain)

    x, image, row = None, None, 0
    for block in synthesis.state["_modules"].values():
        parts, s = block.state["_modules"], block.state
        if "conv0" not in parts:
            x = s["_parameters"]["const"].double().expand(len(ws), -1, -1, -1)
            x = modulated(x, parts["conv1"], ws[:, row])
            used = 1
        else:
            resnet = s["architecture"] == "resnet"
            if resnet:
                weight = parts["skip"].state["_parameters"]["weight"].double() * float(
                    parts["skip"].state["weight_gain"]
                )
                kept = F.conv2d(enlarge(x, parts["skip"].state["_buffers"]["resample_filter"]), weight) * math.sqrt(0.5)
            x = modulated(x, parts["conv0"], ws[:, row])
            x = modulated(x, parts["conv1"], ws[:, row + 1], gain=math.sqrt(0.5) if resnet else 1.0)
            x = x + kept if resnet else x
            used = 2
        row += used
        if image is not None:
            image = enlarge(image, s["_buffers"]["resample_filter"])
        if "torgb" in parts:
            painted = modulated(x, parts["torgb"], ws[:, row], rgb=True)
            image = painted if image is None else image + painted
    return image.detach().numpy()


# -- StyleGAN3 -----------------------------------------------------------------------------------------------------


def stylegan3(seed, *, resolution=16, channels=3, c_dim=0, conv_kernel=3, radial=False, clamp=256.0, output_scale=0.25,
              margin=4, num_layers=4, num_critical=1, first_cutoff=2.0, first_stopband=2**2.1, last_stopband_rel=2**0.3,
              filter_size=6, lrelu_upsampling=2, channel_base=120, channel_max=14, z_dim=9, w_dim=11, old=False):  # fmt: skip
    """A pickled `Generator` of StyleGAN3 with random weights and filters; sizes by the official rules."""
    weights = Weights(seed)
    last_cutoff = resolution / 2
    exponents = np.minimum(np.arange(num_layers + 1) / (num_layers - num_critical), 1)
    cutoffs = first_cutoff * (last_cutoff / first_cutoff) ** exponents
    stopbands = first_stopband * (last_cutoff * last_stopband_rel / first_stopband) ** exponents
    rates = np.exp2(np.ceil(np.log2(np.minimum(stopbands * 2, resolution))))
    sizes = rates + margin * 2
    sizes[-2:] = resolution
    widths = np.rint(np.minimum(channel_base / 2 / cutoffs, channel_max))
    widths[-1] = channels
    first = int(widths[0])
    source = Persistent(
        "SynthesisInput",
        {"weight": weights(first, first)},
        {"transform": torch.eye(3), "freqs": weights(first, 2), "phases": weights(first, scale=0.2)},
        {"affine": dense(weights, w_dim, 4, shift=1.0, old=old)},
        old=old, w_dim=w_dim, channels=first, size=np.array([sizes[0]] * 2, dtype=np.int64),
        sampling_rate=rates[0], bandwidth=cutoffs[0],
    )  # fmt: skip
    modules, names = {"input": source}, []
    for index in range(num_layers + 1):
        before, rgb, critical = max(index - 1, 0), index == num_layers, index >= num_layers - num_critical
        inputs, outputs = int(widths[before]), int(widths[index])
        kernel = 1 if rgb else conv_kernel
        tmp = max(rates[before], rates[index]) * (1 if rgb else lrelu_upsampling)
        up, down = int(np.rint(tmp / rates[before])), int(np.rint(tmp / rates[index]))
        up_taps = filter_size * up if up > 1 and not rgb else 1
        down_taps = filter_size * down if down > 1 and not rgb else 1
        total = (sizes[index] - 1) * down + 1 - (sizes[before] + kernel - 1) * up + up_taps + down_taps - 2
        low = int((total + up) // 2)
        padding = [low, int(total) - low] * 2
        up_filter = None if up_taps == 1 else weights(up_taps, scale=0.2, shift=1 / up_taps)
        square = radial and not critical
        shape = (down_taps, down_taps) if square else (down_taps,)
        down_filter = None if down_taps == 1 else weights(*shape, scale=0.2 / down_taps, shift=1 / math.prod(shape))
        affine = dense(weights, w_dim, inputs, shift=1.0, old=old)
        name = f"L{index}_{int(sizes[index])}_{outputs}"
        names.append(name)
        buffers = {"magnitude_ema": weights(scale=0.1, shift=1.5), "up_filter": up_filter, "down_filter": down_filter}
        modules[name] = Persistent(
            "SynthesisLayer",
            {"weight": weights(outputs, inputs, kernel, kernel), "bias": weights(outputs, scale=0.2)},
            buffers, {"affine": affine}, old=old, is_torgb=rgb, is_critically_sampled=critical, conv_kernel=kernel,
            up_factor=up, down_factor=down, padding=padding, conv_clamp=clamp, in_channels=inputs,
            in_size=np.array([sizes[before]] * 2, dtype=np.int64), out_size=np.array([sizes[index]] * 2, dtype=np.int64),
        )  # fmt: skip
    synthesis = Persistent("SynthesisNetwork", modules=modules, old=old, w_dim=w_dim, num_ws=num_layers + 2,
                           layer_names=names, output_scale=output_scale, img_resolution=resolution)  # fmt: skip
    network = mapping(weights, z_dim, c_dim, w_dim, num_layers + 2, 2, old)
    return generator(network, synthesis, resolution, channels, old)


def paint_stylegan3(network, ws, transform=None):
    """[n, C, side, side] in float64 of w+ [n, num_ws, w_dim]."""
    synthesis = network.state["_modules"]["synthesis"]
    modules = synthesis.state["_modules"]
    s, p, b = (modules["input"].state[key] for key in ("_modules", "_parameters", "_buffers"))
    t = apply_dense(s["affine"], ws[:, 0])
    t = t / t[:, :2].norm(dim=1, keepdim=True)
    images = []
    rate, band = float(modules["input"].state["sampling_rate"]), float(modules["input"].state["bandwidth"])
    size = int(modules["input"].state["size"][0])
    grid = (torch.arange(size, dtype=torch.float64) + 0.5 - size / 2) / rate
    for c, s_, x_, y_ in t.tolist():
        rotation = torch.tensor([[c, -s_, 0], [s_, c, 0], [0, 0, 1]], dtype=torch.float64)
        shift = torch.tensor([[1, 0, -x_], [0, 1, -y_], [0, 0, 1]], dtype=torch.float64)
        own = b["transform"] if transform is None else torch.as_tensor(transform)
        matrix = rotation @ shift @ own.double()
        freqs = b["freqs"].double() @ matrix[:2, :2]
        phases = b["phases"].double() + b["freqs"].double() @ matrix[:2, 2]
        amplitude = (1 - (freqs.norm(dim=1) - band) / (rate / 2 - band)).clamp(0, 1)
        turns = freqs[:, 0, None, None] * grid[None, None, :] + freqs[:, 1, None, None] * grid[None, :, None]
        waves = torch.sin((turns + phases[:, None, None]) * 2 * math.pi) * amplitude[:, None, None]
        images.append(torch.einsum("chw,oc->ohw", waves, p["weight"].double() / math.sqrt(len(waves))))
    x = torch.stack(images)
    for row, name in enumerate(synthesis.state["layer_names"]):
        layer = modules[name].state
        p, b = layer["_parameters"], layer["_buffers"]
        style = apply_dense(layer["_modules"]["affine"], ws[:, row + 1])
        weight, kernel = p["weight"].double(), layer["conv_kernel"]
        if layer["is_torgb"]:
            style = style / math.sqrt(layer["in_channels"] * kernel**2)
        else:
            weight = weight / weight.square().mean((1, 2, 3), keepdim=True).sqrt()
            style = style / style.square().mean().sqrt()
        weight = weight[None] * style[:, None, :, None, None]
        if not layer["is_torgb"]:
            weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + EPSILON).sqrt()
        weight = weight / b["magnitude_ema"].double().sqrt()
        x = torch.cat([F.conv2d(one[None], w, padding=kernel - 1) for one, w in zip(x, weight, strict=True)])
        x = bias_act(x, p["bias"])
        x = upfirdn(x, b["up_filter"], layer["up_factor"], pad=tuple(layer["padding"]), gain=layer["up_factor"] ** 2)
        act, gain = ("linear", 1.0) if layer["is_torgb"] else ("lrelu", math.sqrt(2))
        x = bias_act(x, None, act, gain, layer["conv_clamp"])
        x = upfirdn(x, b["down_filter"], down=layer["down_factor"])
    return (x * synthesis.state["output_scale"]).detach().numpy()
