"""ONNX models as extractors: the reference `model.onnx`.

What the model wants (size, layout, scale) and what its numbers mean is taken, in this order, from what the caller
says, the TOML beside the file, the description inside it, and the graph itself; what had to be assumed is listed in
`assumed`, so that nobody has to guess what was guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tlgan.errors import TlganError
from tlgan.io import hub
from tlgan.io.pixels import resampled
from tlgan.io.trial import Tried, try_onnx

from .base import Extractor, Feature, identity
from .description import (
    ADDED,
    METADATA_KEY,
    Description,
    Head,
    InputPlan,
    feature_name,
    read_description,
    readable,
    unique_names,
)
from .images import check_images
from .onnx_graph import GraphFacts, read_graph

KINDS = ("multi-label", "classes", "numbers")
EMBEDDING = "embedding"
_OPEN = 224  # pixels: a model is tried on pictures of that side where nothing says another one
_TRIED = (1, 4)  # rows of the batches that a model is tried on
_IMAGENET = InputPlan(mean=(0.485, 0.456, 0.406), sd=(0.229, 0.224, 0.225))
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class OnnxExtractor(Extractor):
    """An ONNX model as an extractor. ``file`` is the model, ``description`` everything it is run with."""

    def __init__(
        self, session: Any, description: Description, name: str, file: Path, tried: Tried, assumed: Sequence[str]
    ) -> None:
        self._session = session
        self.fingerprint = identity(tried.fingerprint, replace(description, model="", sha256="").to_toml())
        self.needs_data = bool(tried.data)  # are its numbers in other files beside it?
        self.title = Path(description.model).name
        entry = session.get_inputs()[0]
        self._input, self._dtype = entry.name, _DTYPES[entry.type]
        self._fixed_batch = entry.shape[0] if isinstance(entry.shape[0], int) else 0
        self.channels, self._height, self._width = _geometry(entry.shape, description.input)
        self.description = description
        self.name = name
        self.file = file
        self.assumed = tuple(assumed)
        self.embeds = EMBEDDING in [entry.name for entry in session.get_outputs()]
        self.features = tuple(head.feature for head in description.heads)
        left, top, right, bottom = description.input.crop
        # The side a whole picture needs so that the part looked at has the network's size.
        self.input_size = round(max(self._width / (right - left), self._height / (bottom - top)))

    def embedding(self, images: Tensor) -> Tensor:
        """[n, C, H, W] -> float32 [n, e]: the layer that the outputs are read from, where the file gives it."""
        if not self.embeds:
            return super().embedding(images)
        check_images(images)
        parts = [self.outputs(part, [EMBEDDING])[0] for part in torch.split(images, self.batch)]
        return torch.from_numpy(np.concatenate(parts))

    def outputs(self, images: Tensor, names: Sequence[str]) -> list[np.ndarray]:
        """The named outputs of the model for pictures [n, C, H, W], each float32 [n, k]."""
        n = len(images)
        array = self._array(images)
        step = self._fixed_batch or max(n, 1)
        parts: list[list[np.ndarray]] = []
        for start in range(0, n, step):
            part = array[start : start + step]
            padded = (
                np.concatenate([part, np.repeat(part[-1:], step - len(part), axis=0)]) if len(part) < step else part
            )
            try:
                found = self._session.run(list(names), {self._input: padded})
            except Exception as error:  # the runtime has its own exceptions, one for each of its failures
                raise TlganError(f"{self.title} failed on pictures {list(padded.shape)}: {_line(error)}") from error
            parts.append([_rows(value, len(padded), self.title)[: len(part)] for value in found])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _forward(self, images: Tensor) -> Tensor:
        heads = self.description.heads
        names = sorted({head.output or self._session.get_outputs()[0].name for head in heads})
        found = dict(zip(names, self.outputs(images, names), strict=True))
        columns = [_read(head, found[head.output or names[0]], self.title) for head in heads]
        return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))

    def _array(self, images: Tensor) -> np.ndarray:
        """Pictures as the model wants them, of its layout and type."""
        plan = self.description.input
        pictures = framed(images.float(), plan.crop, self._height, self._width)
        if self.channels == 1 and pictures.shape[1] == 3:
            weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # luma of ITU-R BT.601
            pictures = (pictures * weights).sum(dim=1, keepdim=True)
        elif self.channels == 3:
            pictures = pictures.expand(-1, 3, -1, -1)
            pictures = pictures.flip(1) if plan.colour == "BGR" else pictures
        low, high = plan.range
        mean, sd = (torch.tensor(entry).view(1, -1, 1, 1) for entry in (plan.mean, plan.sd))
        scaled = ((pictures + 1) / 2 * (high - low) + low - mean) / sd
        if plan.layout == "NHWC":
            scaled = scaled.permute(0, 2, 3, 1)
        array = scaled.contiguous().numpy()
        return np.asarray(np.rint(array) if self._dtype == np.uint8 else array).astype(self._dtype)


def load_onnx(
    ref: str | Path,
    *,
    labels: str | Path | Sequence[str] | None = None,
    kind: str = "",
    size: int = 0,
    description: Description | None = None,
    trust: bool = False,
) -> OnnxExtractor:
    """An ONNX file (path, or any reference the hub takes) as an extractor.

    ``labels``: a text file with one label a line, or the labels; ``kind``: "multi-label" (a sigmoid each), "classes"
    (one softmax) or "numbers", where the file does not tell; ``size``: side of its input, where its shape is open.
    ``description`` replaces the TOML beside the file; ``trust`` spares the file its trial (`tlgan.io.trial`). Raises TlganError, in one line, for a model that does not take
    one batch of pictures or gives something else than rows of numbers.
    """
    title = Path(str(ref)).name
    pin = description.sha256 if description else ""
    file = hub.fetch(ref, sha256=pin if pin and not Path(ref).is_file() else None)
    written = description or _beside(file)
    side = size or (written.input.size if written else 0) or _OPEN
    tried = try_onnx(file, title, rows=_TRIED, side=side, trust=trust)
    _check_pin(pin, tried, title)
    session = _session(file)
    _check_inputs(session, title)
    written = written or _inside(session, title)
    facts = read_graph(file)
    assumed: list[str] = []
    plan = _input_plan(session, title, written, facts, size, assumed)
    stem = feature_name(Path(str(ref)).stem)
    draft = Description(model=str(ref), sha256=tried.fingerprint, input=plan)
    if written is not None and written.heads and labels is None and not kind:
        heads = written.heads
    else:
        probe = OnnxExtractor(session, draft, stem, file, tried, ())
        heads = _heads(probe, facts, _labels(labels, title), kind, stem, assumed)
    outputs = [entry.name for entry in session.get_outputs()]
    for head in heads:
        if head.output and head.output not in outputs:
            raise TlganError(f"{title} has no output {head.output!r}: it has {', '.join(outputs)}")
    whole = replace(draft, heads=unique_names(heads, title))
    return OnnxExtractor(session, whole, f"{stem}-{draft.sha256[:8]}", file, tried, assumed)


def framed(images: Tensor, crop: tuple[float, float, float, float], height: int, width: int) -> Tensor:
    """The part `crop` of pictures [n, C, H, W], resized to [n, C, height, width] with antialiasing, in [-1, 1].

    Beyond a picture its border goes on.
    """
    rows, columns = images.shape[-2:]
    if crop != (0.0, 0.0, 1.0, 1.0):
        left, top, right, bottom = (round(share * side) for share, side in zip(crop, (columns, rows) * 2, strict=True))
        pad = (max(0, -left), max(0, right - columns), max(0, -top), max(0, bottom - rows))
        if any(pad):
            images = torch.nn.functional.pad(images, pad, mode="replicate")
        images = images[:, :, top + pad[2] : bottom + pad[2], left + pad[0] : right + pad[0]]
    return resampled(images, (height, width)).clamp(-1, 1)


def _check_pin(pin: str, tried: Tried, title: str) -> None:
    """Raise TlganError where a description pins another file, or not all of it."""
    if pin in ("", tried.fingerprint):
        return
    if pin == tried.sha256:
        raise TlganError(
            f"the sha256 of {title} does not cover {', '.join(tried.data)}, which holds its numbers: write "
            f"{tried.fingerprint}, which covers both"
        )
    raise TlganError(f"{title} has sha256 {tried.fingerprint}, expected {pin}: it is another file, or damaged")


def _session(file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # A thread that spins between pictures takes a core from what prepares the next ones.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _check_inputs(session: Any, title: str) -> None:
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(f"{entry.name} {entry.shape}" for entry in inputs)
        raise TlganError(f"{title} has {len(inputs)} inputs ({names}): expected one, a batch of pictures")
    entry = inputs[0]
    if entry.type not in _DTYPES or len(entry.shape) != 4:
        raise TlganError(
            f"{title} takes {entry.name} {entry.shape} of {entry.type}: expected a batch of pictures "
            "[n, 3, H, W] or [n, H, W, 3] of float, float16 or uint8"
        )


def _beside(file: Path) -> Description | None:
    path = file.with_suffix(".toml")
    return read_description(path.read_text("utf-8"), str(path)) if path.is_file() else None


def _inside(session: Any, title: str) -> Description | None:
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    return read_description(text, f"the description inside {title}") if text else None


def _input_plan(
    session: Any, title: str, written: Description | None, facts: GraphFacts, size: int, assumed: list[str]
) -> InputPlan:
    entry = session.get_inputs()[0]
    plan, given = (written.input, written.given) if written is not None else (InputPlan(), frozenset())
    if "layout" not in given:
        channels_last = entry.shape[3] in (1, 3) and entry.shape[1] not in (1, 3)
        plan = replace(plan, layout="NHWC" if channels_last else "NCHW")
        if entry.shape[1] not in (1, 3) and entry.shape[3] not in (1, 3):
            assumed.append("its input is [n, 3, H, W]")
    height, width = entry.shape[1:3] if plan.layout == "NHWC" else entry.shape[2:4]
    if size and isinstance(height, int) and (height, width) != (size, size):
        raise TlganError(f"{title} takes pictures of {height}x{width}, not {size}: leave the size out")
    if size:
        plan = replace(plan, size=size)
    if not plan.size:
        if not isinstance(height, int) or not isinstance(width, int):
            raise TlganError(
                f"{title} takes pictures of any size: say which it was trained at (--size 224, or size in its TOML)"
            )
        plan = replace(plan, size=max(height, width))
    if not given & {"range", "mean", "sd"}:
        plan = replace(plan, **_scale(entry.type, facts, assumed))
    plan.check(title)
    return plan


def _scale(dtype: str, facts: GraphFacts, assumed: list[str]) -> dict[str, Any]:
    if dtype == "tensor(uint8)":
        return {"range": (0.0, 255.0)}
    if facts.scales_itself:
        return {"range": (0.0, 255.0) if facts.scales_itself > 2 else (0.0, 1.0)}
    assumed.append("its pictures are scaled as ImageNet's (mean .485 .456 .406, sd .229 .224 .225)")
    return {"mean": _IMAGENET.mean, "sd": _IMAGENET.sd}


def _geometry(shape: Sequence[Any], plan: InputPlan) -> tuple[int, int, int]:
    """Channels, height and width of the input, open ones filled in."""
    channels, height, width = (shape[3], shape[1], shape[2]) if plan.layout == "NHWC" else shape[1:4]
    if isinstance(channels, int) and channels not in (1, 3):
        raise TlganError(
            f"the model takes pictures of {channels} channels in {plan.layout} ({list(shape)}): expected 1 or 3"
        )
    sides = [side if isinstance(side, int) else plan.size for side in (height, width)]
    return (channels if isinstance(channels, int) else 3), sides[0], sides[1]


def _labels(labels: str | Path | Sequence[str] | None, title: str) -> list[str] | None:
    if labels is None or not isinstance(labels, (str, Path)):
        return None if labels is None else list(labels)
    path = Path(labels)
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise TlganError(f"the labels {path} can't be read: {error}") from error
    lines = [line for line in lines if line]
    if not lines:
        raise TlganError(f"{path} is empty: expected one label a line, in the order of the outputs of {title}")
    return lines


def _heads(
    probe: OnnxExtractor, facts: GraphFacts, labels: list[str] | None, kind: str, stem: str, assumed: list[str]
) -> tuple[Head, ...]:
    """Features for a model without a description: from its labels and from what its numbers look like."""
    file = probe.title
    outputs = [entry.name for entry in probe._session.get_outputs() if entry.name != EMBEDDING]
    if len(outputs) != 1:
        raise TlganError(
            f"{file} has {len(outputs)} outputs ({', '.join(outputs)}): say in {Path(file).stem}.toml which are features, "
            'with a [[feature]] each (name, output = "...", column)'
        )
    noise = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    values = probe.outputs(noise, outputs)[0]
    width = values.shape[1]
    if labels is not None and len(labels) != width:
        raise TlganError(
            f"there are {len(labels)} labels, but {file} gives {width} numbers a picture: expected {width}"
        )
    if labels is None:
        if width > 1:
            assumed.append(f"its {width} outputs are named {stem}_0 to {stem}_{width - 1}: name them with --labels")
        labels = [stem] if width == 1 else [f"{stem}_{column}" for column in range(width)]
    last = facts.last.get(outputs[0], "")
    kind, activation = _kind(kind, last, values, file, assumed)
    if kind == "classes" and width == 2:
        low, high = labels
        feature = Feature(feature_name(high), "probability", label=readable(high), low=low, high=high, group=ADDED)
        return (Head(feature, outputs[0], 1, activation),)
    probability = kind != "numbers"
    return tuple(
        Head(
            Feature(
                feature_name(label), "probability" if probability else "quantity", label=readable(label), group=ADDED
            ),
            outputs[0],
            column,
            activation,
        )
        for column, label in enumerate(labels)
    )


def _kind(kind: str, last: str, values: np.ndarray, file: str, assumed: list[str]) -> tuple[str, Any]:
    """The kind of numbers that come out, and what has still to be applied to them."""
    if kind and kind not in KINDS:
        raise TlganError(f"kind {kind!r} is unknown: expected {', '.join(KINDS)}")
    inside = bool((values >= -1e-4).all() and (values <= 1 + 1e-4).all())
    sums_to_one = inside and values.shape[1] > 1 and bool(np.allclose(values.sum(axis=1), 1, atol=1e-3))
    if not kind:
        if last == "Softmax" or sums_to_one:
            kind = "classes"
        elif last == "Sigmoid" or (inside and last != "Gemm"):
            kind = "multi-label"
            if last != "Sigmoid":
                assumed.append("its outputs are probabilities, since all of them lie in [0, 1]")
        else:
            raise TlganError(
                f"{file} gives plain numbers ({values.min():.3g} to {values.max():.3g}): say what they are with --kind "
                "multi-label (a logit each), classes (logits of one softmax) or numbers (quantities)"
            )
    if kind == "numbers":
        return kind, "none"
    if kind == "classes":
        return kind, "none" if sums_to_one else "softmax"
    return kind, "none" if inside else "sigmoid"


def _rows(value: Any, n: int, file: str) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.shape[:1] != (n,) or array.size != n * int(np.prod(array.shape[1:2])):
        shape = list(array.shape)
        raise TlganError(f"{file} gives {array.dtype} {shape} for {n} pictures: expected rows of numbers [{n}, k]")
    return array.reshape(n, -1).astype(np.float32)


def _read(head: Head, rows: np.ndarray, file: str) -> np.ndarray:
    if head.column >= rows.shape[1]:
        raise TlganError(
            f"{file} gives {rows.shape[1]} numbers, so there is no column {head.column} ({head.feature.name})"
        )
    values = rows.astype(np.float64)
    if head.activation == "sigmoid":
        values = 1 / (1 + np.exp(-np.clip(values, -60, 60)))
    elif head.activation == "softmax":
        values = np.exp(values - values.max(axis=1, keepdims=True))
        values = values / values.sum(axis=1, keepdims=True)
    if head.weights:
        if len(head.weights) != rows.shape[1]:
            raise TlganError(
                f"{head.feature.name!r} has {len(head.weights)} weights, but {file} gives {rows.shape[1]} numbers"
            )
        return np.asarray(head.offset + head.scale * (values @ np.array(head.weights)))
    return np.asarray(head.offset + head.scale * values[:, head.column])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
