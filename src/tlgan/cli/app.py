"""The command line: parses, calls one function a verb, prints.

Exit codes: 0 done, 1 failed (one clear line), 2 wrong usage, 130 interrupted. Everything heavy is imported inside
the verb that needs it, so that `tlgan --help` answers at once.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tlgan.errors import TlganError

from .audit import audit
from .dataset import dataset
from .evaluate import evaluate
from .extractors import add, label, train_extractor
from .methods import compare, import_axes
from .options import (
    Consent,
    Engine,
    GeneratorArgument,
    GeneratorOption,
    JsonOption,
    Naming,
    NetworkOption,
    Pages,
    Reading,
    WorkspaceArgument,
    YesOption,
    grouped,
    listed,
)
from .photographs import Inverting, edit_photographs, invert
from .provenance import make_key, verify
from .publish import publish
from .report import report

app = typer.Typer(
    name="tlgan",
    help="Make any GAN's latent space transparent: name what is in the pictures, and turn it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INTERRUPTED = 130


def _print_version(asked: bool) -> None:
    if asked:
        from tlgan import __version__
        from tlgan.io.streams import write

        write(f"tlgan {__version__}")
        raise typer.Exit


@app.callback()
def _every_verb(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback where something fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def demo(
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the demo's workspace.")] = Path("faces"),
    pages: Pages,
    studio: Annotated[
        bool, typer.Option("--studio/--no-studio", help="Open the studio, or only make sure it can.")
    ] = True,
    yes: YesOption = False,
) -> None:
    """Default generator and extractors, axes, studio: nothing else to set up."""
    from tlgan.web.server import serve

    from .demo import demo_workspace
    from .terminal import print_axes, say, working

    served = pages.options()
    with working(20_000) as display:
        workspace, made = demo_workspace(out, progress=display)
    if made:
        print_axes(workspace.axes)
    say(f"workspace {workspace.path} has {len(workspace.axes.features)} sliders")
    if studio:
        serve(workspace, **served)


def discover(
    generator: GeneratorArgument,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the workspace to make or go on with.")],
    extractor: Annotated[
        list[str] | None, typer.Option("--extractor", "-e", help="What names the features; may be repeated.")
    ] = None,
    naming: Naming,
    space: Annotated[
        str,
        typer.Option(
            help="Latent space of the axes, z, w or w+ (axes by groups of layers); empty takes w where there is one."
        ),
    ] = "",
    truncation: Annotated[
        float | None,
        typer.Option(help="Truncation psi of the sampled pictures; 1 unless the generator is known to need less."),
    ] = None,
    label: Annotated[int | None, typer.Option(help="Class, for a conditional generator.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the samples.")] = 0,
    max_samples: Annotated[int, typer.Option(min=1, help="Stop there even if some axes are not sure yet.")] = 20_000,
    sure: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Split-half agreement that counts as sure; 1 draws all.")
    ] = 0.95,
    resolution: Annotated[
        int | None, typer.Option(min=1, help="Paint samples this small, in pixels; faster for large generators.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Train small pictures of a large generator first, and sample those.")
    ] = False,
    method: Annotated[
        str, typer.Option(help="How directions are found: regression, svm, mean-difference ...; unknown ones list all.")
    ] = "",
    engine: Engine,
    base: Annotated[
        list[str] | None, typer.Option("--base", help="Axis that all others are kept clear of; 'none' for none.")
    ] = None,
    reading: Reading,
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """Draw samples, name their features, find the axes. Goes on where it was cut off; stops when sure."""
    from tlgan.front import discover as run
    from tlgan.generators.loading import chosen_options
    from tlgan.io.streams import write
    from tlgan.workspace import DEFAULT_EXTRACTORS
    from tlgan.workspace.terms import foreign

    from .terminal import note, print_axes, print_json, working

    with working(max_samples, sure) as display:
        workspace = run(
            out,
            generator,
            extractors=extractor or (() if naming.text else DEFAULT_EXTRACTORS),
            **naming.options(),
            space=space,
            truncation=truncation,
            label=label,
            seed=seed,
            max_samples=max_samples,
            resolution=resolution,
            base=None if base is None else [name for name in base if name != "none"],
            options=chosen_options(reading.network, reading.options()),
            method=method,
            sure=sure,
            preview=preview,
            trust=consent.trust,
            engine=engine.make(),
            progress=display,
        )
    if json:
        print_json(workspace.summary())
    else:
        print_axes(workspace.axes)
        for line in foreign(workspace.settings).values():
            note("note", line)
        write(f"{out}: {len(workspace.axes.features)} sliders. Next: tlgan studio {shlex.quote(str(out))}")


def studio(
    workspace: WorkspaceArgument,
    *,
    pages: Pages,
    consent: Consent,
) -> None:
    """Open the sliders in the browser."""
    from tlgan.web.server import serve

    served = pages.options()
    serve(consent.open(workspace), **served)


def edit(
    workspace: WorkspaceArgument,
    wishes: Annotated[
        list[str] | None, typer.Argument(metavar="FEATURE=CHANGE...", help="Like smiling=+2 (sd), age=60y, male=90%.")
    ] = None,
    *,
    set_: Annotated[list[str] | None, typer.Option("--set", help="The same, as an option; may be repeated.")] = None,
    lock: Annotated[
        list[str] | None, typer.Option("--lock", help="Feature that must not change; 'all', or 'disturbed'.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Look at the picture and correct until it is as asked.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Which random face to start from (0 if nothing is given).")] = None,
    picture: Annotated[Path | None, typer.Option("--from", help="Start from a PNG saved here earlier.")] = None,
    photo: Annotated[
        list[Path] | None, typer.Option("--photo", help="Edit a photograph, or a folder of them; may be repeated.")
    ] = None,
    inverted: Annotated[
        Path | None, typer.Option("--inverted", help="What `invert` wrote for the photograph, to save the time.")
    ] = None,
    inverting: Inverting,
    strip: Annotated[
        list[str] | None, typer.Option(help="Paint a row of steps of this feature; repeat for a grid.")
    ] = None,
    film: Annotated[str | None, typer.Option(help="Animate this feature; name a .gif or .mp4 with -o.")] = None,
    steps: Annotated[int, typer.Option(min=2, max=99, help="Pictures in a strip.")] = 7,
    span: Annotated[float, typer.Option(help="Strips and films go from -span to +span sd.")] = 3.0,
    seconds: Annotated[float, typer.Option(min=0.1, max=600, help="Length of a film.")] = 3.0,
    fps: Annotated[int, typer.Option(min=1, max=60, help="Pictures a second in a film.")] = 25,
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write.")] = Path("out.png"),
    consent: Consent,
    json: JsonOption = False,
) -> None:
    """Move a face along its axes: a picture, a strip, a grid, a GIF or an MP4."""
    from tlgan.editing import outcome
    from tlgan.editing.wishes import parse_wishes

    from .terminal import print_fields, print_json

    opened = consent.open(workspace)
    if sum(start is not None for start in (picture, seed, photo)) > 1:
        raise TlganError("more than one of --seed, --from and --photo were given: a face starts from one of them")
    changes, targets = parse_wishes([*(set_ or []), *(wishes or [])], opened.axes)
    locks = listed(lock)
    names = listed(strip)

    def asked(editor: Any) -> Any:
        wished = editor.set(**changes).to(lock=locks, **targets)
        return wished.exact() if exact else wished

    def write(editor: Any, out: Path) -> None:
        if film is not None:
            editor.save_film(out, film, span=span, seconds=seconds, fps=fps)
        elif names:
            editor.save_strip(out, list(opened.axes.names) if "all" in names else names, steps, span)
        else:
            editor.save(out)

    if photo is not None:
        again = partial(inverting.invert, inversion=inverted)
        results = edit_photographs(opened, photo, out, again, asked, write)
    else:
        editor = asked(opened.face(png=picture) if picture is not None else opened.face(seed=seed or 0))
        write(editor, out)
        results = [{"out": str(out), **outcome(editor)}]
    if json:
        print_json(results if photo is not None and len(results) != 1 else results[0])
        return
    for result in results:
        moved = {
            name: f"asked {e['asked']:+.2f} sd, measured {e['measured']:+.2f} sd" for name, e in result["moved"].items()
        }
        locked = {name: f"locked, measured {change:+.2f} sd" for name, change in result["locked"].items()}
        print_fields({**moved, **locked, "written": result["out"]})


def models(json: JsonOption = False) -> None:
    """The families of generators that are read, and their public files that are known by name, with their licences."""
    from tlgan.generators import known_models
    from tlgan.generators.catalogue import families

    from .terminal import print_json, print_models

    if json:
        print_json([model.as_dict() for model in known_models().values()])
    else:
        print_models(families())


def inspect(
    generator: GeneratorArgument,
    *,
    reading: Reading,
    try_: Annotated[
        bool, typer.Option("--try", help="Paint every way to read the file, the most picture-like first.")
    ] = False,
    out: Annotated[Path, typer.Option("-o", "--out", help="Picture that --try writes.")] = Path("candidates.png"),
    json: JsonOption = False,
) -> None:
    """What a generator's file is, without loading its weights or running anything in it."""
    from tlgan.generators import inspect_checkpoint

    from .terminal import print_candidates, print_fields, print_json, working

    options, network = reading.options(), reading.network
    if try_:
        from tlgan.generators.formats.candidates import try_checkpoint

        with working() as progress:
            tried = try_checkpoint(generator, out, network=network, progress=progress, **options)
        (print_json if json else print_candidates)([candidate.as_dict() for candidate in tried])
        return
    with working() as progress:
        found = inspect_checkpoint(generator, network=network, progress=progress, **options).as_dict()
    if json:
        print_json(found)
        return
    tensors, options = found.pop("tensors"), found.pop("options")
    found["assumed"] = ", ".join(found["assumed"]) or None
    known = {name: value for name, value in (found | options).items() if isinstance(value, str | int | float)}
    print_fields(known | ({"tensors": len(tensors)} if tensors else {}))


def convert(
    generator: GeneratorArgument,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write, ending in .safetensors.")],
    network: NetworkOption = None,
    half: Annotated[bool, typer.Option("--half", help="Numbers in float16: half the size.")] = False,
    option: GeneratorOption = None,
) -> None:
    """Write a pickle-free copy of a generator that loads faster and says what it is."""
    from tlgan.generators import convert_checkpoint
    from tlgan.generators.options import parse_options
    from tlgan.io.streams import write

    from .terminal import working

    with working() as progress:
        written = convert_checkpoint(
            generator, out, network=network, half=half, progress=progress, **parse_options(option or ())
        )
    write(f"{written}: {written.stat().st_size / 1e6:.1f} MB, nothing in it can run")


def move_generator(
    workspace: WorkspaceArgument,
    generator: Annotated[str, typer.Argument(metavar="GENERATOR", help="Where its generator is now.")],
    *,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Take it although its fingerprint differs: you know it is the same network."),
    ] = False,
    consent: Consent,
) -> None:
    """Tell a workspace where its generator's file lies now."""
    from tlgan.io.streams import write
    from tlgan.workspace.move import move_generator as move

    moved = move(workspace, generator, accept=accept, trust=consent.trust)
    write(f"{workspace}: its generator is {moved.settings.generator}")


def doctor(json: JsonOption = False) -> None:
    """What this machine can do, and what is already in the cache."""
    from .doctor import examine
    from .terminal import print_fields, print_json

    (print_json if json else print_fields)(examine())


#: In the order of `tlgan --help`.
VERBS = (
    demo,
    discover,
    studio,
    edit,
    models,
    inspect,
    convert,
    move_generator,
    doctor,
    add,
    train_extractor,
    label,
    invert,
    publish,
    verify,
    make_key,
    evaluate,
    report,
    compare,
    import_axes,
    dataset,
    audit,
)
for verb in VERBS:
    app.command(verb.__name__.replace("_", "-"))(grouped(verb))


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `tlgan` command: runs a verb and turns failures into one line and an exit code."""
    from tlgan.io import consent, isolation
    from tlgan.io.streams import hold_streams

    from .terminal import Said, ask

    arguments = [_from_home(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    hold_streams()
    isolation.forget_working_folder()
    logging.getLogger("tlgan").handlers = [Said()]
    consent.ask_with(ask)
    try:
        sys.exit(_guarded(lambda: app(args=arguments, standalone_mode=False), "--debug" in arguments))
    finally:
        consent.ask_with(None)


def _from_home(word: str) -> str:
    """A path from the home folder that a shell left as it was: in quotes, or behind an equals sign."""
    return re.sub(r"^(--[\w-]+=)?~(?=/)", lambda found: (found[1] or "") + os.path.expanduser("~"), word)


def _guarded(run: Callable[[], Any], debug: bool) -> int:
    from tlgan.io.streams import finish

    from .terminal import print_error, print_notes, print_traceback

    print_notes()
    try:
        result = run()
        if result == INTERRUPTED:  # the parser turns Ctrl-C into this
            raise KeyboardInterrupt
        finish()
        return result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        print_error("interrupted; everything that was finished is kept, and the same command goes on from there")
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # wrong usage, told by the parser itself
            return _wrong_usage(error)
        if debug:
            print_traceback()
        elif isinstance(error, TlganError):
            print_error(str(error))
        elif isinstance(error, OSError):
            print_error(
                f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}; --debug shows where"
            )
        else:
            print_error(f"something unforeseen went wrong ({type(error).__name__}: {error}); --debug shows where")
        return 1


def _wrong_usage(error: Any) -> int:
    from .terminal import console, print_error

    if message := error.format_message():  # none where help was asked for by giving nothing
        if error.ctx is not None:
            console.print(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} -h' for help.", soft_wrap=True)
        print_error(message)
    return int(error.exit_code)


if __name__ == "__main__":
    main()
