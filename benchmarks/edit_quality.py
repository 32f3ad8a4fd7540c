"""Do edits do what they say? Every method on the same fresh faces, judged by networks that had no part in them.

Claim: by the judge, exact mode is nearer to its target and moves what was locked less than a plain axis does, and keeps
more of the identity at equal change. Eight sliders, ±1.5 standard deviations, the other seven locked, 200 faces.
Every judge given sees the same edits. How far the judge's word on one and the same edit moves when the pictures are
mirrored is printed beside, and where there are two judges how far they disagree, since no figure is better known than
that, and what they say on average. A face that smiles already can't smile more: figures are also given for those asks
alone whose target lies where the judge has seen faces. The workspace keeps what was painted and measured, so that with
`--workspace` a run that was cut off goes on where it was. Run: `python benchmarks/edit_quality.py --small` (hours on two
cores for 200 faces: each exact edit takes seconds).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.evaluation import METHODS
from tlgan.evaluation.bench import DEPENDENCY_EDGES, Bench, Figures, Measurements, OwnEvaluator, Tried
from tlgan.evaluation.cache import Cache, Panel
from tlgan.evaluation.evaluate import PLAIN_START, SEED, as_evaluator
from tlgan.evaluation.judging import VIEWS, ExtractorEvaluator, Judge
from tlgan.evaluation.statistics import bootstrap, frechet_distance
from tlgan.evaluation.together import Noise
from tlgan.extractors import load_extractor
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.compare import MEASURED_FOLDER
from tlgan.workspace.discover import discover

EIGHT = ("smiling", "male", "young", "eyeglasses", "blond_hair", "bangs", "mouth_slightly_open", "black_hair")
SECOND = Path(__file__).parent / "second_judge.onnx"
AMOUNT = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("--workspace", type=Path, help="use this one instead of discovering a new one")
    parser.add_argument("--judge", action="append", help="an extractor; may be repeated (judge40, second_judge.onnx)")
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--plain", type=int, default=2000, help="pictures that give the judges their scale")
    parser.add_argument(
        "--small", action="store_true", help="judge the small pictures of a generator with a picture head"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.workspace is not None:
        found = run(open_workspace(options.workspace), options)
    else:
        with tempfile.TemporaryDirectory() as folder:
            found = run(discover(Path(folder) / "faces", Settings(options.generator)), options)
    if options.json:
        print(json.dumps(found, indent=1))


def run(workspace: Workspace, options: argparse.Namespace) -> dict[str, Any]:
    canvas = workspace.canvas.small if options.small else workspace.canvas
    plain = canvas.sample(options.plain, seed=SEED, start=PLAIN_START)
    refs = options.judge or ["judge40", *([str(SECOND)] if SECOND.exists() else [])]
    looking = [as_evaluator(load_extractor(ref)) for ref in refs]
    single = [ExtractorEvaluator(load_extractor(refs[0]), views=[view]) for view in VIEWS[:2]]
    panel = Panel(canvas, [OwnEvaluator(canvas), *looking, *single], Cache(workspace.path / MEASURED_FOLDER))
    bench = Bench(canvas, EIGHT, canvas.sample(options.faces, seed=SEED), panel)
    judges, alone = ([Judge(canvas, one, EIGHT, plain, panel) for one in some] for some in (looking, single))
    edits = [bench.try_out(METHODS[name], AMOUNT) for name in options.method or METHODS]
    measurements = [[bench.measure(judge, tried) for tried in edits] for judge in judges]
    scores = [
        [bench.score(judge, tried, measured) for tried, measured in zip(edits, row, strict=True)]
        for judge, row in zip(judges, measurements, strict=True)
    ]
    again = canvas.sample(min(options.plain, options.faces * len(EIGHT)), seed=SEED, start=PLAIN_START + options.plain)
    result: dict[str, Any] = {"generator": workspace.settings.generator, "faces": options.faces, "judges": {}}
    for judge, row, seen_by in zip(judges, scores, measurements, strict=True):
        floor = frechet_distance(judge.measure(again).embedding, judge.plain_embedding)
        room = has_room(bench, judge)
        words: dict[str, Any] = {
            "frechet between plain pictures": floor,
            "share of asks with room": float(room.mean()),
            "methods": {},
        }
        for score, tried, measured in zip(row, edits, seen_by, strict=True):
            words["methods"][score.method] = {
                "got": score.got,
                "spread": score.spread,
                "error": score.error,
                "drift": score.drift,
                "drift/got": score.leak,
                "identity": score.identity,
                "identity gained over plain at equal change": at_equal_change(seen_by[0], edits[0], measured, tried),
                "frechet": score.frechet,
                "norm": score.norm,
                "furthest": score.furthest,
                "by the extractor itself: got, off target, drift": (
                    score.own_got,
                    float(Figures(tried.own, tried.asked).error.mean()),
                    score.own_drift,
                ),
                "ms an edit": 1000 * score.seconds,
                "where there is room": over(room, Figures(measured.changes, tried.asked)),
            }
        result["judges"][judge.evaluator.name] = words
    own = canvas.measure(plain)[:, bench.rows]
    names = ["extractor", *(judge.evaluator.name for judge in judges)]
    seen = [own, *(judge.plain_positions for judge in judges)]
    result["agreement on plain pictures"] = {
        f"{names[a]} / {names[b]}": [
            round(float(np.corrcoef(x, y)[0, 1]), 2) for x, y in zip(seen[a].T, seen[b].T, strict=True)
        ]
        for a in range(len(seen))
        for b in range(a)
    }
    result["noise of one look"] = {
        tried.method.name: vars(Noise.between(*(bench.measure(judge, tried).changes for judge in alone)))
        for tried in edits
    }
    if len(judges) > 1:
        # What judges say on average errs less than either: what is left of that is what one judge cannot tell.
        rooms = np.all([has_room(bench, judge) for judge in judges], axis=0)
        together: dict[str, Any] = {}
        for tried, seen_by in zip(edits, zip(*measurements, strict=True), strict=True):
            figures = Figures(np.mean([measured.changes for measured in seen_by], axis=0), tried.asked)
            together[tried.method.name] = {
                "all asks": over(np.ones_like(rooms), figures),
                "where there is room for all judges": over(rooms, figures),
            }
        result["judges' mean word"] = together
        result["noise"] = {
            tried.method.name: vars(Noise.between(one.changes, other.changes))
            for tried, one, other in zip(edits, measurements[0], measurements[1], strict=True)
        }
    if not options.json:
        show(result)
    return json.loads(json.dumps(result, default=lambda estimate: vars(estimate)))


def has_room(bench: Bench, judge: Judge) -> np.ndarray:
    """Which asks bool [n, k] lead to a place within the middle 99 % of what the judge has seen of the population."""
    target = judge.measure(bench.starts).positions + AMOUNT * bench.signs[:, None]
    low, high = np.quantile(judge.plain_positions, (0.005, 0.995), axis=0)
    return (low <= target) & (target <= high)


def over(asks: np.ndarray, figures: Figures) -> dict[str, float]:
    """Means over some asks, bool [n, k], only."""
    got, error, drift = (float(figure[asks].mean()) for figure in (figures.got, figures.error, figures.drift))
    return {"got": got, "error": error, "drift": drift, "drift/got": drift / got}


def at_equal_change(base: Measurements, base_tried: Tried, other: Measurements, other_tried: Tried) -> Any:
    """Mean difference in identity between edits that changed their target by about as much, over the bins both fill."""

    def table(measured: Measurements, tried: Tried, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        got = np.abs(Figures(measured.changes[rows], tried.asked).got).ravel()
        identity = measured.identity[rows].ravel()
        bins = np.digitize(got, DEPENDENCY_EDGES)
        count = np.bincount(bins, minlength=len(DEPENDENCY_EDGES) + 1)[1:-1]
        total = np.bincount(bins, weights=identity, minlength=len(DEPENDENCY_EDGES) + 1)[1:-1]
        return count, total / np.maximum(count, 1)

    def gain(rows: np.ndarray) -> float:
        (n, before), (m, after) = table(base, base_tried, rows), table(other, other_tried, rows)
        weight = np.minimum(n, m)
        return float(((after - before) * weight).sum() / max(weight.sum(), 1))

    return bootstrap(len(base.identity), gain)


def show(result: dict[str, Any]) -> None:
    for judge, words in result["judges"].items():
        print(
            f"\n{result['generator']}, {result['faces']} faces, judged by {judge}; plain pictures are "
            f"{words['frechet between plain pictures']:.2f} apart (Fréchet)"
        )
        print(f"{'':16s}{'got':>12s} {'off target':>17s} {'drift':>17s} {'drift/got':>17s} {'identity':>9s} "
              f"{'at equal change':>20s} {'Fréchet':>8s} {'norm':>5s} {'by extractor':>17s} {'ms':>5s}")  # fmt: skip
        for name, m in words["methods"].items():
            own = "{:.2f}, {:.2f}, {:.2f}".format(*m["by the extractor itself: got, off target, drift"])
            gained = m["identity gained over plain at equal change"]
            print(f"{name:16s}{m['got'].value:>6.2f} ± {m['spread']:.2f} {m['error']!s:>17} {m['drift']!s:>17} "
                  f"{m['drift/got']!s:>17} {m['identity'].value:>9.3f} {gained.value:>+6.3f} [{gained.low:+.3f}, {gained.high:+.3f}]"
                  f" {m['frechet']:>7.2f} {m['norm']:>5.2f} {own:>17s} {m['ms an edit']:>5.0f}")  # fmt: skip
        print(f"the same, for the {words['share of asks with room']:.0%} of all asks that there is room for")
        for name, m in words["methods"].items():
            show_means(name, m["where there is room"])
    print("\nagreement on plain pictures, " + ", ".join(EIGHT))
    for pair, values in result["agreement on plain pictures"].items():
        print(f"  {pair:40s} " + " ".join(f"{value:.2f}" for value in values))
    print("the judge on the same edit, as it is and mirrored, mean distance in sd (target, others)")
    for name, apart in result["noise of one look"].items():
        print(f"  {name:16s} {apart['target']:.2f}, {apart['others']:.2f}")
    if "noise" in result:
        together = result["judges' mean word"]
        for asks in next(iter(together.values())):
            print(f"by what the judges say on average, {asks}")
            for name, means in together.items():
                show_means(name, means[asks])
        print("two judges on the same edit, mean distance in sd (target, others)")
        for name, apart in result["noise"].items():
            print(f"  {name:16s} {apart['target']:.2f}, {apart['others']:.2f}")


def show_means(name: str, means: dict[str, float]) -> None:
    got, error, drift, leak = means.values()
    print(f"{name:16s}{got:>6.2f} {error:>23.2f} {drift:>17.2f} {leak:>17.2f}")


if __name__ == "__main__":
    main()
