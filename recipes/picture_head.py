"""Train the head that paints small pictures of a large generator, and tell how good it is.

    python recipes/picture_head.py faces1024 -o head.safetensors --pairs 4000 --steps 6000

The pairs are painted first, whole pictures one by one; everything goes on where it was cut off. The figures are of
latents that no step has used: the mean difference to the whole picture shrunk, in grey levels, and the correlation of
what two networks measure on small and on whole pictures. The second network had no part in the training.
"""

from __future__ import annotations

import argparse
import functools
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from tlgan import load_extractor, load_generator
from tlgan.generators import LatentGenerator
from tlgan.generators.picture_head import TrainedHead
from tlgan.progress import Progress
from tlgan.training.picture_head import HeadRecipe, train_head

say = functools.partial(print, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", help="a path, an address or a known name")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the file of the head")
    parser.add_argument("--work", type=Path, help="folder for pairs and checkpoint; beside the output by default")
    parser.add_argument("--extractor", default="celeba40", help="whose measurements are matched")
    parser.add_argument("--judge", default="judge40", help="a network that has no part in the training")
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--test", type=int, default=200, help="whole pictures to compare with in the end")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator, extractor = load_generator(options.generator), load_extractor(options.extractor)
    assert isinstance(generator, LatentGenerator)
    begun = time.monotonic()

    class Lines(Progress):
        def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
            if done % 50 == 0 or done == total:
                say(f"{time.monotonic() - begun:7.0f} s  {what}: {done:,} of {total:,}")

    recipe = HeadRecipe(pairs=options.pairs, steps=options.steps, seed=options.seed)
    work = options.work or options.output.with_suffix(".work")
    head, _ = train_head(generator, extractor, work, recipe, progress=Lines())
    head.save(options.output)
    say(f"{options.output}: {options.output.stat().st_size:,} bytes, fingerprint {head.fingerprint[:12]}")
    compare(generator.with_head(head), head, [extractor, load_extractor(options.judge)], options.test)


@torch.inference_mode()
def compare(generator: LatentGenerator, head: TrainedHead, extractors: list, count: int) -> None:  # type: ignore[type-arg]
    """Print the figures on `count` latents of another seed, at psi 1, .85 and .7."""
    space = "w" if generator.w_dim else "z"
    for psi in (1.0, 0.85, 0.7):
        latents = generator.sample(count, seed=77, space=space, truncation=psi)
        grey, small, whole = [], [[] for _ in extractors], [[] for _ in extractors]
        for row in torch.split(latents, 1):
            painted = generator.synthesize(row, space=space, resolution=head.resolution).clamp(-1, 1)
            full = generator.synthesize(row, space=space).clamp(-1, 1)
            shrunk = F.interpolate(full, size=head.resolution, mode="area")
            grey.append(float((painted - shrunk).abs().mean()) * 127.5)
            for at, extractor in enumerate(extractors):
                small[at].append(extractor.logits(painted))
                whole[at].append(extractor.logits(full))
        say(f"psi {psi}: {np.mean(grey):.2f} grey levels off the whole picture, shrunk")
        for at, extractor in enumerate(extractors):
            a, b = torch.cat(small[at]).numpy(), torch.cat(whole[at]).numpy()
            found = {f.name: np.corrcoef(a[:, k], b[:, k])[0, 1] for k, f in enumerate(extractor.features)}
            worst = min(found, key=lambda name: found[name])
            say(
                f"  {extractor.name}: correlation of small with whole pictures {np.mean(list(found.values())):.3f} "
                f"on average, {found[worst]:.3f} at worst ({worst})"
            )


if __name__ == "__main__":
    main()
