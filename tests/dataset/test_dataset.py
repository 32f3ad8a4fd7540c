"""Data sets on demand: what is asked is what is there, in every form, and again after a kill."""

from __future__ import annotations

import csv
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlgan.cli import main
from tlgan.dataset import Plan, Request, make_dataset, read_like
from tlgan.dataset.conditions import parse_where
from tlgan.dataset.make import ROWS, History
from tlgan.dataset.request import largest_remainders
from tlgan.editing.state import decode_latent, read_png
from tlgan.errors import TlganError
from tlgan.progress import Progress
from tlgan.provenance import verify
from tlgan.workspace import Workspace


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metadata.csv", newline="") as file:
        return list(csv.DictReader(file))


# -- conditions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "right_bright",
        "not right_bright and left < 0.2",
        "right_bright and (left > 0 or noise < .3)",
        "not (right_bright or -0.3 <= left < 0.2)",
        "0.1 < left or not (noise >= .5 and right_bright)",
        "not not right_bright",
        "right_bright > .9 or right_bright < .1",
    ],
)
@given(left=st.floats(-1, 1), bright=st.floats(0, 1), noise=st.floats(0, 1))
def test_a_condition_holds_where_it_says(world: Workspace, text: str, left: float, bright: float, noise: float) -> None:
    values = {"left": left, "right_bright": bright, "noise": noise}
    boxes = parse_where(text, world.axes)
    found = any(all(low <= values[n] < high for n, (low, high) in box.items()) for box in boxes)
    words = text.replace("right_bright and", "(bright >= .5) and").replace("right_bright or", "(bright >= .5) or")
    names = {"left": left, "noise": noise, "bright": bright}
    for bare in ("not right_bright", "and right_bright", "(right_bright"):
        words = words.replace(bare, bare.replace("right_bright", "(bright >= .5)"))
    words = "bright >= .5" if words == "right_bright" else words.replace("right_bright", "bright")
    edges = {-0.3, 0.0, 0.1, 0.2, 0.3, 0.5, 0.9}  # whether an end belongs to it is not promised
    if not edges & set(values.values()):
        assert found == eval(words, {}, names), words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("right_brigt", "did you mean right_bright"),
        ("left", "is a quantity"),
        ("left <", "not the end"),
        ("(right_bright", "bracket"),
        ("right_bright)", "one too many"),
        ("left < noise", "does not compare"),
        ("__import__('os')", "is not understood"),
        ("left < 0 and left > 1", "contradicts itself"),
        ("(" * 400 + "left<0", "more than 100 brackets"),
        ("", "expected"),
    ],
)
def test_what_is_no_condition_is_one_line(world: Workspace, text: str, says: str) -> None:
    with pytest.raises(TlganError) as error:
        parse_where(text, world.axes)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


# -- plans ---------------------------------------------------------------------------------------------------------


@given(weights=st.lists(st.floats(0.01, 1), min_size=1, max_size=30), total=st.integers(1, 5000))
def test_quotas_are_within_one_of_their_share(weights: list[float], total: int) -> None:
    counts = largest_remainders(weights, total)
    assert sum(counts) == total
    assert all(abs(count - total * weight / sum(weights)) < 1 for count, weight in zip(counts, weights, strict=True))


@given(n=st.integers(6, 400), seed=st.integers(0, 1000))
def test_every_cell_gets_its_quota_and_early_rows_are_mixed(world: Workspace, n: int, seed: int) -> None:
    plan = Plan(Request(n, balance=("left", "right_bright"), seed=seed), world.axes)
    counts = Counter(plan.cell_of(row) for row in range(n))
    assert [counts[k] for k in range(6)] == [cell.rows for cell in plan.cells]
    if n >= 100:
        first = Counter(plan.cell_of(row) for row in range(n // 2))
        assert max(abs(first[k] - n / 12) for k in range(6)) <= 4


def test_conditions_take_cells_away_and_marginals_weigh_them(world: Workspace) -> None:
    request = Request(100, marginals=(("right_bright", (0.25, 0.75)),), where="not right_bright or left > 0.2")
    plan = Plan(request, world.axes)
    assert [(cell.words, cell.rows) for cell in plan.cells] == [("not right_bright", 25), ("right_bright", 75)]
    assert dict(plan.cells[1].boxes[0])["left"] == (0.2, float("inf"))
    only = Plan(Request(10, balance=("right_bright",), where="right_bright"), world.axes)
    assert [cell.words for cell in only.cells] == ["right_bright"]


def test_like_counts_the_combinations_of_a_table(world: Workspace, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,Left,right_bright\n" + "a,-0.9,1\n" * 30 + "b,0.9,0\n" * 10 + "c,,1\n")
    bins = {"left": (0.0,)}
    like = read_like(table, world.axes, bins)
    assert like == (("left", "right_bright"), (((0, 1), 30), ((1, 0), 10)))
    plan = Plan(Request(20, like=like, bins=(("left", (0.0,)),)), world.axes)
    assert [(cell.words, cell.rows) for cell in plan.cells] == [
        ("left under 0, right_bright", 15),
        ("left 0 or more, not right_bright", 5),
    ]


# -- rows ----------------------------------------------------------------------------------------------------------

BALANCED = Request(150, balance=("left", "right_bright"), judge="another")


@pytest.fixture(scope="module")
def made(world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A balanced data set."""
    from tests.dataset.second_judge import Judge

    out = tmp_path_factory.mktemp("made") / "data"
    make_dataset(world, out, BALANCED, judge=Judge())
    return out


def test_every_cell_is_full_and_every_row_is_what_it_says(world: Workspace, made: Path) -> None:
    found = rows(made)
    assert set(Counter(row["cell"] for row in found).values()) == {25}
    latents = np.stack([decode_latent(row["latent"], 8) for row in found])
    seen = world.axes.values(world.canvas.measure(latents))
    for row, values in zip(found, seen, strict=True):
        assert float(row["left_extractor"]) == pytest.approx(values[0], abs=1e-3)
        assert (
            row["right_bright_asked"] == str(int(values[1] >= 0.5)) == str(int(float(row["right_bright_judge"]) >= 0.5))
        )
        data = (made / row["file_name"]).read_bytes()
        state, report = read_png(data), verify(data)
        assert report.verdict == "intact"
        assert ("tlgan:Asked" in report.claim) == bool(state["asked"])
        reached = state["reached"] and decode_latent(state["reached"]["latent"], 8)
        np.testing.assert_allclose(
            reached if row["edited"] == "True" else state["latent"], decode_latent(row["latent"], 8), rtol=1e-6
        )
    card = (made / "README.md").read_text()
    assert "| left" in card
    assert "| 25 | 25 |" in card
    assert card.startswith("---\nlicense: other")


@pytest.mark.parametrize("form", ["parquet", "webdataset", "jsonl"])
def test_all_forms_are_read_by_the_datasets_library(
    world: Workspace, made: Path, tmp_path: Path, form: str, judge: Any
) -> None:
    datasets = pytest.importorskip("datasets")
    cache = str(tmp_path / "cache")
    make_dataset(world, tmp_path / form, BALANCED, form=form, judge=judge)
    loaded = datasets.load_dataset(str(tmp_path / form), split="train", cache_dir=cache)
    folder = datasets.load_dataset(str(made), split="train", cache_dir=cache)
    assert len(loaded) == len(folder) == 150
    one = next(row for row in folder if row["row"] == 7)
    if form != "webdataset":
        other = next(row for row in loaded if row["row"] == 7)
        assert (one["cell"], one["left_asked"], one["latent"]) == (other["cell"], other["left_asked"], other["latent"])
        assert other["left_extractor"] == pytest.approx(one["left_extractor"], rel=1e-4)
        assert isinstance(other["edited"], bool)
    else:
        other = next(row | {"image": row["png"]} for row in loaded if row["json"]["row"] == 7)
        assert other["json"]["cell"] == one["cell"]
    assert one["image"].size == (16, 16)
    assert np.array_equal(np.asarray(one["image"]), np.asarray(other["image"]))


def test_the_folder_has_a_class_a_cell(made: Path) -> None:
    """The layout that torchvision's `ImageFolder` reads."""
    assert {len(list(cell.glob("*.png"))) for cell in (made / "images").iterdir()} == {25}


class Stopped(Exception):
    pass


def test_cut_off_and_again_gives_the_same_bytes(world: Workspace, made: Path, tmp_path: Path, judge: Any) -> None:
    class Stop(Progress):
        def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
            if (what, done) == ("rows", ROWS):
                raise Stopped

    with pytest.raises(Stopped):
        make_dataset(world, tmp_path / "data", BALANCED, judge=judge, progress=Stop())
    assert not (tmp_path / "data" / "metadata.csv").exists()
    make_dataset(world, tmp_path / "data", BALANCED, judge=judge)
    assert (tmp_path / "data" / "metadata.csv").read_bytes() == (made / "metadata.csv").read_bytes()
    for row in rows(made):
        assert (tmp_path / "data" / row["file_name"]).read_bytes() == (made / row["file_name"]).read_bytes()
    assert not (tmp_path / "data" / ".tlgan-dataset").exists()


def test_killed_at_any_moment(world: Workspace, made: Path, tmp_path: Path) -> None:
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.dataset.second_judge import Judge
from tests.dataset.test_dataset import BALANCED
from tlgan.dataset import make_dataset
from tlgan.progress import Progress
from tests.worlds import reopen
class Kill(Progress):
    def step(self, what, done, total=None, words=""):
        if done == 128: os.kill(os.getpid(), signal.SIGKILL)
make_dataset(reopen(Path({str(world.path)!r})), {str(tmp_path / "data")!r}, BALANCED, judge=Judge(), progress=Kill())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    from tests.dataset.second_judge import Judge

    make_dataset(world, tmp_path / "data", BALANCED, judge=Judge())
    assert (tmp_path / "data" / "metadata.csv").read_bytes() == (made / "metadata.csv").read_bytes()


def test_a_folder_with_something_else_is_left_alone(world: Workspace, made: Path, tmp_path: Path, judge: Any) -> None:
    assert make_dataset(world, made, BALANCED, judge=judge).rows == 150
    with pytest.raises(TlganError, match="holds something else"):
        make_dataset(world, made, Request(20, where="right_bright", judge="another"), judge=judge)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(TlganError, match=r"mine\.txt"):
        make_dataset(world, tmp_path, BALANCED, judge=judge)


def test_a_cell_that_no_picture_fills_is_reported_and_stays_empty(world: Workspace, tmp_path: Path, judge: Any) -> None:
    request = Request(40, balance=("left",), bins=(("left", (0.0, 0.98, 5.0)),), judge="another")
    result = make_dataset(world, tmp_path / "data", request, judge=judge)
    low, middle, high, beyond = result.cells
    assert (low.made, middle.made) == (10, 10)
    assert (high.made, beyond.made) == (0, 0)
    assert "extractor saw something else" in high.reason
    assert "above the mean of this generator's pictures" in beyond.reason
    assert {row["left_asked"] for row in rows(tmp_path / "data")} == {"under 0", "0 to 0.98"}
    assert "0 of 10 rows" in (tmp_path / "data" / "README.md").read_text()


def test_rows_where_the_judge_disagrees_are_drawn_again(world: Workspace, tmp_path: Path, judge: Any) -> None:
    class Contrary(type(judge)):
        """Calls bright what is dark where the other half is dark too: no edit of this half brings it round."""

        def extract(self, images: Any) -> Any:
            values = super().extract(images)
            values[:, 0] = values[:, 0].where(values[:, 1] > 0, 1 - values[:, 0])
            return values

    request = Request(30, where="right_bright", judge="another")
    result = make_dataset(world, tmp_path / "data", request, judge=Contrary())
    assert result.refused["judge"] > 10
    assert all(float(row["right_bright_judge"]) >= 0.5 for row in rows(tmp_path / "data"))
    assert result.agreed.high < 0.9


@pytest.mark.parametrize("source", ["edit", "select"])
def test_only_edits_or_only_plain_samples(world: Workspace, tmp_path: Path, judge: Any, source: Any) -> None:
    request = Request(24, balance=("right_bright",), source=source, judge="another")
    result = make_dataset(world, tmp_path / "data", request, judge=judge)
    assert result.rows == 24
    found = rows(tmp_path / "data")
    if source == "select":
        assert not any(row["edited"] == "True" for row in found)
        return
    moved = [row for row in found if row["edited"] == "True"]
    assert 4 <= len(moved) <= 22  # half of the starts lie there already
    for row in moved:
        words = json.loads(row["edit"])
        assert list(words["asked"]) == ["right_bright"]
        assert words["locks"] == ["left"]
        assert float(row["drift_extractor"]) < 0.25


def test_pairs_show_the_same_face_with_and_without(world: Workspace, tmp_path: Path, judge: Any) -> None:
    request = Request(20, pairs="right_bright", judge="another")
    result = make_dataset(world, tmp_path / "data", request, judge=judge)
    assert (result.rows, result.pictures) == (20, 40)
    found = rows(tmp_path / "data")
    for one, other in itertools.pairwise(found):
        if one["row"] == other["row"]:
            assert {one["side"], other["side"]} == {"with", "without"}
            assert abs(float(one["left_extractor"]) - float(other["left_extractor"])) < 0.3
            for row in (one, other):
                assert (
                    row["right_bright_asked"]
                    == str(int(row["side"] == "with"))
                    == str(int(float(row["right_bright_judge"]) > 0.5))
                )


def test_a_face_that_was_there_is_known_again() -> None:
    history = History()
    assert np.isinf(history.nearest(np.zeros((1, 4), np.float16)))
    history.add(np.array([[0, 0, 0, 0], [3, 4, 0, 0]], np.float16), {})
    np.testing.assert_allclose(history.nearest(np.array([[3, 4, 0, 1], [0, 0, 2, 0]], np.float16)), [1, 2], atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--balance", "smilling"], "unknown feature 'smilling'"),
        (["--balance", "left", "--marginal", "left=.5"], "asked for twice"),
        ([], "nothing is asked of the pictures"),
        (["--where", "right_bright and not right_bright"], "contradicts itself"),
        (["--balance", "right_bright", "--where", "left > 50"], "no cell can be filled: left would have to lie"),
        (["--marginal", "right_bright=1.5"], "between 0 and 1"),
        (["--marginal", "left=.5"], "3 bins"),
        (["--balance", "left", "--bins", "left=1:0"], "must rise"),
        (["--balance", "left,right_bright", "-n", "3"], "6 cells are asked for, but only 3 rows"),
        (["--pairs", "left"], "is a quantity"),
        (["--pairs", "right_bright", "--balance", "right_bright"], "ask for it nowhere else"),
        (["--balance", "left", "--judge", "halves"], "can't judge"),
        (["--balance", "right_bright", "-n", "0"], "0 rows were asked for: expected 1"),
        (["--balance", "right_bright", "-n", "-5"], "-5 rows were asked for"),
        (["--balance", "right_bright", "-n", "999999999999"], "rows were asked for"),
        (["--balance", "right_bright", "--margin", "9"], "a margin of 9 sd"),
        (["--balance", "right_bright", "--margin", "nan"], "a margin of nan sd"),
        (["--balance", "right_bright", "--seed", "-1"], "seed -1 is out of range"),
        (["--balance", "right_bright,right_bright"], "asked for twice"),
        (["--marginal", "left=.2:.2:.2"], "add up to 1"),
        (["--marginal", "right_bright=nan"], "is not understood"),
        (["--marginal", "right_bright"], "is not understood"),
        (["--balance", "left", "--bins", "left=nan"], "is not understood"),
        (["--balance", "right_bright", "--bins", "left=0"], "nothing is asked of it"),
        (["--where", "left > .5 and left < .2"], "contradicts itself"),
        (["--pairs", "right_bright", "--select"], "leave --select or --pairs out"),
        (["--balance", "right_bright", "--features", "left"], "chooses columns of --like"),
        (["--balance", "left", "--quality", "best"], "unknown quality"),
        (["--balance", "left", "--format", "zip"], "unknown format"),
        (["--like", "nowhere.csv"], "can't be read as a table"),
    ],
)
def test_bad_requests_get_one_line(
    world: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.setattr("tlgan.workspace.open_workspace", lambda path, trust=False: world)
    monkeypatch.setattr("tlgan.extractors.load_extractor", lambda ref: pytest.fail("the judge is not needed yet"))
    with pytest.raises(SystemExit) as end:
        main(["dataset", str(world.path), "-o", str(tmp_path / "data"), *arguments])
    error = capsys.readouterr().err
    assert end.value.code == 1
    assert says in error
    assert error.count("error:") == 1
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n", "can't be read as a table"),
        (b"", "can't be read as a table"),
        (b"file,age\na,3\n", "no column of numbers that names a feature: it has age"),
        (b"left,right_bright\nx,y\n", "that names a feature: it has none"),
        (b"left\n,\n", "can't be read as a table"),
        (b'left\n""\n', "that names a feature: it has none"),
    ],
)
def test_tables_that_say_nothing_get_one_line(world: Workspace, tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TlganError) as error:
        read_like(tmp_path / "t.csv", world.axes, {})
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"resolution": 5000}, "resolution 5000 is out of range"),
        ({"resolution": -1}, "resolution -1 is out of range"),
        ({"balance": ("noise",), "source": "edit"}, "noise can't be edited"),
        ({"balance": ("noise",)}, "knows none of noise"),
    ],
)
def test_what_networks_can_not_do_leaves_nothing(
    world: Workspace, tmp_path: Path, judge: Any, changes: dict[str, Any], says: str
) -> None:
    request = Request(**{"n": 20, "balance": ("right_bright",), "judge": "another", **changes})
    with pytest.raises(TlganError, match=says):
        make_dataset(world, tmp_path / "data", request, judge=judge)
    assert not list(tmp_path.iterdir())


def test_a_file_is_no_folder(world: Workspace, tmp_path: Path, judge: Any) -> None:
    (tmp_path / "data").write_text("mine")
    with pytest.raises(TlganError, match="is a file: name a folder"):
        make_dataset(world, tmp_path / "data", BALANCED, judge=judge)
    assert (tmp_path / "data").read_text() == "mine"


@pytest.mark.parametrize("written", [0, 2, 4, 6])
def test_a_full_disk_leaves_what_the_next_run_goes_on_with(
    world: Workspace, made: Path, tmp_path: Path, judge: Any, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    fsync, left = os.fsync, itertools.count(written, -1)

    def full(descriptor: int) -> None:
        if next(left) <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    out = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(TlganError, match="the disk is full"):
            make_dataset(world, out, BALANCED, judge=judge)
    assert not [path for path in tmp_path.glob("data/*") if not path.name.startswith(".")]
    make_dataset(world, out, BALANCED, judge=judge)
    assert (out / "metadata.csv").read_bytes() == (made / "metadata.csv").read_bytes()
