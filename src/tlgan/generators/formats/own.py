"""A generator that a function of one's own makes: `module:function`, as extractors are named.

Running it needs a person's word (`tlgan.io.permission`): whoever names it on the command line or in Python gives it, a
workspace that names it does not.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from torch import nn

from tlgan.errors import TlganError
from tlgan.generators.base import Generator
from tlgan.io import consent, permission

from .wrapped import found_latents

_OF_MODULES = ("latent_dim", "picture_range")


def names_code(ref: str) -> bool:
    """Whether a reference is ``module:function``, and no file of that name lies here."""
    return permission.MODULE_REFERENCE.fullmatch(ref) is not None and not Path(ref).is_file()


def load_own(ref: str, *, device: str = "cpu", trust: bool = False, **options: Any) -> Generator:
    """The generator that ``module:attribute`` is or returns.

    The attribute is a `Generator`, a `torch.nn.Module`, or a function: one without required parameters is called and
    makes one of these, one with a single required parameter is taken to paint latents [n, d] itself. `latent_dim` and
    `picture_range` are those of `wrap_generator`, and are found by trying where they are not given; further `options`
    go to the function by keyword. A module must come with its weights: it is known by its numbers. Raises `TlganError`
    where the reference leads to none of these, or where a file names it that no person has allowed.
    """
    if consent.by_file():
        permission.require(ref, "tlgan.load_generator", trust=trust)
    found = permission.import_attribute(ref, "generator")
    if not isinstance(found, Generator | nn.Module) and callable(found) and not (required := _required(found)):
        known = inspect.signature(found).parameters
        takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
        handed = {
            key: options.pop(key) for key in list(options) if key in known or (takes_all and key not in _OF_MODULES)
        }
        try:
            found = found(**handed)
        except TlganError:
            raise
        except Exception as error:  # a user's code may raise anything
            raise TlganError(f"generator {ref!r} failed: {type(error).__name__}: {str(error)[:200]}") from error
    elif callable(found) and not isinstance(found, Generator | nn.Module) and len(required) > 1:
        raise TlganError(
            f"generator {ref!r} needs {', '.join(required)}: expected a function without required parameters that makes "
            "a generator, or one of latents [n, d] that paints them"
        )
    allowed = _OF_MODULES if not isinstance(found, Generator) else ()
    if unknown := [key for key, value in options.items() if key not in allowed and value is not None]:
        raise TlganError(f"{ref} has no option {', '.join(unknown)}: it has {', '.join(allowed) or 'none'}")
    if not isinstance(found, Generator):
        if not callable(found):
            what = "returned nothing (None)" if found is None else f"is {type(found).__name__}"
            raise TlganError(
                f"generator {ref!r} {what}: expected a generator, a torch.nn.Module, or a function that makes (returns) one or "
                "paints latents [n, d]"
            )
        found = found_latents(found, name=ref, device=device, **options)
    if not consent.by_file():
        permission.allow(ref)
    made: Generator = found
    return made


def _required(function: Any) -> list[str]:
    """The positional parameters that have no default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ["latents"]  # written in C: what it takes is not known, and a factory would say
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in kinds and p.default is p.empty]
