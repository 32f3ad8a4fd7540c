"""What a generator is known by: a sha256 over its structure and its numbers, computed and never read from a file.

Two files that hold the same network have the same fingerprint, whatever container they are in: a pickle and the copy
that `convert_checkpoint` makes of it, or a network in float32 and the same numbers in float64. What a file states of
its origin is not part of it.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .blueprint import Blueprint


def of_blueprint(blueprint: Blueprint) -> str:
    """sha256, hexadecimal, of the architecture, its options and its tensors by name.

    A tensor counts by its name, its shape and its numbers as float32, little-endian: the numbers that the network is
    filled with. Reads every tensor once and keeps none.
    """
    import numpy as np
    from torch import view_as_real

    digest = hashlib.sha256()
    options = json.loads(json.dumps(blueprint.options))  # as a copy in safetensors has them: tuples are lists
    digest.update(_line("tlgan-generator", 1, blueprint.architecture, options))
    for name in sorted(blueprint.tensors):
        record = blueprint.tensors[name]
        digest.update(_line(name, list(record.shape)))
        tensor = record.load()
        tensor = view_as_real(tensor) if tensor.is_complex() else tensor
        digest.update(np.ascontiguousarray(tensor.float().numpy(), dtype="<f4").data)
    return digest.hexdigest()


def with_options(fingerprint: str, options: dict[str, Any]) -> str:
    """The fingerprint of a file that is loaded with `options`: with other ones it is another generator.

    `fingerprint` alone is the sha256 of the file: what is known of one that brings its own graph, and what earlier
    versions recorded of every file.
    """
    chosen = {key: value for key, value in options.items() if value is not None}
    if not chosen:
        return fingerprint
    return hashlib.sha256(f"{fingerprint} {json.dumps(chosen, sort_keys=True, default=str)}".encode()).hexdigest()


def _line(*parts: Any) -> bytes:
    return (json.dumps(parts, sort_keys=True) + "\n").encode()
