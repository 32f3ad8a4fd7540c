"""What a visitor of a published page waits for: bytes, the first picture, a slider's frame, its measurement.

    python benchmarks/published_page.py [WORKSPACE] [--backend wasm] [--steps 150]

Publishes WORKSPACE (by default the demo's, made first where it isn't there), serves the folder as `python -m http.server`
does, and drives it in headless Chromium. WebAssembly unless another backend is named. Prints a table and the bounds that
a default workspace has to keep on two cores; exits with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import json
import math
import platform
import shutil
import statistics
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

import tlgan
from tlgan.cli.demo import demo_workspace
from tlgan.web.publish import publish

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
LARGE = 512  # pixels a side from which whole pictures come after small ones
TEXT = (".html", ".js", ".mjs", ".css", ".svg", ".json")  # what every host compresses

#: One press of an arrow key after another, `gap` ms apart: ms until its frame is drawn, and until one with measurements.
STEPS = """
async ({steps, gap}) => {
  const track = document.querySelector('[role=slider]');
  const drawn = [];
  document.addEventListener('painted', () => drawn.push(performance.now()));
  const frames = [], measured = [];
  for (let k = 0; k < steps; k++) {
    const key = Math.floor(k / 20) % 2 ? 'ArrowLeft' : 'ArrowRight';
    drawn.length = 0;
    const begun = performance.now();
    track.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
    await new Promise((done) => setTimeout(done, gap));
    if (drawn.length) frames.push(drawn[0] - begun);
    if (drawn.length > 1) measured.push(drawn[drawn.length - 1] - begun);
  }
  return {frames, measured};
}
"""


#: One step and a rest of `wait` ms: ms until a picture of `side` pixels was on the screen.
WHOLE = """
async ({side, wait}) => {
  const track = document.querySelector('[role=slider]');
  let begun = 0, found = null;
  document.addEventListener('painted', () => {
    if (begun && window.studio.side() === side) found ??= performance.now() - begun;
  });
  begun = performance.now();
  track.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight', bubbles: true, cancelable: true}));
  for (let waited = 0; found === null && waited < wait; waited += 50) await new Promise((done) => setTimeout(done, 50));
  return found;
}
"""


class Host(http.server.SimpleHTTPRequestHandler):
    """A static host that counts what it sends, as it is and as a host that compresses text would."""

    sent: dict[str, tuple[int, int]]

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Count, then send."""
        content = source.read()
        small = len(gzip.compress(content, 6)) if Path(self.translate_path(self.path)).suffix in TEXT else len(content)
        type(self).sent[self.path] = (len(content), small)
        outputfile.write(content)


def host(folder: Path) -> tuple[http.server.ThreadingHTTPServer, type[Host]]:
    """A host of a folder on a free port."""
    kind = type("Counting", (Host,), {"sent": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(kind, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, kind


def visit(page: Page, address: str) -> dict[str, float]:
    """Open the page: ms from the click on the link to its first picture, and to the first one computed there."""
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => document.addEventListener('painted', () => {"
        "window.painted ??= performance.now()}))"
    )
    page.goto(address)
    page.wait_for_selector("html[data-engine]", state="attached", timeout=120_000)
    for _ in range(200):
        if page.evaluate("window.painted ?? 0"):
            break
        page.wait_for_timeout(25)
    shown = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    return {"shown": page.evaluate(shown), "computed": page.evaluate("window.painted")}


def percentile(values: list[float], share: float) -> float:
    """Of a few values, by interpolation."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def measure(address: str, backend: str, steps: int) -> dict[str, Any]:
    """All times of one visit with an empty cache, and of a second one with a warm cache."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        found: dict[str, Any] = {"first": visit(page, f"{address}?backend={backend}")}
        found["engine"] = page.locator("html").get_attribute("data-engine")
        page.wait_for_timeout(1500)
        page.evaluate(STEPS, {"steps": 20, "gap": 100})  # warm
        found["steps"] = page.evaluate(STEPS, {"steps": steps, "gap": 120})
        found["drag"] = page.evaluate(STEPS, {"steps": steps, "gap": 33})
        side = page.evaluate("window.studio.description.generator.resolution")
        found["large"] = side > LARGE
        page.wait_for_timeout(5000)  # the network of whole pictures is there, where there is one
        found["whole"] = (
            [page.evaluate(WHOLE, {"side": side, "wait": 30_000}) for _ in range(5)] if side > LARGE else []
        )
        page.close()
        again = context.new_page()
        found["again"] = visit(again, f"{address}?backend={backend}")
        found["chromium"] = browser.version
        browser.close()
    return found


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", nargs="?", type=Path, default=Path("faces"))
    parser.add_argument("--backend", choices=("wasm", "webgpu"), default="wasm")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--site", type=Path, help="measure this folder instead of publishing")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = given.site
        if site is None:
            demo = given.workspace == Path("faces") and not given.workspace.exists()
            workspace = demo_workspace(given.workspace)[0] if demo else tlgan.open(given.workspace)
            site = publish(workspace, Path(folder) / "site").path
        server, kind = host(site)
        found = measure(f"http://127.0.0.1:{server.server_port}/", given.backend, given.steps)
        # og.png and the like are fetched by nobody; the second visit's requests overwrite equal entries
        found["bytes"] = sum(plain for plain, _ in kind.sent.values())
        found["compressed"] = sum(small for _, small in kind.sent.values())
        server.shutdown()
    steps, drag = found["steps"], found["drag"]
    large = found["large"]
    rows = [
        ("download, text compressed by the host", found["compressed"] / 1e6, "MB", 35.0 if large else 15.0),
        ("download, as python -m http.server sends it", found["bytes"] / 1e6, "MB", None),
        ("a face is on the screen", found["first"]["shown"], "ms", 2000.0),
        ("the first picture computed here", found["first"]["computed"], "ms", None if large else 2000.0),
        ("  the same, second visit", found["again"]["computed"], "ms", None),
        ("slider to frame, median", statistics.median(steps["frames"]), "ms", None),
        ("slider to frame, p95", percentile(steps["frames"], 0.95), "ms", 80.0 if large else 25.0),
        ("slider to measured values, median", statistics.median(steps["measured"] or [math.nan]), "ms", None),
        (
            "slider to measured values, p95",
            percentile(steps["measured"] or [math.nan] * 2, 0.95),
            "ms",
            None if large else 50.0,
        ),
        (
            "slider to frame while dragging (30 a second), p95",
            percentile(drag["frames"], 0.95),
            "ms",
            80.0 if large else 25.0,
        ),
    ]
    if large:
        rows.append(("hand at rest to whole picture, median", statistics.median(found["whole"]), "ms", 3000.0))
    if given.json:
        print(json.dumps({"figures": {name.strip(): value for name, value, _, _ in rows}, "engine": found["engine"]}))
    else:
        print(f"Chromium {found['chromium']}, {found['engine']} thread, {platform.machine()}, {site.name}")
        for name, value, unit, bound in rows:
            limit = "" if bound is None else f"   (at most {bound:g})" + ("" if value <= bound else "  MISSED")
            print(f"{name:52} {value:8.1f} {unit}{limit}")
    return int(any(bound is not None and value > bound for _, value, _, bound in rows))


if __name__ == "__main__":
    sys.exit(main())
