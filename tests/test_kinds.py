"""The whole job on other kinds of generators: pg-GAN in z, StyleGAN in z and w, a mapped world whose axes are known."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from tests.worlds import SIDE, HalvesExtractor
from tlgan.errors import TlganError
from tlgan.generators import LatentGenerator
from tlgan.web.server import create_app, wire
from tlgan.workspace import Settings, Workspace, open_workspace
from tlgan.workspace.discover import discover


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks: threads would only wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


CHECKPOINTS = Path(__file__).parent / "checkpoints"
W_DIM = 10


class MappedHalves(LatentGenerator):
    """A mapped world: w has a covariance far from the identity, and the halves' levels are linear in w."""

    spaces = ("z", "w", "w+")
    w_dim = W_DIM
    num_ws = 2

    def __init__(self) -> None:
        super().__init__(name="mapped", fingerprint="m" * 64, latent_dim=W_DIM, resolution=SIDE, channels=3)
        rng = np.random.default_rng(5)
        rotation = np.linalg.qr(rng.normal(size=(W_DIM, W_DIM)))[0]
        self.mixing = torch.from_numpy((rotation * np.geomspace(0.1, 2, W_DIM)).astype(np.float32))
        self.slopes = torch.from_numpy((rng.normal(size=(2, W_DIM)) * 0.15).astype(np.float32))

    def _map(self, z: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        return z @ self.mixing.T + 1.0

    def _w_mean(self) -> torch.Tensor:
        return torch.ones(W_DIM)

    def _paint(self, latents, *, label, noise, resolution, **options):
        levels = torch.tanh((latents.mean(dim=1) - 1.0) @ self.slopes.T)
        return levels.repeat_interleave(SIDE // 2, dim=1)[:, None, None, :].expand(-1, 3, SIDE, -1)


def mapped(path: Path, space: str, truncation: float = 1.0) -> Workspace:
    settings = Settings("mapped", space=space, truncation=truncation, extractors=("halves",), base=(), max_samples=6000)
    return discover(path, settings, generator=MappedHalves(), loaded={"halves": HalvesExtractor()})


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("truncation", [1.0, 0.7])
def test_axes_in_w_are_the_slopes_in_w(tmp_path: Path, truncation: float) -> None:
    axes = mapped(tmp_path / "w", "w", truncation).axes
    truth = MappedHalves().slopes.numpy()
    assert min(cosine(axes.directions[row], truth[row]) for row in (0, 1)) > 0.98
    assert axes.latent_covariance is not None
    mixing = MappedHalves().mixing.numpy() * truncation
    np.testing.assert_allclose(axes.latent_covariance, mixing @ mixing.T, atol=0.12 * truncation**2)


def test_an_edit_in_w_follows_the_population(tmp_path: Path) -> None:
    workspace = mapped(tmp_path / "w", "w")
    editor = workspace.face(seed=3).set(left=1.0).lock("right_bright")
    assert editor.changed()["left"] == pytest.approx(1.0, abs=0.25)
    assert abs(editor.changed()["right_bright"]) < 0.15
    move = editor.latent - editor.edit.latent
    truth = MappedHalves()
    covariance = truth.mixing.numpy() @ truth.mixing.numpy().T
    a, b = (covariance @ slope for slope in truth.slopes.numpy())
    plane = np.linalg.lstsq(np.stack([a, b], axis=1), move, rcond=None)
    assert np.linalg.norm(move - np.stack([a, b], axis=1) @ plane[0]) < 0.1 * np.linalg.norm(move)


def test_axes_in_z_of_a_mapped_generator(tmp_path: Path) -> None:
    axes = mapped(tmp_path / "z", "z", 0.7).axes
    truth = MappedHalves().slopes.numpy() @ MappedHalves().mixing.numpy()
    assert axes.latent_covariance is None
    assert min(cosine(axes.directions[row], truth[row]) for row in (0, 1)) > 0.98


@pytest.mark.parametrize(
    ("file", "space", "truncation", "resolution", "samples"),
    [
        ("pggan_64_fused.pkl", "z", 0.8, 16, 1100),  # two fits in 512 dimensions
        ("sg2_64.pkl", "z", 0.8, None, 300),
        ("sg2_64.pkl", "w", 0.7, 32, 300),
        ("sg2_32_cond.pkl", "w", 1.0, None, 300),
        ("sg3t_32.pkl", "w", 0.7, None, 150),
        ("rosinality_64.pt", "w", 1.0, None, 300),
    ],
)
def test_discover_edit_and_studio_on_real_formats(
    tmp_path: Path, file: str, space: str, truncation: float, resolution: int | None, samples: int
) -> None:
    label = 1 if "cond" in file else None
    settings = Settings(
        str(CHECKPOINTS / file), space=space, truncation=truncation, label=label, extractors=("colour",), base=(),
        resolution=resolution, max_samples=samples,
    )  # fmt: skip
    discover(tmp_path / "ws", settings)
    workspace: Any = open_workspace(tmp_path / "ws")
    table = next(iter(workspace.samples.read(["thumbnail"])))
    drawn = np.asarray(Image.open(io.BytesIO(table["thumbnail"][0].as_py())))
    side = resolution or workspace.generator.resolution
    assert drawn.shape[:2] == (side, side)
    images = workspace.generator.synthesize(
        workspace.generator.sample(1, seed=0, truncation=truncation if "pggan" in file else None),
        truncation=None if "pggan" in file else truncation, label=label, resolution=side,
    )  # fmt: skip
    levels = ((images[0].clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).numpy()
    assert np.abs(drawn.astype(int) - levels).max() <= 1
    assert workspace.axes.samples == workspace.samples.rows()
    name = workspace.axes.names[int(np.argmax(workspace.axes.r2))]
    editor = workspace.face(seed=1).set(**{name: 1.0})
    assert editor.solution.reached[workspace.axes.index(name)] > 0.5
    again = workspace.face(png=editor.save(tmp_path / "face.png"))
    np.testing.assert_array_equal(again.picture(), editor.picture())
    _check_studio(workspace, name, editor.picture())
    table = next(iter(workspace.samples.read(["index", "z"] + (["w"] if space == "w" else []))))
    assert table.num_rows


def _check_studio(workspace: Workspace, name: str, expected: np.ndarray) -> None:
    """The studio paints what `edit` does."""
    with (
        TestClient(create_app(workspace), base_url="http://127.0.0.1:8000") as client,
        client.websocket_connect("/live", headers={"host": "127.0.0.1:8000"}) as socket,
    ):
        socket.receive_json()
        socket.send_json({"id": 1, "face": {"seed": 1, "asked": {name: 1}}})
        frame = socket.receive_bytes()
        words = socket.receive_json()
    assert "error" not in words
    side = wire.HEADER.unpack(frame[:16])[3]
    picture = np.frombuffer(frame[16:], np.uint8).reshape(side, side, 4)[..., :3]
    assert np.abs(picture.astype(int) - expected).max() <= 1


def test_a_space_that_is_not_there(tmp_path: Path) -> None:
    settings = Settings(str(CHECKPOINTS / "pggan_64_fused.pkl"), space="w", extractors=("colour",))
    with pytest.raises(TlganError, match="no axes in space 'w'"):
        discover(tmp_path / "ws", settings)
