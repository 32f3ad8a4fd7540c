"""A generator tuned around one photograph, inverters by name, and latents in groups of layers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.generators.openvino_writer import write_pair
from tlgan import TlganError, photographs
from tlgan.hooks import INVERTERS
from tlgan.photographs import Plan, load_inversion
from tlgan.workspace import Settings, Workspace
from tlgan.workspace.discover import discover

QUICK = Plan(small=25, rate=0.2, tune=15, tune_rate=0.02)


def _workspace(folder: Path, **changes: object) -> Workspace:
    settings = Settings(str(write_pair(folder)), extractors=("colour",), max_samples=300, base=())
    return discover(folder / "ws", replace(settings, **changes))


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return _workspace(tmp_path_factory.mktemp("w"), space="w")


@pytest.fixture
def photo(layered: Workspace, tmp_path: Path) -> Path:
    """A face of the generator's own, disturbed, so that it has none like it."""
    picture = layered.canvas.paint(layered.canvas.start(3)[None])[0].astype(float)
    picture[8:20, 8:20] = 255 - picture[8:20, 8:20]
    Image.fromarray(picture.astype(np.uint8)).resize((64, 64)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def _missed(editor: photographs.PhotographEditor) -> float:
    return float(np.abs(editor.face().astype(float) - editor.crop()).mean())


def test_tuning_comes_nearer_and_moves_the_sliders_as_before(layered: Workspace, photo: Path, tmp_path: Path) -> None:
    plain = layered.invert(photo, plan=replace(QUICK, tune=0))
    tuned = layered.invert(photo, plan=QUICK)
    assert not plain.inversion.weights
    assert tuned.inversion.weights
    assert np.array_equal(plain.inversion.latent, tuned.inversion.latent)
    assert _missed(tuned) < 0.95 * _missed(plain)
    assert np.array_equal(tuned.picture(), np.asarray(Image.open(photo)))  # a zero edit
    name = layered.axes.names[0]
    one, other = (editor.set(**{name: 1.0}).changed()[name] for editor in (plain, tuned))
    assert other == pytest.approx(one, abs=0.5)
    again = layered.invert(photo, inversion=tuned.save_inversion(tmp_path / "me.safetensors"))
    assert np.abs(again.face().astype(int) - tuned.face()).max() <= 1  # weights are kept in half precision
    assert _missed(layered.invert(photo, plan=replace(QUICK, tune=0))) == pytest.approx(_missed(plain))


def test_what_was_tuned_is_kept_in_the_workspace_alone(
    layered: Workspace, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = layered.path / "photographs"
    layered.invert(photo, plan=QUICK)
    assert not folder.exists()
    tuned = layered.invert(photo, plan=QUICK, tune=True)
    assert len([*folder.iterdir()]) == 1
    said: list[str] = []
    monkeypatch.setattr(photographs, "inverting", lambda *_, **__: pytest.fail("it is inverted again"))
    again = layered.invert(photo, note=said.append)
    assert any("tuned to this photograph earlier" in words for words in said)
    assert np.array_equal(again.inversion.latent, tuned.inversion.latent)
    shutil.rmtree(folder)


def test_weights_of_another_generator_are_refused(layered: Workspace, photo: Path, tmp_path: Path) -> None:
    editor = layered.invert(photo, plan=QUICK)
    name, values = next(iter(editor.inversion.weights.items()))
    for wrong in ({"layers.99.kernel": values}, {name: values[:1, ..., :1] if values.ndim > 1 else values[:1]}):
        file = replace(editor.inversion, weights=wrong).save(tmp_path / "wrong.safetensors")
        with pytest.raises(TlganError, match="damaged"):
            layered.invert(photo, inversion=file)


def test_a_generator_that_cannot_be_tuned_says_so(halves: Workspace, photo: Path) -> None:
    assert not halves.invert(photo, plan=QUICK).inversion.weights
    with pytest.raises(TlganError, match="no weights that can be tuned"):
        halves.invert(photo, tune=True)


def test_inverters_go_by_name(layered: Workspace, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class First:
        def invert(self, picture: np.ndarray, canvas: object) -> np.ndarray:
            assert picture.dtype == np.uint8
            return layered.canvas.start(5)

    monkeypatch.setitem(INVERTERS._registered, "first", First)
    found = layered.invert(photo, plan=replace(QUICK, tune=0), inverter="first")
    assert np.array_equal(found.inversion.latent, layered.canvas.start(5))
    with pytest.raises(TlganError, match="no encoder"):
        layered.invert(photo, inverter="encoder")
    with pytest.raises(TlganError, match="unknown inverter 'none': expected one of both, optimisation, encoder"):
        layered.invert(photo, inverter="none")
    picture = np.asarray(Image.open(photo).resize((32, 32)))
    latent = INVERTERS.make("optimisation").invert(picture, layered.canvas)
    assert latent.shape == (layered.generator.num_ws, layered.generator.w_dim)


def test_workspaces_of_axes_by_layers_take_photographs(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    workspace = _workspace(tmp_path / "g", space="w+", groups=(0, 3))
    editor = workspace.invert(photo, plan=replace(QUICK, tune=0))
    grey = float(np.abs(np.asarray(Image.open(photo)).astype(float) - 128).mean())
    assert _missed(editor) < 0.8 * grey
    assert editor.inversion.latent.shape == (workspace.generator.num_ws, workspace.generator.w_dim)
    assert editor.edit.latent.shape == (workspace.axes.latent_dim,)
    painted = workspace.generator.synthesize(editor.inversion.latent[None], space="w+")
    seen = editor.canvas.synthesize(torch.from_numpy(editor.edit.latent[None]))
    assert np.allclose(painted.numpy(), seen.numpy(), atol=1e-3)
    assert np.array_equal(editor.picture(), np.asarray(Image.open(photo)))
    name = workspace.axes.names[0]
    assert editor.set(**{name: 1.0}).changed()[name] > 0.2
    assert load_inversion(editor.save_inversion(tmp_path / "me.npz")).space == "w+"
