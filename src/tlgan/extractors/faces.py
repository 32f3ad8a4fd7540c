"""Face attributes from one small network: the extractors `celeba40` and `judge40`.

The weights lie beside this file, in half precision, with the architecture in their metadata.
"""

from __future__ import annotations

from importlib.resources import as_file, files

from .trained import TrainedNetwork, load_network


def celeba40() -> TrainedNetwork:
    """CelebA's 40 attributes and age in years, as the package ships them."""
    return _packaged("celeba40")


def judge40() -> TrainedNetwork:
    """The same 40 attributes by an unrelated network, for judging edits that `celeba40` made."""
    return _packaged("judge40")


def _packaged(name: str) -> TrainedNetwork:
    with as_file(files("tlgan.extractors") / "weights" / f"{name}.safetensors") as path:
        return load_network(path, name)
