"""OpenVINO IR, versions 10 and 11: a table of layers in XML, and a flat file of their constants beside it.

Nothing is computed here and no runtime is needed. The XML may declare no entities and no document type; every size is
bounded, every edge leads from a layer that is there to one that is there, nothing depends on itself, and every
constant lies inside the `.bin`. What passes is safe to walk over, and to hand to a runtime. The format:
docs.openvino.ai, "Intermediate Representation" (schema version 10 and 11).
"""

from __future__ import annotations

import math
import mmap
import re
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any
from xml.parsers import expat

from tlgan.errors import TlganError

from .records import ITEM_SIZES, Allowance, Storage, TensorRecord

VERSIONS = (10, 11)
_MAX_XML = 2**26  # bytes
_MAX_ELEMENTS = 2_000_000
_MAX_DEPTH = 32
_MAX_LAYERS = 50_000
_MAX_VALUES = 2**31  # numbers in one output of a layer
_MAX_DIMENSIONS = 16
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml\b|net\b|!--)")
_ELEMENT = re.compile(rb"<([A-Za-z][\w.:-]*)")
_OPSET = re.compile(r"opset[1-9][0-9]?")
# element type in the file -> (bits, torch's name where torch has one)
_TYPES = {
    "f64": (64, "float64"),
    "f32": (32, "float32"),
    "f16": (16, "float16"),
    "bf16": (16, "bfloat16"),
    "i64": (64, "int64"),
    "i32": (32, "int32"),
    "i16": (16, "int16"),
    "i8": (8, "int8"),
    "u64": (64, "uint64"),
    "u32": (32, "uint32"),
    "u16": (16, "uint16"),
    "u8": (8, "uint8"),
    "boolean": (8, "bool"),
    "f8e4m3": (8, None),
    "f8e5m2": (8, None),
    "i4": (4, None),
    "u4": (4, None),
    "nf4": (4, None),
    "u1": (1, None),
}

Output = tuple[int, int]  # the id of a layer, and of one of its output ports


@dataclass(slots=True, eq=False)
class Layer:
    """One operation. Sizes that the file leaves open are -1."""

    id: int
    name: str
    type: str  # "Convolution", "Const", ...
    data: dict[str, str] = field(default_factory=dict)  # its attributes
    inputs: dict[int, Output | None] = field(default_factory=dict)  # by port: where the value comes from
    outputs: dict[int, tuple[int, ...]] = field(default_factory=dict)  # by port: the shape

    @property
    def sources(self) -> list[Output]:
        """Where its inputs come from, in order."""
        return [source for _, source in sorted(self.inputs.items()) if source is not None]


@dataclass(slots=True, eq=False)
class Graph:
    """A network on file, checked."""

    path: Path  # of the XML
    version: int
    layers: dict[int, Layer]
    weights: memoryview
    allowance: Allowance

    def of_type(self, kind: str) -> list[Layer]:
        """Its layers of that type, in the order of the file."""
        return [layer for layer in self.layers.values() if layer.type == kind]

    def constant(self, layer: Layer) -> TensorRecord:
        """What a layer of type Const holds."""
        kind = layer.data["element_type"]
        dtype, shape = _TYPES[kind][1], shape_of(layer.data["shape"])
        if dtype is None:
            raise TlganError(f"its constant {layer.name[:60]} is of type {kind}, which can't be read here")
        start, size = int(layer.data["offset"]), int(layer.data["size"])
        storage = Storage(dtype, size // ITEM_SIZES[dtype], self.allowance, self.weights[start : start + size])
        return TensorRecord(storage, shape, tuple(math.prod(shape[i + 1 :]) for i in range(len(shape))), 0)


# -- which files -----------------------------------------------------------------------------------------------


def is_xml(head: bytes) -> bool:
    """Whether a file that starts so is XML, and so perhaps a network of OpenVINO."""
    return _XML.match(head) is not None


def xml_of(path: Path) -> Path | None:
    """The XML of the pair that `path` names, by either of its files or by what their names share; None for others."""
    xml = path if path.suffix == ".xml" else path.with_name(f"{path.name}.xml")
    if path.suffix == ".bin":
        xml = path.with_suffix(".xml")
    elif path.is_file():
        return None  # known by what is in it
    try:
        with xml.open("rb") as file:
            return xml if is_xml(file.read(64)) else None
    except OSError:
        return None


# -- reading ---------------------------------------------------------------------------------------------------


def read_ir(path: Path) -> Graph:
    """The network of `path`, its XML, with the constants of the `.bin` beside it; raises `TlganError` in one line."""
    text = path.read_bytes() if path.stat().st_size <= _MAX_XML else b""
    if not text:
        raise TlganError(f"its XML has {path.stat().st_size} bytes: expected 1 to {_MAX_XML}")
    weights = path.with_suffix(".bin")
    if not weights.is_file():
        if (first := _ELEMENT.search(text[:4096])) is None or first[1] != b"net":
            raise _other(first[1].decode("utf-8", "replace") if first else "")
        raise TlganError(
            f"{weights.name} is not beside it: an OpenVINO network is a pair of .xml and .bin, so fetch both"
        )
    with weights.open("rb") as file:
        size = file.seek(0, 2)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
    return parse_ir(path, text, memoryview(mapped or b""), mapped)


def parse_ir(path: Path, text: bytes, weights: memoryview, mapped: mmap.mmap | None = None) -> Graph:
    """As `read_ir`, of bytes that are at hand; `path` only names them."""
    reader = _Reader(len(weights))
    try:
        reader.parse(text)
    except expat.ExpatError as error:
        raise TlganError(f"its XML is damaged: {error}") from error
    return Graph(path, reader.version, reader.layers, weights, Allowance(len(weights), mapped))


def _other(tag: str) -> TlganError:
    return TlganError(
        f"it is XML with <{tag[:40]}> outermost: expected <net>, a network of OpenVINO; an address that answers with XML or a "
        "web page has no file, so open it in a browser"
    )


def shape_of(text: str) -> tuple[int, ...]:
    """ "1, 3, 64, 64" as a shape; a size that is left open ("?", "-1", "1..8") is -1."""
    sizes = [size.strip() for size in text.split(",")] if text.strip() else []
    if len(sizes) > _MAX_DIMENSIONS:
        raise TlganError(f"a shape has {len(sizes)} sizes: expected at most {_MAX_DIMENSIONS}")
    return tuple(int(size) if re.fullmatch(r"\d{1,18}", size) else -1 for size in sizes)


@dataclass(slots=True)
class _Body:
    """The layers of the network, or of what one of its layers repeats."""

    depth: int
    layers: dict[int, Layer] = field(default_factory=dict)


class _Reader:
    """Follows the XML element by element."""

    def __init__(self, weights: int) -> None:
        self.version = 0
        self.layers: dict[int, Layer] = {}
        self._weights = weights
        self._constants = 0  # bytes of all constants together
        self._count = self._elements = 0
        self._path: list[str] = []
        self._bodies: list[_Body] = []
        self._open: list[Layer] = []
        self._shape: list[str] = []
        self._port = 0
        self._text = ""

    def parse(self, text: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=None)
        parser.buffer_text = True
        for handler in ("StartDoctypeDecl", "EntityDecl", "ExternalEntityRef", "UnparsedEntityDecl", "NotationDecl"):
            setattr(parser, f"{handler}Handler", _refuse_entities)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(text, True)
        if not self.layers:
            raise TlganError("it has no layers")

    # -- handlers ----------------------------------------------------------------------------------------------

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS or len(self._path) >= _MAX_DEPTH:
            raise TlganError("its XML is larger or deeper than that of any network")
        parent = self._path[-1] if self._path else ""
        self._path.append(tag)
        match parent, tag:
            case "", _:
                self._root(tag, attributes)
            case _, "layers":
                self._bodies.append(_Body(len(self._path) - 1))
            case "layers", "layer":
                self._layer(attributes)
            case "layer", "data" if self._open:
                self._open[-1].data = attributes
            case (("input" | "output"), "port"):
                self._port = _whole(attributes, "id", "port")
                self._shape = []
                if parent == "input" and self._open:
                    self._open[-1].inputs.setdefault(self._port, None)
            case "edges", "edge":
                self._edge(attributes)
        self._text = ""

    def _end(self, tag: str) -> None:
        self._path.pop()
        parent = self._path[-1] if self._path else ""
        match parent, tag:
            case "port", "dim":
                self._shape.append(self._text)
            case "output", "port" if self._open:
                self._open[-1].outputs[self._port] = self._output(self._open[-1])
            case "layers", "layer":
                self._closed(self._open.pop())
        if self._bodies and len(self._path) < self._bodies[-1].depth:
            body = self._bodies.pop()
            _check_edges(body.layers)
            if not self._bodies:
                self.layers = body.layers

    def _characters(self, text: str) -> None:
        self._text += text if len(self._text) < 64 else ""

    # -- what they find ----------------------------------------------------------------------------------------

    def _root(self, tag: str, attributes: dict[str, str]) -> None:
        if tag != "net":
            raise _other(tag)
        self.version = _whole(attributes, "version", "net")
        if self.version not in VERSIONS:
            raise TlganError(
                f"it is OpenVINO IR of version {self.version}: expected 10 or 11; OpenVINO's own tools write a newer one"
            )

    def _layer(self, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_LAYERS:
            raise TlganError(f"it has more than {_MAX_LAYERS} layers")
        kind, opset, name = (attributes.get(key, "") for key in ("type", "version", "name"))
        if _OPSET.fullmatch(opset) is None:
            raise TlganError(f"its layer {name[:60]} is of {opset[:40]!r}, no standard operations: it is not run")
        layer = Layer(_whole(attributes, "id", "layer"), name, kind)
        layers = self._bodies[-1].layers
        if layer.id in layers:
            raise TlganError(f"two of its layers have the id {layer.id}")
        layers[layer.id] = layer
        self._open.append(layer)

    def _output(self, layer: Layer) -> tuple[int, ...]:
        shape = shape_of(",".join(self._shape))
        if math.prod(size for size in shape if size > 0) > _MAX_VALUES:
            raise TlganError(f"its layer {layer.name[:60]} gives {list(shape)}: more numbers than any picture needs")
        return shape

    def _closed(self, layer: Layer) -> None:
        if layer.type != "Const":
            return
        kind, shape = layer.data.get("element_type", ""), shape_of(layer.data.get("shape", ""))
        if kind not in _TYPES:
            raise TlganError(f"its constant {layer.name[:60]} is of type {kind[:20]!r}, which is not known")
        start, size = (_whole(layer.data, key, "constant") for key in ("offset", "size"))
        needed = -(-math.prod(shape) * _TYPES[kind][0] // 8)
        if min(shape, default=0) < 0 or size != needed or list(layer.outputs.values()) != [shape]:
            raise TlganError(f"its constant {layer.name[:60]} of {kind} {list(shape)} is of {size} bytes: damaged")
        if start + size > self._weights:
            raise TlganError(
                f"its constant {layer.name[:60]} ends at byte {start + size}, but its .bin has {self._weights}: "
                "fetch both files again"
            )
        self._constants += size
        if self._constants > 4 * self._weights + 2**24:
            raise TlganError("its constants together are far larger than its .bin")

    def _edge(self, attributes: dict[str, str]) -> None:
        before, source, after, port = (
            _whole(attributes, key, "edge") for key in ("from-layer", "from-port", "to-layer", "to-port")
        )
        layers = self._bodies[-1].layers if self._bodies else {}
        if before not in layers or after not in layers or source not in layers[before].outputs:
            raise TlganError(f"an edge leads from layer {before}, port {source}, to layer {after}: they are not there")
        inputs = layers[after].inputs
        if port not in inputs or inputs[port] is not None:
            raise TlganError(f"an edge leads to port {port} of layer {after}, which has no such input free")
        inputs[port] = (before, source)


def _check_edges(layers: dict[int, Layer]) -> None:
    """Every input is fed, and nothing feeds on itself."""
    for layer in layers.values():
        if any(source is None for source in layer.inputs.values()):
            raise TlganError(f"its layer {layer.name[:60]} has an input that no edge leads to")
    try:
        order = TopologicalSorter({layer.id: {source[0] for source in layer.sources} for layer in layers.values()})
        order.prepare()
    except CycleError as error:
        names = " -> ".join(layers[id].name[:20] for id in error.args[1][:3])
        raise TlganError(f"its layers depend on themselves ({names} ...)") from error


def _whole(attributes: dict[str, str], key: str, what: str) -> int:
    text = attributes.get(key, "")
    if re.fullmatch(r"\d{1,15}", text) is None:
        raise TlganError(f"the {key} of a {what} is {text[:20]!r}: expected a whole number")
    return int(text)


def _refuse_entities(*declaration: Any) -> None:
    raise TlganError("its XML declares a document type or entities, which no network needs: it is not read")
