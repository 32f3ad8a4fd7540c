"""All that a browser needs to paint, measure and solve: networks, runtime, axes, and a face to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlgan.web.server.describe import provenance

from . import data, page, runtime, words
from .files import SiteFiles
from .networks import Networks, Stage, export_networks

if TYPE_CHECKING:
    from tlgan.workspace import Workspace

RUNTIMES = ("wasm", "webgpu")


@dataclass(frozen=True)
class Engine:
    """``files`` hold everything the worker fetches; ``facts``: words and constants of the algebra; ``first``: the
    description, and a painted face that shows until the engine runs; ``seed``: of that face."""

    files: SiteFiles
    networks: Networks
    facts: dict[str, Any]
    first: dict[str, Any]
    seed: int

    def manifest(self, cache: str) -> dict[str, Any]:
        """What the worker is told; ``cache``: where a browser may keep the files, nowhere if empty."""
        return {"files": self.files.manifest, "facts": self.facts, "cache": cache}


def build_engine(
    workspace: Workspace,
    *,
    resolution: int | None = None,
    runtimes: Sequence[str] = RUNTIMES,
    stage: Stage | None = None,
) -> Engine:
    """Export and try the networks of `workspace`, and collect the rest.

    ``resolution``: side of the pictures, by default that of the generator's picture head, where it has one, else its own; ``stage`` hears what is going on. Raises TlganError where a network can't be
    exported or does something else than the original, and where the runtime can't be fetched.
    """
    tell = stage or (lambda words: None)
    files = SiteFiles()
    tell("collecting the browser's runtime")
    for name in runtime.FILES:
        if name.rpartition("-")[2] in runtimes:
            content = runtime.runtime_file(name).read_bytes()
            (files.add_script if name.startswith("ort-") else files.add_data)(name, content)
    side = workspace.canvas.small.side if resolution is None else resolution
    if side < workspace.generator.resolution and resolution is None:
        tell(
            f"a visitor's browser is given the small pictures, {side} px: --resolution {workspace.generator.resolution} for whole ones"
        )
    networks = export_networks(workspace, side, tell)
    tell("compressing the networks and the axes")
    for name, model in networks.models.items():
        files.add_data(name, model.SerializeToString())
    samples = data.searched(workspace)
    files.add_data("axes", data.axes_file(workspace.axes, samples))
    known = data.facts(
        workspace.axes, workspace.generator, resolution=side, columns=networks.columns, samples=len(samples)
    )
    said = provenance(workspace, published=True)
    more = {"probe": networks.probe, "symmetric": workspace.canvas.symmetric.tolist(), "provenance": said}
    first, seed = first_face(workspace, resolution=side)
    first["describe"] |= {
        "films": ["gif"],
        "nearest": len(samples) > 0,
        "about": words.about(workspace),
        "provenance": said,
    }
    return Engine(files, networks, known | more, first, seed)


def first_face(
    workspace: Workspace, *, resolution: int | None = None, seed: int | None = None
) -> tuple[dict[str, Any], int]:
    """The description of the workspace with a painted face, and that face's seed: the most typical one by default."""
    from tlgan.editing import Edit
    from tlgan.editing.claims import claim_of
    from tlgan.web.server.describe import describe
    from tlgan.web.server.painter import Painter

    description = describe(workspace)
    if resolution is not None:
        description["generator"]["resolution"] = resolution
    painter = Painter(workspace, threads=2)
    try:
        seed = painter.typical() if seed is None else seed
        edit = Edit(painter.latent_of(seed), seed=seed)
        claim = claim_of(workspace.canvas, edit)
        return page.first_paint(description, edit, painter.frame(edit), claim, resolution), seed
    finally:
        painter.close()
