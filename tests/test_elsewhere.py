"""What an engine does beside samples comes out the same: data sets, evaluations, audits, added extractors.

The engine here is ahead of itself as several workers are: each has a copy of the task, and items are begun before those
in front of them are handed over.
"""

from __future__ import annotations

import pickle
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dataset.second_judge import Judge
from tests.evaluation.drawn_faces import LATENT_DIM, drawn_faces
from tests.worlds import halves_networks, reopen
from tlgan.audit.classifier import audit_classifier
from tlgan.axes import AxisLearner
from tlgan.cli import main
from tlgan.dataset import Request, make_dataset
from tlgan.dataset import look as looking
from tlgan.dataset.make import ROWS
from tlgan.editing import Canvas
from tlgan.evaluation.evaluate import evaluate
from tlgan.workspace import Workspace
from tlgan.workspace.add import add_extractor


class Eager:
    """Three workers, by turns; what they made is kept until its turn comes."""

    writes = True

    def __init__(self) -> None:
        self.items = 0

    def map(
        self, task: Callable[[Any], Any], items: Iterator[Any], says: Callable[[str], None] = lambda words: None
    ) -> Iterator[Any]:
        copies = [pickle.loads(pickle.dumps(task)) for _ in range(3)]
        made: deque[Any] = deque()
        for number, item in enumerate(items):
            self.items += 1
            made.append(copies[number % 3](item))
            if len(made) == 3:
                yield made.popleft()
        yield from made


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("alike", [False, True])
def test_a_data_set_is_the_same_where_parts_are_made_before_those_in_front_of_them(
    halves: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alike: bool
) -> None:
    if alike:  # many faces count as seen before, so that parts made ahead do not stand
        monkeypatch.setattr(looking, "STRANGERS", 0.02)
        monkeypatch.setattr(looking, "NEAREST", 1e9)
    request = Request(n=5 * ROWS, balance=("right_bright",), source="select", judge="another")
    engine = Eager()
    here = make_dataset(halves, tmp_path / "here", request, judge=Judge())
    there = make_dataset(halves, tmp_path / "there", request, judge=Judge(), engine=engine)
    assert here == there
    assert files(tmp_path / "here") == files(tmp_path / "there")
    assert engine.items == 5
    assert not alike or here.refused["seen before"] > ROWS / 4


def test_an_added_extractor_measures_the_same(halves: Workspace, tmp_path: Path) -> None:
    found = []
    for name, engine in (("here", None), ("there", Eager())):
        shutil.copytree(halves.path, tmp_path / name)
        opened = reopen(tmp_path / name)
        found.append(add_extractor(opened, "colour", method="samples", sure=1.0, engine=engine))
    assert np.array_equal(found[0].workspace.axes.directions, found[1].workspace.axes.directions)
    assert found[0].samples == found[1].samples


@pytest.fixture(scope="module")
def drawn() -> Canvas:
    generator, reader, _ = drawn_faces(seed=3)
    learner = AxisLearner(reader.features, LATENT_DIM)
    z = generator.sample(1000, seed=1)
    learner.add(z.numpy(), reader.extract(generator.synthesize(z)).numpy())
    return Canvas(generator, reader, learner.axes(generator=generator.fingerprint, space="z"))


def test_an_evaluation_and_an_audit_are_the_same(drawn: Canvas) -> None:
    given: Any = {"features": ["smile", "glasses", "skin_lightness"], "faces": 12, "plain": 60}
    found = []
    for engine in (None, Eager()):
        told = evaluate(drawn, drawn.extractor, methods=("conditioned",), engine=engine, **given).to_json()
        for method in told["methods"]:
            del method["seconds"]
        audit, moved = audit_classifier(
            drawn, drawn.extractor, drawn.extractor, engine=engine, quality="quick", **given
        )
        found.append((repr(told), repr(audit.to_json()), moved.latents.tobytes()))
    assert found[0] == found[1]


def test_options_of_ray_without_it_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["discover", "x", "-o", str(tmp_path / "ws"), "--workers", "2"])
    assert "--workers and --gpus-per-worker are for --engine ray" in capsys.readouterr().err


def test_rows_that_come_back_as_lessons_give_the_same_axes(tmp_path: Path) -> None:
    from tests.worlds import halves_settings
    from tlgan.workspace.discover import discover

    made = [
        discover(tmp_path / name, halves_settings(max_samples=3300), sure=1.0, engine=engine, **halves_networks())
        for name, engine in (("here", "local"), ("there", Eager()))
    ]
    assert np.array_equal(made[0].axes.directions, made[1].axes.directions)
    assert files(tmp_path / "here" / "samples") == files(tmp_path / "there" / "samples")
