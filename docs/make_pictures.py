"""The pictures of the documentation: the studio by day, by night and on a phone, a strip of eight sliders, the cells of a data
set, and faces on which a classifier's decision flips.

    python docs/make_pictures.py faces        # a workspace made by `tlgan demo`; writes docs/pictures/
    python docs/make_pictures.py faces --only cells,flips

All but the last two need the test extra (Playwright) and a Chromium on PATH or named by TLGAN_CHROMIUM.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

import tlgan
from tlgan.audit.classifier import DRIFT, GOT, SEED
from tlgan.dataset import Request, make_dataset
from tlgan.editing import Canvas, Edit, solve
from tlgan.editing.claims import claim_of
from tlgan.editing.edit import HOLD
from tlgan.editing.film import tile
from tlgan.provenance import Claim, encode
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
#: Faces of each cell of a balanced data set, and pixels of one there.
CELLS, CELL_SIDE = 10, 96
#: Faces that an audit moves; a classifier, one of its outputs, the slider that is moved, and how many flips are shown.
FACES = 160
FLIPS = (Path(__file__).parents[1] / "benchmarks" / "second_judge.onnx", "young", "eyeglasses", 8)
STRIP = ("smiling", "mouth_slightly_open", "young", "male", "blond_hair", "bangs", "eyeglasses", "no_beard")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "pictures")
    parser.add_argument("--seed", type=int, default=6, help="the face that is shown")
    parser.add_argument("--only", default="studio,strip,cells,flips", help="some of these, with commas")
    parser.add_argument("--asked", default="smiling:1.5", help="its edits, as in a link")
    options = parser.parse_args()
    workspace = tlgan.open(options.workspace)
    options.out.mkdir(parents=True, exist_ok=True)
    only = options.only.split(",")
    if "studio" in only:
        in_hand = options.asked.partition(":")[0]
        screenshots(workspace, options.out, f"#seed={options.seed}&ask={options.asked}", in_hand)
    if "strip" in only:
        names = [name for name in STRIP if name in workspace.axes.names]
        strip = options.out / "strip.webp"
        workspace.face(seed=options.seed).save_strip(strip, names, span=2.5)
        picture = Image.open(strip)
        picture.thumbnail((WIDE, 2 * WIDE), Image.Resampling.LANCZOS)
        picture.save(strip, quality=90, method=6)
    if "cells" in only:
        cells(workspace, options.out / "cells.webp")
    if "flips" in only:
        flips(workspace, options.out / "flips.webp")
    print(*sorted(path.name for path in options.out.iterdir()), sep="\n")


def cells(workspace: Workspace, path: Path) -> None:
    """The first faces of each cell of a data set, a row a cell."""
    request = Request(8 * CELLS, ("male", "eyeglasses", "young"), resolution=CELL_SIDE)
    with tempfile.TemporaryDirectory() as folder:
        made = make_dataset(workspace, Path(folder) / "data", request, form="parquet")
        table = pa.concat_tables([pq.read_table(file) for file in sorted(Path(folder).glob("data/data/*.parquet"))])
    found: dict[str, list[np.ndarray]] = {cell.words: [] for cell in made.cells}
    for cell, image in zip(table["cell"].to_pylist(), table["image"].to_pylist(), strict=True):
        found[cell].append(np.asarray(Image.open(io.BytesIO(image["bytes"])).convert("RGB")))
    print(*found, sep="\n")
    _shown(
        path, [np.stack(faces) for faces in found.values()], claim_of(workspace.canvas, "balanced over three features")
    )


def flips(workspace: Workspace, path: Path) -> None:
    """Faces before and after one slider was moved, on which the decision of a classifier flips; above as they were."""
    model, output, slider, count = FLIPS
    canvas = Canvas(workspace.generator, workspace.extractor, workspace.axes, resolution=workspace.settings.resolution)
    classifier = tlgan.load_extractor(str(model))
    column = [feature.name for feature in classifier.features].index(output)
    starts, others = canvas.sample(FACES, seed=SEED), set(canvas.axes.names) - {slider}
    asked = [1.5 if number % 2 == 0 else -1.5 for number in range(FACES)]
    edits = [Edit(start).lock(others, HOLD).ask({slider: ask}) for start, ask in zip(starts, asked, strict=True)]
    (before, own), (after, seen) = (
        canvas.look(starts),
        canvas.look(np.stack([solve(canvas.axes, e).latent for e in edits])),
    )
    row = canvas.axes.index(slider)
    counts = (seen - own)[:, row] * np.sign(asked) >= GOT * 1.5
    counts &= np.delete(np.abs(seen - own), row, axis=1).mean(axis=1) <= DRIFT

    def said(pictures: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.inference_mode():
            return np.asarray(classifier.extract(images)[:, column]) >= 0.5

    rows = np.flatnonzero((said(before) != said(after)) & counts)
    print(f"{len(rows)} of {counts.sum()} flip")
    _shown(path, [before[rows[:count]], after[rows[:count]]], claim_of(canvas, f"{slider} moved, the others held"))


def _shown(path: Path, rows: list[np.ndarray], claim: Claim) -> None:
    path.write_bytes(encode(tile(rows), claim, "WEBP", quality=80, method=6))


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
