"""Slider moved to frame painted, in a real headless Chromium that talks to a live studio over loopback.

    python benchmarks/studio_latency.py faces              # a workspace made by `tlgan discover` or `tlgan demo`
    python benchmarks/studio_latency.py faces --seconds 10 --json
    python benchmarks/studio_latency.py --formats          # which picture format is fastest, losslessly

Real mouse input is dispatched through the browser's own input pipeline, 60 moves a second. For every move the clock runs
from the event's own time stamp to the first animation frame after the picture that answers it, or a newer state, was
drawn. The page stands still for two seconds before, as for somebody who looks at the face first, and the pointer is on the
slider for `--dwell` seconds before it presses. "Kept up" is the share
of moves whose picture was on the screen before the second-next move came (33 ms).

A generator that has small and whole pictures is asked twice more: how long after the last move of a drag the whole picture
is on the screen, and, from a hand at rest, how long the first move of the next drag waits for its small one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

WATCH = """() => {
  const moves = [];        // time stamp of each input event, and what was asked after it
  const painted = [];      // when a picture with at least that much asked for was on the screen
  const asked = () => +document.querySelector("[data-feature='NAME']").getAttribute("aria-valuenow");
  const track = document.querySelector("[data-feature='NAME']");
  track.addEventListener("pointermove", (event) => {
    if (event.buttons) moves.push({at: event.timeStamp, state: window.studio.version()});
  });
  document.addEventListener("painted", (event) => {
    const version = event.detail;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();     // a task after the frame's rendering steps: it is on its way to the screen
      channel.port1.onmessage = () => painted.push({at: performance.now(), state: version});
      channel.port2.postMessage(null);
    });
  });
  window.latency = () => {
    const found = [];
    let k = 0;
    for (const move of moves) {
      while (k < painted.length && painted[k].state < move.state) k++;
      if (k < painted.length) found.push(painted[k].at - move.at);
    }
    return {found, moves: moves.length, frames: painted.length,
            span: moves.length > 1 ? moves.at(-1).at - moves[0].at : 0};
  };
}"""


RESTS = """(side) => {
  const track = document.querySelector("[data-feature='NAME']");
  let first = null, last = 0, whole = null, down = 0;
  track.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    down ||= event.timeStamp;
    last = event.timeStamp;
    whole = null;
  });
  document.addEventListener("painted", () => {
    if (!down) return;
    if (window.studio.side() < side) first ??= performance.now() - down;
    else whole ??= performance.now() - last;
  });
  window.rest = () => {
    const found = {first, whole};
    [first, whole, down] = [null, null, 0];
    return found;
  };
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rate", type=float, default=60.0, help="moves a second")
    parser.add_argument(
        "--dwell", type=float, default=0.3, help="seconds that the pointer is on the slider before it presses"
    )
    parser.add_argument("--feature", help="the slider that is dragged (default: the surest one)")
    parser.add_argument(
        "--rests", action="store_true", help="measure whole pictures and the first move after a rest too"
    )
    parser.add_argument("--exact", action="store_true", help="with the closed loop on")
    parser.add_argument("--locks", type=int, default=0, help="lock this many other features")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--formats", action="store_true")
    options = parser.parse_args()
    if options.formats:
        report_formats()
        return
    if options.workspace is None:
        parser.error("name a workspace (make one with `tlgan demo`)")
    result = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(result))
        return
    print(f"{result['moves']} moves in {result['seconds']:.1f} s ({result['moves_a_second']:.1f} a second)")
    print(f"{result['frames']} pictures painted ({result['frames_a_second']:.1f} a second)")
    print(
        f"slider moved to frame painted: p50 {result['p50']:.1f} ms, p95 {result['p95']:.1f} ms, "
        f"worst {result['worst']:.1f} ms"
    )
    print(
        f"kept up (under 33 ms): {100 * result['kept_up']:.1f} % of moves; last move answered after {result['last']:.1f} ms"
    )
    if options.rests:
        print(f"hand at rest to whole picture: median {result['whole']:.0f} ms")
        print(f"first move after a rest to its small picture: p95 {result['first_after_rest']:.0f} ms")


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Drag one slider to and fro, and say how long its pictures took."""
    from playwright.async_api import async_playwright

    import tlgan

    axes = tlgan.open(options.workspace).axes
    name = options.feature or axes.names[int(np.argmax(np.where(axes.weak, -1, axes.r2)))]
    chromium = os.environ.get("TLGAN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium on PATH: install one, or set TLGAN_CHROMIUM")
    with studio(options.workspace) as address:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = await browser.new_page(viewport={"width": 1280, "height": 860})
            await page.goto(address + "#seed=7")
            await page.wait_for_selector("html[data-ready]")
            await page.evaluate(
                "names => names.forEach(window.studio.lock)", [n for n in axes.names if n != name][: options.locks]
            )
            if options.exact:
                await page.check("#exact")
            await page.evaluate(WATCH.replace("NAME", name))
            await page.wait_for_timeout(2000)  # nobody drags before the face has been looked at
            await drag(page, name, options.seconds, options.rate, options.dwell)
            await page.wait_for_timeout(500)
            seen = await page.evaluate("window.latency()")
            rests = await measure_rests(page, name) if options.rests else {}
            await browser.close()
    found = np.array(seen["found"])
    seconds = seen["span"] / 1000
    return {
        "feature": name,
        "cores": os.cpu_count(),
        "seconds": seconds,
        "moves": seen["moves"],
        "frames": seen["frames"],
        "moves_a_second": seen["moves"] / seconds,
        "frames_a_second": seen["frames"] / seconds,
        "p50": float(np.percentile(found, 50)),
        "p95": float(np.percentile(found, 95)),
        "worst": float(found.max()),
        "kept_up": float((found < 33).mean()),
        "last": float(found[-1]),
    } | rests


async def measure_rests(page: Any, name: str, repeats: int = 8) -> dict[str, float]:
    """Short drags with a rest after each: ms from the last move to the whole picture, and from the first move of the next
    drag, made in the middle of a whole picture's painting, to its small one."""
    side = await page.evaluate("window.studio.description.generator.resolution")
    await page.evaluate(RESTS.replace("NAME", name), side)
    whole, first = [], []
    for turn in range(repeats):
        await drag(page, name, 0.5, 60)
        await page.wait_for_timeout(
            60 if turn % 2 else 2500
        )  # the next drag begins while the whole one is painted, or after it
        seen = await page.evaluate("window.rest()")
        if seen["first"] is not None:
            first.append(seen["first"])
        if seen["whole"] is not None:
            whole.append(seen["whole"])
    return {
        "whole": float(np.median(whole)) if whole else float("nan"),
        "first_after_rest": float(np.percentile(first, 95)),
    }


@contextlib.contextmanager
def studio(workspace: Path) -> Iterator[str]:
    """The studio in a process of its own, as a person runs it."""
    code = "import sys, tlgan, tlgan.web.server as s; s.serve(tlgan.open(sys.argv[1]), port=0, open_browser=False)"
    command = [sys.executable, "-c", code, str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()


async def drag(page: Any, name: str, seconds: float, rate: float, dwell: float = 0.0) -> None:
    """Move the mouse to and fro over the track with its button down, `rate` times a second, whoever keeps up; before it
    presses, it stays on the track for `dwell` seconds."""
    track = page.locator(f"[data-feature='{name}']")
    await track.scroll_into_view_if_needed()
    box = await track.bounding_box()
    y = box["y"] + box["height"] / 2
    browser = await page.context.new_cdp_session(page)
    sent = []

    def send(kind: str, share: float, pressed: bool = True) -> None:
        event = {
            "type": kind,
            "x": box["x"] + box["width"] * share,
            "y": y,
            "button": "left" if pressed else "none",
            "buttons": int(pressed),
            "clickCount": int(pressed),
        }
        sent.append(asyncio.ensure_future(browser.send("Input.dispatchMouseEvent", event)))

    send("mouseMoved", 0.5, pressed=False)
    await asyncio.sleep(dwell)
    send("mousePressed", 0.5)
    begun = time.perf_counter()
    for k in range(int(seconds * rate)):
        await asyncio.sleep(max(0.0, begun + k / rate - time.perf_counter()))
        send("mouseMoved", 0.5 + 0.35 * np.sin(2 * np.pi * k / (2.5 * rate)))
    send("mouseReleased", 0.5)
    await asyncio.gather(*sent)


def report_formats() -> None:
    """Time to encode and bytes, for pictures like those of a generator."""
    from PIL import Image

    ways: dict[str, dict[str, Any]] = {
        "PNG, level 1": {"format": "PNG", "compress_level": 1},
        "PNG, level 6": {"format": "PNG", "compress_level": 6},
        "WebP, lossless, least effort": {"format": "WEBP", "lossless": True, "quality": 0, "method": 0},
    }
    random = np.random.default_rng(0)
    for side in (64, 256, 1024):
        coarse = Image.fromarray(random.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
        picture = Image.fromarray(np.clip(smooth + random.integers(-3, 4, smooth.shape), 0, 255).astype(np.uint8))
        for words, how in ways.items():
            times = []
            for _ in range(20):
                buffer = io.BytesIO()
                begun = time.perf_counter()
                picture.save(buffer, **how)
                times.append(1000 * (time.perf_counter() - begun))
            print(f"{side:5} px  {words:30} {np.median(times):7.2f} ms {len(buffer.getvalue()):9,} bytes")


if __name__ == "__main__":
    main()
