"""Held-out R² of axes by number of samples: as it is told, and as it is on rows that no fit has seen.

Claim: in a w of several hundred dimensions some hundred samples give axes, and what is told of them holds on fresh rows.
Run: `python benchmarks/few_samples.py faces1024` (whole pictures are painted, so it takes its time).
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from tlgan.axes import AxisLearner, population, priors, to_response
from tlgan.extractors import load_extractor
from tlgan.generators import load_generator
from tlgan.samples import Source

FRESH = 2**39  # where in the latent stream the rows are that the axes are tried on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generator")
    parser.add_argument("--extractor", default="celeba40")
    parser.add_argument("--space", default="", help="w where there is one")
    parser.add_argument("--truncation", type=float, default=1.0)
    parser.add_argument("--resolution", type=int)
    parser.add_argument("--samples", type=int, nargs="+", default=[150, 300, 600, 1200])
    parser.add_argument("--fresh", type=int, default=600)
    options = parser.parse_args()
    generator, extractor = load_generator(options.generator), load_extractor(options.extractor)
    space = options.space or ("w" if generator.w_dim else "z")
    source = Source(generator, space, options.truncation, resolution=options.resolution)
    began = time.perf_counter()
    rows = [_rows(source, extractor, *span) for span in ((0, max(options.samples)), (FRESH, options.fresh))]
    (latents, values), (fresh, seen) = rows
    painted = (time.perf_counter() - began) / (len(latents) + len(fresh))
    responses = to_response(extractor.features, seen)
    total = ((responses - responses.mean(axis=0)) ** 2).sum(axis=0)
    geometry, known = population(source, seed=0), priors(source)
    print(
        f"{generator.name} in {space} ({source.latent_dim} dimensions), {options.extractor}, {painted:.3f} s a picture"
    )
    print(f"{'samples':>8} {'R² told':>8} {'interval':>12} {'fresh R²':>9} {'agreement':>10} {'fit s':>6}  prior")
    for count in options.samples:
        learner = AxisLearner(extractor.features, source.latent_dim, population=geometry, priors=known)
        learner.add(latents[:count], values[:count])
        if count < 2 * learner.fewest:
            print(f"{count:>8} too few for least squares in {source.latent_dim} dimensions")
            continue
        began = time.perf_counter()
        axes = learner.axes(generator=generator.fingerprint, space=space)
        seconds = time.perf_counter() - began
        missed = responses - fresh @ axes.directions.T - axes.intercepts
        real = np.where(total > 0, 1 - (missed**2).sum(axis=0) / np.where(total > 0, total, 1), 0)
        told, low, high = axes.mean_r2 or (np.nan,) * 3
        agreement = np.median(axes.agreement[~axes.weak])
        interval = f"{low:.2f} to {high:.2f}"
        print(
            f"{count:>8} {told:>8.3f} {interval:>12} {real.mean():>9.3f} {agreement:>10.3f} {seconds:>6.1f}  {axes.prior}"
        )


def _rows(source: Source, extractor, start: int, count: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
    """Latents [count, d] and feature values [count, f] from row `start` of the stream."""
    latents = source.sample(count, seed=0, start=start)[source.space].numpy()
    return latents, np.concatenate([extractor.extract(images).numpy() for images in source.pictures(latents)])


if __name__ == "__main__":
    main()
