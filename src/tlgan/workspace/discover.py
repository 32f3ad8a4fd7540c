"""Steps 1 to 4 in one go: from a generator's reference to a workspace with axes.

Every part that is drawn is learned from at once, and drawing stops when every axis that can be learned is known. A
run that was cut off goes on where it was: the parts on disk are learned from first, in the same order, so the result
is that of a run that was never cut off.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.axes import SURE
from tlgan.axes.directions import Labelled, axes_by
from tlgan.axes.layers import groups_of, layer_effects
from tlgan.editing import Canvas, side_effects
from tlgan.errors import TlganError
from tlgan.hooks import AXIS_METHODS, SAMPLING_ENGINES, SamplingEngine
from tlgan.io.files import to_write
from tlgan.io.place import upload
from tlgan.io.step import Step, held, is_ours
from tlgan.progress import Progress, ProgressLike, as_progress
from tlgan.samples import Source

from .importing import import_extractors
from .learning import learn as learn
from .settings import AXES_FILE, EXTRACTORS_FOLDER, PREVIEW_FILE, PREVIEW_WORK, SAMPLES_FOLDER, SETTINGS_FILE, Settings
from .whole import WHOLE, corrected
from .workspace import Workspace, on_this_machine, open_workspace, recorded_extractors, remember, settle, writing_into

if TYPE_CHECKING:
    from tlgan.axes import Axes
    from tlgan.extractors import Extractor
    from tlgan.generators import Generator
    from tlgan.training.picture_head import HeadRecipe

#: The method that a workspace has where its settings name none.
REGRESSION = "regression"


def discover(
    path: str | Path,
    settings: Settings,
    *,
    texts: Sequence[str] = (),
    model: str = "",
    labels: str | Path | Sequence[str] | None = None,
    kind: str = "",
    size: int = 0,
    progress: ProgressLike = None,
    sure: float = SURE,
    trust: bool = False,
    generator: Generator | None = None,
    loaded: Mapping[str, Extractor] | None = None,
    preview: HeadRecipe | None = None,
    engine: str | SamplingEngine = "local",
    load: Callable[[Settings], tuple[Generator, Extractor]] | None = None,
) -> Workspace:
    """Make or continue the workspace in folder `path`, up to its axes and its report.

    ``texts``, ``model``, ``labels``, ``kind`` and ``size`` say more of the extractors, as for `import_extractors`. ``preview``:
    train a head that paints small pictures first, and keep it in the workspace; samples are then painted small, and the
    axes corrected on some whole pictures, as for a generator that comes with a head. ``sure``: split-half cosine at
    which every learnable axis counts as known. ``generator`` and ``loaded`` (extractors by reference) are used in place
    of what the settings name, for networks that only exist in memory. ``engine``: where samples are painted, an engine or
    its name, see `tlgan.hooks.SAMPLING_ENGINES`. A workspace that another axis method found goes on with that, unless
    the settings name one. ``trust``: the generator's file may hold code.
    Raises TlganError where the folder holds a workspace of something else, and whatever loading the networks raises.
    """
    if load is not None:
        warnings.warn("discover(load=...) is now discover(generator=, loaded=)", DeprecationWarning, stacklevel=2)
        generator, extractor = load(settings)
        loaded = dict(zip(settings.extractors, getattr(extractor, "parts", (extractor,)), strict=False))
    progress, loaded = as_progress(progress), dict(loaded or {})
    path = on_this_machine(path)
    working: SamplingEngine = SAMPLING_ENGINES.make(engine) if isinstance(engine, str) else engine
    if settings.method:
        AXIS_METHODS.make(settings.method)  # an unknown one is told before anything is drawn
    check_free(path)
    with writing_into(path, progress.stage), Step(path) as step:
        check_free(path)
        described: Any = {"texts": texts, "model": model, "labels": labels, "kind": kind, "size": size}
        kept = import_extractors(path, settings.extractors, loaded=loaded, step=step, **described)
        loaded = {new: loaded[ref] for ref, new in zip(settings.extractors, kept, strict=False) if ref in loaded}
        settings = replace(settings, extractors=kept)
        old = open_workspace(path).settings if held(path, SETTINGS_FILE).exists() else None
        if old is not None:
            given = settings.options or old.options
            known: dict[str, Any] = {"sha256": old.sha256, "accepted": old.accepted, "language": old.language}
            settings = replace(settings, options=given, **known)
            if old.method and not settings.method:
                progress.stage(f"going on with {old.method}, which found the directions before (regression on request)")
                settings = replace(settings, method=old.method)
        settings = replace(settings, method="" if settings.method == REGRESSION else settings.method)
        progress.stage(f"loading generator {settings.generator} and extractors {', '.join(settings.extractors)}")
        workspace = Workspace(path, settings, loaded=loaded, trust=trust, progress=progress, staged=step.stage)
        if generator is not None:
            workspace = workspace.changed(generator=workspace.prepared(generator))
            remember(workspace.generator)
        if preview is not None:
            workspace = workspace.changed(generator=_with_preview(workspace, preview, progress))
        names = tuple(feature.name for feature in workspace.extractor.features)
        if old is not None and not settings.groups:
            settings = replace(settings, groups=old.groups)
        settings = settle(settings, workspace.generator, names)
        workspace = workspace.changed(settings=settings)
        if settings.space == "w+" and not settings.groups:
            workspace = workspace.changed(settings=replace(settings, groups=_groups(workspace, progress)))
        if old is not None:
            workspace = _continued(old, workspace)
        workspace = workspace.changed(settings=recorded_extractors(workspace.settings, workspace.extractor))
        workspace.save_settings(step)
        if not held(path, AXES_FILE).exists():
            step.take()  # samples that are drawn from here on belong to these settings
            upload(path, without=SAMPLES_FOLDER)
        workspace = workspace.changed(axes=_fitted(workspace, progress, sure, working))
        distance = _distances(workspace)
        workspace = workspace.changed(settings=replace(workspace.settings, distance=distance))
        workspace.save_settings(step)
        progress.stage("writing the report")
        from .report import write_report

        workspace.axes.save(step.path(AXES_FILE))
        write_report(workspace, step)
    return workspace.changed(staged=None)


def _groups(workspace: Workspace, progress: Progress) -> tuple[int, ...]:
    """The groups of layers, found by measurement."""
    settings = workspace.settings
    source = Source(workspace.generator, "w", settings.psi, settings.label, settings.resolution)
    progress.stage("changing one layer at a time to see which belong together")
    effects = layer_effects(
        source, workspace.extractor, seed=settings.seed, on_layer=lambda done, of: progress.step("layers", done, of)
    )
    groups = groups_of(effects)
    progress.stage(f"{len(groups)} groups of layers begin at {', '.join(map(str, groups))} of {len(effects)}")
    return groups


def _fitted(workspace: Workspace, progress: Progress, sure: float, engine: SamplingEngine) -> Axes:
    learner = learn(workspace, progress, sure, engine)
    progress.stage("fitting the axes")
    chosen = workspace.settings
    axes = learner.axes(generator=workspace.generator.fingerprint, **chosen.origin)
    if chosen.method:
        progress.stage(f"finding directions by {chosen.method}")
        axes = axes_by(AXIS_METHODS.make(chosen.method), labelled(workspace, axes))

    if _painted_by_head(workspace):
        progress.stage(f"painting {WHOLE} whole pictures to correct what small ones miss")
        axes = corrected(
            axes, workspace.canvas_as_sampled(axes), Canvas(workspace.generator, workspace.extractor, axes), progress
        )
    progress.stage("moving every slider to see what else changes")
    return replace(axes, effects=side_effects(workspace.canvas_as_sampled(axes)), effects_by=workspace.extractor.name)


def _distances(workspace: Workspace) -> tuple[tuple[str, float], ...]:
    """How far the first sampled pictures are from what each extractor was trained on, where that is known."""
    from tlgan.extractors import home
    from tlgan.samples import first_pictures

    images = first_pictures(workspace.samples, home.PICTURES)
    found = ((part.name, home.distance(part, images)) for part in workspace.extractor.parts)
    return tuple((name, value) for name, value in found if value is not None)


def labelled(workspace: Workspace, axes: Axes, limit: int | None = None) -> Labelled:
    """The samples of a workspace, at most `limit` of them, as axis methods see them."""
    store = workspace.samples
    latents, values = (np.concatenate(parts) for parts in zip(*store.read_arrays(stop=limit), strict=True))
    source = Source.of(workspace.generator, store.recipe)
    return Labelled(axes, latents, values, source, tuple(workspace.extractor.parts))


def _with_preview(workspace: Workspace, recipe: HeadRecipe, progress: Progress) -> Generator:
    """The generator with a head of small pictures: trained into the workspace, unless it is there or comes with it."""
    from tlgan.generators import LatentGenerator
    from tlgan.training.picture_head import train_head

    generator = workspace.generator
    if not isinstance(generator, LatentGenerator):
        raise TlganError(f"{generator.name} can't have small pictures of its own: its kind has no features to read")
    if generator.head is not None:
        return generator
    progress.stage(f"training small pictures: {recipe.pairs:,} whole pictures, then {recipe.steps:,} steps")
    work = to_write(workspace.path, PREVIEW_WORK)
    head, quality = train_head(generator, workspace.extractor, work, recipe, progress=progress)
    head.save(to_write(workspace.path, PREVIEW_FILE))
    agreed = f", labels correlate {np.mean(list(quality.correlation.values())):.3f}" if quality.correlation else ""
    progress.stage(f"small pictures are {quality.grey:.1f} grey levels off whole ones{agreed}")
    return generator.with_head(head)


def _painted_by_head(workspace: Workspace) -> bool:
    head, side = getattr(workspace.generator, "head", None), workspace.settings.resolution
    return head is not None and side is not None and side <= head.resolution


def check_free(path: Path) -> None:
    """Raise TlganError where `path` can't become a workspace, or is something else already."""
    if path.exists() and not path.is_dir():
        raise TlganError(f"{path} is a file: name a folder for the workspace")
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    kept = {EXTRACTORS_FOLDER, PREVIEW_FILE, PREVIEW_WORK}
    others = [name for name in names if name not in kept and not is_ours(name)]
    if others and not held(path, SETTINGS_FILE).exists():
        raise TlganError(f"{path} holds other things and is not a workspace: name a new or empty folder")


def _continued(old: Settings, workspace: Workspace) -> Workspace:
    """The workspace, which is continued only as what it is; the cap may grow and the base axes may change."""
    new = workspace.settings
    if old.sha256 != new.sha256:
        raise TlganError(
            f"workspace {workspace.path} was made from another generator ({old.generator}): choose another folder with -o"
        )
    if set(new.extractors) < set(old.extractors):  # some were added since, and stay
        new = replace(new, extractors=old.extractors)
        workspace = workspace.changed(settings=new, named_by=workspace.path / SETTINGS_FILE, extractor=None)
    for name in ("space", "groups", "truncation", "label", "extractors", "seed", "resolution"):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            raise TlganError(
                f"workspace {workspace.path} was made with {name} {_words(before)}, now {_words(now)} is asked: "
                "choose another folder with -o"
            )
    # The same generator under a path that leads somewhere is where it lies now.
    moved = new.generator != old.generator and Path(new.generator).is_file()
    return workspace.changed(settings=new if moved else replace(new, generator=old.generator))


def _words(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else repr(value)
