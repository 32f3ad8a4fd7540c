"""How does this project's method compare with those of the field, on the same generator, faces and judges?

Claim: docs/method.md, "Compared". Eight sliders, ±1.5 standard deviations; every method finds its directions from the same
samples (SeFa from the weights), and all are moved in the same way: `plain`, the direction alone; `joint`, the other
seven locked in one linear solve; and `soft`, the same with soft locks. Exact mode stands beside them, and axes by layers where a workspace of them is found. All
judges see the same pictures. At last every slider that isn't weak is moved by every method, for the matrices of side effects
in `comparison.html`. The workspace keeps what was painted and measured, so that a run that was cut off goes on where it was,
and one of more faces measures the further ones alone. Run: `python benchmarks/methods.py -o methods` (about an hour on two
idle cores for 40 faces, 20 of them in exact mode, which takes most of the time; 200 of each take a night).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.io.files import replacing
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.compare import IDENTITY, METHODS, Comparison, compare
from tlgan.workspace.discover import discover

EIGHT = ("smiling", "male", "young", "eyeglasses", "blond_hair", "bangs", "mouth_slightly_open", "black_hair")
SECOND = Path(__file__).parent / "second_judge.onnx"
AMOUNT = 1.5
METRICS = ("precision", "recall", IDENTITY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder that everything is kept in")
    parser.add_argument("--workspace", type=Path, help="use this one instead of discovering a new one")
    parser.add_argument("--layered", type=Path, help="a workspace in w+; without it one is discovered, 'none' for none")
    parser.add_argument("--layered-samples", type=int, default=5000)
    parser.add_argument("--judge", action="append", help="may be repeated (judge40, second_judge.onnx)")
    parser.add_argument("--method", action="append", help=f"may be repeated ({', '.join(METHODS)})")
    parser.add_argument("--moved", action="append", help="may be repeated (plain, joint, soft)")
    parser.add_argument("--faces", type=int, default=40)
    parser.add_argument("--exact-faces", type=int, default=20, help="0 for no exact mode")
    parser.add_argument("--exact", default="exact", help="which exact mode: exact, exact-live, exact-quick ...")
    parser.add_argument("--matrix-faces", type=int, default=4, help="on which all sliders are moved; 0 for no matrices")
    parser.add_argument("--plain", type=int, default=1000)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    workspace = found(options.workspace or options.out / "plain", Settings(options.generator))
    beside = []
    if options.layered is None or options.layered.name != "none":
        settings = Settings(
            options.generator, space="w+", extractors=("celeba40",), max_samples=options.layered_samples
        )
        beside = [found(options.layered or options.out / "layered", settings)]
    judges = options.judge or ["judge40", *([str(SECOND)] if SECOND.exists() else [])]
    for number, moved in enumerate(options.moved or ("plain", "joint", "soft")):
        exact = options.exact if options.exact_faces and number == 0 else ""
        result = compare(
            workspace,
            methods=options.method or METHODS,
            beside=beside,
            exact=exact or False,
            judges=judges,
            features=EIGHT,
            moved=moved,
            faces={"": options.faces} | ({exact: options.exact_faces} if exact else {}),
            plain=options.plain,
            amount=AMOUNT,
            metrics=METRICS,
            progress=lambda line: print(line, flush=True),
        )
        with replacing(options.out / f"{moved}.json") as temporary:
            temporary.write_text(json.dumps(result.to_json(), indent=1))
        show(moved, result)
    if options.matrix_faces:
        compare(
            workspace, methods=options.method or METHODS, beside=beside, exact=False, judges=judges[:1],
            faces=options.matrix_faces, plain=options.plain, amount=AMOUNT,
        )  # fmt: skip


def found(path: Path, settings: Settings) -> Workspace:
    """The workspace in a folder, discovered where it isn't finished."""
    finished = (path / "axes.safetensors").exists()
    return open_workspace(path) if finished else discover(path, settings)


def show(moved: str, result: Comparison) -> None:
    for evaluation in result.evaluations:
        print(
            f"\nmoved {moved}, judged by {evaluation.judge}, {evaluation.faces} faces; plain pictures are "
            f"{evaluation.frechet_floor:.2f} apart (Fréchet)"
        )
        print(
            f"{'':16s}{'got':>6s} {'off target':>18s} {'drift':>18s} {'drift/got':>18s} {'identity':>9s} {'distance':>9s} "
            f"{'Fréchet':>8s} {'precision':>10s} {'recall':>7s} {'samples':>8s} {'seconds':>8s}"
        )
        for score in evaluation.methods:
            samples, seconds = result.samples.get(score.method, 0), result.seconds.get(score.method, 0.0)
            print(
                f"{score.method:16s}{score.got.value:>6.2f} {score.error!s:>18} {score.drift!s:>18} {score.leak!s:>18} "
                f"{score.identity.value:>9.2f} {score.more[IDENTITY].value:>9.2f} {score.frechet:>8.2f} "
                f"{score.more['precision'].value:>10.2f} {score.more['recall'].value:>7.2f} {samples:>8,} {seconds:>8.1f}"
            )
    for name, noise in result.noise.items():
        print(
            f"two judges on the same edit, {name:16s} {noise.target:.2f} apart in the target, {noise.others:.2f} in the others"
        )
    for name, why in result.skipped.items():
        print(f"{name} is left out: {why}")


if __name__ == "__main__":
    main()
