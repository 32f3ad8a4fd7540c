"""The verb `audit`: what a generator shows, or what a classifier looks at. Parses, calls one function, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tlgan.errors import TlganError

from .options import DEFAULT_JUDGE, Consent, Engine, JsonOption, JudgeOption, WorkspaceArgument, listed

if TYPE_CHECKING:
    from tlgan.audit import ClassifierAudit, GeneratorAudit


def audit(
    workspace: WorkspaceArgument,
    *,
    model: Annotated[
        str,
        typer.Option(
            help="A classifier to audit: my.onnx, module:function, hf:owner/repo; without it the generator is."
        ),
    ] = "",
    features: Annotated[
        list[str] | None, typer.Option(help="Sliders to move on the classifier; all that extractor and judge know.")
    ] = None,
    expects: Annotated[
        list[str] | None, typer.Option(help="Sliders that the classifier is meant to look at; no finding.")
    ] = None,
    interact: Annotated[list[str] | None, typer.Option(help="Two sliders, like smiling:male; may be repeated.")] = None,
    faces: Annotated[int, typer.Option(help="Fresh faces that every slider is moved on: 12 or more.")] = 60,
    amount: Annotated[float, typer.Option(help="How far, in sd: .1 to 5.")] = 1.5,
    least: Annotated[
        float,
        typer.Option(help="Effects below this do not matter: sd of the output a sd of the slider."),
    ] = 0.1,
    judge: JudgeOption = DEFAULT_JUDGE,
    reference: Annotated[
        Path | None, typer.Option(help="Pictures (a folder, Parquet) or a table to hold the generator against.")
    ] = None,
    intersect: Annotated[
        list[str] | None, typer.Option(help="Features whose combinations are looked at, like male,young; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Page to write; the same as JSON lies beside it.")] = Path(
        "audit.html"
    ),
    language: Annotated[str, typer.Option(help="Language of the page: en, or a code such as zh.")] = "en",
    engine: Engine,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """What does the generator leave out? What does my classifier do when one thing changes?"""
    from tlgan.audit.page import run_classifier, run_generator
    from tlgan.io.streams import write

    from .terminal import print_audit, print_json, say

    at = engine.make()
    opened = consent.open(workspace)
    named = listed(features)
    if model:
        if reference is not None or intersect:
            raise TlganError("--reference and --intersect are about the generator: leave them out with --model")
        pairs = []
        for words in interact or ():
            one, _, other = words.partition(":")
            if not one or not other or one == other:
                raise TlganError(f"{words!r} does not name two sliders: expected one like smiling:male")
            pairs.append((one, other))
        expected = listed(expects)
        options: dict[str, Any] = {"features": named or None, "expected": expected, "interact": pairs, "faces": faces}
        found: ClassifierAudit | GeneratorAudit = run_classifier(
            opened, model, judge, out, amount=amount, least=least, says=say, language=language, engine=at, **options
        )
    else:
        if named or expects or interact:
            raise TlganError("--features, --expects and --interact are about a classifier: name it with --model")
        sets = [tuple(listed([words])) for words in intersect or ()]
        found = run_generator(opened, out, reference=reference, intersect=sets, says=say, language=language)
    if json:
        print_json(found.to_json())
    else:
        print_audit(found)
        write(f"written: {out} and {out.with_suffix('.json')}")
