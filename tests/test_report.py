"""Figures of a workspace: the same numbers in the report and in Matplotlib's axes, right in a world whose truth is known."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tlgan
from tests.worlds import reopen
from tlgan.errors import TlganError
from tlgan.workspace import Workspace, figures
from tlgan.workspace.report import report

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("svg")


@pytest.fixture(scope="module")
def copied(halves: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return reopen(Path(shutil.copytree(halves.path, tmp_path_factory.mktemp("report") / "halves")))


def test_a_learning_curve_ends_with_the_axes_of_the_workspace(halves: Workspace) -> None:
    curve = figures.learning_curve(halves)
    assert list(curve.samples) == [halves.axes.samples >> halving for halving in range(4, -1, -1)]
    np.testing.assert_allclose(curve.r2[-1], halves.axes.r2, atol=1e-6)
    assert curve.r2[0, 0] < curve.r2[-1, 0]


def test_a_histogram_holds_every_value_once(halves: Workspace) -> None:
    values = np.concatenate([values for _, values in halves.samples.read_arrays()])
    for feature, column in zip(halves.axes.features, values.T, strict=True):
        shares, edges = figures.histogram(feature, column)
        assert shares.sum() == pytest.approx(1)
        middle = (column >= edges[6]) & (column < edges[12])
        assert shares[6:12].sum() == pytest.approx(middle.mean(), abs=1e-9)
    assert figures.histogram(feature, np.full(5, 2.0))[0][0] == 1


def test_the_report_shows_the_figures(copied: Workspace) -> None:
    face = copied.face(seed=3)
    page = report(copied, face=face).read_text("utf-8")
    for words in (
        "What the axes explain",
        "By number of samples",
        "What else each slider changes",
        "What goes together",
    ):
        assert words in page
    told = f"{face.measured()['right_bright']:.0%}"
    assert f"this face: {told}" in page
    marks = [float(x) for x in re.findall(r'<line x1="([\d.]+)"', page)]
    assert len(marks) == 3
    assert any(abs(x / 240 - face.measured()["right_bright"]) < 0.001 for x in marks)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_a_report_without_a_face_marks_nothing(halves: Workspace) -> None:
    page = (halves.path / "report.html").read_text("utf-8")
    assert page.count('class="distribution"') == 3
    assert "this face" not in page
    assert "By number of samples" not in page


def test_plots_draw_what_the_axes_hold(halves: Workspace, tmp_path: Path) -> None:
    drawn = tlgan.plot.map(halves)
    order = figures.by_group(halves.axes)
    cells = np.asarray(drawn.collections[0].get_array()).reshape(3, 3)
    np.testing.assert_allclose(cells, halves.axes.correlation[np.ix_(order, order)])
    assert [label.get_text() for label in drawn.get_xticklabels()] == ["Left", "Right bright", "Noise"]
    drawn.figure.savefig(tmp_path / "map.svg")
    assert "<path" in (tmp_path / "map.svg").read_text()
    drawn.figure.savefig(tmp_path / "map.pdf")
    assert (tmp_path / "map.pdf").read_bytes()[:4] == b"%PDF"
    bars = tlgan.plot.explained(halves)
    assert sorted(bar.get_width() for bar in bars.patches) == pytest.approx(sorted(halves.axes.r2))
    effects = np.asarray(tlgan.plot.side_effects(halves).collections[0].get_array()).reshape(3, 3)
    assert effects[0, 0] == pytest.approx(halves.axes.effects[0, 0])


def test_a_strip_is_the_pictures_of_the_face(halves: Workspace) -> None:
    drawn = tlgan.plot.strip(halves, "left", seed=5, steps=3, span=2)
    shown = np.asarray(drawn.images[0].get_array())
    np.testing.assert_array_equal(shown, np.concatenate(list(halves.face(seed=5).strip("left", 3, 2)), axis=1))
    assert [tick.get_text() for tick in drawn.get_xticklabels()] == ["-2 sd", "0", "+2 sd"]
    assert len(tlgan.plot.grid(halves, ["left", "right_bright"], steps=2).get_yticks()) == 2


def test_a_curve_and_a_histogram_go_where_they_are_told(halves: Workspace) -> None:
    from matplotlib.figure import Figure

    one, two = Figure().subplots(1, 2)
    assert tlgan.plot.learning_curve(halves, names=["left"], ax=one) is one
    assert len(one.lines) == 2
    assert one.lines[1].get_ydata()[-1] == pytest.approx(halves.axes.r2[0])
    face = halves.face(seed=3)
    tlgan.plot.histogram(halves, "left", face=face, ax=two)
    assert two.lines[0].get_xdata()[0] == pytest.approx(face.measured()["left"])


def test_what_there_is_nothing_of_is_said(halves: Workspace) -> None:
    blind = halves.changed(axes=replace(halves.axes, effects=None))
    with pytest.raises(TlganError, match="no measured side effects"):
        tlgan.plot.side_effects(blind)
    with pytest.raises(tlgan.UnknownFeature):
        tlgan.plot.histogram(halves, "lefft")
    with pytest.raises(TlganError, match="at least one name"):
        tlgan.plot.grid(halves, [])
