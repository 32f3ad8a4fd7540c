"""What was found for a photograph, as a file: a latent, and where in the photograph its picture belongs.

Safetensors, or npz without objects; neither can run anything. The photograph itself is not in it: its sha256 is. A latent
of a person's face says who they are: the file is as private as the photograph, and no link or shared state holds it.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tlgan import __version__
from tlgan.errors import TlganError
from tlgan.io.files import replacing
from tlgan.io.foreign import arrays_of, json_of
from tlgan.io.tensors import read_tensors, write_tensors

FORMAT = "tlgan.photograph"
_LARGEST, _MOST_BYTES = 1e4, 2**26
_TUNED = "tuned."


@dataclass(frozen=True, eq=False)
class Inversion:
    """``latent`` float32 [d], or [layers, d] in w+; ``space`` "z" or "w"; ``generator`` its fingerprint; ``square`` float64
    [2, 3], see `warping`, in the photograph; ``hull`` float64 [n, 2] of the face in shares of the square, None where
    there is none; ``photograph``: sha256 of the file; ``size``: its width and height in pixels, upright; ``alignment``;
    ``weights``: what tuning adds to the generator's, by name."""

    latent: np.ndarray
    space: str
    generator: str
    square: np.ndarray
    hull: np.ndarray | None
    photograph: str
    size: tuple[int, int]
    alignment: str
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    def save(self, path: str | Path) -> Path:
        """Write it, whole or not at all, as .safetensors or .npz. Raises TlganError for another ending."""
        path = Path(path)
        tensors: dict[str, Any] = {"latent": self.latent.astype(np.float32), "square": self.square.astype(np.float64)}
        if self.hull is not None:
            tensors["hull"] = self.hull.astype(np.float64)
        tensors |= {f"{_TUNED}{name}": values.astype(np.float16) for name, values in self.weights.items()}
        about = {
            "format": FORMAT,
            "version": 1,
            "written_by": f"tlgan {__version__}",
            "is_photograph": True,
            "space": self.space,
            "generator": self.generator,
            "photograph": self.photograph,
            "size": list(self.size),
            "alignment": self.alignment,
        }
        if path.suffix not in (".safetensors", ".npz"):
            raise TlganError(f"an inversion can't be written as {path.name!r}: end the name in .safetensors or .npz")
        if path.suffix == ".safetensors":
            write_tensors(path, tensors, {FORMAT: about})
            return path
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **tensors)
        return path


def load_inversion(path: str | Path) -> Inversion:
    """Read what `Inversion.save` wrote, from anyone. Raises TlganError with what is wrong."""
    path = Path(path)
    try:
        about, tensors = _read(path)
        size = about["size"]
        words = [about[key] for key in ("space", "generator", "photograph", "alignment")]
        if about.get("format") != FORMAT or about.get("version") != 1:
            raise ValueError("it is of another format or version")
        if not all(isinstance(word, str) and len(word) < 100 for word in words):
            raise ValueError("its description is damaged")
        if len(size) != 2 or not all(type(side) is int and 0 < side < 2**20 for side in size):
            raise ValueError("its size is damaged")
        weights = {name.removeprefix(_TUNED): value for name, value in tensors.items() if name.startswith(_TUNED)}
        latent, square, hull = tensors["latent"], tensors["square"], tensors.get("hull")
        if latent.ndim not in (1, 2) or square.shape != (2, 3) or (hull is not None and hull.shape[1:] != (2,)):
            raise ValueError("its tensors have other shapes")
        for values in tensors.values():
            if (
                values.dtype.kind != "f"
                or not np.isfinite(values).all()
                or np.abs(values.astype(float)).max(initial=0) > 1e6
            ):
                raise ValueError("its numbers are not finite")
        if np.abs(latent).max() > _LARGEST or abs(np.linalg.det(square[:, :2])) < 1:
            raise ValueError("its numbers are out of range")
    except FileNotFoundError as error:
        raise TlganError(
            f"{path} doesn't exist: make it with tlgan invert WORKSPACE PHOTOGRAPH -o {shlex.quote(str(path))}"
        ) from error
    except Exception as error:  # readers of damaged files raise whatever they stumble over
        why = str(error).partition("\n")[0][:80]
        raise TlganError(f"{path} can't be read as an inversion ({why}): expected what tlgan invert wrote") from error
    place = words[2], (size[0], size[1]), words[3]
    return Inversion(latent.astype(np.float32), words[0], words[1], square, hull, *place, weights)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("it is larger than any inversion")
    if path.suffix == ".npz":
        tensors = arrays_of(path, _MOST_BYTES)
        return json_of(tensors.pop("about").tobytes()), tensors
    tensors, words = read_tensors(path, "numpy")
    return json_of(words[FORMAT]), tensors
