"""All that a browser needs to paint, measure and solve: networks, runtime, axes, and a face to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tlgan.generators.base import picture_size
from tlgan.progress import ProgressLike, as_progress
from tlgan.web.server import wire
from tlgan.web.server.describe import provenance

from . import data, page, runtime, words
from .files import SiteFiles
from .networks import Networks, export_networks

if TYPE_CHECKING:
    from tlgan.workspace import Workspace

RUNTIMES = ("wasm", "webgpu")


@dataclass(frozen=True)
class Engine:
    """``files`` hold everything the worker fetches; ``facts``: words and constants of the algebra; ``first``: the
    description, and a painted face that shows until the engine runs; ``seed``: of that face; ``whole``: its whole picture as
    a data address, where visitors get whole pictures after small ones."""

    files: SiteFiles
    networks: Networks
    facts: dict[str, Any]
    first: dict[str, Any]
    seed: int
    whole: str = ""

    def manifest(self, cache: str) -> dict[str, Any]:
        """What the worker is told; ``cache``: where a browser may keep the files, nowhere if empty."""
        return {"files": self.files.manifest, "facts": self.facts, "cache": cache}


def build_engine(
    workspace: Workspace,
    *,
    resolution: int | None = None,
    whole: bool = False,
    runtimes: Sequence[str] = RUNTIMES,
    progress: ProgressLike = None,
) -> Engine:
    """Export and try the networks of `workspace`, and collect the rest.

    ``resolution``: side of the pictures, by default that of the generator's picture head, where it has one, else its own;
    ``whole``: a network for whole pictures too, where those are smaller. Raises TlganError where a network can't be
    exported or does something else than the original, and where the runtime can't be fetched.
    """
    tell = as_progress(progress).stage
    files = SiteFiles()
    tell("collecting the browser's runtime")
    for name in runtime.FILES:
        if name.rpartition("-")[2] in runtimes:
            content = runtime.runtime_file(name).read_bytes()
            (files.add_script if name.startswith("ort-") else files.add_data)(name, content)
    side = workspace.canvas.small.side if resolution is None else resolution
    whole = whole and resolution is None and side < workspace.generator.resolution
    networks = export_networks(workspace, side, tell, whole=whole)
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
    largest = workspace.generator.resolution if whole else side
    known["picture"]["whole"] = picture_size(workspace.generator, largest)  # height, width
    first, seed, picture = first_face(workspace, resolution=side)
    first["describe"]["generator"]["resolution"] = largest
    first["describe"] |= {
        "films": ["gif"],
        "nearest": len(samples) > 0,
        "about": words.about(workspace),
        "provenance": said,
    }
    return Engine(files, networks, known | more, first, seed, picture if whole else "")


def first_face(
    workspace: Workspace, *, resolution: int | None = None, seed: int | None = None
) -> tuple[dict[str, Any], int, str]:
    """The description of the workspace with a painted face; that face's seed, the most typical one by default; and its whole
    picture as a data address."""
    from tlgan.editing import Edit
    from tlgan.editing.claims import claim_of
    from tlgan.web.server.describe import describe
    from tlgan.web.server.painter import Painter

    description = describe(workspace)
    if resolution is not None:
        height, width = picture_size(workspace.generator, resolution)
        description["generator"] |= {"resolution": resolution, "width": width, "height": height}
    painter = Painter(workspace, threads=2)
    try:
        seed = painter.typical() if seed is None else seed
        edit = Edit(painter.latent_of(seed), seed=seed)
        frame, claim = painter.frame(edit), claim_of(workspace.canvas, edit)
        first = page.first_paint(description, edit, frame, claim, resolution)
        return first, seed, wire.picture_url(frame.picture, claim)
    finally:
        painter.close()
