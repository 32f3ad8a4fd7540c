"""Trained weights as `tlgan.load_generator` reads them: safetensors in half precision, the architecture's name beside."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from tlgan.generators.formats.converted import FORMAT


def export(average: nn.Module, seen: int, source: str, path: Path) -> None:
    """Write the averaged generator, whole or not at all."""
    state = {name: value.detach().half().contiguous() for name, value in average.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "version": "1",
        "written_by": "recipes/train_generator.py",
        "architecture": "modulated",
        "options": "{}",
        "source": json.dumps({"format": "modulated", "data": source, "pictures shown": seen}),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    save_file(state, unfinished, metadata)
    unfinished.replace(path)
