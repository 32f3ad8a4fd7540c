"""From a Keras model's configuration to a flat list of nodes, each a layer applied to the results of earlier ones.

Sequential and functional models are read, nested ones too, as Keras 2 and 3 describe them. A layer's activation becomes a
node of its own. Lambda layers and custom classes hold code, so they are refused, and so is any layer that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tlgan.errors import TlganError
from tlgan.generators.blueprint import Blueprint
from tlgan.generators.checkpoint.keras_files import EXPORT, KerasFile
from tlgan.generators.checkpoint.records import TensorRecord

_MODELS = ("Sequential", "Functional", "Model")
_MOST_NODES, _DEEPEST = 2000, 8
# By class: what is kept of its configuration, and its weights in the order in which Keras writes them.
_CONV = ("strides", "padding", "dilation_rate", "groups")
LAYERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Dense": ((), ("kernel", "bias")),
    "Conv2D": (_CONV, ("kernel", "bias")),
    "Conv2DTranspose": ((*_CONV, "output_padding"), ("kernel", "bias")),
    "BatchNormalization": (("axis", "epsilon"), ("gamma", "beta", "moving_mean", "moving_variance")),
    "LayerNormalization": (("axis", "epsilon"), ("gamma", "beta")),
    "GroupNormalization": (("axis", "epsilon", "groups"), ("gamma", "beta")),
    "Embedding": ((), ("embeddings",)),
    "PReLU": ((), ("alpha",)),
    "LeakyReLU": (("alpha", "negative_slope"), ()),
    "ReLU": (("max_value", "negative_slope", "threshold"), ()),
    "ELU": (("alpha",), ()),
    "Activation": (("activation",), ()),
    "Reshape": (("target_shape",), ()),
    "Flatten": ((), ()),
    "UpSampling2D": (("size", "interpolation"), ()),
    "ZeroPadding2D": (("padding",), ()),
    "Cropping2D": (("cropping",), ()),
    "AveragePooling2D": (("pool_size", "strides", "padding"), ()),
    "GlobalAveragePooling2D": ((), ()),
    "Rescaling": (("scale", "offset"), ()),
    "Concatenate": (("axis",), ()),
    "Add": ((), ()),
    "Multiply": ((), ()),
    "Subtract": ((), ()),
    "Average": ((), ()),
}  # fmt: skip
_STILL = (
    "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization", "Identity",
)  # fmt: skip
_ABSENT = {"bias": "use_bias", "gamma": "scale", "beta": "center"}  # a weight, and the option that leaves it out


def read_keras(file: KerasFile) -> Blueprint:
    """The blueprint of a generator. Raises TlganError, naming the layer, where one is not known or holds code."""
    reader = _Reader(file)
    outputs = reader.model(file.config, [], "", "layers")
    if len(outputs) != 1:
        raise TlganError(f"it gives {len(outputs)} results: expected a model that paints; {_otherwise()}")
    options = {"nodes": reader.nodes, "output": outputs[0]}
    return Blueprint("keras", options, reader.tensors, {"format": "Keras"})


def _otherwise() -> str:
    return f"build a model of the generator alone and save it, or {EXPORT}"


def _snake(name: str) -> str:
    """What Keras calls the weights of a class in a `.keras` file."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


class _Reader:
    def __init__(self, file: KerasFile) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.tensors: dict[str, TensorRecord] = {}
        self._found = file.tensors
        self._legacy = any(name.startswith("model_weights/") for name in file.tensors)

    def model(self, described: dict[str, Any], given: list[int], path: str, place: str, depth: int = 0) -> list[int]:
        """Take a model over, applied to the nodes `given` (none: it has inputs of its own); its outputs."""
        kind, config = str(described.get("class_name")), described.get("config")
        layers = config if isinstance(config, list) else _get(config, "layers", list)
        if kind not in _MODELS or depth > _DEEPEST:
            raise TlganError(f"it is a Keras model of the class {kind[:40]!r}, which holds code: {_otherwise()}")
        layers = [layer for layer in layers if isinstance(layer, dict)]
        counts: dict[str, int] = {}
        places: list[str] = []
        for layer in layers:  # the weights of several layers of a class are told apart by numbers
            name = _snake(str(layer.get("class_name")))
            number = counts[name] = counts.get(name, -1) + 1
            places.append(f"{place}/{name}_{number}" if number else f"{place}/{name}")
        if kind == "Sequential":
            return self._sequential(layers, places, given, path, depth)
        return self._functional(config, layers, places, given, path, depth)

    def _sequential(
        self, layers: list[dict[str, Any]], places: list[str], given: list[int], path: str, depth: int
    ) -> list[int]:
        x = given
        for layer, place in zip(layers, places, strict=True):
            if not x and layer.get("class_name") not in ("InputLayer", *_MODELS):
                x = [self._input(layer)]  # an older one says the sizes of its input in its first layer
            if layer.get("class_name") == "InputLayer" and x:
                continue
            x = self._apply(layer, x, path, place, depth)
        return x

    def _functional(
        self, config: Any, layers: list[dict[str, Any]], places: list[str], given: list[int], path: str, depth: int
    ) -> list[int]:
        made: dict[tuple[str, int], list[int]] = {}
        entries = _ends(config, "input_layers")
        if given and len(entries) != len(given):
            raise TlganError(f"a model inside takes {len(entries)} inputs and is given {len(given)}: damaged")
        waiting: list[tuple[dict[str, Any], str, int, list[tuple[str, int, int]]]] = []
        for layer, place in zip(layers, places, strict=True):
            name, calls = str(layer.get("name")), layer.get("inbound_nodes")
            if layer.get("class_name") == "InputLayer":
                at = next((index for index, entry in enumerate(entries) if entry[0] == name), 0)
                made[name, 0] = [given[at]] if given else [self._input(layer)]
                continue
            for number, call in enumerate(calls if isinstance(calls, list) else []):
                waiting.append((layer, place, number, list(_sources(call))))
        ends = _ends(config, "output_layers")
        asked = [place[:2] for place in ends] + [source[:2] for entry in waiting for source in entry[3]]
        first: dict[
            str, int
        ] = {}  # calls of a model inside may be counted from 1, since it was called once when it was made
        for name, node in asked:
            first[name] = min(node, first.get(name, node))
        while waiting:
            ready = [entry for entry in waiting if all((name, node) in made for name, node, _ in entry[3])]
            if not ready:
                raise TlganError("its layers are not joined: damaged")
            for layer, place, number, sources in ready:
                x = [made[name, node][min(index, len(made[name, node]) - 1)] for name, node, index in sources]
                name = str(layer.get("name"))
                made[name, number + min(first.get(name, 0), 1)] = self._apply(layer, x, path, place, depth)
            waiting = [entry for entry in waiting if entry not in ready]
        if any((name, node) not in made for name, node, _ in ends):
            raise TlganError("its outputs are none of its layers: damaged")
        return [made[name, node][min(index, len(made[name, node]) - 1)] for name, node, index in ends]

    def _input(self, layer: dict[str, Any]) -> int:
        config = layer.get("config")
        found = (_of(config, key) for key in ("batch_shape", "batch_input_shape"))
        shape: list[Any] = next((shape for shape in found if isinstance(shape, list)), [])
        return self._add({"op": "Input", "name": str(layer.get("name") or _of(config, "name")), "shape": shape[1:]})

    def _apply(self, layer: dict[str, Any], x: list[int], path: str, place: str, depth: int) -> list[int]:
        kind, config = str(layer.get("class_name")), layer.get("config")
        name = str(layer.get("name") or _of(config, "name") or kind)
        if kind in _MODELS:
            return self.model(layer, x, f"{path}{name}/", f"{place}/layers", depth + 1)
        if kind == "InputLayer":
            return x or [self._input(layer)]
        if kind in _STILL:
            return x
        if kind not in LAYERS:
            code = "holds code" if kind in ("Lambda", "TFOpLambda") or ">" in kind else "is not known here"
            raise TlganError(f"its layer {name[:40]} ({kind[:40]}) {code}: {_otherwise()}")
        if str(_of(config, "data_format")) == "channels_first":
            raise TlganError(f"its layer {name[:40]} has channels first, which is not read: {_otherwise()}")
        kept, weights = LAYERS[kind]
        node = {"op": kind, "name": f"{path}{name}", "in": x} | {
            key: value for key in kept if (value := _of(config, key)) is not None
        }
        if kind == "Activation":
            return [self._activation(node.pop("activation", None), node)]
        for number, leaf in enumerate(leaf for leaf in weights if _of(config, _ABSENT.get(leaf, "")) is not False):
            self.tensors[f"{path}{name}/{leaf}"] = self._weight(f"{path}{name}", leaf, f"{place}/vars/{number}")
        made = self._add(node)
        activation = _of(config, "activation")
        if activation in (None, "linear"):
            return [made]
        return [self._activation(activation, {"op": "Activation", "name": node["name"], "in": [made]})]

    def _activation(self, given: Any, node: dict[str, Any]) -> int:
        """An activation by its name, or a layer that acts as one."""
        if isinstance(given, dict):
            inner, config = str(given.get("class_name")), given.get("config")
            if inner in ("LeakyReLU", "ReLU", "ELU"):
                kept = {key: value for key in LAYERS[inner][0] if (value := _of(config, key)) is not None}
                return self._add(node | {"op": inner} | kept)
            given = config if isinstance(config, str) and given.get("registered_name") in (None, config) else inner
        return self._add(node | {"op": "Activation", "activation": str(given)})

    def _weight(self, layer: str, leaf: str, place: str) -> TensorRecord:
        if not self._legacy:
            if place in self._found:
                return self._found[place]
            raise TlganError(
                f"the weight {leaf} of its layer {layer[:60]} is missing, or packed: save it again with Keras"
            )
        top, own = layer.partition("/")[0], layer.rpartition("/")[2]
        fitting = [
            name for name in self._found
            if name.startswith(f"model_weights/{top}/") and name.rpartition("/")[2].partition(":")[0] == leaf
        ]  # fmt: skip
        if own != top:
            fitting = [name for name in fitting if name.split("/")[-2] == own]
        if len(fitting) != 1:
            raise TlganError(
                f"the weight {leaf} of its layer {layer[:60]} is missing, or packed: save it again with Keras"
            )
        return self._found[fitting[0]]

    def _add(self, node: dict[str, Any]) -> int:
        if len(self.nodes) >= _MOST_NODES:
            raise TlganError(f"it has more than {_MOST_NODES} layers: expected a generator")
        self.nodes.append(node)
        return len(self.nodes) - 1


def _of(config: Any, key: str) -> Any:
    return config.get(key) if isinstance(config, dict) else None


def _get(config: Any, key: str, kind: type) -> Any:
    value = _of(config, key)
    if not isinstance(value, kind):
        raise TlganError(f"it is a Keras model whose configuration has no {key}: damaged, or {_otherwise()}")
    return value


def _ends(config: Any, key: str) -> list[tuple[str, int, int]]:
    """Input or output layers: [name, node, index], or a list or dictionary of those."""
    value = _get(config, key, object)
    value = list(value.values()) if isinstance(value, dict) else value
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        value = [value]
    if not isinstance(value, list) or not all(_is_place(entry) for entry in value):
        raise TlganError(f"it is a Keras model whose {key} can't be read: damaged")
    return [(entry[0], entry[1], entry[2]) for entry in value]


def _is_place(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) >= 3
        and isinstance(entry[0], str)
        and all(type(number) is int and number >= 0 for number in entry[1:3])
    )


def _sources(call: Any) -> Iterator[tuple[str, int, int]]:
    """What one call of a layer is applied to: Keras 2 writes [name, node, index, options], Keras 3 nested tensors."""
    waiting: list[tuple[Any, int]] = [(call, 0)]
    while waiting:
        value, depth = waiting.pop(0)
        if depth > 12:
            raise TlganError("its layers are joined by lists in lists: damaged")
        if _is_place(value):
            _check_call(value[3] if len(value) > 3 else None)
            yield value[0], value[1], value[2]
        elif isinstance(value, list):
            waiting[:0] = [(part, depth + 1) for part in value]
        elif isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
            history = _of(value.get("config"), "keras_history")
            if not _is_place(history):
                raise TlganError("its layers are joined by something that can't be read: damaged")
            yield history[0], history[1], history[2]
        elif isinstance(value, dict):
            _check_call(value.get("kwargs"))
            waiting[:0] = [(value.get("args"), depth + 1)]


def _check_call(kwargs: Any) -> None:
    if _of(kwargs, "training"):
        raise TlganError(f"it calls a layer in training mode, so its pictures are not still: {_otherwise()}")
