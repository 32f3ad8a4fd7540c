"""A generator that is an ONNX file, as the page takes one: its own graph, between a few operations that adapt its ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.generators.base import picture_size

if TYPE_CHECKING:
    import onnx
    from torch import Tensor

    from tlgan.generators.formats.onnx_files import OnnxGenerator

_RESIZE = 18  # operator set from which on Resize knows antialiasing


def republished(generator: OnnxGenerator, resolution: int | None, label: Tensor | None) -> onnx.ModelProto:
    """`latents` [n, d] -> `images` [n, C, H, W] in nominal [-1, 1] by the file's own graph, with all its numbers inside.

    `label` [1, label_dim]: the class that it paints; `resolution`: the larger side of the pictures, resized in the graph where it is not the generator's own.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(generator.file))
    shrunk = resolution is not None and resolution != generator.resolution
    graph = model.graph
    # the old names of the ends stay inside; those of the new ends may be taken
    names = {name for node in graph.node for name in (*node.input, *node.output)}
    given, made = (_free(name, names) for name in ("latents", "images"))
    before: list[onnx.NodeProto] = []
    after: list[onnx.NodeProto] = []

    def constant(values: Any, kind: Any) -> str:
        name = _free("tlgan.constant", names)
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype=kind), name))
        return name

    def add(nodes: list[onnx.NodeProto], operator: str, inputs: list[str], output: str = "", **settings: Any) -> str:
        output = output or _free("tlgan.value", names)
        nodes.append(helper.make_node(operator, inputs, [output], **settings))
        return output

    enters, leaves, tail = generator.ends.latent.name, generator.painted_output, generator.ends.tail
    del graph.input[:]
    for name in generator.other_inputs:
        graph.initializer.append(numpy_helper.from_array(generator.fill(name, 1, label), name))
    rows = generator.fixed_rows or (1 if generator.other_inputs else None)
    if rows not in (None, 1):
        raise TlganError(f"{generator.name} paints {rows} pictures at a time: export it for one, or for any number")
    latents = helper.make_tensor_value_info(given, TensorProto.FLOAT, [rows or "n", generator.latent_dim])
    shaped = given
    if tail != ():
        sizes = [-1] if tail is None else [-1, generator.latent_dim, *tail]
        shaped = add(before, "Reshape", [given, constant(sizes, np.int64)])
    add(before, "Cast", [shaped], enters, to=helper.np_dtype_to_tensor_dtype(generator.types[enters]))
    images = add(after, "Cast", [leaves], to=TensorProto.FLOAT)
    if generator.layout == "last":
        whole = [-1, *generator.size, generator.painted_channels]
        images = add(after, "Reshape", [images, constant(whole, np.int64)])
        images = add(after, "Transpose", [images], perm=[0, 3, 1, 2])
    else:
        images = add(after, "Reshape", [images, constant([-1, generator.painted_channels, *generator.size], np.int64)])
    low, high = generator.picture_range
    if (low, high) != (-1.0, 1.0):
        images = add(after, "Mul", [images, constant(2 / (high - low), np.float32)])
        images = add(after, "Add", [images, constant(-1 - 2 * low / (high - low), np.float32)])
    if generator.painted_channels == 4:
        parts = [_free("tlgan.colours", names), _free("tlgan.opacity", names)]
        after.append(helper.make_node("Split", [images, constant([3, 1], np.int64)], parts, axis=1))
        opacity = add(after, "Add", [parts[1], constant(1, np.float32)])
        opacity = add(after, "Clip", [opacity, constant(0, np.float32), constant(2, np.float32)])
        opacity = add(after, "Mul", [opacity, constant(0.5, np.float32)])
        white = add(after, "Sub", [constant(1, np.float32), opacity])
        images = add(after, "Add", [add(after, "Mul", [parts[0], opacity]), white])
    height, width = picture_size(generator, resolution)
    if shrunk:
        kept = add(after, "Slice", [add(after, "Shape", [images]), constant([0], np.int64), constant([2], np.int64)])
        target = add(after, "Concat", [kept, constant([height, width], np.int64)], axis=0)
        images = add(after, "Resize", [images, "", "", target], mode="linear", antialias=1)
    add(after, "Identity", [images], made)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before, *nodes, *after])
    del graph.output[:]
    shape = [rows or "n", generator.channels, height, width]
    graph.input.insert(0, latents)
    graph.output.append(helper.make_tensor_value_info(made, TensorProto.FLOAT, shape))
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if shrunk and opset < _RESIZE:
        raise TlganError(
            f"{generator.name} is ONNX of operator set {opset}, which can't make pictures smaller: leave --resolution out, "
            f"or export it with opset_version={_RESIZE}"
        )
    onnx.checker.check_model(model)
    return model


def _free(name: str, names: set[str]) -> str:
    """The name, or one like it that is not taken; it is taken from now on."""
    found, number = name, 1
    while found in names:
        found, number = f"{name}.{number}", number + 1
    names.add(found)
    return found
