"""The process that tries an ONNX file under limits; see `trial`. Run as a script, it imports nothing of tlgan.

Reads one JSON object from standard input ("path", "libraries", "rows", "side", "seconds", "bytes") and prints one:
{"data": names of the files beside the model that hold its numbers} or {"problem": what is wrong, in words}.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

VERSION = 1  # of what is tried: remembered trials of another one do not count
MOST_NUMBERS = 2**30  # in one tensor: 4 GiB of float32
MOST_ROWS = 1024  # in a batch of fixed size
OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate", "MemoryError", "Cannot allocate memory")
MEMORY = "asks for more memory than any picture needs: not loaded; pass --trust if you know it"
_EXTERNAL = 1  # TensorProto.DataLocation


class Refused(Exception):
    """What is wrong with the file, as the end of a sentence that begins with its name."""


def data_files(model: Any, folder: Path) -> list[str]:
    """Names of the files below `folder` that hold numbers of `model` (external data), sorted.

    Raises Refused where one is missing, is no file, or lies elsewhere.
    """
    names = {
        entry.value
        for tensor in _tensors(model)
        if tensor.data_location == _EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.is_absolute() or PureWindowsPath(name).drive or "\\" in name or ".." in path.parts or "\0" in name:
            raise Refused(f"keeps its numbers outside its own folder ({name[:80]!r}): expected a file beside it")
        if not (folder / name).is_file():
            raise Refused(
                f"keeps its numbers in {name[:80]!r}, which is not beside it: fetch both, and keep them together"
            )
    return sorted(names)


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor of a model, in whatever graph, function or attribute it lies."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        if current.DESCRIPTOR.name == "TensorProto":
            yield current
            continue
        for field, value in current.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if hasattr(value, "ListFields") else value)


def _check_sizes(model: Any) -> None:
    """Raise Refused where the graph itself names a tensor, or a batch, beyond all measure."""
    import onnx

    for tensor in _tensors(model):
        _check(tensor.name, list(tensor.dims))
    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # of a graph that is broken, or too large for it: the session has the last word
        graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        sizes = [side.dim_value for side in value.type.tensor_type.shape.dim]
        _check(value.name, sizes)
        if value.name in {entry.name for entry in graph.input} and sizes and sizes[0] > MOST_ROWS:
            raise Refused(
                f"takes batches of exactly {sizes[0]} ({value.name[:40]}): expected at most {MOST_ROWS}, or an open size"
            )


def _check(name: str, sizes: list[int]) -> None:
    numbers = math.prod(max(1, size) for size in sizes)
    if numbers > MOST_NUMBERS:
        raise Refused(
            f"has a tensor of {numbers:.1e} numbers ({name[:40]} {sizes}): expected at most {MOST_NUMBERS:.1e}"
        )


def _session(path: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # seconds of one processor, on any machine
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _rows(session: Any, n: int, side: int) -> dict[str, Any] | None:
    """Something to run `session` on; None where its inputs are of a kind that is not known here."""
    import numpy as np

    types = {"tensor(float)": "f4", "tensor(float16)": "f2", "tensor(double)": "f8", "tensor(uint8)": "u1",
             "tensor(int64)": "i8", "tensor(int32)": "i4", "tensor(bool)": "?"}  # fmt: skip
    random, feeds = np.random.default_rng(0), {}
    for entry in session.get_inputs():
        if entry.type not in types:
            return None
        shape = [size if isinstance(size, int) else (side if axis else n) for axis, size in enumerate(entry.shape)]
        _check(entry.name, shape)
        floats = random.standard_normal(shape, dtype=np.float32)
        feeds[entry.name] = (
            floats.astype(types[entry.type]) if "f" in types[entry.type] else np.zeros(shape, types[entry.type])
        )
    return feeds


def _limit_memory(most: int) -> None:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            most += int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    except (ImportError, OSError, ValueError):  # a system without such limits; time is limited all the same
        return


def _limit_time(more: float) -> None:
    """As many more seconds of processor time from now on."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime + more)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _harmless() -> None:
    """Leave no core file behind and write to no file."""
    try:
        import resource
    except ImportError:
        return
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(what, (0, 0))


def tried(task: dict[str, Any]) -> list[str]:
    """Try the file of `task`; the names of its data files. Raises Refused, MemoryError, or what the libraries raise."""
    import onnx
    import onnxruntime  # noqa: F401  before the limits, which are of what comes on top of the libraries

    path = Path(task["path"])
    seconds = task["seconds"] + 20 * path.stat().st_size / 1e9
    _limit_time(seconds)
    _limit_memory(task["bytes"] + 4 * path.stat().st_size)
    try:
        model = onnx.load(str(path), load_external_data=False)
    except MemoryError:
        raise
    except Exception as error:  # protobuf's errors are its own
        raise Refused(f"can't be read as an ONNX model: {_line(error)}") from error
    names = data_files(model, path.parent)
    beside = sum((path.parent / name).stat().st_size for name in names)
    seconds += 20 * beside / 1e9
    _check_sizes(model)
    del model
    _limit_memory(task["bytes"] + 4 * (path.stat().st_size + beside))
    _limit_time(seconds)
    try:
        session = _session(str(path))
    except Exception as error:  # the runtime has its own exceptions, one for each of its failures
        if any(word in str(error) for word in OUT_OF_MEMORY):
            raise MemoryError from error
        raise Refused(f"can't be read as an ONNX model: {_line(error)}") from error
    for n in task["rows"]:
        feeds = _rows(session, n, task["side"])
        if feeds is None:
            break
        _limit_time(seconds)
        try:
            session.run(None, feeds)
        except Exception as error:  # what it was given may not fit it: the caller, who knows more, will say so
            if any(word in str(error) for word in OUT_OF_MEMORY):
                raise MemoryError from error
    return names


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def main() -> None:
    """Try what standard input names; print the answer."""
    task = json.load(sys.stdin)
    sys.path.extend(folder for folder in task["libraries"] if folder not in sys.path)
    _harmless()
    try:
        answer: dict[str, Any] = {"data": tried(task)}
    except Refused as error:
        answer = {"problem": str(error)}
    except (MemoryError, RecursionError):
        answer = {"problem": MEMORY}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
