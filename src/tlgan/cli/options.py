"""Arguments and options that several verbs share, said once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tlgan.errors import TlganError
from tlgan.io.consent import agree_to_all

if TYPE_CHECKING:
    from tlgan.hooks import SamplingEngine
    from tlgan.web.server import Outside

WorkspaceArgument = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Folder made by `discover`.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
HostOption = Annotated[str, typer.Option(help="Address to listen on; beyond this machine a token is asked for.")]
PortOption = Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="The generator's file may hold code (TorchScript); run it. Also a function that the workspace names.",
    ),
]
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
InputOption = Annotated[str | None, typer.Option("--input", help="Which input of a graph takes the latents, by name.")]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", help="Which output of a graph is the pictures, by name (TorchScript: its number)."),
]
BrowserOption = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the studio in the browser.")]
AllowedHostOption = Annotated[
    list[str] | None,
    typer.Option("--allowed-host", metavar="NAME", help="Name under which a proxy serves the page; repeatable."),
]
RootPathOption = Annotated[str, typer.Option(metavar="PATH", help="Path under which a proxy serves the page.")]
AllowFrameOption = Annotated[
    list[str] | None,
    typer.Option("--allow-frame", metavar="ORIGIN", help="Site that may show the page in a frame; repeatable."),
]

EngineOption = Annotated[
    str, typer.Option(help="Where pictures are painted: local, processes:N of this machine, or ray (docs/cluster.md).")
]
AddressOption = Annotated[str, typer.Option(metavar="ADDRESS", help="Of a Ray cluster, for --engine ray.")]
WorkersOption = Annotated[int, typer.Option(min=0, help="Workers of --engine ray; 0 for all there is room for.")]
GpusOption = Annotated[
    float, typer.Option(min=0, help="Share of a GPU that each worker of --engine ray has to itself, like 0.5.")
]


def engine_of(name: str, address: str, workers: int, gpus_per_worker: float) -> SamplingEngine:
    """The four options together. Raises TlganError for those of Ray without it."""
    from tlgan.hooks import SAMPLING_ENGINES

    if name == "ray":
        from tlgan.samples.cluster import Ray

        return Ray(address, workers=workers, gpus_per_worker=gpus_per_worker)
    if address or workers or gpus_per_worker:
        raise TlganError(f"--address, --workers and --gpus-per-worker are for --engine ray, and not for {name}")
    made: SamplingEngine = SAMPLING_ENGINES.make(name)
    return made


def ends(options: list[str] | None, given: str | None, made: str | None) -> list[str]:
    """The generator's options, with --input and --output among them."""
    said = [("latent_input", given), ("output", made)]
    return [*(options or ()), *(f"{key}={name}" for key, name in said if name is not None)]


def outside(hosts: list[str] | None, path: str, frames: list[str] | None) -> Outside:
    """The three options together."""
    from tlgan.web.server import Outside

    return Outside(tuple(hosts or ()), path, tuple(frames or ()))
