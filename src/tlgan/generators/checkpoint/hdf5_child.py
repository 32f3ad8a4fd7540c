"""The process that looks into a stranger's HDF5 file; see `keras_files`. Run as a script, it imports nothing of tlgan.

HDF5 is read by a large library in C, so that happens in a process of its own, and what comes back is text alone: one
JSON object with "config" (the model's description, where the file holds it) and "tensors" (path: [type, sizes, the first
byte, how many bytes]), or with "problem". Tensors that are packed, virtual or kept in other files have no place of
their own, so they are not listed, and nothing is unpacked.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from typing import Any

MOST_OBJECTS = 20_000
DEEPEST = 24
SECONDS, BYTES = 20, 2**30  # of processor time, and of memory beside the file
_TYPES = {"<f2": "float16", "<f4": "float32", "<f8": "float64"}


def _limit(size: int) -> None:
    try:
        import resource
    except ImportError:  # a system without such limits
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES + 4 * size,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(what, (0, 0))


def _tensors(group: Any, h5py: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    waiting, seen = [("", group, 0)], 0
    while waiting:
        path, node, depth = waiting.pop()
        for name in node:
            seen += 1
            if seen > MOST_OBJECTS or depth > DEEPEST:
                raise ValueError("it holds more groups than any model does")
            if not isinstance(node.get(name, getlink=True), h5py.HardLink):
                continue  # a link to somewhere else, which may be another file
            item, inner = node[name], f"{path}/{name}" if path else name
            if isinstance(item, h5py.Group):
                waiting.append((inner, item, depth + 1))
            elif isinstance(item, h5py.Dataset) and item.dtype.str in _TYPES:
                place = item.id.get_offset()
                if place is not None or item.size == 0:
                    found[inner] = [_TYPES[item.dtype.str], list(item.shape), place or 0, item.id.get_storage_size()]
    return found


def described(path: str, member: str, *, limited: bool = True) -> dict[str, Any]:
    """What the HDF5 file at `path` holds; with a `member`, the one of that name in a zip archive. `limited` binds this
    process to what that may take."""
    import h5py

    if member:
        with zipfile.ZipFile(path) as archive:
            if limited:
                _limit(archive.getinfo(member).file_size)
            data = archive.read(member)
    else:
        with open(path, "rb") as file:
            if limited:
                _limit(file.seek(0, 2))
            file.seek(0)
            data = file.read()
    with h5py.File(io.BytesIO(data), "r") as opened:
        config = opened.attrs.get("model_config", "")
        config = config.decode("utf-8", "replace") if isinstance(config, bytes) else config
        return {"config": config if isinstance(config, str) else "", "tensors": _tensors(opened, h5py)}


def main() -> None:
    """Look into the file that standard input names; print what it holds."""
    task = json.load(sys.stdin)
    sys.path.extend(folder for folder in task["libraries"] if folder not in sys.path)
    try:
        answer = described(task["path"], task["member"])
    except Exception as error:  # the library has its own, for each of its failures
        answer = {"problem": f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
