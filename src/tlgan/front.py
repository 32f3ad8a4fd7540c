"""The front door: what `import tlgan` offers for the whole way from a generator to a published page.

Options are keyword-only. A generator or an extractor is given loaded or as a reference, `progress` as a `Progress` or a
function of one line of text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tlgan.axes import SURE
from tlgan.errors import TlganError
from tlgan.extractors import load_extractor
from tlgan.workspace import DEFAULT_EXTRACTORS, Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover as _discover
from tlgan.workspace.evaluate import evaluate_workspaces
from tlgan.workspace.workspace import IN_MEMORY

if TYPE_CHECKING:
    from tlgan.evaluation import Evaluation, Evaluator, Method
    from tlgan.extractors import Extractor
    from tlgan.generators import Generator
    from tlgan.hooks import SamplingEngine
    from tlgan.progress import ProgressLike

    AnyExtractor: TypeAlias = str | Extractor | Callable[..., Any]


def discover(
    path: str | PathLike[str] | Generator,
    generator: str | PathLike[str] | Generator | None = None,
    *,
    extractors: Sequence[AnyExtractor] = DEFAULT_EXTRACTORS,
    texts: Sequence[str] = (),
    model: str = "",
    space: str = "",
    truncation: float | None = None,
    label: int | None = None,
    seed: int = 0,
    max_samples: int = 20_000,
    resolution: int | None = None,
    base: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    sure: float = SURE,
    preview: bool = False,
    trust: bool = False,
    engine: str | SamplingEngine = "local",
    progress: ProgressLike = None,
) -> Workspace:
    """Draw samples of a generator, measure them and fit the axes: a workspace in the folder `path`, made or gone on with.

    ``generator``: a reference as `load_generator` takes them, or a loaded one, which may come before the path too.
    ``extractors``: references as `load_extractor` takes them, loaded extractors, or functions; ``texts``: sentences for
    a text-image ``model``; ``space``: "z" or "w" ("": the better one); ``truncation``: psi (None: what suits the
    generator); ``label``: class of a conditional generator; ``seed`` and ``max_samples`` of the samples, ``resolution``
    of their pictures in pixels (None: the generator's); ``base``: features that all other axes are kept clear of (None:
    male and young where they are measured); ``options`` of the generator, as `load_generator` takes them; ``sure``:
    split-half agreement at which an axis counts as known; ``preview``: train small pictures of a large generator first;
    ``trust``: the generator's file may hold code; ``engine``: where samples are painted, a name as `--engine` has it or an
    object of `tlgan.engines`. Raises TlganError, with the folder as it was, where the folder holds
    something else or a network can't be loaded.
    """
    if not isinstance(path, str | PathLike):
        path, generator = generator, path  # type: ignore[assignment]
    if generator is None or not isinstance(path, str | PathLike):
        raise TypeError("discover takes the folder of a workspace and a generator: discover(path, generator=...)")
    given = None if isinstance(generator, str | PathLike) else generator
    ref = str(generator) if given is None else getattr(given, "ref", "") or f"{IN_MEMORY}{given.name}"
    made = [one if isinstance(one, str) else load_extractor(one) for one in extractors]
    settings = Settings(
        generator=ref,
        space=space,
        truncation=truncation,
        label=label,
        extractors=tuple(one if isinstance(one, str) else one.name for one in made),
        seed=seed,
        max_samples=max_samples,
        resolution=resolution,
        base=None if base is None else tuple(base),
        options=dict(options or {}),
    )
    recipe = None
    if preview:
        from tlgan.training.picture_head import HeadRecipe

        recipe = HeadRecipe()
    loaded = {one.name: one for one in made if not isinstance(one, str)}
    more: Any = {
        "generator": given,
        "loaded": loaded,
        "preview": recipe,
        "texts": texts,
        "model": model,
        "engine": engine,
    }
    return _discover(Path(path), settings, sure=sure, trust=trust, progress=progress, **more)


def open(
    path: str | PathLike[str],
    *,
    generator: Generator | None = None,
    extractors: Sequence[Extractor | Callable[..., Any]] = (),
    trust: bool = False,
    fetch: bool = False,
    progress: ProgressLike = None,
) -> Workspace:
    """The workspace in the folder `path`. Networks are loaded when they are first needed.

    ``generator``, ``extractors``: loaded ones in place of those that the folder names, for what only exists in memory;
    ``trust``: what the folder names may be code; ``fetch``: it may be fetched. Raises TlganError where the folder is no
    workspace, or what is given is not what it was made with.
    """
    made = [load_extractor(extractor) for extractor in extractors]
    return open_workspace(Path(path), generator=generator, extractors=made, trust=trust, fetch=fetch, progress=progress)


def evaluate(
    workspaces: Workspace | Sequence[Workspace],
    *,
    judges: Sequence[str | Extractor | Evaluator] = ("judge40",),
    methods: Sequence[str | Method] = ("plain", "conditioned", "joint", "exact"),
    features: Sequence[str] | None = None,
    faces: int = 50,
    amount: float = 1.5,
    plain: int = 2000,
    progress: ProgressLike = None,
) -> list[Evaluation]:
    """Measure what edits change, with extractors that had no part in finding the axes.

    Each of ``features`` (None: all that are not weak) is moved by ± ``amount`` population standard deviations on
    ``faces`` faces by each of ``methods``, and every judge measures the pictures, in units of its own spread over ``plain`` unedited ones. Returns one `Evaluation` for each judge
    and workspace, judges first; the first judge's are written into the workspaces and their reports. Raises TlganError
    where a judge is one of a workspace's own extractors or lacks a feature.
    """
    several = [workspaces] if isinstance(workspaces, Workspace) else list(workspaces)
    if not several or not judges:
        raise TlganError("nothing to evaluate: give at least one workspace and one judge")
    options: Any = {
        "features": features,
        "methods": methods,
        "faces": faces,
        "amount": amount,
        "plain": plain,
        "progress": progress,
    }
    found: list[Evaluation] = []
    for judge in judges:
        found += evaluate_workspaces(several, judge, record=judge is judges[0], **options)
    return found
