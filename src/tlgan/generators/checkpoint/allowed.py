"""The exact names that a checkpoint may mention, and what each becomes here.

Nothing named in a file is ever imported. A name that is on these lists becomes a number, a container, a `TensorRecord` or
an `ObjectRecord`; a class of somebody's own code can only become an `ObjectRecord`; any other name ends the reading. Layouts: torch/_utils.py for `_rebuild_*`,
numpy's `ndarray.__reduce__` and `dtype.__reduce__` for arrays.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tlgan.errors import TlganError

from .pickle_reader import LongText
from .records import ITEM_SIZES, Allowance, GlobalName, ObjectRecord, Storage, TensorRecord

# torch.FloatStorage and the like -> dtype
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
_STORAGE_MODULES = ("torch", "torch.cuda", "torch.storage")

_NUMPY_KINDS = {
    "f8": "float64",
    "f4": "float32",
    "f2": "float16",
    "i8": "int64",
    "i4": "int32",
    "i2": "int16",
    "i1": "int8",
    "u1": "uint8",
    "u2": "uint16",
    "u4": "uint32",
    "u8": "uint64",
    "b1": "bool",
    "?": "bool",
    "c8": "complex64",
    "c16": "complex128",
}
_SCALAR_FORMATS = {
    "float64": "d",
    "float32": "f",
    "float16": "e",
    "int64": "q",
    "int32": "i",
    "int16": "h",
    "int8": "b",
    "uint8": "B",
    "uint16": "H",
    "uint32": "I",
    "uint64": "Q",
    "bool": "?",
}

_LONGEST_NAME = 200  # characters
_BUILTINS = ("builtins", "__builtin__")  # Python 3's name, and the one that protocol 2 writes

# Classes whose instances are described: their arguments and their state are kept, unread.
_DESCRIBED = {
    "tfutil.Network",
    "dnnlib.tflib.network.Network",
    "argparse.Namespace",
    "types.SimpleNamespace",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib._local.Path",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "torch.device",
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(f"{module}.{name}" for module in _BUILTINS for name in ("slice", "range", "xrange", "complex", "bytearray")),
    "decimal.Decimal",
    "fractions.Fraction",
    "uuid.UUID",
}
_DICTIONARIES = {
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "dnnlib.util.EasyDict",
    "dnnlib.EasyDict",
    "easydict.EasyDict",
    "builtins.dict",
    "__builtin__.dict",
}
_INERT = {  # named as a value, never called
    *(
        f"{module}.{name}"
        for module in _BUILTINS
        for name in ("object", "int", "float", "str", "bool", "list", "tuple")
    ),
    *(f"{module}.{name}" for module in _BUILTINS for name in ("bytes", "type", "NoneType")),
    "numpy.ndarray",
    "torch.Tensor",
    "torch.nn.parameter.Parameter",
    "torch._tensor.Tensor",
    *(f"torch.{name}" for name in (*ITEM_SIZES, "strided", "contiguous_format", "channels_last")),
    *(f"{module}.{name}" for module in _STORAGE_MODULES for name in STORAGES),
    "torch.storage.TypedStorage",
}


@dataclass(slots=True, eq=False)
class NumpyType:
    """A numpy dtype of plain numbers; the byte order comes with its state."""

    name: str
    swapped: bool = False


def resolve(module: str, name: str) -> GlobalName:
    """The record of a name, or a refusal."""
    full = f"{module}.{name}"
    if full in _CONSTRUCTORS or full in _DESCRIBED or full in _DICTIONARIES or full in _INERT or _is_own_class(full):
        return GlobalName(module, name)
    shown = re.sub(r"[^\w.<>-]", "?", full)[:80]
    raise TlganError(
        f"it names {shown}, which is not among the things a checkpoint may hold; nothing was executed. "
        "If you trust it, load it where it was made and save the generator's state_dict alone"
    )


def _is_own_class(full: str) -> bool:
    """Is this a class of somebody's code, such as a dataclass, an enum or an optimiser beside the weights? It is described,
    as all objects are: not imported, not called, and its state not applied. The standard library's classes are not passed
    over, since nothing but an attack names them here; nor are names of a length that no code has."""
    module, _, name = full.rpartition(".")
    first = module.partition(".")[0]
    return bool(
        len(full) <= _LONGEST_NAME
        and re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", module)
        and re.fullmatch(r"_?[A-Z]\w*", name)
        and (module == "__main__" or not (first in sys.stdlib_module_names or first.startswith("__")))
    )


def storage_type(value: Any) -> str:
    """dtype of a storage class."""
    if isinstance(value, GlobalName) and value.module in _STORAGE_MODULES and value.name in STORAGES:
        return STORAGES[value.name]
    raise TlganError("a storage is of a type that is not known")


class Constructor:
    """What calls and states become; `load_storage` reads the bytes given to `torch.storage._load_from_bytes`."""

    def __init__(self, allowance: Allowance, load_storage: Callable[[memoryview], Storage]) -> None:
        self.allowance = allowance
        self.load_storage = load_storage

    def construct(self, function: Any, args: tuple[Any, ...]) -> Any:
        if not isinstance(function, GlobalName):
            raise TlganError(f"it calls a {type(function).__name__}")
        full = str(function)
        self.allowance.spend(len(args))
        if full in _CONSTRUCTORS:
            return _CONSTRUCTORS[full](self, *args)
        if full in _DICTIONARIES:
            return self._dictionary(args)
        if full in _DESCRIBED or _is_own_class(full):
            return ObjectRecord(function, args)
        raise TlganError(f"it calls {full}, which a checkpoint only mentions")

    def set_state(self, target: Any, state: Any) -> Any:
        if isinstance(target, ObjectRecord):
            target.state = state
        elif isinstance(target, TensorRecord):
            self._set_array(target, state)
        elif isinstance(target, NumpyType):
            _set_numpy_type(target, state)
        elif not isinstance(target, dict):  # a state_dict's `_metadata` and the like: nothing that is needed
            raise TlganError(f"it sets the state of a {type(target).__name__}")
        return target

    # -- containers --------------------------------------------------------------------------------------------

    def _dictionary(self, args: tuple[Any, ...]) -> dict[Any, Any]:
        pairs = args[0] if args and isinstance(args[0], list) else []
        self.allowance.spend(4 * len(pairs) + 4)
        made: dict[Any, Any] = {}
        for key, value in pairs:
            if not isinstance(key, str):
                raise TlganError("a dictionary is made from keys that are not text")
            made[key] = value
        return made

    def _deque(self, items: Any = (), most: Any = None) -> list[Any]:
        if not isinstance(items, list | tuple):
            raise TlganError("a deque is made from something that is not a list")
        self.allowance.spend(len(items))
        return list(items)

    def _set(self, items: Any = ()) -> set[Any]:
        if not isinstance(items, list | tuple) or not all(map(_is_plain, items)):
            raise TlganError("a set is made from something that is not a list of names or small numbers")
        self.allowance.spend(2 * len(items))
        return set(items)

    def _size(self, sizes: Any = ()) -> tuple[Any, ...]:
        if not isinstance(sizes, tuple):
            raise TlganError("a torch.Size is not made from a tuple")
        return sizes

    def _encode(self, text: Any, encoding: Any = "latin1") -> bytes | memoryview:
        """How protocol 2 writes bytes: as text, each character one byte."""
        if encoding not in ("latin1", "latin-1", "utf-8"):
            raise TlganError("it encodes text in an encoding that is not known")
        if isinstance(text, LongText):
            self.allowance.copy(3 * len(text.data))
            self.allowance.spend(len(text.data) // 4096)
            return memoryview(str(text.data, "utf-8").encode(encoding))
        if not isinstance(text, str):
            raise TlganError("it encodes something that is not text")
        return text.encode(encoding)

    def _reconstructor(self, cls: Any, base: Any, state: Any = None) -> Any:
        """copyreg._reconstructor: how protocols 0 and 1 make instances."""
        return self.construct(cls, ())

    # -- torch -------------------------------------------------------------------------------------------------

    def _tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> TensorRecord:
        if not isinstance(storage, Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise TlganError("a tensor is not made from a storage, a size and a stride")
        return TensorRecord(storage, size, stride, offset)

    def _tensor_v3(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any, *rest: Any
    ) -> TensorRecord:
        """An untyped storage, with the dtype beside it."""
        if not isinstance(storage, Storage) or not isinstance(dtype, GlobalName) or dtype.name not in ITEM_SIZES:
            raise TlganError("a tensor is not made from a storage and a dtype")
        item = ITEM_SIZES[dtype.name]
        typed = Storage(dtype.name, storage.numel * ITEM_SIZES[storage.dtype] // item, storage.allowance, storage.data)
        return self._tensor(typed, offset, size, stride)

    def _parameter(self, data: Any, *rest: Any) -> TensorRecord:
        if not isinstance(data, TensorRecord):
            raise TlganError("a parameter is not made from a tensor")
        return data

    def _from_type(self, function: Any, kind: Any, args: Any, state: Any) -> Any:
        if not isinstance(args, tuple) or not isinstance(function, GlobalName):
            raise TlganError("a tensor of a derived type is not made from a function and a tuple")
        if str(function) not in _TENSOR_MAKERS:
            raise TlganError(f"a tensor of a derived type is made by {function}")
        return self.construct(function, args)

    def _storage_bytes(self, data: Any) -> Storage:
        return self.load_storage(_view(data))

    def _persistent_object(self, meta: Any, *rest: Any) -> ObjectRecord:
        if not isinstance(meta, dict) or not isinstance(meta.get("class_name"), str):
            raise TlganError("a persistent object has no class name")
        kind = GlobalName("torch_utils.persistence", meta["class_name"][:100])
        return ObjectRecord(kind, (), meta.get("state"))

    # -- numpy -------------------------------------------------------------------------------------------------

    def _array(self, *args: Any) -> TensorRecord:
        """numpy's `_reconstruct`: an empty array, filled by the state that follows."""
        return TensorRecord(Storage("uint8", 0, self.allowance), (0,), (1,), 0)

    def _array_from_buffer(self, data: Any, dtype: Any, shape: Any, order: Any) -> TensorRecord:
        array = self._array()
        self._set_array(array, (1, shape, dtype, order == "F", data))
        return array

    def _set_array(self, array: TensorRecord, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise TlganError("an array's state is not version, shape, dtype, order and bytes")
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, NumpyType) or not isinstance(shape, tuple):
            raise TlganError("an array of objects, or without a shape: expected numbers")
        view = _view(data)
        storage = Storage(dtype.name, len(view) // ITEM_SIZES[dtype.name], self.allowance, view, dtype.swapped)
        array.storage, array.shape, array.offset = storage, shape, 0
        sizes = [size for size in shape if type(size) is int]
        strides, step = [], 1
        for size in sizes if fortran else reversed(sizes):
            strides.append(min(step, 2**39))
            step *= max(size, 1)
        array.stride = tuple(strides if fortran else reversed(strides))
        array.check()

    def _scalar(self, dtype: Any, data: Any = b"") -> float | int | bool:
        code = _SCALAR_FORMATS.get(dtype.name) if isinstance(dtype, NumpyType) else None
        if code is None:
            raise TlganError("a numpy scalar is not a plain number")
        value: float | int | bool = struct.unpack((">" if dtype.swapped else "<") + code, _view(data))[0]
        return value

    def _dtype(self, name: Any, *rest: Any) -> NumpyType:
        match = re.fullmatch(r"([<>=|]?)(\?|[a-z]\d{1,2})", name) if isinstance(name, str) else None
        if match is None or match[2] not in _NUMPY_KINDS:
            shown = re.sub(r"[^\w<>=|]", "?", str(name)[:20]) if isinstance(name, str) else "something"
            raise TlganError(f"an array holds {shown}, not plain numbers")
        return NumpyType(_NUMPY_KINDS[match[2]], match[1] == ">")


def _set_numpy_type(dtype: NumpyType, state: Any) -> None:
    """(version, byte order, subtype, field names, fields, ...)"""
    if not isinstance(state, tuple) or len(state) < 5 or any(part is not None for part in state[2:5]):
        raise TlganError("an array holds records, not plain numbers")
    dtype.swapped = state[1] == ">"


def _is_plain(value: Any) -> bool:
    """May this be in a set? Whole numbers must be small: large ones can be made to collide."""
    return -(2**60) < value < 2**60 if isinstance(value, int) else isinstance(value, str | float | bytes | None)


def _view(data: Any) -> memoryview:
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not isinstance(data, bytes | memoryview):
        raise TlganError("the bytes of an array or a storage are something else")
    return memoryview(data)


_TENSOR_MAKERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": Constructor._tensor,
    "torch._utils._rebuild_tensor_v2": Constructor._tensor,
    "torch._utils._rebuild_tensor_v3": Constructor._tensor_v3,
    "torch._utils._rebuild_parameter": Constructor._parameter,
    "torch._utils._rebuild_parameter_with_state": Constructor._parameter,
}
_CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    **_TENSOR_MAKERS,
    "torch._tensor._rebuild_from_type_v2": Constructor._from_type,
    "torch.storage._load_from_bytes": Constructor._storage_bytes,
    "torch.Size": Constructor._size,
    "torch_utils.persistence._reconstruct_persistent_obj": Constructor._persistent_object,
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in (
            ("multiarray._reconstruct", Constructor._array),
            ("multiarray.scalar", Constructor._scalar),
            ("numeric._frombuffer", Constructor._array_from_buffer),
        )
    },
    "numpy.dtype": Constructor._dtype,
    "_codecs.encode": Constructor._encode,
    "collections.deque": Constructor._deque,
    "__builtin__.frozenset": Constructor._set,
    "builtins.set": Constructor._set,
    "__builtin__.set": Constructor._set,
    "builtins.frozenset": Constructor._set,
    "copyreg._reconstructor": Constructor._reconstructor,
    "copy_reg._reconstructor": Constructor._reconstructor,
}
