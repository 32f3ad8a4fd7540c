"""Networks as ONNX: the generator, its mapping and whatever looks at its pictures, as a browser can run them.

Each is traced with a free batch dimension where its code allows, simplified, and stored with half-precision weights behind a cast: half the
download, and the runtime still computes in float32 (the casts are folded when a session is made). Weights may be rounded
further, to fewer bits of their fraction: the file compresses the better. How few are enough is for `checks.py` to say.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.io.exporting import quiet, strip
from tlgan.samples import Source

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

    from tlgan.axes import Axes
    from tlgan.extractors import Extractor
    from tlgan.generators import Generator

#: Tensors smaller than this stay as they are: their bytes don't count, and constants of formulas are among them.
SMALL = 1024
#: The largest number a half holds, and the bits of its fraction.
MOST_HALF = 65504.0
HALF_BITS = 10
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # colours for a terminal, in messages of libraries


def export_generator(generator: Generator, axes: Axes, resolution: int | None = None) -> onnx.ModelProto:
    """`latents` [n, d] in the space of the axes -> `images` [n, C, H, W], constant noise, the workspace's label.

    Raises TlganError where the generator can't be written as ONNX.
    """
    import torch

    from tlgan.generators.formats.onnx_files import OnnxGenerator

    if isinstance(generator, OnnxGenerator):
        from .graphs import republished

        with _readable(generator.name):
            label = torch.eye(generator.label_dim)[axes.label or 0][None] if generator.label_dim else None
            model = republished(generator, resolution, label)
        strip(model)
        return model

    source = Source(generator, axes.space, axes.truncation, axes.label, resolution, axes.groups)
    return _export(source.synthesize, axes.latent_dim, "latents", "images", what=generator.name, inside=generator)


def export_mapping(generator: Generator, axes: Axes) -> onnx.ModelProto | None:
    """`z` [n, latent_dim] -> `w` [n, w_dim], in w+ once for each group, truncated and labelled as the samples were; None where axes live in z."""
    if axes.space == "z":
        return None
    psi = None if axes.truncation == 1.0 else axes.truncation

    def mapped(z: Tensor) -> Tensor:
        w = generator.map(z, label=label_of(generator, axes), truncation=psi)
        return w.repeat(1, max(len(axes.groups), 1))  # in w+ every group of layers has the same

    return _export(mapped, generator.latent_dim, "z", "w", what=f"the mapping of {generator.name}")


def export_extractor(extractors: list[Extractor], shape: tuple[int, int, int]) -> onnx.ModelProto:
    """`images` [n, *shape], C, H and W, in [-1, 1] -> `responses` [n, f]: logits of probabilities, quantities as they are.

    Raises TlganError where one of them is not made of differentiable tensor operations.
    """
    import torch

    def look(images: Tensor) -> Tensor:
        return torch.cat([part.logits(images) for part in extractors], dim=1)

    names = ", ".join(part.name for part in extractors)
    return _export(look, shape, "images", "responses", what=f"the extractor {names}")


def label_of(generator: Generator, axes: Axes) -> int | None:
    """The class that the workspace paints, the first one where it names none; None for a generator without classes."""
    return (axes.label or 0) if generator.label_dim else None


def halved(model: onnx.ModelProto, bits: int = HALF_BITS) -> onnx.ModelProto:
    """The same graph with its large weights in half precision, each cast to float32 before it is used.

    ``bits``: of the fraction, at most 10; fewer leave zeros that compress away.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    half = onnx.ModelProto()
    half.CopyFrom(model)
    casts = []
    for tensor in half.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or int(np.prod(tensor.dims)) < SMALL:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > MOST_HALF:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(_rounded(values, bits), f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = list(half.graph.node)
    del half.graph.node[:]
    half.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(half)
    return half


def _rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Values as float16 whose fraction has only `bits` bits, to the nearest."""
    fraction, exponent = np.frexp(values.astype(np.float64))
    coarse = np.ldexp(np.rint(np.ldexp(fraction, bits + 1)), exponent - bits - 1)
    return np.asarray(np.clip(coarse, -MOST_HALF, MOST_HALF).astype(np.float16))


def _export(
    function: Callable[[Tensor], Tensor],
    shape: int | tuple[int, ...],
    given: str,
    made: str,
    *,
    what: str,
    inside: object = None,
) -> onnx.ModelProto:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise TlganError("publishing needs the extra `onnx`: pip install 'tlgan[onnx]'") from error
    row = (shape,) if isinstance(shape, int) else shape
    with _readable(what), quiet():
        model = _traced(function, row, given, made, getattr(inside, "module", None))
    strip(model)
    onnx.checker.check_model(model)
    return model


@contextlib.contextmanager
def _readable(what: str) -> Iterator[None]:
    """One line of what the exporter says."""
    try:
        yield
    except TlganError:
        raise
    except Exception as error:  # the exporter raises whatever its many passes raise
        plain = _ESCAPES.sub("", str(error)).strip()
        reason = plain.splitlines()[0] if plain else type(error).__name__
        raise TlganError(
            f"{what} can't be written as ONNX ({reason[:200]}): it can't be published as a page"
        ) from error


def batch_of(model: onnx.ModelProto) -> int | None:
    """How many rows the model takes at once; None where it takes any number."""
    size: int = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    return size or None


def _traced(
    function: Callable[[Tensor], Tensor], row: tuple[int, ...], given: str, made: str, inside: Any
) -> onnx.ModelProto:
    import torch

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = inside  # a module that `function` calls: the earlier exporter wants it as a part

        def forward(self, rows: Tensor) -> Tensor:
            return function(rows)

    module = Traced().eval()
    try:
        try:
            free = ({0: torch.export.Dim("n")},)
            graph = torch.export.export(module, (torch.zeros(2, *row),), dynamic_shapes=free, strict=False)
        except Exception:  # somewhere the code asks for len(...): then one at a time it is
            graph = torch.export.export(module, (torch.zeros(1, *row),), strict=False)
        program = torch.onnx.export(
            graph, dynamo=True, input_names=[given], output_names=[made], opset_version=20, verbose=False
        )
        if program is None:
            raise RuntimeError("the exporter returned nothing")
        model: onnx.ModelProto = program.model_proto
        return model
    except Exception as first:
        if inside is None:  # what leaves torch on the way would become a constant
            raise
        try:  # TorchScript, which that exporter can't enter
            return _traced_by_running(module, row, given, made)
        except Exception:
            raise first from None


def _traced_by_running(module: Any, row: tuple[int, ...], given: str, made: str) -> onnx.ModelProto:
    """By torch's earlier exporter: what a run on two rows does. `checks` finds out where other rows do otherwise."""
    import onnx
    import torch

    rows = torch.zeros(2, *row)
    module = torch.jit.freeze(torch.jit.trace(module, rows, check_trace=False))  # type: ignore[no-untyped-call]
    written = io.BytesIO()
    axes = {given: {0: "n"}, made: {0: "n"}}
    torch.onnx.export(
        module,
        (rows,),
        written,  # type: ignore[arg-type]
        dynamo=False,
        input_names=[given],
        output_names=[made],
        dynamic_axes=axes,
        opset_version=17,
    )
    return onnx.load_from_string(written.getvalue())
