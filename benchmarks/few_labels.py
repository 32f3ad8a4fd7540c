"""What 500 labelled pictures of one new attribute are worth: by transfer, and from scratch.

Claim: transfer beats from-scratch by a clear margin. Since `celeba40` has been taught CelebA's own attributes, a fair
start must not know the new one: the script first trains a network on all attributes but the new ones and their nearest
relatives, on other pictures; then 500 pictures labelled with the new attribute alone are learned from by transfer from
that network, and from scratch; both are measured on the last thousand pictures, which nobody trained on. The start from
`celeba40`, which has been told, is shown beside. Run: `python benchmarks/few_labels.py --celeba celeba.parquet`
(columns: `image`, and CelebA's 40 attributes).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from sklearn.metrics import roc_auc_score

from tlgan.extractors import load_extractor
from tlgan.progress import Progress
from tlgan.training import train_extractor
from tlgan.training.pictures import square

NEW = ("Eyeglasses", "Smiling", "Bangs")
RELATIVES = ("Mouth_Slightly_Open", "High_Cheekbones", "Receding_Hairline")
LABELLED = 500
HELD_OUT = 1000


class Spoken(Progress):
    """Says what is done."""

    def stage(self, words: str) -> None:
        print(f"  {words}", flush=True)

    def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
        if what == "steps":
            print(f"  step {done}/{total}: {words}", flush=True)


def held_out_auc(path: Path, table: pa.Table, attribute: str) -> float:
    """AUC of a trained extractor of one attribute on the pictures of `table`."""
    pictures = np.stack([square(data, 64, celeba=True) for data in table["image"].to_pylist()])
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    return float(
        roc_auc_score(table[attribute].to_numpy() > 0, load_extractor(str(path)).extract(images)[:, 0].numpy())
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--celeba", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="folder to keep the start in, so that a second run finds it")
    parser.add_argument("--start-steps", type=int, default=1500, help="steps of 64 pictures for the start")
    parser.add_argument("--new", nargs="+", choices=NEW, default=NEW, help="which of the attributes to learn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    table = pq.read_table(options.celeba)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.work or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        test = table.slice(table.num_rows - HELD_OUT)
        few = table.slice(table.num_rows - HELD_OUT - LABELLED, LABELLED)
        rest = table.slice(0, table.num_rows - HELD_OUT - LABELLED)
        pq.write_table(few, folder / "few.parquet")
        pq.write_table(rest, folder / "rest.parquet")
        start = folder / "start.safetensors"
        if not start.exists():
            train_extractor(
                folder / "rest.parquet",
                None,
                folder / "start.onnx",
                skip=[*NEW, *RELATIVES],
                backbone="scratch",
                steps=options.start_steps,
                progress=Spoken(),
            )
        rows = []
        for attribute in options.new:
            row: dict[str, object] = {"new attribute": attribute}
            for name, backbone in (("transfer", str(start)), ("scratch", "scratch"), ("celeba40", "celeba40")):
                out = folder / f"{attribute}-{name}.onnx"
                train_extractor(folder / "few.parquet", None, out, only=[attribute], backbone=backbone)
                row[name] = round(held_out_auc(out, test, attribute), 4)
                print(f"  {attribute}, {name}: AUC {row[name]}", flush=True)
            rows.append(row)
    if options.json:
        print(json.dumps(rows))
        return
    print(f"AUC on {HELD_OUT} pictures nobody trained on, from {LABELLED} labelled ones:")
    for row in rows:
        print("  ".join(f"{key} {value!s:<14}" for key, value in row.items()))


if __name__ == "__main__":
    main()
