"""Safetensors files: tensors or arrays with words beside them, written atomically and read whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .files import replacing


def write_tensors(path: Path, tensors: Mapping[str, Any], words: Mapping[str, Any]) -> None:
    """Write torch tensors, or else arrays, by name; ``words`` that are no text are written as JSON.

    Raises OSError where the disk is full or the place can't be written.
    """
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in words.items()}
    if all(isinstance(array, np.ndarray) for array in tensors.values()):
        from safetensors.numpy import save

        data = save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, text)
    else:
        from safetensors.torch import save as save_torch

        data = save_torch({name: tensor.contiguous() for name, tensor in tensors.items()}, text)
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def read_tensors(path: Path, framework: Literal["pt", "numpy"] = "pt") -> tuple[dict[str, Any], dict[str, str]]:
    """What `write_tensors` wrote: torch tensors, or arrays, and the words as text. Raises ValueError for any other file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ValueError(str(error).partition("\n")[0][:200]) from error
