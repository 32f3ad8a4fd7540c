"""What an ONNX file states: layout and scale of its input, and the kind of its outputs.

Read from the graph, without running it. A graph that subtracts and divides at its very beginning normalises its
pictures itself; one that ends in a sigmoid or softmax gives probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_PASSING = {"Cast", "Identity", "Squeeze", "Reshape", "Flatten", "Transpose", "Resize", "Unsqueeze"}


@dataclass(frozen=True)
class GraphFacts:
    """``scales_itself``: the graph's own subtraction or division at the input, as the largest constant in it (0: none);
    ``last``: for every output the operation it comes from ("Sigmoid", "Softmax", "Gemm" ...)."""

    scales_itself: float
    last: dict[str, str]


def read_graph(path: Path) -> GraphFacts:
    """Facts of the model at `path`; nothing is known where the `onnx` package is not installed or can't read it."""
    try:
        import onnx

        graph = onnx.load(str(path), load_external_data=False).graph
    except Exception:  # the runtime, which is stricter, has the last word on a broken file
        return GraphFacts(0.0, {})
    producers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {node.output[0]: _constant(node) for node in graph.node if node.op_type == "Constant"}
    return GraphFacts(_input_scale(graph, constants), {o.name: _last(o.name, producers) for o in graph.output})


def _last(name: str, producers: dict[str, Any]) -> str:
    node = producers.get(name)
    while node is not None and node.op_type in _PASSING:
        node = producers.get(node.input[0])
    return node.op_type if node is not None else ""


def _input_scale(graph: Any, constants: dict[str, Any]) -> float:
    names = {entry.name for entry in graph.input} - set(constants)
    largest = 0.0
    for node in graph.node:  # in topological order
        if not names & set(node.input):
            continue
        if node.op_type in _PASSING:
            names |= set(node.output)
            continue
        others = [constants[name] for name in node.input if name in constants]
        if node.op_type not in ("Sub", "Div", "Mul", "Add", "BatchNormalization") or not others:
            break
        if node.op_type == "Mul":
            largest = max(largest, *(1 / max(float(np.abs(_array(c)).min()), 1e-9) for c in others))
        else:
            largest = max(largest, *(float(np.abs(_array(c)).max(initial=0)) for c in others))
        names |= set(node.output)
    return largest


def _constant(node: Any) -> Any:
    return next((attribute.t for attribute in node.attribute if attribute.name == "value"), None)


def _array(tensor: Any) -> np.ndarray:
    from onnx import numpy_helper

    try:
        return np.asarray(numpy_helper.to_array(tensor), dtype=np.float64)
    except (TypeError, ValueError):
        return np.zeros(1)
