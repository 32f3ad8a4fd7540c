"""While a slider moves, frames are mixed from pictures at even places, which are painted once and ahead of the hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tlgan.editing import Edit, Reached
from tlgan.web.server import keyframes as module
from tlgan.web.server.keyframes import AHEAD, FAR, LINES, UNIT, Keyframes

LATENT = np.zeros(4, dtype=np.float32)


class Painted:
    """Paints one pixel: 100 and `slope` for each standard deviation of `smile`, and what was painted."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.slope = 8

    def __call__(self, edits: Sequence[Edit]) -> np.ndarray:
        self.asked += [edit.asked.get("smile", 0.0) for edit in edits]
        levels = [100 + self.slope * edit.asked.get("smile", 0.0) for edit in edits]
        return np.clip(levels, 0, 255).astype(np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)


@pytest.fixture
def painted() -> Painted:
    return Painted()


@pytest.fixture
def keyframes(painted: Painted) -> Keyframes:
    return Keyframes(painted)


def smile(value: float, **more: Any) -> Edit:
    return Edit(LATENT, **more).ask({"age": 1.0, "smile": value})


def test_a_slider_that_moves_is_mixed_from_the_two_pictures_beside_it(keyframes: Keyframes, painted: Painted) -> None:
    assert keyframes.moving(smile(0.1)) is None  # it may be the only one
    line = keyframes.moving(smile(0.2))
    assert line is not None
    assert line.name == "smile"
    assert keyframes.mix(line, paint=False) is None
    picture = keyframes.mix(line, paint=True)
    assert painted.asked == [0.0, FAR * UNIT]
    assert picture is not None
    assert picture.tolist() == [[[102, 102, 102]]]  # .2 sd, though only 0 and .5 were painted
    for value in (0.3, 0.45, 0.5, 0.05):
        line = keyframes.moving(smile(value))
        assert line is not None
        picture = keyframes.mix(line, paint=False)
        assert picture is not None
        assert picture[0, 0, 0] == round(100 + 8 * value)
    assert painted.asked == [0.0, FAR * UNIT]


def test_a_frame_that_was_not_there_at_once_still_counts_as_moved(keyframes: Keyframes) -> None:
    keyframes.moving(smile(0.1))
    line = keyframes.moving(smile(0.2))
    assert line is not None
    assert keyframes.mix(line, paint=False) is None
    assert keyframes.moving(smile(0.2)) is line
    assert keyframes.mix(line, paint=True) is not None
    assert keyframes.moving(smile(0.2)) is None  # the hand rests there: that face is painted itself


@pytest.mark.parametrize(("values", "wanted"), [((0.1, 0.2), [0, 1, 2, 3, 4]), ((0.2, 0.1), [1, 0, -1, -2, -3])])
def test_pictures_ahead_of_the_hand_come_nearest_first(
    keyframes: Keyframes, painted: Painted, values: tuple[float, ...], wanted: list[int]
) -> None:
    for value in values:
        line = keyframes.moving(smile(value))
    assert line is not None
    assert keyframes.line(smile(values[-1])) is line
    assert len(list(keyframes.ahead(line))) == AHEAD + 2
    assert painted.asked == [place * FAR * UNIT for place in wanted]
    assert list(keyframes.ahead(line)) == []  # they are there


@pytest.mark.parametrize(
    ("slope", "wanted"),
    [
        (8, [0, 8, 16, -8, 24, -16, 32, -24]),
        (60, [0, 8, 4, 2, -2, 6, -4, -6]),
    ],  # places; of 60, an eighth is near enough
)
def test_a_hand_that_comes_near_finds_pictures_from_its_first_move_on(
    keyframes: Keyframes, painted: Painted, slope: int, wanted: list[int]
) -> None:
    painted.slope = slope
    rest = Edit(LATENT).ask({"age": 1.0})
    assert len(list(keyframes.near(rest, "smile"))) == len(wanted)
    assert painted.asked == [place * UNIT for place in wanted]
    assert keyframes.moving(rest) is None  # nothing has moved
    line = keyframes.moving(smile(0.1))
    assert line is not None
    picture = keyframes.mix(line, paint=False)
    assert picture is not None
    assert picture[0, 0, 0] == 100 + round(slope * 0.1)
    assert list(keyframes.near(rest, "smile")) == []  # they are there


def test_pictures_are_nearer_where_the_face_changes_more(keyframes: Keyframes, painted: Painted) -> None:
    painted.slope = 60  # grey levels a standard deviation: half of one is too far, and a quarter
    keyframes.moving(smile(0.05))
    line = keyframes.moving(smile(0.1))
    assert line is not None
    found = [keyframes.mix(line, paint=True) for _ in range(3)]
    assert found[:2] == [None, None]  # that picture itself is painted in the meantime
    assert found[2] is not None
    assert found[2][0, 0, 0] == 106
    assert line.step == 2
    assert sorted(painted.asked) == [0, 2 * UNIT, 4 * UNIT, 8 * UNIT]


def test_a_quick_hand_gets_pictures_that_are_farther_apart(keyframes: Keyframes, painted: Painted) -> None:
    painted.slope = 60
    keyframes.moving(smile(0.05))
    line = keyframes.moving(smile(0.25))  # four such moves are more than half a standard deviation
    assert line is not None
    picture = keyframes.mix(line, paint=True)
    assert picture is not None
    assert picture[0, 0, 0] == 115
    assert painted.asked == [0.0, 0.5]


def test_all_else_has_to_be_as_it_was(keyframes: Keyframes) -> None:
    keyframes.moving(smile(0.1))
    assert keyframes.moving(smile(0.2).lock(["glasses"])) is None
    assert keyframes.moving(Edit(LATENT + 1).ask({"age": 1.0, "smile": 0.2})) is None
    assert keyframes.moving(smile(0.3).ask({"age": 1.5})) is None
    reached = smile(0.4, reached=None)
    assert keyframes.moving(Edit(LATENT, reached.asked, reached=Reached(LATENT + 2))) is None
    assert keyframes.line(Edit(LATENT).ask({"age": 1.0})) is None


def test_what_is_remembered_is_bounded(keyframes: Keyframes, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(3 * LINES):
        keyframes.moving(smile(0.1 + k))
    assert len(keyframes._lines) <= LINES
    monkeypatch.setattr(module, "PICTURES", 20)
    lines = []
    for face in range(3):
        for k in range(24):
            line = keyframes.moving(Edit(LATENT + face).ask({"smile": 0.6 + k * FAR * UNIT}))
            if line is not None:
                assert keyframes.mix(line, paint=True) is not None
        assert line is not None
        lines.append(line)
        assert sum(len(line.pictures) for line in lines) <= 20
    assert [len(line.pictures) for line in lines] == [0, 0, 20]
