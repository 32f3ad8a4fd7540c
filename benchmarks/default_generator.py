"""Which generator is the better default: faces of each, by two networks that had no part in each other's training.

For every generator 10,000 faces are drawn and `celeba40` and `judge40` look at them: how well straight lines in the
latents explain what each says (held-out R² and AUC of 40 axes), how far an axis found with the one explains the other
("judged R²": the squared correlation of the axis with the judge's logit), how far both agree, how varied the faces are.
With photographs (`--photographs`, Parquet with a column `image`, cut and held out as in training), also the Fréchet
distance to the held-out ones in the judge's embedding. With `--edits N`, eight sliders are moved on N faces and the
judge says what changed. Run: `python benchmarks/default_generator.py face64 my-generator/generator.safetensors`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, roc_auc_score
from torch import Tensor

import tlgan
from tlgan.cli.demo import OFFLINE_GENERATOR
from tlgan.evaluation.evaluate import evaluate
from tlgan.evaluation.statistics import frechet_distance
from tlgan.extractors import load_extractor
from tlgan.generators import Generator, synthesize_batches
from tlgan.workspace import Settings
from tlgan.workspace.discover import discover

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))

SLIDERS = ("smiling", "mouth_slightly_open", "young", "male", "blond_hair", "black_hair", "bangs", "eyeglasses")
ATTRIBUTES = 40
TRAIN_SHARE = 0.8


class Eyes:
    """What the two networks say of pictures, and the judge's embedding of them."""

    def __init__(self) -> None:
        self.own, self.judge = load_extractor("celeba40"), load_extractor("judge40")
        self.names = [feature.name for feature in self.judge.features]
        assert [feature.name for feature in self.own.features][:ATTRIBUTES] == self.names

    @torch.inference_mode()
    def see(self, batches: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Batches of pictures -> logits of `celeba40` [n, 40], of `judge40` [n, 40], embeddings [n, e]."""
        own, judge, embedding = [], [], []
        for x in batches:
            x = x.clamp(-1, 1)
            own.append(self.own.logits(x)[:, :ATTRIBUTES])  # type: ignore[attr-defined]
            judge.append(self.judge.logits(x))  # type: ignore[attr-defined]
            embedding.append(self.judge.embedding(x))  # type: ignore[attr-defined]
        own_all, judge_all, embeddings = (torch.cat(part).double().numpy() for part in (own, judge, embedding))
        return own_all, judge_all, embeddings


def lines(z: np.ndarray, own: np.ndarray, judge: np.ndarray) -> dict[str, np.ndarray]:
    """By attribute, on held-out rows: R² and AUC of axes found with each network, judged R², agreement."""
    train = int(TRAIN_SHARE * len(z))
    found = {}
    predicted = {name: Ridge(alpha=1.0).fit(z[:train], y[:train]).predict(z[train:]) for name, y in _both(own, judge)}
    for name, y in _both(own, judge):
        found[f"R², {name}"] = r2_score(y[train:], predicted[name], multioutput="raw_values")
        found[f"AUC, {name}"] = np.array([_auc(y[train:, j], predicted[name][:, j]) for j in range(ATTRIBUTES)])
    found["judged R² of celeba40's axes"] = _correlation(predicted["celeba40"], judge[train:]) ** 2
    found["agreement of the two networks"] = _correlation(own, judge)
    return found


def _both(own: np.ndarray, judge: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [("celeba40", own), ("judge40", judge)]


def _auc(logits: np.ndarray, predicted: np.ndarray) -> float:
    """Of telling the upper half of the faces from the lower, which needs no face beyond a threshold to exist."""
    return float(roc_auc_score(logits > np.median(logits), predicted))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(a.shape[1])])


def photographs(path: Path, place: float, held_out: int) -> tuple[Tensor, Tensor]:
    """(trained on, held out), uint8 [n, 3, 64, 64]."""
    from generator.data import read_pictures

    pictures = read_pictures(path, 64, place=place)
    return pictures[:-held_out], pictures[-held_out:]


def as_batches(pictures: Tensor) -> Any:
    return (part.float() / 127.5 - 1 for part in pictures.split(256))


def milliseconds(generator: Generator, batch: int, rounds: int = 30) -> float:
    """Median time of a picture, painted `batch` at a time."""
    z = generator.sample(batch, seed=1)
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        generator.synthesize(z)
        times.append((time.perf_counter() - begun) / batch)
    return 1000 * float(np.median(times[3:]))


def edits(ref: str, faces: int) -> dict[str, float]:
    """Eight sliders by one joint solve and by exact edits, as `judge40` sees them."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = discover(Path(folder) / "faces", Settings(ref, extractors=("celeba40",)))
        result = evaluate(
            workspace.canvas,
            load_extractor("judge40"),
            features=SLIDERS,
            methods=("plain", "joint", "exact"),
            faces=faces,
        )
    figures = {}
    for score in result.methods:
        figures[f"{score.method}: change judged, of 1.5 sd asked"] = score.got.value
        figures[f"{score.method}: drift of the others, sd"] = score.drift.value
        figures[f"{score.method}: leak"] = score.leak.value
        figures[f"{score.method}: identity kept (cosine)"] = score.identity.value
    return figures


def compare(refs: list[str], count: int, held: Tensor | None, known: Tensor | None, edited: int) -> dict[str, Any]:
    """Figures by generator; `by attribute` holds arrays of 40."""
    eyes = Eyes()
    reference = eyes.see(as_batches(held)) if held is not None else None
    found: dict[str, Any] = {}
    for ref in refs:
        generator = tlgan.load_generator(ref)
        z = generator.sample(count, seed=20_001)
        own, judge, embedding = eyes.see(synthesize_batches(generator, z))
        table = lines(z.numpy(), own, judge)
        figures = {name: float(np.nanmean(values)) for name, values in table.items()}
        figures["attributes with R² over 0.5, judge40"] = float((table["R², judge40"] > 0.5).sum())
        figures["diversity: sd in the judge's embedding"] = float(np.sqrt(embedding.var(axis=0).sum()))
        if reference is not None:
            figures["Fréchet distance to held-out photographs"] = frechet_distance(embedding[:2000], reference[2])
        figures["ms a picture, one at a time"] = milliseconds(generator, 1)
        figures["ms a picture, 32 at a time"] = milliseconds(generator, 32)
        if edited:
            figures |= edits(ref, edited)
        found[ref] = figures | {"by attribute": {name: values.tolist() for name, values in table.items()}}
    if reference is not None and known is not None:
        seen = eyes.see(as_batches(known[:2000]))
        found["photographs"] = {
            "agreement of the two networks": float(_correlation(reference[0], reference[1]).mean()),
            "diversity: sd in the judge's embedding": float(np.sqrt(reference[2].var(axis=0).sum())),
            "Fréchet distance to held-out photographs": frechet_distance(seen[2], reference[2]),
        }
    return {"attributes": eyes.names, "threads": torch.get_num_threads(), "generators": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("generators", nargs="*", default=[OFFLINE_GENERATOR], help="names, files or addresses")
    parser.add_argument("--faces", type=int, default=10_000, help="drawn of each generator")
    parser.add_argument("--photographs", type=Path, help="Parquet or folder, for the Fréchet distance")
    parser.add_argument("--place", type=float, default=0.7, help="where their square is cut (see train_generator.py)")
    parser.add_argument("--held-out", type=int, default=1000, help="how many at the end were not trained on")
    parser.add_argument("--edits", type=int, default=0, metavar="N", help="faces on which eight sliders are moved")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known, held = (None, None)
    if options.photographs is not None:
        known, held = photographs(options.photographs, options.place, options.held_out)
    result = compare(options.generators, options.faces, held, known, options.edits)
    if options.json:
        print(json.dumps(result))
        return
    columns = result["generators"]
    names = list(dict.fromkeys(name for figures in columns.values() for name in figures if name != "by attribute"))
    print(f"{'':<52}" + "".join(f"{ref[-16:]:>18}" for ref in columns))
    for name in names:
        cells = (f"{figures[name]:.3f}" if name in figures else "" for figures in columns.values())
        print(f"{name:<52}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
