"""Steps 1 to 4 as one run: it stops when sure, survives a kill, and never mixes two worlds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tests.worlds import HalvesModule, halves_generator, halves_networks, halves_settings, halves_workspace, reopen
from tlgan.axes import Axes, Learned
from tlgan.errors import TlganError
from tlgan.progress import Progress
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover


def rows(workspace: Workspace) -> tuple[np.ndarray, np.ndarray]:
    parts = list(workspace.samples.read_arrays())
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def test_the_true_axes_end_up_in_the_workspace(halves: Workspace) -> None:
    truth = HalvesModule().directions.numpy()
    for row in (0, 1):
        found = halves.axes.directions[row]
        assert found @ truth[row] / np.linalg.norm(found) / np.linalg.norm(truth[row]) > 0.995
    assert list(halves.axes.weak) == [False, False, True]
    assert halves.axes.samples < 4000  # stopped when sure, not at the cap


def test_the_report_shows_every_axis_offline(halves: Workspace) -> None:
    page = (halves.path / "report.html").read_text()
    for name in halves.axes.names:
        assert f'id="{name}"' in page
    assert page.count("data:image/webp") >= 3
    assert "http://" not in page
    assert "https://" not in page


def test_a_run_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, sys.argv[1])
        from tests.worlds import halves_settings, halves_networks
        from tlgan.workspace.discover import discover
        from tlgan.progress import Progress

        class Killer(Progress):
            left = int(sys.argv[3])
            def step(self, what, done, total=None, words=""):
                if what == "samples" and done > self.left:
                    os.kill(os.getpid(), signal.SIGKILL)

        discover(sys.argv[2], halves_settings(max_samples=5000), sure=1.0, progress=Killer(), **halves_networks())
        """
    )
    codes = []
    for patience in (700, 2600, 10**9):
        done = subprocess.run(
            [sys.executable, "-c", script, str(Path(__file__).parents[1]), str(tmp_path / "cut"), str(patience)]
        )
        codes.append(done.returncode)
    assert codes == [-signal.SIGKILL, -signal.SIGKILL, 0]

    whole = discover(tmp_path / "whole", halves_settings(max_samples=5000), sure=1.0, **halves_networks())
    cut = reopen(tmp_path / "cut")
    for one, other in zip(rows(whole), rows(cut), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(cut.axes.directions, whole.axes.directions, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(cut.axes.r2, whole.axes.r2, atol=1e-6)
    assert not [name for name in os.listdir(tmp_path / "cut" / "samples") if "tmp" in name]


def test_a_second_run_draws_nothing(tmp_path: Path) -> None:
    first = halves_workspace(tmp_path / "ws")
    before = sorted(os.stat(path).st_mtime_ns for path in first.samples.parts())
    second = halves_workspace(tmp_path / "ws")
    assert sorted(os.stat(path).st_mtime_ns for path in second.samples.parts()) == before
    np.testing.assert_allclose(first.axes.directions, second.axes.directions, rtol=1e-6)


def test_a_larger_cap_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ws"
    discover(path, halves_settings(max_samples=1500), sure=1.0, **halves_networks())
    more = discover(path, halves_settings(max_samples=3000), sure=1.0, **halves_networks())
    assert more.axes.samples == more.samples.rows() == 3000


def test_progress_is_told(tmp_path: Path) -> None:
    class Notes(Progress):
        def __init__(self) -> None:
            self.count = 0
            self.stages: list[str] = []
            self.known: list[bool] = []

        def stage(self, words: str) -> None:
            self.stages.append(words)

        def step(self, what: str, done: int, total: int | None = None, words: str = "") -> None:
            if what == "samples":
                assert self.count < done <= (total or 0)
                self.count = done

        def axes(self, learned: Learned) -> None:
            self.known.append(learned.sure)

    notes = Notes()
    workspace = discover(tmp_path / "ws", halves_settings(), progress=notes, **halves_networks())
    assert notes.count == workspace.axes.samples
    assert notes.known[-1] is True
    assert len(notes.stages) >= 3


@pytest.mark.parametrize("change", [{"seed": 9}, {"truncation": 0.5}, {"extractors": ("colour",)}])
def test_a_workspace_is_continued_only_as_what_it_is(tmp_path: Path, change: dict[str, object]) -> None:
    halves_workspace(tmp_path / "ws", max_samples=1000)
    before = (tmp_path / "ws" / "tlgan.toml").read_text()
    with pytest.raises(TlganError, match=next(iter(change))):
        halves_workspace(tmp_path / "ws", **change)
    assert (tmp_path / "ws" / "tlgan.toml").read_text() == before


def test_another_generator_is_refused(tmp_path: Path) -> None:
    halves_workspace(tmp_path / "ws", max_samples=1000)

    with pytest.raises(TlganError, match="another generator"):
        discover(tmp_path / "ws", halves_settings(), **halves_networks(seed=2))
    workspace = reopen(tmp_path / "ws").changed(generator=halves_generator(seed=2))
    with pytest.raises(TlganError, match="another generator"):
        _ = workspace.canvas


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(TlganError, match="not a workspace"):
        halves_workspace(tmp_path)
    with pytest.raises(TlganError, match="is a file"):
        halves_workspace(tmp_path / "letter.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_base_axes_must_exist(tmp_path: Path) -> None:
    with pytest.raises(TlganError, match="'male'"):
        halves_workspace(tmp_path / "ws", base=("male",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "generator.ref"),
        ("[generator]\nref = 3\n", "generator.ref is 3"),
        ("[generator]\nref = 'x'\n[samples]\nseed = 'one'\n", "samples.seed"),
        ("[generator]\nref = 'x'\n[extractors]\nrefs = [1]\n", "extractors.refs"),
        ("[generator\n", "not TOML"),
    ],
)
def test_a_mistake_in_the_settings_is_named(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "tlgan.toml").write_text(text)
    with pytest.raises(TlganError, match=expected):
        open_workspace(tmp_path)


def test_settings_round_trip() -> None:
    settings = Settings("face64", "ab", "z", 0.7, 3, ("a", "b"), 5, 100, ("male",))
    assert Settings.from_toml(settings.to_toml(), "here") == settings
    options = {"activation": "elu", "latent_dim": 100, "norm_last": True, "picture_range": [0, 1.5]}
    settings = Settings("g.pth", truncation=1.0, base=(), options=options)
    assert Settings.from_toml(settings.to_toml(), "here") == settings
    for wrong in ("trust = true", "layers = [[1]]", "when = 2024-01-01"):
        with pytest.raises(TlganError, match=r"here: generator\.options"):
            Settings.from_toml(f"[generator]\nref = 'x'\n[generator.options]\n{wrong}\n", "here")


def test_axes_of_another_generator_are_refused(tmp_path: Path, halves: Workspace) -> None:
    workspace = halves_workspace(tmp_path / "ws", max_samples=1000)
    from dataclasses import replace

    replace(halves.axes, generator="0" * 64).save(workspace.path / "axes.safetensors")
    with pytest.raises(TlganError, match="another generator"):
        _ = open_workspace(workspace.path).axes
    assert Axes.load(workspace.path / "axes.safetensors").generator == "0" * 64


def test_not_a_workspace(tmp_path: Path) -> None:
    folder = tmp_path / "its files"
    folder.mkdir()
    helps = {
        "my netG.pth": f"`tlgan discover '{folder}/my netG.pth' -o 'my netG'`",
        "tlgan.toml": f"name the folder, '{folder}'",
    }
    for name, words in helps.items():
        (folder / name).touch()
        with pytest.raises(TlganError, match="is a file, not the folder of a workspace: .*" + re.escape(words)):
            open_workspace(folder / name)
    with pytest.raises(TlganError, match=re.escape(f"-o '{tmp_path}/no where'`")):
        open_workspace(tmp_path / "no where")
    with pytest.raises(TlganError, match="no such folder"):
        open_workspace(tmp_path / "nowhere")
    with pytest.raises(TlganError, match=r"no tlgan\.toml"):
        open_workspace(tmp_path)
