"""A workspace keeps what its extractors need: models given as files are copied into it, with everything that was said
or found about them, so that the reference in `tlgan.toml` alone brings them back wherever the folder goes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from tlgan.errors import TlganError
from tlgan.io.files import replacing, to_write
from tlgan.io.hub import sha256_of
from tlgan.io.step import Step

from .settings import EXTRACTORS_FOLDER, located

if TYPE_CHECKING:
    from tlgan.extractors import Extractor

_FILES = (".onnx", ".toml", ".safetensors")


def import_extractor(
    folder: str | Path,
    ref: str = "",
    *,
    texts: Sequence[str] = (),
    model: str = "",
    labels: str | Path | Sequence[str] | None = None,
    kind: str = "",
    size: int = 0,
    step: Step | None = None,
) -> tuple[str, Extractor]:
    """Load an extractor and make the workspace in `folder` keep it: (the reference to store, the extractor).

    ``ref``: as `load_extractor` takes it; ``labels``, ``kind`` and ``size`` say what an ONNX file does not. Or, in place
    of a reference, ``texts``: sentences for a text-image ``model``. The same call again changes nothing. With ``step``,
    the files are a part of that, and there with it.
    """
    from tlgan.extractors import load_extractor

    folder = Path(folder)
    place = step.path if step else lambda name: to_write(folder, name)
    if bool(ref) == bool(texts):
        raise TlganError("name either an extractor (--extractor) or sentences (--text), and not both")
    if texts:
        from tlgan.extractors.text import load_prompts

        made = load_prompts(list(texts), model)
        return _write(place, made.name, made.description.to_toml())[0], made
    ref = located(ref, folder)
    path = Path(ref)
    told = {key: value for key, value in (("labels", labels), ("kind", kind), ("size", size)) if value}
    if told and not ref.endswith(".onnx"):
        raise TlganError(f"--{next(iter(told))} belongs to an ONNX file; {ref} is none")
    extractor = load_extractor(ref, **told)
    if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
        return path.resolve().relative_to(folder.resolve()).as_posix(), extractor
    if ref.endswith(".safetensors") and path.is_file():
        copy = _copied(place, path, f"{extractor.name}.safetensors")
        return f"{EXTRACTORS_FOLDER}/{copy.name}", extractor
    return import_loaded(place, extractor) if ref.endswith((".onnx", ".toml")) else (ref, extractor)


def import_loaded(place: Callable[[str], Path], extractor: Extractor) -> tuple[str, Extractor]:
    """The reference to store for a loaded extractor, and the extractor: with its file where it is read from one, else its name."""
    from tlgan.extractors.described import load_described
    from tlgan.extractors.onnx_file import OnnxExtractor

    description = getattr(extractor, "description", None)
    if description is None:
        return extractor.name, extractor
    if isinstance(extractor, OnnxExtractor) and Path(description.model).is_file():
        copy = (_whole if extractor.needs_data else _copied)(place, extractor.file, f"{extractor.name}.onnx")
        description = replace(description, model=copy.name, sha256=sha256_of(copy))
    stored, written = _write(place, extractor.name, description.to_toml())
    return stored, load_described(written) if description.kind == "onnx" else extractor


def import_extractors(
    folder: str | Path,
    refs: Sequence[str],
    *,
    texts: Sequence[str] = (),
    model: str = "",
    labels: str | Path | Sequence[str] | None = None,
    kind: str = "",
    size: int = 0,
    loaded: Mapping[str, Extractor] = MappingProxyType({}),
    step: Step | None = None,
) -> tuple[str, ...]:
    """References to store for several extractors: files are copied in, names stay names, and sentences come last.

    ``loaded``: extractors that are loaded already, by name. ``labels``, ``kind`` and ``size`` are of the one ONNX file among them; ``step`` as for `import_extractor`.
    """
    from tlgan.extractors.registry import names_code
    from tlgan.io.permission import allow

    folder = Path(folder)
    said = bool(labels or kind or size)
    models = [ref for ref in refs if ref.endswith(".onnx")]
    if said and len(models) != 1:
        raise TlganError(f"--labels, --kind and --size are of one ONNX file; {len(models)} were given")
    stored = []
    for ref in refs:
        if ref in loaded:
            stored.append(import_loaded(step.path if step else lambda name: to_write(folder, name), loaded[ref])[0])
        elif ref in models and said:
            stored.append(import_extractor(folder, ref, labels=labels, kind=kind, size=size, step=step)[0])
        elif ref.endswith(_FILES) and Path(located(ref, folder)).is_file():
            stored.append(import_extractor(folder, ref, step=step)[0])
        else:
            if names_code(ref):
                allow(ref)
            stored.append(ref)
    if texts:
        stored.append(import_extractor(folder, texts=texts, model=model, step=step)[0])
    return tuple(stored)


def _write(place: Callable[[str], Path], name: str, text: str) -> tuple[str, Path]:
    """The reference to store, and where its file is until it has its place."""
    stored = f"{EXTRACTORS_FOLDER}/{name}.toml"
    path = place(stored)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return stored, path


def _whole(place: Callable[[str], Path], source: Path, name: str) -> Path:
    """A copy of an ONNX file with the numbers that lie in files beside it inside."""
    import onnx
    from google.protobuf.message import EncodeError

    target = place(f"{EXTRACTORS_FOLDER}/{name}")
    try:
        text = onnx.load(str(source)).SerializeToString()
    except (EncodeError, ValueError) as error:
        raise TlganError(
            f"{source.name} is over the 2 GB that one ONNX file can hold: give it in half precision"
        ) from error
    with replacing(target) as temporary:
        temporary.write_bytes(text)
    return target


def _copied(place: Callable[[str], Path], source: Path, name: str) -> Path:
    target = place(f"{EXTRACTORS_FOLDER}/{name}")
    if not (target.exists() and target.samefile(source)):
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    return target
