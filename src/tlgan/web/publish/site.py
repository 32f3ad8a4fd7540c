"""`publish`: a workspace as a folder that any static host can serve.

Export, check, write: the networks become ONNX and are tried against the originals, the algebra becomes numbers, the
studio's page gets its other engine; only then is anything written.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlgan.errors import TlganError
from tlgan.progress import ProgressLike, as_progress
from tlgan.web.server.app import PAGE

from . import checks, page, words
from .checks import Check
from .embed import embed_html
from .engine import Engine, build_engine
from .files import SiteFiles, check_free, digest
from .picture import open_graph_picture

if TYPE_CHECKING:
    from tlgan.workspace import Workspace

#: A generator over this many bytes keeps visitors waiting, and GitHub takes no such file.
HEAVY = 100_000_000
#: What may be asked for instead.
LOWER = (512, 256, 128, 64)


@dataclass(frozen=True)
class Published:
    """A site and what is known of it.

    ``checks``: the exports against the originals; ``downloads``: bytes a visitor fetches, by runtime ("wasm",
    "webgpu"), and of them ``later`` after the page can be used, for whole pictures that take ``whole_milliseconds``; ``generator_bytes``, ``frame_milliseconds`` (expected in WebAssembly on one thread: the picture) and
    ``measure_milliseconds``; ``embed_bytes``: of the widget, 0 where there is none; ``notes``: what the publisher should know, one line each.
    """

    path: Path
    checks: tuple[Check, ...]
    downloads: dict[str, int]
    generator_bytes: int
    frame_milliseconds: float
    measure_milliseconds: float
    later: int = 0
    whole_milliseconds: float = 0.0
    embed_bytes: int = 0
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
        if self.later:
            rows.append(
                f"whole pictures follow when the hand rests, {self.whole_milliseconds / 1e3:.1f} s each: their network is "
                f"{self.later / 1e6:.1f} MB of the download, fetched when the rest is there"
            )
        if self.embed_bytes:
            rows.append(f"embed.html: {self.embed_bytes / 1e6:.1f} MB, one file")
        return [*rows, *self.notes]

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {"path": str(self.path)}


def publish(
    workspace: Workspace,
    out: str | Path,
    *,
    resolution: int | None = None,
    embed: bool = False,
    workflow: bool = False,
    address: str | None = None,
    title: str | None = None,
    progress: ProgressLike = None,
) -> Published:
    """Write the studio of `workspace` as a static site into the folder `out`.

    ``resolution``: smaller pictures, for a smaller generator; ``embed``: a widget for other pages too; ``workflow``: a
    GitHub Actions workflow that deploys the folder; ``address``: where the site will be, which link previews need. Raises TlganError where a network can't be exported or does something else
    than the original, where the runtime can't be fetched, and where `out` holds other things; nothing is then written.
    """
    tell = as_progress(progress).stage
    out = Path(out)
    check_free(out)
    if address is not None and not address.startswith(("https://", "http://")):
        raise TlganError(f"{address!r} is no address of a site: expected https://HOST/PATH/")
    engine = build_engine(workspace, resolution=resolution, whole=True, progress=progress)
    tell("painting the pictures of the page")
    title = title or f"{workspace.name} · tlgan studio"
    site = engine.files
    _add_page(site, workspace, engine, title=title, address=address)
    site.add("og.png", open_graph_picture(workspace, (engine.seed, engine.seed + 1)))
    site.add("NOTICES.txt", words.notices(workspace))
    if embed:
        site.add("embed.html", embed_html(workspace, engine, title=title, address=address))
    if workflow:
        site.add(".github/workflows/pages.yml", words.WORKFLOW)
    result = _known(out, engine)
    size = f"A visitor without WebGPU downloads {result.downloads['wasm'] / 1e6:.1f} MB, once."
    site.add("README.md", words.readme(workspace, title, size, embed))
    tell(f"writing {out}")
    site.write(out, tell)
    return result


def _add_page(site: SiteFiles, workspace: Workspace, engine: Engine, *, title: str, address: str | None) -> None:
    """The studio's page, and the worker that keeps all of it for later visits."""
    files = page.page_files()
    folder = f"page-{digest(b''.join(name.encode() + content for name, content in files.items()))}"
    for name, content in files.items():
        site.add(f"{folder}/{name}", content)
    cache = f"tlgan-{words.slug(workspace.name)}-{workspace.axes.generator[:8]}"
    sliders = len(workspace.axes.features)
    said = {"title": title, "description": f"{sliders} sliders for a face that does not exist."}
    manifest = engine.manifest(cache)
    source = page.studio_html()
    first = engine.first
    if engine.whole:
        first = first | {"frame": first["frame"] | {"picture": engine.whole}}
    html = page.html(source, folder=folder, first=first, manifest=manifest, words=said, address=address)
    site.add("index.html", html)
    site.add(".nojekyll", "")
    kept = ["./", "index.html", *(f"{folder}/{name}" for name in files), *(e["path"] for e in site.manifest.values())]
    worker = (PAGE / "local" / "sw.js").read_text("utf-8")
    site.add("sw.js", f"const CACHE = {cache!r};\nconst FILES = {kept!r};\n{worker}")


def _known(out: Path, engine: Engine) -> Published:
    """What there is to say of a site."""
    networks, site = engine.networks, engine.files
    downloads = {name: _download(site, name) for name in ("wasm", "webgpu")}
    generator_bytes = site.bytes_of("generator")
    notes = list(networks.notes)
    if generator_bytes > HEAVY:
        side = engine.facts["picture"]["resolution"]
        smaller = [lower for lower in LOWER if lower < side]
        offer = f"publish with --resolution {smaller[0]} for a smaller one" if smaller else "expect visitors to leave"
        notes.append(f"the generator is {generator_bytes / 1e6:.0f} MB, and GitHub takes no file over 100 MB: {offer}")
    return Published(
        path=out,
        checks=tuple(networks.checks),
        downloads=downloads,
        generator_bytes=generator_bytes,
        frame_milliseconds=networks.milliseconds["generator"] * checks.WASM_FACTOR,
        measure_milliseconds=networks.milliseconds.get("extractor", 0.0) * checks.WASM_FACTOR,
        later=site.bytes_of("whole") if "whole" in site.manifest else 0,
        whole_milliseconds=networks.milliseconds.get("whole", 0.0) * checks.WASM_FACTOR,
        embed_bytes=len(site.contents.get("embed.html", b"")),
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
