"""Make a trained generator slimmer, and so quicker, before its training goes on.

    python recipes/slim_generator.py out -o slim --widths 192,192,96,48,24 --knowledge celeba40
    python recipes/train_generator.py --pictures celeba.parquet ... -o slim

Takes the checkpoint that `train_generator.py` left in the first folder, keeps the channels that matter most, teaches the
rest to paint what the larger one paints, and writes a checkpoint into the output folder that `train_generator.py` goes
on from, with the critic as it was: pictures come out soft before that.
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path

import torch

from generator.knowledge import Knowledge
from generator.slim import distil, pruned, widths_of
from tlgan.generators.nets.modulated import ModulatedNet

say = functools.partial(print, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the slimmer one's training")
    parser.add_argument("--widths", required=True, help="its channels at 4, 8, 16, ... pixels, with commas between")
    parser.add_argument("--knowledge", help="a packaged face network to compare with: celeba40, for faces")
    parser.add_argument("--shown", type=int, default=80_000, help="pictures of the larger one to learn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    path = options.output / "training.ckpt"
    if path.exists():
        parser.error(f"{path} is there already: choose another folder")
    if not (options.run / "training.ckpt").exists():
        parser.error(f"{options.run} holds no training.ckpt: expected the folder that train_generator.py wrote")
    state = torch.load(options.run / "training.ckpt", weights_only=True)
    theirs = widths_of(state["average"])
    try:
        widths = tuple(int(width) for width in options.widths.split(","))
    except ValueError:
        parser.error(f"--widths {options.widths}: expected numbers such as {','.join(map(str, theirs))}")
    if len(widths) != len(theirs) or not all(0 < mine <= its for mine, its in zip(widths, theirs, strict=False)):
        parser.error(
            f"--widths {options.widths}: expected {len(theirs)} numbers, none above {','.join(map(str, theirs))}"
        )

    latent_dim = state["average"]["ground.weight"].shape[1]
    teacher = ModulatedNet(latent_dim, theirs)
    teacher.load_state_dict(state["average"])
    teacher.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    slim = pruned(teacher, widths).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    begun = time.monotonic()
    distil(teacher, slim, options.shown, Knowledge(options.knowledge) if options.knowledge else None, say=say)
    say(f"{options.shown} pictures in {time.monotonic() - begun:.0f} s")

    weights = slim.state_dict()
    optimizer = torch.optim.Adam(slim.parameters()).state_dict()
    optimizer["param_groups"][0] |= {
        key: value for key, value in state["maker_optimizer"]["param_groups"][0].items() if key != "params"
    }
    options.output.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    torch.save(state | {"maker": weights, "average": weights, "maker_optimizer": optimizer}, unfinished)
    unfinished.replace(path)
    say(f"written: {path}")


if __name__ == "__main__":
    main()
