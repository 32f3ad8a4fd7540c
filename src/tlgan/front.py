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
from tlgan.extractors import load_extractor
from tlgan.workspace import DEFAULT_EXTRACTORS, Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover as _discover
from tlgan.workspace.evaluate import evaluate_workspaces
from tlgan.workspace.workspace import IN_MEMORY

if TYPE_CHECKING:
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
    labels: str | PathLike[str] | Sequence[str] | None = None,
    kind: str = "",
    size: int = 0,
    space: str = "",
    truncation: float | None = None,
    label: int | None = None,
    seed: int = 0,
    max_samples: int = 20_000,
    resolution: int | None = None,
    base: Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    method: str = "",
    sure: float = SURE,
    preview: bool = False,
    trust: bool = False,
    engine: str | SamplingEngine = "local",
    progress: ProgressLike = None,
) -> Workspace:
    """Draw samples of a generator, measure them and fit the axes: a workspace in the folder `path`, made or gone on with.

    ``generator``: a reference as `load_generator` takes them, or a loaded one, which may come before the path too.
    ``extractors``: references as `load_extractor` takes them, loaded extractors, or functions; ``texts``: sentences for
    a text-image ``model``; ``labels`` (names or a file of them), ``kind`` and ``size`` (pixels): what an ONNX extractor leaves
    open; ``space``: "z" or "w" ("": the better one); ``truncation``: psi (None: what suits the
    generator); ``label``: class of a conditional generator; ``seed`` and ``max_samples`` of the samples, ``resolution``
    of their pictures in pixels (None: the generator's); ``base``: features that all other axes are kept clear of (None:
    male and young where they are measured); ``options`` of the generator, as `load_generator` takes them; ``method``: how
    directions are found, a name of `hooks.AXIS_METHODS` ("": regression); ``sure``:
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
        method=method,
    )
    recipe = None
    if preview:
        from tlgan.training.picture_head import HeadRecipe

        recipe = HeadRecipe()
    loaded = {one.name: one for one in made if not isinstance(one, str)}
    return _discover(
        Path(path),
        settings,
        texts=texts,
        model=model,
        labels=Path(labels) if isinstance(labels, PathLike) else labels,
        kind=kind,
        size=size,
        generator=given,
        loaded=loaded,
        preview=recipe,
        sure=sure,
        trust=trust,
        engine=engine,
        progress=progress,
    )


open = open_workspace
evaluate = evaluate_workspaces
