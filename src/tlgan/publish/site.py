"""`publish`: a workspace as a folder that any static host can serve.

Export, check, write: the networks become ONNX and are tried against the originals, the algebra becomes numbers, the
studio's page gets its other engine; only then is anything written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlgan.errors import TlganError
from tlgan.studio.app import PAGE

from . import checks, data, export, page, runtime, words
from .checks import Check
from .files import SiteFiles, check_free, digest
from .picture import open_graph_picture

if TYPE_CHECKING:
    import onnx

    from tlgan.studio.painter import Painter
    from tlgan.workspace import Workspace

#: A generator over this many bytes keeps visitors waiting, and GitHub takes no such file.
HEAVY = 100_000_000

#: Bits of a half's fraction that weights are rounded to where that costs no more than a quarter of what is allowed.
ROUNDED = 7

Stage = Callable[[str], None]


@dataclass(frozen=True)
class Published:
    """A site and what is known of it.

    ``checks``: the exports against the originals; ``downloads``: bytes a visitor fetches, by runtime ("wasm",
    "webgpu"); ``generator_bytes``, ``frame_milliseconds`` (expected in WebAssembly on one thread: the picture) and
    ``measure_milliseconds``; ``notes``: what the publisher should know, one line each.
    """

    path: Path
    checks: tuple[Check, ...]
    downloads: dict[str, int]
    generator_bytes: int
    frame_milliseconds: float
    measure_milliseconds: float
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For people."""
        rows = [str(check) for check in self.checks]
        rows.append(f"generator: {self.generator_bytes / 1e6:.1f} MB")
        rows += [f"a visitor downloads {size / 1e6:.1f} MB with {name}" for name, size in self.downloads.items()]
        rows.append(
            f"expected in a browser without WebGPU: {self.frame_milliseconds:.0f} ms a picture, "
            f"{self.measure_milliseconds:.0f} ms more to measure it"
        )
        return [*rows, *self.notes]


@dataclass
class _Networks:
    """The exported networks and how they did."""

    models: dict[str, onnx.ModelProto] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)
    probe: dict[str, Any] = field(default_factory=dict)


def publish(
    workspace: Workspace,
    out: str | Path,
    *,
    resolution: int | None = None,
    embed: bool = False,
    workflow: bool = False,
    address: str | None = None,
    title: str | None = None,
    stage: Stage | None = None,
) -> Published:
    """Write the studio of `workspace` as a static site into the folder `out`.

    ``resolution``: smaller pictures, for a smaller generator; ``embed``: a widget for other pages too; ``workflow``: a
    GitHub Actions workflow that deploys the folder; ``address``: where the site will be, which link previews need;
    ``stage`` hears what is going on. Raises TlganError where a network can't be exported or does something else
    than the original, where the runtime can't be fetched, and where `out` holds other things; nothing is then written.
    """
    from tlgan.studio.painter import Painter

    tell = stage or (lambda words: None)
    out = Path(out)
    check_free(out)
    title = title or f"{workspace.name} · tlgan"
    side = resolution or workspace.generator.resolution
    painter = Painter(workspace, threads=2)
    try:
        networks = _networks(workspace, side, tell)
        tell("collecting the browser's runtime")
        site = SiteFiles()
        for name in runtime.FILES:
            content = runtime.runtime_file(name).read_bytes()
            (site.add_script if name.startswith("ort-") else site.add_data)(name, content)
        tell("compressing the networks and the axes")
        for name, model in networks.models.items():
            site.add_data(name, model.SerializeToString())
        samples = data.searched(workspace)
        site.add_data("axes", data.axes_file(workspace.axes, samples))
        tell("painting the first picture")
        known = data.facts(
            workspace.axes, workspace.generator, resolution=side, columns=networks.columns, samples=len(samples)
        ) | {"probe": networks.probe}
        result = _finish(workspace, site, painter, known, networks, out=out, embed=embed, title=title, address=address)
    finally:
        painter.close()
    if workflow:
        site.add(".github/workflows/pages.yml", words.WORKFLOW)
    tell(f"writing {out}")
    site.write(out)
    return result


def _networks(workspace: Workspace, side: int, tell: Stage) -> _Networks:
    """Export, try and choose the precision of every network."""
    axes, generator, canvas = workspace.axes, workspace.generator, workspace.canvas
    if not 1 <= side <= generator.resolution:
        raise TlganError(
            f"resolution {side} is out of range: {generator.name} paints up to {generator.resolution} pixels"
        )
    found = _Networks()
    latents = canvas.sample(checks.CHECKED, seed=checks.SEED)
    tell(f"exporting the generator {generator.name}")
    pictures = _pictures(workspace, latents, side)
    painted = export.export_generator(generator, axes, side)
    found.models["generator"], check = _chosen(
        painted, lambda model: checks.compare_pictures("generator", pictures, checks.run(model, latents))
    )
    found.checks.append(check)
    found.milliseconds["generator"] = checks.milliseconds(found.models["generator"], latents[:1])
    found.probe = data.probe(latents[0], pictures[0])

    mapping = export.export_mapping(generator, axes)
    if mapping is not None:
        tell("exporting the mapping")
        z = generator.sample(checks.CHECKED, seed=checks.SEED, space="z").numpy(force=True)

        def painted_from(model: onnx.ModelProto) -> Check:
            mapped = checks.run(model, z)
            return checks.compare_pictures("mapping", pictures, _pictures(workspace, mapped, side))

        found.models["mapping"], check = _chosen(mapping, painted_from)
        found.checks.append(check)

    parts = workspace.extractor.parts
    traced = [part for part in parts if export.exportable(part)]
    for part in parts:
        if part not in traced:
            found.notes.append(
                f"{part.name} is no function of tensors and can't run in a browser: its sliders work, unmeasured"
            )
    found.columns = _columns(parts, traced)
    if traced:
        tell(f"exporting the extractor {' and '.join(part.name for part in traced)}")
        clipped = np.clip(pictures, -1, 1)
        rows = [row for row, column in enumerate(found.columns) if column >= 0]
        seen = _positions(workspace, clipped)[:, rows]
        looked = export.export_extractor(traced, generator.channels, side)

        def compared(model: onnx.ModelProto) -> Check:
            place = _places(workspace, checks.run(model, clipped), found.columns)[:, rows]
            return checks.compare_positions("extractor", seen, place)

        found.models["extractor"], check = _chosen(looked, compared)
        found.checks.append(check)
        found.milliseconds["extractor"] = checks.milliseconds(found.models["extractor"], clipped[:1])
    return found


def _chosen(model: onnx.ModelProto, compare: Callable[[onnx.ModelProto], Check]) -> tuple[onnx.ModelProto, Check]:
    """The coarsest weights that are good enough: rounded halves, halves, whole ones. Else a TlganError."""
    for bits, allowed in ((ROUNDED, 0.25), (export.HALF_BITS, 1.0)):
        smaller = export.halved(model, bits)
        check = compare(smaller)
        if check.mean <= allowed * check.bound:
            return smaller, check
    return model, checks.require(compare(model))


def _finish(
    workspace: Workspace,
    site: SiteFiles,
    painter: Painter,
    known: dict[str, Any],
    networks: _Networks,
    *,
    out: Path,
    embed: bool,
    title: str,
    address: str | None,
) -> Published:
    """The page, its words and its pictures."""
    from tlgan.editing import Edit
    from tlgan.studio.describe import describe

    side = known["picture"]["resolution"]
    description = describe(workspace)
    description["generator"]["resolution"] = side
    description["films"] = ["gif"]
    description["nearest"] = known["samples"]["rows"] > 0
    description["about"] = {**description.get("about", {}), **words.about(workspace)}
    seed = painter.typical()
    edit = Edit(painter.latent_of(seed), seed=seed)
    first = page.first_paint(description, edit, painter.frame(edit))

    files = page.page_files()
    folder = f"page-{digest(b''.join(name.encode() + content for name, content in files.items()))}"
    for name, content in files.items():
        site.add(f"{folder}/{name}", content)
    cache = f"tlgan-{words.slug(workspace.name)}-{workspace.axes.generator[:8]}"
    manifest = {"files": site.manifest, "facts": known, "cache": cache}
    said = {"title": title, "description": f"{len(description['features'])} sliders for a face that does not exist."}
    html = page.html(page.studio_html(), folder=folder, first=first, manifest=manifest, words=said, address=address)
    site.add("index.html", html)
    site.add("og.png", open_graph_picture(workspace, (seed, seed + 1)))
    site.add("NOTICES.txt", words.notices(workspace))
    site.add(".nojekyll", "")
    kept = ["./", "index.html", *(f"{folder}/{name}" for name in files), *(e["path"] for e in site.manifest.values())]
    worker = (PAGE / "local" / "sw.js").read_text("utf-8")
    site.add("sw.js", f"const CACHE = {cache!r};\nconst FILES = {kept!r};\n{worker}")

    downloads = {name: _download(site, name) for name in ("wasm", "webgpu")}
    generator_bytes = site.bytes_of("generator")
    notes = list(networks.notes)
    if generator_bytes > HEAVY:
        smaller = [s for s in (512, 256, 128) if s < side]
        offer = f"publish with --resolution {smaller[0]} for a smaller one" if smaller else "expect visitors to leave"
        notes.append(f"the generator is {generator_bytes / 1e6:.0f} MB, and GitHub takes no file over 100 MB: {offer}")
    size = f"A visitor without WebGPU downloads {downloads['wasm'] / 1e6:.1f} MB, once."
    site.add("README.md", words.readme(workspace, title, size, embed))
    return Published(
        path=out,
        checks=tuple(networks.checks),
        downloads=downloads,
        generator_bytes=generator_bytes,
        frame_milliseconds=networks.milliseconds["generator"] * checks.WASM_FACTOR,
        measure_milliseconds=networks.milliseconds.get("extractor", 0.0) * checks.WASM_FACTOR,
        notes=tuple(notes),
    )


def _download(site: SiteFiles, backend: str) -> int:
    """Bytes of all that a visitor with this runtime fetches, as stored."""
    other = {"wasm": "webgpu", "webgpu": "wasm"}[backend]
    networks = sum(entry["bytes"] for name, entry in site.manifest.items() if not name.endswith(other))
    shown = sum(
        len(c) for path, c in site.contents.items() if path.startswith("page-") or path in ("index.html", "sw.js")
    )
    return int(networks + shown)


def _columns(parts: Any, traced: list[Any]) -> list[int]:
    """Each feature's place in what the exported extractor gives, -1 where it has none."""
    columns, next_column = [], 0
    for part in parts:
        for _ in part.features:
            columns.append(next_column if part in traced else -1)
            next_column += part in traced
    return columns


def _pictures(workspace: Workspace, latents: np.ndarray, side: int) -> np.ndarray:
    """Pictures float32 [n, C, side, side] by the original generator."""
    import torch

    parts = []
    with torch.inference_mode():
        for k in range(0, len(latents), 8):
            rows = torch.from_numpy(np.ascontiguousarray(latents[k : k + 8]))
            label = export.label_of(workspace.generator, workspace.axes)
            images = workspace.generator.synthesize(rows, space=workspace.axes.space, label=label, resolution=side)
            parts.append(images.numpy(force=True))
    return np.concatenate(parts)


def _positions(workspace: Workspace, pictures: np.ndarray) -> np.ndarray:
    """Positions [n, f] by the original extractors."""
    import torch

    return workspace.axes.positions(workspace.extractor.extract(torch.from_numpy(pictures)).numpy(force=True))


def _places(workspace: Workspace, responses: np.ndarray, columns: list[int]) -> np.ndarray:
    """Positions [n, f] from the responses of an exported extractor, as the page computes them; NaN where there is none."""
    from tlgan.axes.response import EDGE

    axes = workspace.axes
    full = np.full((len(responses), len(columns)), np.nan)
    limit = np.log((1 - EDGE) / EDGE)
    for row, column in enumerate(columns):
        if column >= 0:
            values = responses[:, column].astype(np.float64)
            full[:, row] = np.clip(values, -limit, limit) if axes.features[row].kind == "probability" else values
    place: np.ndarray = (full - axes.mean) / axes.sd
    return place
