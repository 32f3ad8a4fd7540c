"""Generators that are one chain of layers: DCGANs, upsampling and convolving ones, and GANs of linear layers.

`chain.py` finds out how the layers are applied. Here they are painted: a batch normalisation that follows its layer
directly is folded into it, and the first transposed convolution, which sees one pixel, is a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from tlgan.errors import TlganError
from tlgan.generators.base import LatentGenerator
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint.state_dicts import State

from .chain import (
    Geometry,
    Plan,
    Step,
    conditioned,
    embedding_of,
    looks_like_chain,
    modules_of,
    plain_names,
    plan,
    shown,
)
from .filtering import over_white

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "none": lambda x: x,
}
_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": lambda x: torch.sigmoid(x) * 2 - 1,
    "none": lambda x: x,
}
CHAIN_OPTIONS = ("activation", "output", "layers", "norm", "norm_last", "epsilon", "condition", "classes")


def is_dcgan(state: State) -> bool:
    """Does this state_dict look like a chain of layers from a latent to a picture?"""
    return looks_like_chain({name: record.shape for name, record in state.items()})


def read_dcgan(state: State) -> Blueprint:
    return Blueprint("dcgan", {"order": list(state)}, state, {"format": "state_dict of a DCGAN"})


def planned(blueprint: Blueprint) -> Plan:
    """How the chain of a blueprint is applied, from shapes and options alone. Raises TlganError where that is open."""
    order = _chain(blueprint)
    return plan({plain: blueprint.shape(name) for plain, name in plain_names(order).items()}, blueprint.options)


def _chain(blueprint: Blueprint) -> list[str]:
    """The names of the chain's tensors: all but an embedding of classes."""
    order = blueprint.reader().texts("order")
    embedding = embedding_of({name: blueprint.shape(name) for name in order})
    return [name for name in order if name != embedding]


@dataclass
class _Layer:
    """One layer: apply, reshape, normalise, activate."""

    weight: Tensor  # linear: [in, out]; transposed: [in, out, k, k]; plain: [out, in, k, k]
    bias: Tensor | None
    geometry: Geometry | None  # None for a linear layer
    picture: tuple[int, ...]  # what a linear layer's outputs are viewed as: (c, s, s), or ()
    scale: Tensor | None  # of a normalisation that is not folded in, shaped to fit
    shift: Tensor | None
    instance: float | None  # epsilon of a normalisation of each picture alone
    norm_last: bool
    activate: Callable[[Tensor], Tensor]

    expected: tuple[Tensor, Tensor] | None = None  # mean and variance of each channel behind the normalisation

    def __call__(self, x: Tensor) -> Tensor:
        return self.activated(self.normalised(x))

    def normalised(self, x: Tensor) -> Tensor:
        """What leaves the normalisation."""
        x = self._apply(x)
        return self._normalise(self.activate(x) if self.norm_last else x)

    def activated(self, x: Tensor) -> Tensor:
        """The rest of the layer, of what leaves the normalisation."""
        return x if self.norm_last else self.activate(x)

    def _apply(self, x: Tensor) -> Tensor:
        applied = self.geometry
        if applied is None:
            x = x @ self.weight if self.bias is None else torch.addmm(self.bias, x, self.weight)
            return x.view(-1, *self.picture) if self.picture else x
        if applied.kind == "t":
            return F.conv_transpose2d(
                x, self.weight, self.bias, applied.stride, applied.padding, applied.output_padding
            )
        if applied.kind != "c":
            smooth = applied.kind == "b"
            x = F.interpolate(
                x, scale_factor=2, mode="bilinear" if smooth else "nearest", align_corners=False if smooth else None
            )
        return F.conv2d(x, self.weight, self.bias, applied.stride, applied.padding)

    def _normalise(self, x: Tensor) -> Tensor:
        if self.instance is not None and x.ndim == 4:
            x = F.instance_norm(x, eps=self.instance)
        if self.scale is not None:
            x = x * self.scale
        return x if self.shift is None else x + self.shift


class DCGAN(LatentGenerator):
    """z [n, d] -> pictures through a chain of layers.

    What a state_dict lacks is given by options (`chain.py`): `activation`, `output`, `layers`, `norm`, `norm_last`,
    `epsilon`. `assumed` lists those that were taken by custom (ReLU and tanh: Radford et al., 2015).
    """

    load_options: ClassVar = CHAIN_OPTIONS

    def __init__(self, blueprint: Blueprint, *, name: str, fingerprint: str, device: str = "cpu") -> None:
        self._plan = chosen = planned(blueprint)
        self._files = plain_names(_chain(blueprint))
        self._leaves = modules_of(list(self._files.values()))
        self.layers = [self._layer(blueprint, index, device) for index in range(len(chosen.steps))]
        self._output = _OUTPUTS[chosen.output]
        self.assumed = tuple(chosen.assumed)
        inputs = self.layers[0].weight.shape[0]
        self._classes, self._condition = self._embedding(blueprint, inputs, device)
        beside = self._classes.shape[1] if self._condition in ("zc", "cz") else 0
        super().__init__(
            name=name,
            fingerprint=fingerprint,
            latent_dim=inputs - beside,
            resolution=chosen.resolution,
            channels=min(chosen.painted, 3),
            device=device,
        )

    def _paint(
        self, latents: Tensor, *, label: Tensor | None, noise: str, resolution: int | None, **options: Any
    ) -> Tensor:
        x = latents
        if label is not None:
            classes = label @ self._classes
            joined = {"zc": (x, classes), "cz": (classes, x)}
            if self._condition in joined:
                x = torch.cat(joined[self._condition], dim=1)
            else:
                x = x * classes if self._condition == "mul" else x + classes
        for layer in self.layers:
            x = layer(x)
        return over_white(self._output(x))

    def _embedding(self, blueprint: Blueprint, inputs: int, device: str) -> tuple[Tensor, str]:
        """What each class gives, [classes, e], and how it joins the latents; no rows and "" for a chain without classes."""
        options = blueprint.reader()
        order = options.texts("order")
        name = embedding_of({name: blueprint.shape(name) for name in order})
        if not name and "classes" not in options:
            if "condition" in options:
                raise TlganError("condition needs classes=N too: the file holds no embedding of classes")
            return torch.zeros(0, 0), ""
        given = options.whole("classes", 1, inputs) if "classes" in options else None
        weight = blueprint.load(name, given, None) if name else torch.eye(given or 1)
        self.label_dim = weight.shape[0]
        owners = list(modules_of(order))
        return weight.to(device), conditioned(inputs, weight.shape[0], weight.shape[1], blueprint.options, owners)

    def off_statistics(self, z: Tensor) -> float | None:
        """How far the layers' channels are from the running statistics in the file, for latents [n, d].

        Kullback-Leibler divergence of Gaussians, nats a channel, mean over the layers; None without statistics.
        """
        x, found = z, []
        for layer in self.layers:
            x = layer.normalised(x)
            if layer.expected is not None:
                mean, variance = (t.clamp_min(1e-8) if i else t for i, t in enumerate(layer.expected))
                rows = x.flatten(1) if x[0].numel() == mean.numel() else x.transpose(0, 1).flatten(1).t()
                ratio = rows.var(dim=0).clamp_min(1e-8) / variance
                found.append((ratio + (rows.mean(dim=0) - mean).square() / variance - 1 - ratio.log()).mean() / 2)
            x = layer.activated(x)
        return float(torch.stack(found).mean()) if found else None

    # -- building ------------------------------------------------------------------------------------------------

    def _layer(self, blueprint: Blueprint, index: int, device: str) -> _Layer:
        chosen, step = self._plan, self._plan.steps[index]
        linear = len(chosen.steps) - len(chosen.geometry)
        weight, bias = self._weight(blueprint, step), self._tensor(blueprint, f"{step.owner}.bias")
        geometry: Geometry | None = None
        picture: tuple[int, ...] = ()
        gives = step.shape[0]
        if index < linear:
            weight = weight.t()
            if index == linear - 1:
                picture = (chosen.channels, chosen.side, chosen.side)
        elif index == 0:  # a transposed convolution of one pixel
            crop = chosen.geometry[0].padding
            weight = weight[:, :, crop : crop + chosen.side, crop : crop + chosen.side]
            picture = (chosen.channels, chosen.side, chosen.side)
            if weight.shape[1:] != picture:
                raise TlganError(f"{step} paints no {chosen.side} px from one pixel")
            weight = weight.reshape(len(weight), -1)
            bias = None if bias is None else bias.repeat_interleave(chosen.side**2)
            gives = chosen.channels
        else:
            geometry = chosen.geometry[index - linear]
            gives = step.shape[1 if geometry.kind == "t" else 0]
        expected = gives * (chosen.side**2 if index == 0 and not linear else 1)
        if bias is not None and bias.shape != (expected,):
            raise TlganError(f"a bias of shape {list(bias.shape)} doesn't follow {gives} channels")
        last = index == len(chosen.steps) - 1
        scale, shift, instance = self._normalisation(blueprint, index, gives, picture)
        layer = _Layer(
            weight, bias, geometry, picture, scale, shift, instance, chosen.norm_last[index],
            self._activation(blueprint, index) if not last else _ACTIVATIONS["none"],
        )  # fmt: skip
        if step.norm and not chosen.instance:
            layer.expected = self._expected(blueprint, index)
        if scale is not None and instance is None and not layer.norm_last:
            _fold(layer)
        for field in ("weight", "bias", "scale", "shift"):
            tensor = getattr(layer, field)
            if tensor is not None:
                # A processor's convolutions are a quarter quicker with channels last; pictures follow their weights.
                kept = {"memory_format": torch.channels_last} if tensor.ndim == 4 and field == "weight" else {}
                setattr(layer, field, tensor.to(device, **kept))
        return layer

    def _tensor(self, blueprint: Blueprint, plain: str) -> Tensor | None:
        name = self._files.get(plain.lstrip("."))
        return None if name is None else blueprint.load(name, *blueprint.shape(name))

    def _weight(self, blueprint: Blueprint, step: Step) -> Tensor:
        """The weight as it is applied: divided by its spectral norm (Miyato et al., 2018) or scaled to its stored norm
        (Salimans and Kingma, 2016) where torch's wrappers keep it in parts."""
        weight = self._tensor(blueprint, f"{step.owner}.weight")
        if weight is not None:
            return weight
        weight, left = (self._tensor(blueprint, f"{step.owner}.{part}") for part in ("weight_orig", "weight_u"))
        right, norm = (self._tensor(blueprint, f"{step.owner}.{part}") for part in ("weight_v", "weight_g"))
        if weight is not None and left is not None and right is not None:
            for matrix in (weight.flatten(1), weight.transpose(0, 1).flatten(1)):  # transposed ones turn it round
                if matrix.shape == (len(left), len(right)):
                    return weight / (left @ matrix @ right)
        elif right is not None and norm is not None and norm.ndim == right.ndim:
            kept = [axis for axis in range(right.ndim) if norm.shape[axis] == 1]
            return right * (norm / right.square().sum(dim=kept, keepdim=True).sqrt())
        raise TlganError(f"the weight of {step} is kept in parts that don't fit together")

    def _normalisation(
        self, blueprint: Blueprint, index: int, gives: int, picture: tuple[int, ...]
    ) -> tuple[Tensor | None, Tensor | None, float | None]:
        """Scale and shift, shaped to multiply what the layer paints, and the epsilon of instance normalisation."""
        chosen, step = self._plan, self._plan.steps[index]
        instance = chosen.epsilons[index] if chosen.instance and index < len(chosen.steps) - 1 else None
        if not step.norm:
            return None, None, instance
        parts = {
            part: tensor.double()
            for part in ("weight", "bias", "running_mean", "running_var")
            if (tensor := self._tensor(blueprint, f"{step.norm}.{part}")) is not None
        }
        sizes = {tuple(tensor.shape) for tensor in parts.values()}
        width = next(iter(sizes))[0] if len(sizes) == 1 and len(next(iter(sizes))) == 1 else -1
        if width not in (gives, *picture[:1]) or ("running_mean" in parts) != ("running_var" in parts):
            raise TlganError(f"the normalisation {shown(step.norm)} doesn't follow {gives} channels")
        scale = parts.get("weight", torch.ones(width, dtype=torch.double))
        shift = parts.get("bias", torch.zeros(width, dtype=torch.double))
        if not chosen.instance:
            scale = scale * (parts["running_var"] + chosen.epsilons[index]).rsqrt()
            shift = shift - parts["running_mean"] * scale
        if picture:
            shape = (-1, 1, 1) if width == picture[0] else picture
        else:
            shape = (-1,) if len(step.shape) == 2 else (-1, 1, 1)
        return scale.float().view(shape), shift.float().view(shape), instance

    def _expected(self, blueprint: Blueprint, index: int) -> tuple[Tensor, Tensor]:
        """Mean and variance behind a batch normalisation whose running statistics are right: its shift, its scale²."""
        owner = self._plan.steps[index].norm
        variance = self._tensor(blueprint, f"{owner}.running_var")
        scale, shift = (self._tensor(blueprint, f"{owner}.{part}") for part in ("weight", "bias"))
        variance = torch.ones(0) if variance is None else variance
        scale = torch.ones_like(variance) if scale is None else scale
        shift = torch.zeros_like(variance) if shift is None else shift
        return shift, scale.square() * variance / (variance + self._plan.epsilons[index])

    def _activation(self, blueprint: Blueprint, index: int) -> Callable[[Tensor], Tensor]:
        step = self._plan.steps[index]
        if step.slopes:
            slopes = self._tensor(blueprint, f"{step.slopes}.weight")
            if slopes is None or slopes.ndim != 1:
                raise TlganError(f"{shown(step.slopes)} is no PReLU: expected one slope, or one a channel")
            slopes = slopes.to("cpu")
            return lambda x: F.prelu(x, slopes.to(x.device))
        kind, _, slope = self._plan.activations[index].partition(":")
        if kind == "leaky_relu":
            steepness = float(slope or 0.2)
            return lambda x: F.leaky_relu(x, steepness)
        return _ACTIVATIONS[kind]


def _fold(layer: _Layer) -> None:
    """Put the normalisation into the layer before it: (W x + b) s + t = (W s) x + (b s + t)."""
    scale, shift = layer.scale, layer.shift
    if scale is None or shift is None:
        return
    if layer.geometry is None:
        if layer.picture:
            scale, shift = (t.expand(layer.picture).flatten() for t in (scale, shift))
        layer.weight = layer.weight * scale
    else:
        scale, shift = scale.flatten(), shift.flatten()
        layer.weight = layer.weight * scale.view((1, -1, 1, 1) if layer.geometry.kind == "t" else (-1, 1, 1, 1))
    layer.bias = shift if layer.bias is None else layer.bias * scale + shift
    layer.scale = layer.shift = None
