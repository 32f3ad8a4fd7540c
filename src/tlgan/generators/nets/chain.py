"""What the tensors of a chain of convolutions determine, and what they leave open.

A `state_dict` holds the layers' sizes and nothing else: no strides, no paddings, no upsampling, no activations. `plan`
works on shapes alone. The geometry is taken from the person's `layers`, from a published recipe of exactly these names
and shapes, or from the usual DCGAN (kernels of 4 and 2, which double the side), and is refused otherwise. Activations
have customary defaults, which `Plan.assumed` names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tlgan.errors import TlganError
from tlgan.generators.blueprint import MAX_RESOLUTION

Shapes = Mapping[str, tuple[int, ...]]

ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "none")
OUTPUTS = ("tanh", "sigmoid", "none")
_WORD = re.compile(r"(?P<kind>[tcub])(?P<stride>[1-4])?(?:p(?P<padding>\d))?(?:o(?P<output>\d))?")
_RESIDUAL = re.compile(r"(^|[._])(c_sc|shortcut|skip|bypass|identity|res(idual|block)?\d*)([._]|$)", re.IGNORECASE)
_CONDITIONAL = re.compile(r"(^|[._])(label\w*|embed\w*|emb|class\w*|y\w*emb\w*)([._]|$)", re.IGNORECASE)
CONDITIONS = ("zc", "cz", "mul", "add")
_WEIGHT = re.compile(r"weight(_orig|_v|\.original1?)?$")
_LAYERS_HELP = (
    "say so with the option layers, one word a convolution: t2p1 a transposed one of stride 2 and padding 1 (t2p1o1: "
    "output padding 1), c1p1 a plain one, u1p1 (b1p1) a plain one after nearest (bilinear) upsampling by 2; "
    "`tlgan inspect --try FILE` paints the candidates"
)


@dataclass
class Step:
    """One weighted layer and what follows it, by the names of the modules that own the tensors."""

    owner: str
    shape: tuple[int, ...]  # of its weight
    norm: str = ""  # the normalisation that follows, by the module's name
    running: bool = True  # does that normalisation hold running statistics?
    slopes: str = ""  # the PReLU that follows
    norm_last: bool | None = None  # is the normalisation behind the activation? None where the names don't say
    hidden: int = 0  # layers without tensors between this one and the next, where the names tell

    def __str__(self) -> str:
        return shown(self.owner)


def shown(name: str) -> str:
    """A module's name for a message: names come from the file, and may be of any length."""
    return name if len(name) <= 60 else f"{name[:28]}...{name[-28:]}"


@dataclass
class Geometry:
    """How one convolution is applied: "t" transposed, "c" plain, "u" and "b" plain after upsampling by 2."""

    kind: str
    stride: int = 1
    padding: int = 0
    output_padding: int = 0

    @classmethod
    def of(cls, word: str) -> Geometry:
        match = _WORD.fullmatch(word.strip())
        if match is None:
            raise TlganError(f"layers has the word {word[:20]!r}: expected one like t2p1, t2p1o1, c1p1 or u1p1")
        found = match.groupdict()
        return cls(found["kind"], *(int(found[name] or low) for name, low in _WORD_DEFAULTS))

    def side(self, side: int, kernel: int) -> int:
        """The side of its picture, in pixels."""
        if self.kind == "t":
            return (side - 1) * self.stride - 2 * self.padding + kernel + self.output_padding
        side *= 1 if self.kind == "c" else 2
        return (side + 2 * self.padding - kernel) // self.stride + 1

    def __str__(self) -> str:
        return f"{self.kind}{self.stride}p{self.padding}" + (f"o{self.output_padding}" if self.output_padding else "")


_WORD_DEFAULTS = (("stride", 1), ("padding", 0), ("output", 0))


@dataclass
class Plan:
    """A chain with nothing left open. `side` and `channels` are those of the first picture, after the linear layers."""

    steps: list[Step]
    geometry: list[Geometry]  # one a convolution: the last of `steps`
    side: int
    channels: int
    resolution: int
    painted: int  # channels of the picture
    activations: list[str]  # one a step but the last; may carry a slope, "leaky_relu:0.1"
    output: str
    epsilons: list[float]  # one a step; only those with a normalisation count
    norm_last: list[bool]
    instance: bool  # normalise each picture by itself
    recipe: str = ""
    assumed: list[str] = field(default_factory=list)  # what no tensor says, for a person to check


# -- what is in the file -------------------------------------------------------------------------------------------


def modules_of(names: Sequence[str]) -> dict[str, list[str]]:
    """Names of tensors by the module that owns them, in the order of the file."""
    modules: dict[str, list[str]] = {}
    for name in names:
        if not name.endswith("num_batches_tracked"):
            owner, _, leaf = _plain_name(name).rpartition(".")
            modules.setdefault(owner, []).append(leaf)
    return modules


def _plain_name(name: str) -> str:
    """The name that a parametrised weight had before torch's parametrisations came between."""
    for inner, plain in (
        ("original0", "weight_g"), ("original1", "weight_v"), ("original", "weight_orig"),
        ("0._u", "weight_u"), ("0._v", "weight_v"),
    ):  # fmt: skip
        name = name.replace(f"parametrizations.weight.{inner}", plain)
    return name


def plain_names(names: Sequence[str]) -> dict[str, str]:
    """Plain name -> name in the file."""
    return {_plain_name(name): name for name in names}


def weight_leaf(leaves: Sequence[str]) -> str:
    """Which tensor of a module has the shape of its weight; "" where none has."""
    found = [leaf for leaf in ("weight", "weight_orig") if leaf in leaves]
    return found[0] if found else "weight_v" if "weight_g" in leaves else ""


def steps_of(shapes: Shapes) -> list[Step]:
    """The weighted layers in the order of the file. Raises TlganError where something is no part of a chain."""
    steps: list[Step] = []
    last, gap_after = "", 0
    for owner, leaves in modules_of(list(shapes)).items():
        weight = weight_leaf(leaves)
        shape = shapes.get(f"{owner}.{weight}" if owner else weight, ()) if weight else ()
        if _CONDITIONAL.search(owner):
            raise TlganError(
                f"it takes a class label ({shown(owner)}), and its tensors don't say how: export it to ONNX or TorchScript, "
                "or name a function that makes it, module:function"
            )
        if _RESIDUAL.search(owner):
            raise TlganError(
                f"it has branches ({shown(owner)}), and its tensors don't say how they are joined: export it to ONNX or "
                "TorchScript, or wrap it in Python with tlgan.wrap_generator"
            )
        gap = _gap(last, owner)
        last = owner
        if len(shape) in (2, 4):
            if steps:
                steps[-1].hidden = max(gap_after + (gap or 0), 0)
            steps.append(Step(owner, tuple(shape)))
            gap_after = 0
            if len(shape) == 4 and len(steps) > 1 and len(steps[-2].shape) == 2:
                _allow_reshaping(steps[-2])
            continue
        if not steps:
            raise TlganError(f"its first layer ({shown(owner) or 'without a name'}) has no weight of 2 or 4 sizes")
        gap_after += gap or 0
        if leaves == ["weight"] and not steps[-1].slopes:
            steps[-1].slopes = owner
            gap_after -= 1  # what follows needs no further activation
        elif ("running_mean" in leaves or weight) and not steps[-1].norm:
            steps[-1].norm, steps[-1].running = owner, "running_mean" in leaves
            steps[-1].norm_last = bool(steps[-1].slopes) or (None if gap is None else gap > 0)
        else:
            raise TlganError(
                f"{shown(owner) or 'a tensor'} is neither a layer of a chain nor a normalisation: export it to ONNX or "
                "TorchScript, or wrap it in Python with tlgan.wrap_generator"
            )
    return steps


def embedding_of(shapes: Shapes) -> str:
    """The tensor [classes, e] of class embeddings, where that is the one thing beside a chain; else ""."""
    found = [name for name in shapes if _CONDITIONAL.search(name.rpartition(".")[0])]
    alone = len(found) == 1 and found[0].endswith(".weight") and len(shapes[found[0]]) == 2
    return found[0] if alone else ""


def conditioned(inputs: int, classes: int, width: int, options: Mapping[str, Any], owners: Sequence[str]) -> str:
    """How classes join the latents: "zc" or "cz" beside them (latents first, or classes first), "mul" or "add" by number.

    PyTorch-GAN's two conditional generators are known by their names. Raises TlganError where that is open, or doesn't fit
    the `inputs` of the first layer.
    """
    way = options.get("condition")
    if way is None and owners[:1] == ["label_emb"] and len(owners) > 1:
        known = {("model.0", classes): "cz", ("l1.0", inputs): "mul"}
        way = known.get((owners[1], width))
    if way is None:
        raise TlganError(
            f"it takes one of {classes} classes, and its tensors don't say how: give -g condition=zc (the latents, then the "
            "class), cz (the class first), mul or add (number by number)"
        )
    if way not in CONDITIONS:
        raise TlganError(f"condition is {str(way)[:20]!r}: expected one of {', '.join(CONDITIONS)}")
    if (width != inputs) if way in ("mul", "add") else (width >= inputs):
        raise TlganError(f"condition={way} doesn't fit: a class has {width} numbers, the first layer takes {inputs}")
    return str(way)


def _allow_reshaping(step: Step) -> None:
    """Between a linear layer and a convolution lies a reshaping, before or behind a normalisation."""
    step.hidden = max(step.hidden - 1, 0)
    if step.norm_last and not step.slopes:
        step.norm_last = None


def _gap(before: str, after: str) -> int | None:
    """Modules without tensors between two members of one `nn.Sequential`; None where the names don't tell."""
    (parent, _, first), (other, _, second) = before.rpartition("."), after.rpartition(".")
    return int(second) - int(first) - 1 if parent == other and first.isdigit() and second.isdigit() else None


def looks_like_chain(shapes: Shapes) -> bool:
    """Is this a chain that starts from a latent and ends in a picture? Cheap, and rather too generous."""
    embedding = embedding_of(shapes)
    weights = [shape for name, shape in shapes.items() if name != embedding and re.search(_WEIGHT, name)]
    weights = [shape for shape in weights if len(shape) in (2, 4)]
    if len(weights) < 2:
        return False
    if all(len(shape) == 2 for shape in weights):
        return weights[0][1] < weights[-1][0] and _square_picture(weights[-1][0]) is not None
    last = weights[-1]
    if len(weights[0]) == 4 and weights[0][1] in (1, 3, 4) and weights[0][0] not in (1, 3, 4):
        return False  # it begins with a picture: a discriminator
    return len(last) == 4 and (weights[0][-1] > 1) and (last[1] in (1, 3, 4) or last[0] in (1, 3, 4))


def _square_picture(numbers: int) -> tuple[int, int] | None:
    """(channels, side) of a square picture of so many numbers."""
    for channels in (3, 1):
        side = round((numbers / channels) ** 0.5)
        if side >= 4 and channels * side * side == numbers:
            return channels, side
    return None


# -- published recipes ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """A published generator: the names of its weighted layers, its kernels, and what its code says beyond them."""

    title: str
    names: str  # a pattern for the owners of the weighted layers, joined by spaces
    kernels: tuple[tuple[int, ...], ...]
    layers: str = ""
    painted: int | None = None
    activation: str = "relu"
    output: str = "tanh"
    epsilon: tuple[float, ...] = (1e-5,)

    def fits(self, steps: Sequence[Step], painted: int) -> bool:
        kernels = tuple(step.shape[2] for step in steps if len(step.shape) == 4)
        return (
            re.fullmatch(self.names, " ".join(step.owner for step in steps)) is not None
            and (not self.kernels or kernels in self.kernels)
            and self.painted in (None, painted)
        )


_TUTORIAL = r"main\.0 main\.3 main\.6 main\.9 main\.12"
RECIPES = (
    Recipe("PyTorch's DCGAN tutorial", _TUTORIAL, ((4, 4, 4, 4, 4),), "t1p0 t2p1 t2p1 t2p1 t2p1"),
    Recipe("a 28 px DCGAN for MNIST", _TUTORIAL, ((4, 4, 4, 4, 1),), "t1p0 t2p1 t2p1 t2p1 t1p2", painted=1),
    Recipe("a 32 px DCGAN for CIFAR-10", _TUTORIAL, ((4, 4, 4, 4, 1),), "t1p0 t2p1 t2p1 t2p1 t1p0", painted=3),
    Recipe(
        "the MNIST DCGAN of the GAN specialisation",
        r"gen\.0\.0 gen\.1\.0 gen\.2\.0 gen\.3\.0",
        ((3, 4, 3, 4),),
        "t2p0 t1p0 t2p0 t2p0",
        painted=1,
    ),
    Recipe(
        "the CelebA DCGAN of the GAN specialisation",
        r"gen\.0\.0 gen\.1\.0 gen\.2\.0 gen\.3\.0 gen\.4\.0",
        ((3, 3, 3, 3, 4),),
        "t2p0 t2p0 t2p0 t2p0 t2p0",
        painted=3,
    ),
    Recipe(
        "the DCGAN of PyTorch-GAN",
        r"l1\.0 conv_blocks\.2 conv_blocks\.6 conv_blocks\.9",
        ((3, 3, 3),),
        "u1p1 u1p1 c1p1",
        activation="none leaky_relu leaky_relu",
        epsilon=(1e-5, 0.8, 0.8, 1e-5),
    ),
    Recipe(
        "the GAN of linear layers of PyTorch-GAN",
        r"model\.0 model\.2 model\.5 model\.8 model\.11",
        (),
        activation="leaky_relu",
        epsilon=(1e-5, 0.8, 0.8, 0.8, 1e-5),
    ),
    Recipe(
        "torchgan's DCGAN",
        r"model\.0\.0( model\.\d\.0)+",
        tuple((4,) * count for count in range(2, 10)),
        "t1p0 t2p1 t2p1 t2p1 t2p1 t2p1 t2p1 t2p1 t2p1 t2p1",
        activation="leaky_relu",
    ),
)


# -- the plan ------------------------------------------------------------------------------------------------------


def plan(shapes: Shapes, options: Mapping[str, Any]) -> Plan:
    """How the chain is applied. Raises TlganError naming the option that decides what neither tensors nor names say."""
    steps = steps_of(shapes)
    convolutions = [step for step in steps if len(step.shape) == 4]
    linear = steps[: len(steps) - len(convolutions)]
    if not steps or any(len(step.shape) != 2 for step in linear):
        raise TlganError("a linear layer follows a convolution: expected linear layers first")
    for before, after in pairwise(linear):
        if after.shape[1] != before.shape[0]:
            raise TlganError(f"a linear layer of {after.shape[1]} inputs doesn't follow {before.shape[0]} outputs")
    words = _words(options.get("layers"))
    kinds = [Geometry.of(word).kind for word in words]
    painted = _painted(convolutions, kinds) if convolutions else 0
    recipe = next((r for r in RECIPES if r.fits(steps, painted)), None) if not words else None
    if recipe and recipe.layers:
        words = recipe.layers.split()[: len(convolutions)]
        kinds = [Geometry.of(word).kind for word in words]
    given = bool(words)
    if not words:
        words = _usual(convolutions, linear)
        kinds = [word[0] for word in words]
    if len(words) != len(convolutions):
        raise TlganError(f"layers has {len(words)} words, the file has {len(convolutions)} convolutions")
    geometry = [Geometry.of(word) for word in words]
    side, channels, resolution, painted = _sizes(linear, convolutions, geometry)
    norm = options.get("norm", "batch")
    if norm not in ("batch", "instance"):
        raise TlganError(f"norm is {str(norm)[:30]!r}: expected batch or instance")
    if norm == "batch" and (lacking := next((s for s in steps if s.norm and not s.running), None)):
        raise TlganError(
            f"the normalisation {shown(lacking.norm)} holds no running statistics: give norm=instance if it is of each picture "
            "alone; one that needs the rest of the batch can't be painted the same twice"
        )
    if not given and norm == "batch" and (vague := next((s for s in steps[:-1] if s.hidden > 1), None)):
        raise TlganError(
            f"{vague.hidden} layers without tensors follow {shown(vague.norm or vague.owner)}: upsampling, dropout or instance "
            f"normalisation (norm=instance) are not in the file; {_LAYERS_HELP}"
        )
    found = Plan(
        steps,
        geometry,
        side,
        channels,
        resolution,
        painted,
        _activations(options.get("activation"), recipe, len(steps) - 1),
        str(options.get("output") or (recipe.output if recipe else "tanh")),
        _epsilons(options.get("epsilon"), recipe, len(steps)),
        [_norm_last(options.get("norm_last"), step) for step in steps],
        norm == "instance",
        recipe.title if recipe else "",
    )
    if found.output not in OUTPUTS:
        raise TlganError(f"output is {found.output[:30]!r}: expected one of {', '.join(OUTPUTS)}")
    open_ = [name for name in ("activation", "output") if options.get(name) is None]
    values = {"activation": ",".join(dict.fromkeys(found.activations)) or "none", "output": found.output}
    found.assumed = [
        f"{name}={values[name]}" for name in open_
    ]  # a recipe's too: a copy with others has the same tensors
    if recipe is None:
        if options.get("norm_last") is None and any(step.norm and step.norm_last is None for step in steps):
            found.assumed.append("norm_last=false")
        if not given and convolutions:
            found.assumed.append(f"layers={','.join(words)}")
    return found


def _words(given: Any) -> list[str]:
    """The words of the option `layers`, which is text or a list."""
    if given is None:
        return []
    if isinstance(given, str):
        given = re.split(r"[\s,]+", given.strip())
    if not isinstance(given, list | tuple) or not given or not all(isinstance(word, str) for word in given):
        raise TlganError(f"layers is {str(given)[:40]!r}: {_LAYERS_HELP}")
    return list(given)


def _painted(convolutions: Sequence[Step], kinds: Sequence[str]) -> int:
    first, second = convolutions[-1].shape[:2]
    if len(kinds) == len(convolutions):
        return second if kinds[-1] == "t" else first
    return first if first in (1, 3, 4) and second not in (1, 3, 4) else second


def _usual(convolutions: Sequence[Step], linear: Sequence[Step]) -> list[str]:
    """The words of the usual DCGAN: kernels of 4 and 2 double the side. Raises TlganError for anything else."""
    words = []
    for index, step in enumerate(convolutions):
        kernel = step.shape[2]
        if index == 0 and not linear:
            words.append("t1p0")
        elif kernel in (2, 4):
            words.append(f"t2p{kernel // 2 - 1}")
        else:
            raise TlganError(
                f"the tensors don't determine how {step} (kernel {kernel}) is applied: its stride, its padding, and "
                f"whether upsampling comes before it are not in the file; {_LAYERS_HELP}"
            )
    if words == ["t1p0", "t2p1", "t2p1", "t2p1"] and convolutions[-1].shape[1] == 1:
        raise TlganError(
            "the tensors don't determine whether it paints 28 px (layers=t1p0,t1p0,t2p1,t2p1) or 32 px "
            f"(layers=t1p0,t2p1,t2p1,t2p1): {_LAYERS_HELP}"
        )
    return words


def _sizes(
    linear: Sequence[Step], convolutions: Sequence[Step], geometry: Sequence[Geometry]
) -> tuple[int, int, int, int]:
    """(side, channels) of the first picture and (side, channels) of the last."""
    if not convolutions:
        picture = _square_picture(linear[-1].shape[0])
        if picture is None:
            raise TlganError(f"its last layer gives {linear[-1].shape[0]} numbers, which make no square picture")
        return picture[1], picture[0], picture[1], picture[0]
    rest = list(zip(convolutions, geometry, strict=True))
    for step, _ in rest:
        if step.shape[2] != step.shape[3]:
            raise TlganError(f"{step} has a kernel of {step.shape[2]}x{step.shape[3]}: expected a square one")
    if linear:
        first, applied = rest[0]
        channels = first.shape[0 if applied.kind == "t" else 1]
        side = round((linear[-1].shape[0] / max(channels, 1)) ** 0.5)
        if channels * side * side != linear[-1].shape[0] or side < 1:
            raise TlganError(
                f"the linear layer's {linear[-1].shape[0]} outputs don't make a square of {channels} channels"
            )
    else:
        (first, applied), *rest = rest
        if applied.kind != "t":
            raise TlganError("the first convolution sees one pixel: expected a transposed one, a word like t1p0")
        side, channels = applied.side(1, first.shape[2]), first.shape[1]
    start = side, channels
    for step, applied in rest:
        takes, gives = step.shape[:2] if applied.kind == "t" else step.shape[1::-1]
        if takes != channels:
            raise TlganError(f"{step} of shape {list(step.shape)} doesn't follow {channels} channels")
        side, channels = applied.side(side, step.shape[2]), gives
        if not 1 <= side <= MAX_RESOLUTION:
            raise TlganError(f"{step} paints {side} px: expected 1 to {MAX_RESOLUTION}")
    if channels not in (1, 3, 4):
        raise TlganError(f"the last layer paints {channels} channels: expected 1, 3, or 4 with transparency")
    return *start, side, channels


def _activations(given: Any, recipe: Recipe | None, count: int) -> list[str]:
    """One name a layer but the last; one name alone is of them all."""
    if given is None:
        given = recipe.activation if recipe else "relu"
    names = re.split(r"[\s,]+", given.strip()) if isinstance(given, str) else list(given)
    for name in names:
        kind, _, slope = str(name).partition(":")
        if kind not in ACTIVATIONS or (slope and (kind != "leaky_relu" or not re.fullmatch(r"\d?\.?\d{1,6}", slope))):
            raise TlganError(
                f"activation is {str(name)[:30]!r}: expected one of {', '.join(ACTIVATIONS)}, or a slope as in "
                "leaky_relu:0.01 (leaky_relu alone has 0.2)"
            )
    if len(names) not in (1, count):
        raise TlganError(f"activation has {len(names)} names: expected one, or one for each of {count} layers")
    return names * count if len(names) == 1 else names


def _epsilons(given: Any, recipe: Recipe | None, count: int) -> list[float]:
    values = (recipe.epsilon if recipe else (1e-5,)) if given is None else given
    values = [values] if isinstance(values, int | float) else list(values)
    if len(values) not in (1, count) or not all(isinstance(v, int | float) and 0 <= v <= 10 for v in values):
        raise TlganError(f"epsilon is {str(given)[:40]}: expected one number from 0 to 10, or one for each layer")
    return [float(value) for value in (values * count if len(values) == 1 else values)]


def _norm_last(given: Any, step: Step) -> bool:
    if given is None:
        return bool(step.norm_last)
    if not isinstance(given, bool):
        raise TlganError(f"norm_last is {str(given)[:30]!r}: expected true or false")
    return given
