"""From a reference to an extractor.

Names are those of the hook `tlgan.hooks.EXTRACTORS`; what else a reference may be (a file, a scheme, a function) is said
here.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from tlgan.errors import TlganError
from tlgan.hooks import EXTRACTORS
from tlgan.io.permission import MODULE_REFERENCE, allow, import_attribute, require

from .base import Extractor, as_extractor, is_extractor

#: References that name a file or a scheme: how they begin or end, and who loads them. A prefix of a sentence
#: (`text:`) is taken off; everything else is handed on whole.
SCHEMES = {"text:": "tlgan.extractors.text:load_prompts"}
ENDINGS = {
    ".onnx": "tlgan.extractors.onnx_file:load_onnx",
    ".toml": "tlgan.extractors.described:load_described",
    ".safetensors": "tlgan.extractors.trained:load_safetensors",
}
TRIED = (".onnx", ".toml")  #: endings whose loaders take ``trust``: ONNX files are tried before they are loaded
REPOSITORIES = "tlgan.extractors.huggingface:load_classifier"


def known_extractors() -> tuple[str, ...]:
    """Names that :func:`load_extractor` takes: the built-in ones and those of installed packages."""
    return tuple(sorted(EXTRACTORS.names()))


def load_extractor(ref: Any, **options: Any) -> Extractor:
    """Return the extractor that ``ref`` names.

    ``ref`` is a known name (:func:`known_extractors`), an ONNX file or its description (``model.onnx``,
    ``model.toml``), ``hf:owner/repo``, ``text:a sentence``, ``"module:attribute"``, a callable or ``torch.nn.Module``
    from pictures [n, C, H, W] in [-1, 1] to values [n, f] (or a mapping of name to [n]), or an extractor, which is
    returned as it is. ``options`` go to the extractor's factory; for a callable see
    :func:`tlgan.extractors.callables.wrap_callable`. Raises :class:`TlganError` where nothing can be made of ``ref``.
    """
    if isinstance(ref, str):
        loaded = _load_named(ref, options)
        if names_code(ref):
            allow(ref)
        return loaded
    return _as_extractor(ref, options, described=repr(ref))


def load_stored(ref: str, *, trust: bool = False) -> Extractor:
    """The extractor that a file names: a workspace's, or the backbone of a head.

    A file may come from a stranger, so ``module:function`` in it is imported only where somebody here named that very
    function before (`load_extractor`, `tlgan add`, `tlgan discover`) and its code is the same as then, or with
    ``trust``. What comes from no file, like ``__main__``, is never run. Raises :class:`TlganError`.
    """
    if names_code(ref):
        require(ref, "tlgan.load_extractor", trust=trust)
    return _load_named(ref, {"trust": True} if trust and PurePath(ref).suffix in TRIED else {})


def names_code(ref: str) -> bool:
    """Whether ``ref`` is ``module:function``: neither a known name, nor a file, nor a scheme."""
    return (
        ref not in known_extractors()
        and not ref.startswith(tuple(SCHEMES))
        and PurePath(ref).suffix not in ENDINGS
        and not _is_repository(ref)
        and MODULE_REFERENCE.fullmatch(ref) is not None
    )


def _load_named(ref: str, options: dict[str, Any]) -> Extractor:
    if ref in EXTRACTORS:
        return _call_factory(EXTRACTORS.get(ref), options, ref)
    for scheme, loader in SCHEMES.items():
        if ref.startswith(scheme):
            return _call_factory(functools.partial(_builtin(loader), ref.removeprefix(scheme)), options, ref)
    path = PurePath(ref.partition("@")[0] if ref.startswith("hf:") else ref)
    reads = ENDINGS.get(path.suffix) or (REPOSITORIES if _is_repository(ref) else None)
    if reads is not None:
        return _call_factory(functools.partial(_builtin(reads), ref), options, ref)
    if MODULE_REFERENCE.fullmatch(ref):
        return _as_extractor(import_attribute(ref, "extractor"), options, described=ref)
    raise TlganError(
        f"unknown extractor {ref!r}: expected one of {', '.join(known_extractors())}, a file (.onnx, .toml), "
        "hf:owner/repo, text:words, or module:function for your own; an object is handed over as one: "
        "tlgan.open(folder, extractors=[...])"
    )


def _builtin(ref: str) -> Any:
    return import_attribute(ref, "extractor", importlib.import_module)


def _is_repository(ref: str) -> bool:
    return ref.startswith("hf:") or (Path(ref) / "config.json").is_file()


def _call_factory(factory: Callable[..., Any], options: dict[str, Any], ref: str) -> Extractor:
    try:
        made = factory(**options)
    except TypeError as error:
        raise TlganError(f"extractor {ref!r} does not take these options ({', '.join(options)}): {error}") from error
    return _as_extractor(made, {}, described=ref)


def _as_extractor(found: Any, options: dict[str, Any], described: str) -> Extractor:
    if isinstance(found, type) and hasattr(found, "extract"):
        return _call_factory(found, options, described)
    if is_extractor(found):
        if options:
            raise TlganError(f"extractor {described} is already made: options {', '.join(options)} can't be applied")
        return as_extractor(found)
    if callable(found):
        from .callables import wrap_callable

        return wrap_callable(found, **options)
    raise TlganError(
        f"{described} is not an extractor: expected a name, module:function, or a callable from pictures to values"
    )
