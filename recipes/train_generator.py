"""Train a compact generator on pictures of your own, on a CPU.

    python recipes/train_generator.py --pictures celeba.parquet --place 0.7 --held-out 1000 --knowledge celeba40 -o out

`--pictures` is a folder or a Parquet file with a column `image`. The run writes a checkpoint and a grid of samples
into the output folder every few minutes and goes on from there when it is started again; at the end it writes
`generator.safetensors`, which `tlgan discover` takes as it is.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import torch

from generator.data import read_pictures
from generator.export import export
from generator.knowledge import Knowledge
from generator.training import Plan, Training

say = functools.partial(print, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder, or Parquet with a column 'image'")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for checkpoints, grids and weights")
    parser.add_argument("--side", type=int, default=64, help="side of the pictures to paint: 32, 64 or 128 pixels")
    parser.add_argument("--place", type=float, default=0.5, help="where the square is cut: 0 first, 0.5 middle, 1 last")
    parser.add_argument("--held-out", type=int, default=0, help="this many pictures at the end are not trained on")
    parser.add_argument("--knowledge", help="a packaged face network to learn from: celeba40, for faces")
    parser.add_argument("--shown", type=int, default=400_000, help="photographs to show in all, repeats included")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--warm-up", type=int, default=6_000, help="how many of them before the critic starts")
    parser.add_argument("--disturbance", type=float, default=0.5, help="of what the critic sees; 1: few pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--source", default="pictures of the user's own", help="a line on data and terms for the file")
    parser.add_argument("--pause-file", type=Path, help="training sleeps while this file exists")
    parser.add_argument("--export-only", action="store_true", help="write the weights of the last checkpoint and stop")
    options = parser.parse_args()
    if options.side not in (32, 64, 128):
        parser.error(f"--side {options.side}: expected 32, 64 or 128")
    torch.set_num_threads(options.threads)
    pictures = read_pictures(options.pictures, options.side, place=options.place)
    if not 0 <= options.held_out < len(pictures):
        parser.error(f"--held-out {options.held_out}: there are {len(pictures)} pictures")
    pictures = pictures[: len(pictures) - options.held_out]
    knowledge = Knowledge(options.knowledge) if options.knowledge else None
    widths = {32: (256, 256, 128, 64), 64: (256, 256, 128, 64, 32), 128: (256, 256, 128, 64, 32, 16)}
    plan = Plan(
        options.shown,
        widths=widths[options.side],
        batch=options.batch,
        warm_up=options.warm_up,
        disturbance=options.disturbance,
        seed=options.seed,
    )
    training = Training(pictures, plan, options.output, knowledge)
    say(f"{len(pictures)} pictures of {options.side} pixels; {training.seen} of {plan.pictures} shown so far")
    if not options.export_only:
        training.run(pause_file=options.pause_file, say=say)
    path = options.output / "generator.safetensors"
    export(training.average, training.seen, options.source, path)
    say(f"written: {path}")


if __name__ == "__main__":
    main()
