"""The pictures of the documentation: the studio by day, by night and on a phone, and a strip of eight sliders.

    python docs/make_pictures.py faces        # a workspace made by `tlgan demo`; writes docs/pictures/

Needs the test extra (Playwright) and a Chromium on PATH or named by TLGAN_CHROMIUM.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from PIL import Image

import tlgan
from tlgan.web.server import running
from tlgan.workspace import Workspace

DESK = {"viewport": {"width": 1440, "height": 900}, "device_scale_factor": 1}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
VIEWS: dict[str, dict[str, Any]] = {
    "studio-light": DESK | {"color_scheme": "light"},
    "studio-dark": DESK | {"color_scheme": "dark"},
    "studio-phone": PHONE | {"color_scheme": "light"},
}
WIDE = 1400  # pixels of the strip, at most
STRIP = ("smiling", "mouth_slightly_open", "young", "male", "blond_hair", "bangs", "eyeglasses", "no_beard")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "pictures")
    parser.add_argument("--seed", type=int, default=6, help="the face that is shown")
    parser.add_argument("--asked", default="smiling:1.5", help="its edits, as in a link")
    options = parser.parse_args()
    workspace = tlgan.open(options.workspace)
    options.out.mkdir(parents=True, exist_ok=True)
    in_hand = options.asked.partition(":")[0]
    screenshots(workspace, options.out, f"#seed={options.seed}&ask={options.asked}", in_hand)
    names = [name for name in STRIP if name in workspace.axes.names]
    strip = options.out / "strip.webp"
    workspace.face(seed=options.seed).save_strip(strip, names, span=2.5)
    picture = Image.open(strip)
    picture.thumbnail((WIDE, 2 * WIDE), Image.Resampling.LANCZOS)
    picture.save(strip, quality=90, method=6)
    print(*sorted(path.name for path in options.out.iterdir()), sep="\n")


def screenshots(workspace: Workspace, out: Path, fragment: str, in_hand: str) -> None:
    """One picture a view, each with a few faces in the strip and the slider `in_hand` in hand."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("TLGAN_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium on PATH: install one, or set TLGAN_CHROMIUM")
    with running(workspace) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, view in VIEWS.items():
            page = browser.new_context(**view).new_page()
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            for seed in (3, 8, 25, 34, 41, 55):
                page.evaluate("seed => { location.hash = `#seed=${seed}`; }", seed)
                _settle(page)
            page.evaluate("fragment => { location.hash = fragment; }", fragment)
            _settle(page)
            page.locator(f"[data-feature='{in_hand}']:visible").first.evaluate(
                "e => e.focus({preventScroll: true, focusVisible: false})"
            )
            _settle(page)
            _write(page.screenshot(), out / f"{name}.webp")
        browser.close()


def _settle(page: Any) -> None:
    for _ in range(100):
        page.wait_for_timeout(100)
        if page.evaluate("window.studio.idle()"):
            break
    page.wait_for_timeout(150)


def _write(screenshot: bytes, path: Path) -> None:
    """A screenshot as WebP: a tenth of the PNG's bytes, and letters stay sharp."""
    Image.open(io.BytesIO(screenshot)).convert("RGB").save(path, quality=92, method=6)


if __name__ == "__main__":
    main()
