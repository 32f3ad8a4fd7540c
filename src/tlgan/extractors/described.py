"""An extractor from its description: the reference `something.toml`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tlgan.errors import TlganError
from tlgan.io.consent import named_by

from .base import Extractor
from .description import Description, read_description

_REMOTE = ("https:", "http:", "hf:", "pypi:", "npm:")


def load_described(ref: str | Path, *, trust: bool = False) -> Extractor:
    """The extractor that the description `ref` tells of; ``trust`` spares an ONNX file its trial. Raises TlganError for a file that is none."""
    path = Path(ref)
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TlganError(f"the description {path} can't be read: {error}") from error
    with named_by(path):
        return _loaded(path, read_description(text, str(path)), trust)


def _loaded(path: Path, description: Description, trust: bool) -> Extractor:
    if not description.model:
        raise TlganError(f'{path} names no model: expected model = "...", a file beside it or a reference')
    if description.kind == "classifier":
        from .huggingface import load_classifier

        return load_classifier(description.model, heads=description.heads or None)
    if description.kind == "text":
        from .text import load_prompts

        return load_prompts(description.prompts, description.model)
    from .onnx_file import load_onnx

    if not description.model.startswith(_REMOTE):
        description = replace(description, model=str(path.parent / description.model))
    made = load_onnx(description.model, description=description, trust=trust)
    # A file of the hub is named by its contents: the description's own name says more.
    made.name = f"{path.stem}-{made.name.rpartition('-')[2]}"
    return made
