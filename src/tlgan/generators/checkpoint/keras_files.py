"""Keras models on file: `.keras` (a zip archive of JSON and HDF5) and HDF5 alone, as configuration and tensors.

Weights lie in HDF5 as plain runs of bytes, so only their places are looked up, in a process of its own (`hdf5_child`);
from then on they are records like those of any other checkpoint.
"""

from __future__ import annotations

import json
import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError
from tlgan.io import isolation
from tlgan.io.foreign import json_of
from tlgan.io.trial import PASSED_ON

from . import hdf5_child, torch_files
from .records import ITEM_SIZES, Allowance, Storage, TensorRecord

HDF5_HEAD = b"\x89HDF\r\n\x1a\n"
WEIGHTS, CONFIG = "model.weights.h5", "config.json"  # members of a `.keras` file
_MOST_TEXT = 2**22
EXPORT = (
    "make ONNX of it with `pip install tf2onnx tensorflow`, then in Python `import tensorflow as tf, tf2onnx; "
    "tf2onnx.convert.from_keras(tf.keras.models.load_model('FILE'), output_path='generator.onnx')`"
)
_LIBRARIES = ("h5py", "numpy")


@dataclass(frozen=True, slots=True)
class KerasFile:
    """``config``: the model's class and layers, as Keras describes them; ``tensors``: its weights by their path in the file."""

    config: dict[str, Any]
    tensors: dict[str, TensorRecord]


def read_keras_file(path: Path) -> KerasFile:
    """What a Keras file holds; no weight is loaded. Raises TlganError where it is damaged or holds weights alone."""
    for library in _LIBRARIES:
        if not isolation.importable(library):
            raise TlganError(f"it is a Keras model: pip install 'tlgan[keras]' ({library} is missing), or {EXPORT}")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data, allowance, text = memoryview(mapped), Allowance(len(mapped), mapped), ""
    zipped = bytes(data[:4]) == torch_files.ZIP_HEAD
    if zipped:
        members = torch_files.zip_members(data, allowance)
        for name in (WEIGHTS, CONFIG):
            if members.get(name) is None:
                raise TlganError(f"it is a Keras archive whose {name} is missing or packed: save it again with Keras")
        data = members[WEIGHTS] or data
        text = str((members[CONFIG] or data)[:_MOST_TEXT], "utf-8", "replace")
    answer = _child(path, WEIGHTS if zipped else "")
    if problem := answer.get("problem"):
        raise TlganError(f"it is a Keras (HDF5) file that can't be read ({problem}): fetch it again, or {EXPORT}")
    return parsed(text or str(answer.get("config") or ""), answer.get("tensors"), data, allowance)


def parsed(config: str, places: Any, data: memoryview, allowance: Allowance) -> KerasFile:
    """The same from a model's description as JSON, and where in `data` its tensors lie: {path: [type, sizes, the first
    byte, how many bytes]}."""
    if not config:
        raise TlganError(
            "it holds the weights of a Keras model and not its layers (save_weights): build the model in Python, load them, "
            "and write all of it with model.save('generator.keras')"
        )
    try:
        described = json_of(config)
    except (ValueError, RecursionError) as error:
        raise TlganError("it is a Keras model whose configuration is damaged: fetch it again") from error
    if not isinstance(described, dict) or not isinstance(places, dict):
        raise TlganError("it is a Keras model whose configuration is damaged: fetch it again")
    tensors = {}
    for name, place in places.items():
        allowance.spend(40)
        match place:
            case [str(dtype), list(shape), int(start), int(size)] if dtype in ITEM_SIZES:
                pass
            case _:
                raise TlganError(f"its tensor {name[:60]} is damaged: fetch it again")
        if len(shape) > 8 or not all(type(side) is int and 0 <= side < 2**40 for side in shape):
            raise TlganError(f"its tensor {name[:60]} has sizes that are no small whole numbers: damaged")
        numel = math.prod(shape)
        if not 0 <= start <= start + size <= len(data) or numel * ITEM_SIZES[dtype] != size:
            raise TlganError(f"its tensor {name[:60]} lies outside the file, or is damaged: fetch it again")
        strides = tuple(math.prod(shape[index + 1 :]) for index in range(len(shape)))
        tensors[name] = TensorRecord(
            Storage(dtype, numel, allowance, data[start : start + size]), tuple(shape), strides, 0
        )
    return KerasFile(described, tensors)


def _child(path: Path, member: str) -> dict[str, Any]:
    folders = sorted({folder for name in _LIBRARIES if (folder := isolation.site_of(name)) is not None})
    task = json.dumps({"path": str(path.resolve()), "member": member, "libraries": folders})
    try:
        code, printed, _ = isolation.isolated(
            hdf5_child.__file__, task, variables=PASSED_ON, seconds=60 + 5 * hdf5_child.SECONDS
        )
        answer = json.loads(printed.splitlines()[-1])
        return answer if isinstance(answer, dict) else {"problem": "no answer"}
    except (ValueError, IndexError):
        return {"problem": f"the process that read it ended with status {code}"}
    except isolation.TimedOut:
        return {"problem": "it took too long"}
    except OSError as error:
        return {"problem": f"no process could be started: {error.strerror or error}"}
