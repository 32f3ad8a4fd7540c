"""Records in a workspace where its generator's file lies now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tlgan.errors import TlganError
from tlgan.io.step import Step

from .workspace import Workspace, from_anywhere, open_workspace, writing_into


def move_generator(path: str | Path, ref: str, *, accept: bool = False, trust: bool = False) -> Workspace:
    """Make the workspace in folder `path` name `ref` as its generator's file.

    The file must hold the network that the workspace was made with (the same fingerprint). ``accept`` takes another
    one: a person's word that it is the same network, for a copy whose numbers differ (another precision) or that the
    fingerprint of an earlier version can't be checked against. It is written into the settings, and the axes are used
    as they are. Raises TlganError where the network is another one, or where its latents do not fit the axes.
    """
    path = Path(path)
    with writing_into(path), Step(path) as step:
        moved = _moved(open_workspace(path, trust=trust), ref, accept)
        moved.save_settings(step)
    return moved


def _moved(opened: Workspace, ref: str, accept: bool) -> Workspace:
    settings = replace(opened.settings, generator=from_anywhere(ref))
    if accept:
        from tlgan.generators import load_generator
        from tlgan.samples import Source

        found = load_generator(settings.generator, trust=opened.trust, recorded=settings.sha256, **settings.options)
        needed = opened.axes.directions.shape[1]
        has = Source(found, settings.space, groups=settings.groups).latent_dim
        if has != needed:
            raise TlganError(
                f"{ref} has {has} latents in {settings.space}, the axes of {opened.path} have {needed}: it is another network"
            )
        if found.fingerprint not in (settings.sha256, *settings.accepted):
            settings = replace(settings, accepted=(*settings.accepted, found.fingerprint))
    moved = Workspace(opened.path, settings, trust=opened.trust)
    _ = moved.generator  # raises where it is another one
    return moved
