"""How does this project's method compare with those of the field, on the same generator, faces and judges?

Claim: docs/method.md, "Compared". Eight sliders, ±1.5 standard deviations; every method finds its directions from the same
samples (SeFa from the weights), and all are moved in the same way: `plain`, the direction alone; and `joint`, the other
seven locked in one linear solve. Exact mode stands beside them, and axes by layers where a workspace of them is found. Each step
is kept in the folder of `--out` as soon as it is done, so that a run that was cut off goes on where it was. Run:
`python benchmarks/methods.py -o methods` (an hour or more on two cores).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tlgan.cli.demo import DEFAULT_GENERATOR
from tlgan.evaluation import Evaluation
from tlgan.io.files import replacing
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.compare import METHODS, compare
from tlgan.workspace.discover import discover

EIGHT = ("smiling", "male", "young", "eyeglasses", "blond_hair", "bangs", "mouth_slightly_open", "black_hair")
SECOND = Path(__file__).parent / "second_judge.onnx"
AMOUNT = 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default=DEFAULT_GENERATOR)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder that everything is kept in")
    parser.add_argument("--workspace", type=Path, help="use this one instead of discovering a new one")
    parser.add_argument("--layered", type=Path, help="a workspace in w+; without it one is discovered, 'none' for none")
    parser.add_argument("--layered-samples", type=int, default=5000)
    parser.add_argument("--judge", action="append", help="may be repeated (judge40, second_judge.onnx)")
    parser.add_argument("--method", action="append", help=f"may be repeated ({', '.join(METHODS)})")
    parser.add_argument("--moved", action="append", help="may be repeated (plain, joint)")
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--plain", type=int, default=2000)
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
    for moved in options.moved or ("plain", "joint"):
        done: dict[str, dict[str, Any]] = {}
        for ref in [*(options.method or METHODS), *(["layered"] if beside else []), "exact"]:
            for judge in judges:
                key = f"{moved}-{ref}-{Path(judge).stem}-{options.faces}"
                done.setdefault(Path(judge).stem, {})[ref] = step(
                    options.out / f"{key}.json", workspace, beside, ref, judge, moved, options
                )
        for judge, rows in done.items():
            show(moved, judge, rows)


def found(path: Path, settings: Settings) -> Workspace:
    """The workspace in a folder, discovered where it isn't finished."""
    finished = (path / "axes.safetensors").exists()
    return open_workspace(path) if finished else discover(path, settings)


def step(
    file: Path, workspace: Workspace, beside: list[Workspace], ref: str, judge: str, moved: str,
    options: argparse.Namespace,
) -> dict[str, Any]:  # fmt: skip
    """One method before one judge, kept in `file`; an empty mapping where this generator can't have the method."""
    if file.exists():
        return json.loads(file.read_text())
    print(f"{moved}, {ref}, {judge}", flush=True)
    try:
        result = compare(
            workspace,
            methods=[] if ref in ("layered", "exact") else [ref],
            beside=beside if ref == "layered" else (),
            exact=ref == "exact",
            judges=[judge],
            features=EIGHT,
            moved=moved,
            faces=options.faces,
            plain=options.plain,
            amount=AMOUNT,
            metrics=["precision", "recall"],
        ).to_json()
    except Exception as error:
        result = {"failed": str(error)}
    with replacing(file) as temporary:
        temporary.write_text(json.dumps(result))
    return result


def show(moved: str, judge: str, rows: dict[str, dict[str, Any]]) -> None:
    print(f"\nmoved {moved}, judged by {judge}")
    print(
        f"{'':18s}{'got':>6s} {'off target':>18s} {'drift':>18s} {'drift/got':>18s} {'identity':>9s} {'Fréchet':>8s} "
        f"{'precision':>10s} {'recall':>7s} {'samples':>8s} {'seconds':>8s}"
    )
    for ref, row in rows.items():
        if "failed" in row:
            print(f"{ref:18s}{row['failed'][:120]}")
            continue
        score = Evaluation.from_json(row["evaluations"][0]).methods[0]
        samples, seconds = row["samples"].get(score.method, 0), row["seconds"].get(score.method, 0.0)
        print(
            f"{ref:18s}{score.got.value:>6.2f} {score.error!s:>18} {score.drift!s:>18} {score.leak!s:>18} "
            f"{score.identity.value:>9.2f} {score.frechet:>8.2f} {score.more['precision'].value:>10.2f} "
            f"{score.more['recall'].value:>7.2f} {samples:>8,} {seconds:>8.1f}"
        )


if __name__ == "__main__":
    main()
