"""Steps 1 to 4 in one go: from a generator's reference to a workspace with axes.

Every part that is drawn is learned from at once, and drawing stops when every axis that can be learned is known. A
run that was cut off goes on where it was: the parts on disk are learned from first, in the same order, so the result
is that of a run that was never cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.axes import SURE, AxisLearner
from tlgan.editing import Canvas, side_effects
from tlgan.errors import TlganError
from tlgan.io.step import Step, held, is_ours
from tlgan.samples import Source, draw, measure_part

from .adopt import adopt_all
from .progress import Watcher
from .settings import AXES_FILE, EXTRACTORS_FOLDER, SETTINGS_FILE, Settings
from .workspace import Workspace, load_extractors, open_workspace, settle, writing_into

if TYPE_CHECKING:
    from tlgan.extractors.combined import CombinedExtractor
    from tlgan.generators import Generator


def discover(
    path: str | Path,
    settings: Settings,
    *,
    texts: Sequence[str] = (),
    model: str = "",
    labels: str | Path | Sequence[str] | None = None,
    kind: str = "",
    size: int = 0,
    watcher: Watcher | None = None,
    sure: float = SURE,
    trust: bool = False,
    load: Callable[[Settings], tuple[Generator, CombinedExtractor]] | None = None,
) -> Workspace:
    """Make or continue the workspace in folder `path`, up to its axes and its report.

    ``texts``, ``model``, ``labels``, ``kind`` and ``size`` say more of the extractors, as for `adopt_all`. ``sure``: split-half cosine at which every learnable axis counts as known. ``load`` replaces the loading of the
    networks by reference (for a generator that only exists in memory). ``trust``: the generator's file may hold code.
    Raises TlganError where the folder holds a workspace of something else, and whatever loading the networks raises.
    """
    watcher = watcher or Watcher()
    path = Path(path)
    check_free(path)
    with writing_into(path, watcher.stage), Step(path) as step:
        check_free(path)
        if load is None:
            told: Any = {"texts": texts, "model": model, "labels": labels, "kind": kind, "size": size}
            settings = replace(settings, extractors=adopt_all(path, settings.extractors, step=step, **told))
        workspace = Workspace(path, settings, trust=trust, on_download=watcher.download)
        watcher.stage(f"loading generator {settings.generator} and extractors {', '.join(settings.extractors)}")
        if load is not None:
            workspace.generator, workspace.extractor = load(settings)
        else:
            workspace.extractor = load_extractors(settings.extractors, step.stage, path, trust=trust)
        names = tuple(feature.name for feature in workspace.extractor.features)
        workspace.settings = settle(settings, workspace.generator, names)
        if held(path, SETTINGS_FILE).exists():
            _check_same(open_workspace(path).settings, workspace)
        workspace.save_settings(step)
        if not held(path, AXES_FILE).exists():
            step.take()  # samples that are drawn from here on belong to these settings
        _find_axes(workspace, watcher, sure)
        watcher.stage("writing the report")
        from .report import write_report

        workspace.axes.save(step.path(AXES_FILE))
        write_report(workspace, step)
    return workspace


def _find_axes(workspace: Workspace, watcher: Watcher, sure: float) -> None:
    learner = learn(workspace, watcher, sure)
    watcher.stage("fitting the axes")
    chosen = workspace.settings
    workspace.axes = learner.axes(
        generator=workspace.generator.fingerprint,
        space=chosen.space,
        base=chosen.base or (),
        seed=chosen.seed,
        truncation=chosen.truncation,
        label=chosen.label,
        extractors=chosen.extractors,
    )
    watcher.stage("moving every slider to see what else changes")
    canvas = Canvas(workspace.generator, workspace.extractor, workspace.axes, resolution=chosen.resolution)
    workspace.axes = replace(workspace.axes, effects=side_effects(canvas), effects_by=workspace.extractor.name)


def learn(workspace: Workspace, watcher: Watcher, sure: float = SURE) -> AxisLearner:
    """Draw and learn until every learnable axis is known or the cap is reached; parts already drawn count."""
    settings, store = workspace.settings, workspace.samples
    white = Source.of(workspace.generator, store.recipe).white
    learner = AxisLearner(workspace.extractor.features, store.recipe.latent_dim, white=white)
    held = store.rows()
    progress = learner.progress()
    measured = store.measured()
    if measured < held:
        watcher.stage(f"measuring the {held - measured:,} samples that an added extractor has not seen")
        for number in range(measured // store.recipe.part_rows, -(-held // store.recipe.part_rows)):
            measure_part(workspace.generator, workspace.extractor, store, number)
    if held:
        watcher.stage(f"learning from the {held:,} samples that are already there")
        # A last part that is not full is drawn again whole below, unless the cap leaves it as it is.
        whole = held if held >= settings.max_samples else held - held % store.recipe.part_rows
        for latents, values in store.read_arrays(stop=whole):
            learner.add(latents, values)
        progress = learner.progress(sure)
        watcher.rows(whole)
        watcher.progress(progress)
    if progress.sure or held >= settings.max_samples:
        return learner
    watcher.stage(f"drawing, painting and measuring samples{_hint(workspace)}")

    def enough(latents: np.ndarray, values: np.ndarray) -> bool:
        learner.add(latents, values)
        progress = learner.progress(sure)
        watcher.progress(progress)
        return progress.sure

    draw(
        workspace.generator, workspace.extractor, store, stop=settings.max_samples, enough=enough, on_rows=watcher.rows
    )
    return learner


def _hint(workspace: Workspace) -> str:
    """Pictures that are painted far larger than anybody looks at them: a faster way is named."""
    side, seen = workspace.generator.resolution, workspace.extractor.input_size
    if workspace.settings.resolution is not None or seen is None or side < 4 * seen:
        return ""
    small = min(power for power in (2**n for n in range(3, 12)) if power >= seen)
    return f", {side} px for extractors that look at {seen}: --resolution {small} may be much faster"


def check_free(path: Path) -> None:
    """Raise TlganError where `path` can't become a workspace, or is something else already."""
    if path.exists() and not path.is_dir():
        raise TlganError(f"{path} is a file: name a folder for the workspace")
    names = [entry.name for entry in path.iterdir()] if path.is_dir() else []
    others = [name for name in names if name != EXTRACTORS_FOLDER and not is_ours(name)]
    if others and not held(path, SETTINGS_FILE).exists():
        raise TlganError(f"{path} holds other things and is not a workspace: name a new or empty folder")


def _check_same(old: Settings, workspace: Workspace) -> None:
    """A workspace is continued only as what it is; the cap may grow and the base axes may change."""
    new = workspace.settings
    if old.sha256 != new.sha256:
        raise TlganError(
            f"workspace {workspace.path} was made from another generator ({old.generator}): choose another folder with -o"
        )
    if set(new.extractors) < set(old.extractors):  # some were added since, and stay
        new = replace(new, extractors=old.extractors)
        workspace.settings = new
        del workspace.extractor
    for name in ("space", "truncation", "label", "extractors", "seed", "resolution"):
        before, now = getattr(old, name), getattr(new, name)
        if before != now:
            raise TlganError(
                f"workspace {workspace.path} was made with {name} {_words(before)}, now {_words(now)} is asked: "
                "choose another folder with -o"
            )
    workspace.settings = replace(new, generator=old.generator if old.sha256 == new.sha256 else new.generator)


def _words(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else repr(value)
