"""Write the figures of a generator's model card, measured on what ships.

    python recipes/generator_card.py --photographs celeba.parquet docs/model_cards/photo64.md

The card's prose is written by hand; every table lies between two comments, `<!-- name -->` and `<!-- end -->`, and is
replaced; 100 unselected samples go beside the documentation's pictures. Photographs are cut and held out as in training.
`--look` writes samples beside their nearest training pictures, for the eyes of whoever trained it only: photographs may
not be passed on. `--run` shows how the same eight latents looked in the course of a training, from its folder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import tlgan
from card import fill, table
from generator.data import as_float
from generator.training import grid

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from default_generator import Eyes, as_batches, compare, photographs

SAMPLES = 4000
SHOWN = (
    "male",
    "young",
    "smiling",
    "eyeglasses",
    "blond_hair",
    "black_hair",
    "bald",
    "wearing_hat",
    "pale_skin",
    "bangs",
)


def figures(result: dict[str, dict[str, float]]) -> str:
    """What `benchmarks/default_generator.py` prints."""
    names = dict.fromkeys(name for column in result.values() for name in column if name != "by attribute")
    rows = [[name, *(f"{c[name]:.3f}" if name in c else "" for c in result.values())] for name in names]
    return table(["", *(f"`{ref}`" if ref != "photographs" else ref for ref in result)], rows)


def by_attribute(names: list[str], columns: dict[str, list[float]]) -> str:
    rows = [[f"`{name}`", *(f"{values[j]:.2f}" for values in columns.values())] for j, name in enumerate(names)]
    return table(["attribute", *columns], rows)


def demographics(eyes: Eyes, made: list[Tensor], known: Tensor) -> str:
    """Shares by either network, of samples and of the photographs trained on."""
    of_made, of_known = eyes.see(made), eyes.see(as_batches(known[:SAMPLES]))
    rows = []
    for name in SHOWN:
        j = eyes.names.index(name)
        rows.append(
            [f"`{name}`", *(f"{np.mean(said[k][:, j] > 0):.1%}" for k in (0, 1) for said in (of_made, of_known))]
        )
    ages = [
        np.concatenate([eyes.own.extract(x)[:, -1].numpy() for x in batches])
        for batches in (made, as_batches(known[:SAMPLES]))
    ]
    rows.append(
        [
            "age, 10 % / 50 % / 90 % (years)",
            *(" / ".join(f"{q:.0f}" for q in np.quantile(a, (0.1, 0.5, 0.9))) for a in ages),
            "",
            "",
        ]
    )
    head = ["share", "samples, `celeba40`", "photographs, `celeba40`", "samples, `judge40`", "photographs, `judge40`"]
    return table(head, rows)


def nearest(eyes: Eyes, made: Tensor, known: Tensor, held: Tensor, look: Path | None) -> str:
    """How near 20 samples, and the held-out photographs, come to any picture trained on (mirrored ones too)."""
    both = torch.cat([known, known.flip(-1)])
    spaces = []
    embedded = [_directions(eyes.see(as_batches(x))[2]) for x in (made, held, both)]
    spaces.append(("judge's embedding (cosine distance)", [1 - x @ embedded[2].t() for x in embedded[:2]]))
    flat = [as_float(x).flatten(1) for x in (made, held, both)]
    side = flat[0].shape[1] ** 0.5
    spaces.append(("pixels (root mean square, range 2)", [torch.cdist(x, flat[2]) / side for x in flat[:2]]))
    rows = []
    for words, (ours, theirs) in spaces:
        lowest, usual = ours.min(dim=1).values[:20], theirs.min(dim=1).values
        rows.append([words, *(f"{v:.3f}" for v in (lowest.min(), lowest.median(), usual.min(), usual.median()))])
    if look is not None:
        strips = [made[:20]] + [both[distance[:20].argmin(dim=1)] for _, (distance, _) in spaces]
        Image.fromarray(grid(torch.cat([as_float(strip) for strip in strips]), 20)).save(look)
    head = ["nearest training picture by", "20 samples: least", "median", "held-out photographs: least", "median"]
    return table(head, rows)


def progress(run: Path, picture: Path, stages: int = 5) -> None:
    """The first row of some of a run's grids, one below the other: about twice as many pictures shown from row to row."""
    grids = sorted(run.glob("grid-*.png"))
    seen = np.array([int(path.stem.rpartition("-")[2]) for path in grids])
    wanted = seen.max() / 2.0 ** np.arange(stages - 2, -1, -1)
    chosen = [0, *(int(np.abs(seen - count).argmin()) for count in wanted)]
    rows = [np.asarray(Image.open(grids[index])) for index in chosen]
    Image.fromarray(np.concatenate([row[: row.shape[1] // 8] for row in rows])).save(picture, quality=92)
    print("rows of", picture, "after", *(int(seen[index]) for index in chosen), "pictures")


def _directions(x: np.ndarray) -> Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(x), dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--generator", default="photo64")
    parser.add_argument("--beside", default="face64", help="compared with it")
    parser.add_argument("--place", type=float, default=0.7)
    parser.add_argument("--held-out", type=int, default=1000)
    parser.add_argument("--edits", type=int, default=40)
    parser.add_argument("--look", type=Path, help="PNG of samples beside their nearest training pictures")
    parser.add_argument("--run", type=Path, help="folder of its training")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known, held = photographs(options.photographs, options.place, options.held_out)
    generator = tlgan.load_generator(options.generator)
    with torch.inference_mode():
        made = [generator.synthesize(z) for z in generator.sample(SAMPLES, seed=0).split(250)]
    samples = torch.cat(made)[:100]
    pictures = options.card.parents[1] / "pictures"
    Image.fromarray(grid(samples, 10)).save(pictures / f"{options.generator}-samples.webp", quality=92)
    if options.run is not None:
        progress(options.run, pictures / f"{options.generator}-training.webp")
    as_bytes = ((samples.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    eyes = Eyes()
    result = compare([options.beside, options.generator], 10_000, held, known, options.edits)
    tables = {
        "figures": figures(result["generators"]),
        "attributes": by_attribute(result["attributes"], result["generators"][options.generator]["by attribute"]),
        "demographics": demographics(eyes, made, known),
        "nearest": nearest(eyes, as_bytes, known, held, options.look),
    }
    fill(options.card, tables)


if __name__ == "__main__":
    main()
