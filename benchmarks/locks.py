"""What holds everything else better, hard locks or soft ones?

    python benchmarks/locks.py faces                               # by the axes alone
    python benchmarks/locks.py faces --quality quick --faces 3     # exact edits

Each of eight sliders is asked for 1.5 sd more or less with all others held, on small pictures. For hard locks and soft ones of
each weight: how long the move is (whitened units), how much of the ask extractor and judge see, and how much what is held drifts.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from tlgan.editing import Canvas, Edit, resolve_all
from tlgan.editing.solve import TRUST, Wishes, keep_inside, least_move, shell
from tlgan.evaluation.judging import ExtractorEvaluator, Judge
from tlgan.extractors import load_extractor
from tlgan.workspace import open_workspace

SLIDERS = ("male", "eyeglasses", "young", "smiling", "blond_hair", "mouth_slightly_open", "bangs", "age")
ASK = 1.5
SEED, PLAIN = 2**40 + 31, 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--faces", type=int, default=12)
    parser.add_argument("--sliders", default=",".join(SLIDERS))
    parser.add_argument("--weights", default="4,10", help="of the soft locks")
    parser.add_argument(
        "--quality", default="", help="of exact edits (quick, live, final); by the axes alone without it"
    )
    options = parser.parse_args()
    workspace = open_workspace(options.workspace)
    axes = workspace.axes
    canvas = Canvas(workspace.generator, workspace.extractor, axes).small
    evaluator = ExtractorEvaluator(load_extractor("judge40"))
    free = [name for row, name in enumerate(axes.names) if not axes.weak[row]]
    known = [name for name in free if name in {feature.name for feature in evaluator.features}]
    judge = Judge(canvas, evaluator, known, canvas.sample(PLAIN, seed=SEED - 1))
    starts = canvas.sample(options.faces, seed=SEED)
    own, judged = canvas.measure(starts), judge.measure(starts).positions
    signs = np.where(np.arange(len(starts)) % 2, 1.0, -1.0)
    sliders = [name for name in options.sliders.split(",") if name in axes.names]
    for weight in (None, *map(float, options.weights.split(","))):
        began, found = time.perf_counter(), []
        for name in sliders:
            held = [other for other in free if other != name]
            edits = [
                Edit(start, exact=bool(options.quality)).ask({name: ASK * sign}).lock(held, weight)
                for start, sign in zip(starts, signs, strict=True)
            ]
            if options.quality:
                latents = np.stack([s.latent for s in resolve_all(canvas, edits, options.quality)])
            else:
                latents = np.stack([constrained(canvas, edit) for edit in edits])
            change, seen = canvas.measure(latents) - own, judge.measure(latents).positions - judged
            moved = axes.metric.whiten(latents) - axes.metric.whiten(starts)
            found.append(
                (
                    np.linalg.norm(moved, axis=1).mean(),
                    (signs * change[:, axes.index(name)]).mean(),
                    (signs * seen[:, known.index(name)]).mean() if name in known else np.nan,
                    np.abs(change[:, axes.indices(held)]).mean(),
                    np.abs(np.delete(seen, known.index(name), axis=1) if name in known else seen).mean(),
                )
            )
        move, got, got_judge, drift, drift_judge = np.nanmean(found, axis=0)
        print(
            f"{f'soft, weight {weight:g}' if weight else 'hard':16s} move {move:.1f}, got {got:.2f} (judge {got_judge:.2f}), drift "
            f"{drift:.2f} (judge {drift_judge:.2f}), {(time.perf_counter() - began) / len(sliders) / len(starts):.1f} s an edit",
            flush=True,
        )


def constrained(canvas: Canvas, edit: Edit) -> np.ndarray:
    """Where an edit leads by the axes when its locks stay what they are, however far that is."""
    axes, wishes = canvas.axes, Wishes.of(canvas.axes, edit)
    start, slopes = axes.metric.whiten(edit.latent), axes.whitened_slopes[wishes.rows]
    move = least_move(slopes, wishes.wanted, wishes.weight)
    move *= min(1.0, TRUST * axes.metric.radius / max(float(np.linalg.norm(move)), 1e-12))
    end: np.ndarray = axes.metric.colour(keep_inside(start, move, slopes, shell(axes, start)))
    return end.astype(np.float32)


if __name__ == "__main__":
    main()
