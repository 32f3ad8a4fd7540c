"""An audit of a workspace, as a page with pictures that opens anywhere, and the same as JSON beside it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan import languages
from tlgan.editing.claims import claim_of
from tlgan.errors import TlganError
from tlgan.io.files import replacing
from tlgan.io.pictures import thumbnail
from tlgan.languages import Language
from tlgan.workspace.section import data_url, environment, small

from .classifier import ClassifierAudit, Moved, audit_classifier
from .population import GeneratorAudit, audit_generator, read_reference

if TYPE_CHECKING:
    from tlgan.editing import Canvas
    from tlgan.provenance import Claim
    from tlgan.workspace import Workspace

#: Pictures of each end of a feature.
EXTREMES = 6
#: Effects of a classifier that are shown with pairs of pictures.
SHOWN = 8


def run_classifier(
    workspace: Workspace,
    model: str,
    judge: str,
    out: Path,
    *,
    says: Callable[[str], None],
    language: str = "en",
    **options: Any,
) -> ClassifierAudit:
    """`audit_classifier` of the classifier that `model` names, with its page in a language ("en", or a code of
    `tlgan.languages`). Raises TlganError where the judge is one of the workspace's own extractors."""
    from tlgan.extractors import load_extractor

    say = languages.language(language)
    workspace.check_judge(judge)
    canvas = workspace.canvas_as_sampled()
    found, moved = audit_classifier(canvas, load_extractor(model), load_extractor(judge), says=says, **options)
    title = say("What {0} looks at", found.classifier)
    pairs = _pairs(canvas, found, moved)
    _write(out, found.to_json(), say, workspace, title=title, audit=found, pairs=pairs)
    return found


def run_generator(
    workspace: Workspace,
    out: Path,
    *,
    says: Callable[[str], None],
    reference: Path | None = None,
    intersect: Sequence[Sequence[str]] = (),
    language: str = "en",
) -> GeneratorAudit:
    """`audit_generator` of the workspace's samples, with its page in a language ("en", or a code of `tlgan.languages`)."""
    say, axes = languages.language(language), workspace.axes
    parts = [features for _, features in workspace.samples.read_arrays()]
    if not parts:
        raise TlganError(f"{workspace.path} has no samples: run `tlgan discover` first")
    values = np.concatenate(parts).astype(np.float64)
    side = workspace.settings.resolution or workspace.generator.resolution
    side = min(side, workspace.extractor.input_size or side)
    against = None if reference is None else read_reference(reference, workspace.extractor, side=side, says=says)
    found = audit_generator(
        axes.features,
        values,
        generator=workspace.settings.generator,
        extractor=workspace.extractor.name,
        reference=against,
        intersect=intersect,
    )
    title = say("What {0} shows", found.generator)
    _write(out, found.to_json(), say, workspace, title=title, audit=found, extremes=_extremes(workspace))
    return found


def _write(out: Path, values: dict[str, Any], say: Language, workspace: Workspace, **context: Any) -> None:
    labels = {feature.name: say.feature(feature.label) for feature in workspace.axes.features if feature.label}

    def called(name: str) -> str:
        """A feature in the page's words; in English by the name that commands take."""
        return name if say is languages.ENGLISH else labels.get(name, name)

    page = environment(say, "tlgan.audit").get_template("audit.html.j2").render(called=called, **context)
    with replacing(out.with_suffix(".json")) as beside, replacing(out) as temporary:  # neither without the other
        beside.write_text(json.dumps(values, indent=1), encoding="utf-8")
        temporary.write_text(page, encoding="utf-8")


def _pairs(canvas: Canvas, audit: ClassifierAudit, moved: Moved) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """For the largest effects that were found, slider, output, and faces before and after."""
    shown = [effect for effect in audit.effects if effect.verdict == "found" and effect.pairs][:SHOWN]
    sections = []
    for effect in shown:
        rows, slider = list(effect.pairs), moved.sliders.index(effect.slider)
        before, after = canvas.paint(moved.starts[rows]), canvas.paint(moved.latents[rows, slider])
        claims = claim_of(canvas), claim_of(canvas, f"{effect.slider} moved by {audit.amount:g} sd, the others locked")
        urls = [
            (data_url(small(a), claims[0]), data_url(small(b), claims[1])) for a, b in zip(before, after, strict=True)
        ]
        sections.append((effect.slider, effect.output, urls))
    return sections


def _extremes(workspace: Workspace) -> list[tuple[str, list[str], list[str]]]:
    """For every feature, kept pictures of its lowest and highest samples; memory is that of one part."""
    names = workspace.axes.names
    ends: dict[tuple[int, int], list[tuple[float, int, bytes]]] = {}
    start = 0
    for table in workspace.samples.read([*names, "thumbnail"], stop=workspace.samples.measured()):
        for column, name in enumerate(names):
            values = np.asarray(table[name], dtype=np.float64)
            for sign in (1, -1):
                best = np.argsort(-sign * values, kind="stable")[:EXTREMES]
                found = [(sign * float(values[r]), -(start + int(r)), table["thumbnail"][int(r)].as_py()) for r in best]
                ends[column, sign] = heapq.nlargest(EXTREMES, [*ends.get((column, sign), []), *found])
        start += table.num_rows
    claim = claim_of(workspace.canvas)
    return [(name, _urls(ends[k, -1], claim), _urls(ends[k, 1], claim)) for k, name in enumerate(names)]


def _urls(found: list[tuple[float, int, bytes]], claim: Claim) -> list[str]:
    return [data_url(thumbnail(data), claim) for _, _, data in found]
