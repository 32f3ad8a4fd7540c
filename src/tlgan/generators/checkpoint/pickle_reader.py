"""An interpreter of pickles that can't be made to run anything.

A pickle is a program for a small stack machine. This one has the machine and not the doors: a global is looked up in
a list of exact names and becomes a record, a call builds a record or a container, and that is all there is. Every
length is checked against what is left of the file before it is used, nothing recurses, and the work and the memory
are paid for out of an `Allowance`.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any

from tlgan.errors import TlganError

from .records import Allowance, GlobalName, ObjectRecord

_MARK = object()
_INLINE = 64  # longer byte strings stay views of the file
_MAX_LINE = 2**16  # bytes of one operand that ends in a newline, or of a string that is decoded at once
_MAX_INTEGER = 128  # bytes of one integer
_MAX_TUPLE_KEYS = 256  # tuples of small numbers collide in a hash table by construction

PersistentId = Callable[[Any], Any]


class LongText:
    """A string too long to be decoded unless somebody asks."""

    __slots__ = ("data",)

    def __init__(self, data: memoryview) -> None:
        self.data = data


class PickleReader:
    """Reads the pickle at the start of `data`; `position` is then the byte after it.

    `resolve` turns a module and a name into a value or raises, `construct(global, args)` makes what a call would have
    returned, `set_state(object, state)` what `__setstate__` would have done, `persistent(id)` what a persistent id
    stands for. Raises `TlganError` with a reason; damaged input may also raise the plain errors of `DAMAGE`.
    """

    DAMAGE = (IndexError, KeyError, TypeError, ValueError, OverflowError, struct.error, AttributeError)

    def __init__(
        self,
        data: memoryview,
        allowance: Allowance,
        *,
        resolve: Callable[[str, str], Any],
        construct: Callable[[Any, tuple[Any, ...]], Any],
        set_state: Callable[[Any, Any], Any],
        persistent: PersistentId | None = None,
    ) -> None:
        self.position = 0
        self._data = data
        self._allowance = allowance
        self._resolve = resolve
        self._construct = construct
        self._set_state = set_state
        self._persistent = persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._tuple_keys = 0

    def read(self) -> Any:
        data, operations, spend = self._data, _OPERATIONS, self._allowance.spend
        while True:
            code = data[self.position]
            self.position += 1
            if code == 0x2E:  # STOP
                value = self._stack.pop()
                if value is _MARK:
                    raise TlganError("it ends in the middle of a container")
                return value
            operation = operations[code]
            if operation is None:
                raise TlganError(f"byte {self.position - 1} is {code:#04x}, which is no pickle operation that is known")
            units, function = operation
            spend(units)
            function(self)

    # -- operands ----------------------------------------------------------------------------------------------

    def _take(self, size: int) -> memoryview:
        end = self.position + size
        if size < 0 or end > len(self._data):
            raise TlganError(
                f"it announces {size} bytes at byte {self.position} and {len(self._data) - self.position} follow: "
                "the file is cut off or damaged"
            )
        view = self._data[self.position : end]
        self.position = end
        return view

    def _number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _line(self) -> bytes:
        for size in (128, 4096, _MAX_LINE):
            window = bytes(self._data[self.position : self.position + size])
            self._allowance.spend(size // 64)
            end = window.find(b"\n")
            if end >= 0:
                self.position += end + 1
                return window[:end]
        raise TlganError(f"a text operand at byte {self.position} doesn't end: the file is cut off or damaged")

    def _text(self, size: int) -> Any:
        data = self._take(size)
        if size > _MAX_LINE:
            self._allowance.spend(4)
            return LongText(data)
        self._allowance.spend(size // 16)
        return str(data, "utf-8", "surrogatepass")

    def _bytes(self, size: int) -> bytes | memoryview:
        data = self._take(size)
        if size > _INLINE:
            self._allowance.spend(3)
            return data
        return bytes(data)

    # -- the stack ---------------------------------------------------------------------------------------------

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise TlganError("its containers are not properly nested")
        return value

    def _pop_to_mark(self) -> list[Any]:
        stack = self._stack
        for index in range(len(stack) - 1, -1, -1):
            if stack[index] is _MARK:
                items = stack[index + 1 :]
                del stack[index:]
                return items
        raise TlganError("its containers are not properly nested")

    def _top(self, kind: type) -> Any:
        """The container to fill. An object of a class that is not known, such as a dictionary of somebody's own, is a record
        and takes nothing: what would fill it is passed over."""
        value = self._stack[-1]
        if isinstance(value, ObjectRecord):
            return kind()
        if not isinstance(value, kind):
            raise TlganError(f"it fills a {type(value).__name__} as if it were a {kind.__name__}")
        return value

    def _key(self, key: Any) -> Any:
        if isinstance(key, tuple):
            self._tuple_keys += 1
            self._allowance.spend(len(key))
            if self._tuple_keys > _MAX_TUPLE_KEYS or not all(isinstance(k, str | int) for k in key):
                raise TlganError("it has dictionary keys that are not names or numbers")
        elif isinstance(key, int):
            if not -(2**60) < key < 2**60:
                raise TlganError("it has a dictionary key that is a huge number")
        elif not isinstance(key, str | float | bytes | GlobalName | None):
            raise TlganError(f"it has a dictionary key that is a {type(key).__name__}")
        return key

    # -- operations --------------------------------------------------------------------------------------------

    def _op_put(self, index: int) -> None:
        value = self._stack[-1]
        if value is _MARK:
            raise TlganError("its containers are not properly nested")
        self._memo[index] = value

    def _op_set_items(self, items: list[Any]) -> None:
        target = self._top(dict)
        if len(items) % 2:
            raise TlganError("a dictionary has a key without a value")
        for key, value in zip(items[0::2], items[1::2], strict=True):
            target[self._key(key)] = value

    def _op_call(self, function: Any, args: Any) -> None:
        if not isinstance(args, tuple):
            raise TlganError("a call has arguments that are not a tuple")
        self._stack.append(self._construct(function, args))

    def _op_global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TlganError("it names a class by something that is not text")
        self._stack.append(self._resolve(module, name))


_Operation = Callable[[PickleReader], Any]
_OPERATIONS: list[tuple[int, _Operation] | None] = [None] * 256


def _operation(codes: str, units: int = 1) -> Callable[[_Operation], _Operation]:
    def register(function: _Operation) -> _Operation:
        for code in codes.encode("latin-1"):
            _OPERATIONS[code] = (units, function)
        return function

    return register


def _pushes(code: str, make: Callable[[PickleReader], Any], units: int = 1) -> None:
    _OPERATIONS[ord(code)] = (units, lambda reader: reader._stack.append(make(reader)))


def _decimal(reader: PickleReader) -> Any:
    line = reader._line()
    if line in (b"00", b"01"):
        return line == b"01"
    if len(line) > 2 * _MAX_INTEGER:
        raise TlganError("it holds a number of hundreds of digits")
    return int(line.removesuffix(b"L"))


def _long(reader: PickleReader, size: int) -> int:
    if not 0 <= size <= _MAX_INTEGER:
        raise TlganError(f"it holds a whole number of {size} bytes")
    return reader._number(size, signed=True)


def _quoted(reader: PickleReader) -> bytes | str:
    line = reader._line()
    if len(line) < 2 or line[0] != line[-1] or line[:1] not in (b"'", b'"'):
        raise TlganError("it holds a string without quotes")
    raw: bytes = codecs.escape_decode(line[1:-1])[0]
    return _ascii(raw)


def _ascii(raw: bytes) -> bytes | str:
    """Python 2's `str` was both: text where it can be read as such."""
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        return raw


def _python2_string(reader: PickleReader, size: int) -> Any:
    raw = reader._bytes(size)
    return _ascii(raw) if isinstance(raw, bytes) else raw


def _memoised(reader: PickleReader, index: int) -> Any:
    if index not in reader._memo:
        raise TlganError(f"it refers to object {index}, which it has not defined")
    return reader._memo[index]


# numbers, text and bytes
_pushes("N", lambda r: None)
_pushes("\x88", lambda r: True)
_pushes("\x89", lambda r: False)
_pushes("I", _decimal)
_pushes("L", _decimal)
_pushes("J", lambda r: r._number(4, signed=True))
_pushes("K", lambda r: r._number(1))
_pushes("M", lambda r: r._number(2))
_pushes("\x8a", lambda r: _long(r, r._number(1)))
_pushes("\x8b", lambda r: _long(r, r._number(4, signed=True)))
_pushes("F", lambda r: float(r._line()[:_MAX_INTEGER]))
_pushes("G", lambda r: struct.unpack(">d", r._take(8))[0])
_pushes("S", _quoted)
_pushes("T", lambda r: _python2_string(r, r._number(4, signed=True)))
_pushes("U", lambda r: _python2_string(r, r._number(1)))
_pushes("V", lambda r: str(r._line(), "raw-unicode-escape"))
_pushes("X", lambda r: r._text(r._number(4)))
_pushes("\x8c", lambda r: r._text(r._number(1)))
_pushes("\x8d", lambda r: r._text(r._number(8)))
_pushes("B", lambda r: r._bytes(r._number(4)))
_pushes("C", lambda r: r._bytes(r._number(1)))
_pushes("\x8e", lambda r: r._bytes(r._number(8)))
_pushes("\x96", lambda r: r._bytes(r._number(8)))

# containers
_pushes("]", lambda r: [], 2)
_pushes("}", lambda r: {}, 4)
_pushes("\x8f", lambda r: set(), 4)
_pushes(")", lambda r: ())
_pushes("t", lambda r: tuple(r._pop_to_mark()), 2)
_pushes("l", lambda r: r._pop_to_mark(), 2)
_pushes("\x91", lambda r: frozenset(map(r._key, r._pop_to_mark())), 4)
_pushes("\x85", lambda r: (r._pop(),), 2)
_pushes("(", lambda r: _MARK)

# the memo
_pushes("h", lambda r: _memoised(r, r._number(1)))
_pushes("j", lambda r: _memoised(r, r._number(4)))
_pushes("g", lambda r: _memoised(r, int(r._line()[:16])))
_pushes("2", lambda r: r._stack[-1])

# names
_pushes("Q", lambda r: _persistent(r, r._pop()), 8)
_pushes("P", lambda r: _persistent(r, str(r._line(), "ascii")), 8)


def _persistent(reader: PickleReader, identity: Any) -> Any:
    if reader._persistent is None:
        raise TlganError("it refers to an object outside the file")
    return reader._persistent(identity)


@_operation("\x86", 2)
def _tuple2(reader: PickleReader) -> None:
    b, a = reader._pop(), reader._pop()
    reader._stack.append((a, b))


@_operation("\x87", 2)
def _tuple3(reader: PickleReader) -> None:
    c, b, a = reader._pop(), reader._pop(), reader._pop()
    reader._stack.append((a, b, c))


@_operation("d", 4)
def _dict(reader: PickleReader) -> None:
    items = reader._pop_to_mark()
    reader._stack.append({})
    reader._op_set_items(items)


@_operation("s", 2)
def _set_item(reader: PickleReader) -> None:
    value, key = reader._pop(), reader._pop()
    reader._op_set_items([key, value])


@_operation("u", 2)
def _set_items(reader: PickleReader) -> None:
    reader._op_set_items(reader._pop_to_mark())


@_operation("a")
def _append(reader: PickleReader) -> None:
    value = reader._pop()
    reader._top(list).append(value)


@_operation("e")
def _appends(reader: PickleReader) -> None:
    items = reader._pop_to_mark()
    reader._top(list).extend(items)


@_operation("\x90", 2)
def _add_items(reader: PickleReader) -> None:
    items = reader._pop_to_mark()
    reader._top(set).update(map(reader._key, items))


@_operation("0")
def _discard(reader: PickleReader) -> None:
    reader._stack.pop()


@_operation("1")
def _discard_to_mark(reader: PickleReader) -> None:
    reader._pop_to_mark()


@_operation("q")
def _put1(reader: PickleReader) -> None:
    reader._op_put(reader._number(1))


@_operation("r")
def _put4(reader: PickleReader) -> None:
    reader._op_put(reader._number(4))


@_operation("p")
def _put_decimal(reader: PickleReader) -> None:
    reader._op_put(int(reader._line()[:16]))


@_operation("\x94")
def _memoise(reader: PickleReader) -> None:
    reader._op_put(len(reader._memo))


@_operation("c", 4)
def _global(reader: PickleReader) -> None:
    module, name = str(reader._line(), "utf-8"), str(reader._line(), "utf-8")
    reader._op_global(module, name)


@_operation("\x93", 4)
def _stack_global(reader: PickleReader) -> None:
    name, module = reader._pop(), reader._pop()
    reader._op_global(module, name)


@_operation("R\x81", 8)
def _call(reader: PickleReader) -> None:
    args, function = reader._pop(), reader._pop()
    reader._op_call(function, args)


@_operation("\x92", 8)
def _call_with_keywords(reader: PickleReader) -> None:
    keywords, args, function = reader._pop(), reader._pop(), reader._pop()
    if keywords:
        raise TlganError("it makes an object with keyword arguments, which no known class needs")
    reader._op_call(function, args)


@_operation("o", 8)
def _object(reader: PickleReader) -> None:
    function, *args = reader._pop_to_mark()
    reader._op_call(function, tuple(args))


@_operation("i", 8)
def _instance(reader: PickleReader) -> None:
    module, name = str(reader._line(), "utf-8"), str(reader._line(), "utf-8")
    args = tuple(reader._pop_to_mark())
    reader._op_call(reader._resolve(module, name), args)


@_operation("b", 8)
def _build(reader: PickleReader) -> None:
    state = reader._pop()
    target = reader._pop()
    reader._stack.append(reader._set_state(target, state))


@_operation("\x80")
def _protocol(reader: PickleReader) -> None:
    if (protocol := reader._number(1)) > 5:
        raise TlganError(f"it is a pickle of protocol {protocol}: expected 0 to 5")


@_operation("\x95")
def _frame(reader: PickleReader) -> None:
    size = reader._number(8)
    if size > len(reader._data) - reader.position:
        raise TlganError(
            f"it announces a frame of {size} bytes and {len(reader._data) - reader.position} follow: "
            "the file is cut off or damaged"
        )
