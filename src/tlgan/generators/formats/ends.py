"""The ends of a graph that somebody else made: which input takes latents, which classes, and which output is a picture.

What names, types and shapes decide is found; what they leave open is refused with the option that says it. A
truncation that is an input gets 1, and a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from tlgan.errors import TlganError

PICTURE_CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency
_LATENTS = ("z", "latent", "latents", "noise", "w", "input", "x", "code", "latent_code", "latent_z")
LABELS = (
    "c",
    "y",
    "label",
    "labels",
    "class",
    "classes",
    "class_label",
    "cls",
    "class_id",
    "cond",
    "onehot",
    "one_hot",
)
_TRUNCATION = ("trunc", "psi")
_SMALLEST = 2  # pixels a side: anything smaller is no picture


@dataclass(frozen=True)
class Input:
    """An input of a graph: ``kind`` is "float", "int" or "other"; open sizes are None."""

    name: str
    kind: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Ends:
    """``tail``: sizes of one after [n, d], or None where the latents are [d] alone; ``label``: the input of classes,
    which are ``label_dim``; ``constants``: values that the other inputs are filled with; ``assumed``: as for a generator."""

    latent: Input
    tail: tuple[int, ...] | None
    label: Input | None = None
    label_dim: int = 0
    constants: Mapping[str, float] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()

    @property
    def batch(self) -> int | None:
        """Rows that the graph takes at once, None for any number."""
        return 1 if self.tail is None else self.latent.shape[0]


def chosen_ends(
    inputs: Sequence[Input],
    file: str,
    *,
    latent_input: str | None = None,
    label_input: str | None = None,
    classes: int | None = None,
    values: str | None = None,
) -> Ends:
    """Which input is what. `values` is "NAME:NUMBER", several with a comma: inputs that are filled with a number.

    Raises TlganError, naming every input and the options, where that is open.
    """
    constants = _values(values, [entry.name for entry in inputs], file)
    left = [entry for entry in inputs if entry.name not in constants]
    fitting = [entry for entry in left if _takes_latents(entry) and entry.name != label_input]
    if latent_input is not None:
        fitting = [entry for entry in fitting if entry.name == latent_input]
    if len(fitting) > 1:
        fitting = [entry for entry in fitting if entry.name.lower() not in LABELS]
        fitting = [entry for entry in fitting if entry.name.lower() in _LATENTS] or fitting
    shown = ", ".join(f"{entry.name} {[size or 'n' for size in entry.shape]}" for entry in inputs)[:300]
    if len(fitting) != 1:
        raise TlganError(
            f"{file} takes {shown}: expected latents [n, d] or [n, d, 1, 1]; say which input takes them with --input NAME, "
            "and what the others are filled with by -g inputs=NAME:NUMBER"
        )
    latent, assumed, label = fitting[0], [], None
    for entry in left:
        if entry is latent:
            continue
        name = entry.name.lower()
        if entry.name == label_input or (label_input is None and (name in LABELS or _takes_classes(entry))):
            if label is not None:
                raise TlganError(f"{file} takes {shown}: say which input takes classes with -g label_input=NAME")
            label = entry
        elif entry.kind == "float" and any(word in name for word in _TRUNCATION):
            constants[entry.name] = 1.0
            assumed.append(f"inputs={entry.name}:1")
        else:
            raise TlganError(
                f"{file} takes {shown}: what {entry.name} is filled with isn't in the file; say it with "
                f"-g inputs={entry.name}:NUMBER"
            )
    label_dim = 0
    if label is not None:
        known = label.shape[-1] if label.kind == "float" and len(label.shape) > 1 else None
        if known is None and classes is None:
            raise TlganError(
                f"{file} takes class numbers in {label.name}: say how many classes there are, -g classes=N"
            )
        label_dim = known or int(classes or 0)
        if not 1 <= label_dim <= 100_000 or classes not in (None, label_dim):
            raise TlganError(f"{file}: {classes} classes don't fit its input {label.name} {list(label.shape)}")
    tail = None if len(latent.shape) == 1 else (1,) * (len(latent.shape) - 2)
    return Ends(latent, tail, label, label_dim, constants, tuple(assumed))


def _takes_latents(entry: Input) -> bool:
    if entry.kind != "float" or len(entry.shape) not in (1, 2, 4):
        return False
    if len(entry.shape) == 1:
        return entry.shape[0] not in (None, 1)
    return entry.shape[1] != 1 and all(size in (1, None) for size in entry.shape[2:])


def _takes_classes(entry: Input) -> bool:
    return entry.kind == "int" and len(entry.shape) <= 2


def _values(text: str | None, names: Sequence[str], file: str) -> dict[str, float]:
    found = {}
    for part in (text or "").split(","):
        name, colon, value = part.strip().rpartition(":")
        if not part.strip():
            continue
        try:
            found[name] = float(value)
        except ValueError:
            colon = ""
        if not colon or name not in names:
            raise TlganError(f"{file}: inputs={part.strip()!r} is not NAME:NUMBER of its inputs {', '.join(names)}")
    return found


def pictures(raw: Any, n: int, layout: str = "") -> Tensor | None:
    """What a graph gave for `n` latents as [n, C, H, W]; None where it is no picture.

    Understood are [n, C, H, W], [n, H, W, C], [n, H, W], and for one latent the same without n. `layout` is one that
    was found before ("first" or "last"), where the shapes alone could be read in two ways.
    """
    if not isinstance(raw, Tensor) or (not raw.is_floating_point() and not str(raw.dtype).endswith("int8")):
        return None
    if raw.ndim == 3 and (raw.shape[0] != n or n == 1) and n == 1 and raw.shape[0] != 1:
        raw = raw[None]
    elif raw.ndim == 3:
        raw = raw[:, None] if raw.shape[0] == n else raw[None]
    elif raw.ndim == 2 and n == 1 and min(raw.shape) > _SMALLEST:
        raw = raw[None, None]
    if raw.ndim != 4 or raw.shape[0] != n:
        return None
    last = raw.shape[3] in PICTURE_CHANNELS and (layout == "last" or raw.shape[1] not in PICTURE_CHANNELS)
    if last:
        raw = raw.permute(0, 3, 1, 2)
    if raw.shape[1] not in PICTURE_CHANNELS or min(raw.shape[2:]) < _SMALLEST:
        return None
    found: Tensor = raw.float()
    return found


def chosen_output(outputs: Mapping[str, Any], n: int, file: str, wanted: str | None) -> str:
    """The name of the output that is pictures of `n` latents. Raises TlganError where none or several are."""
    shown = ", ".join(
        f"{name} {list(value.shape) if isinstance(value, Tensor) else type(value).__name__}"
        for name, value in outputs.items()
    )[:300]
    if wanted is not None:
        if wanted not in outputs:
            raise TlganError(f"{file} has no output {wanted!r}: it has {shown}")
        if pictures(outputs[wanted], n) is None:
            raise TlganError(f"{file} paints no pictures [n, 1, 3 or 4, H, W] as {wanted}: it has {shown}")
        return wanted
    fitting = [name for name, value in outputs.items() if pictures(value, n) is not None]
    if len(fitting) != 1:
        none = (
            "none is pictures [n, 1, 3 or 4, H, W]" if not fitting else "say which are its pictures with --output NAME"
        )
        raise TlganError(f"{file} gives {shown} for {n} latents: {none}")
    return fitting[0]
