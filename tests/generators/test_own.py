"""Generators of one's own code: `module:function`, functions and modules at hand, and the workspaces made of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import tlgan
from tlgan.errors import TlganError
from tlgan.io import permission
from tlgan.workspace import workspace as workspaces

CODE = """
import torch
from torch import nn

def make(width=16):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(width, 192), nn.Unflatten(1, (3, 8, 8)), nn.Sigmoid())

def paint(z):
    return torch.tanh(z @ torch.linspace(-1, 1, 16 * 192).view(16, 192)).view(-1, 3, 8, 8)

def nothing(): ...

def two(a, b): ...

def broken():
    raise OSError("no such weights")
"""
pytestmark = pytest.mark.filterwarnings("ignore::tlgan.errors.AssumedWarning")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TLGAN_CACHE", str(tmp_path / "cache"))
    forget(monkeypatch)
    (tmp_path / "own_paint.py").write_text(CODE)
    yield tmp_path
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the next process."""
    monkeypatch.setattr(permission, "_here_and_now", set())
    monkeypatch.setattr(workspaces, "_in_memory", {})
    sys.modules.pop("own_paint", None)


def test_a_function_makes_a_generator_or_paints(folder: Path) -> None:
    made = tlgan.load_generator("own_paint:make")
    assert (made.latent_dim, made.resolution, made.assumed) == (16, 8, ("picture_range=0,1",))
    assert float(made.synthesize(made.sample(9, seed=0)).min()) < -0.5
    assert tlgan.load_generator("own_paint:make", width=20).latent_dim == 20
    painted = tlgan.load_generator("own_paint:paint", latent_dim=16)
    z = painted.sample(2, seed=0)
    assert torch.equal(painted.synthesize(z), sys.modules["own_paint"].paint(z))


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("own_paint:nothing", "returned nothing \\(None\\): expected a generator"),
        ("own_paint:two", "needs a, b"),
        ("own_paint:broken", "OSError: no such weights"),
        ("own_paint:absent", "can't be imported"),
        ("own_absent:make", "go to the folder that it lies in"),
    ],
)
def test_what_makes_no_generator_is_said_in_a_line(ref: str, words: str, folder: Path) -> None:
    with pytest.raises(TlganError, match=words):
        tlgan.load_generator(ref)


def test_its_workspace_opens_again_and_asks_where_the_code_is_another(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tlgan.discover("ws", generator="own_paint:make", extractors=["colour"], max_samples=300)
    forget(monkeypatch)
    assert tlgan.open_workspace("ws").face(seed=1).set(warmth=1).changed()
    forget(monkeypatch)
    (folder / "cache" / "own-functions.jsonl").unlink()
    with pytest.raises(TlganError, match="nobody has named on this machine"):
        _ = tlgan.open_workspace("ws").generator
    assert "own_paint" not in sys.modules
    assert tlgan.open_workspace("ws", trust=True).generator.latent_dim == 16
    forget(monkeypatch)
    monkeypatch.chdir(folder.parent)
    with pytest.raises(TlganError, match="there is no module own_paint here"):
        _ = tlgan.open_workspace(folder / "ws").generator


def test_a_generator_at_hand_makes_a_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(16, 192), nn.Unflatten(1, (3, 8, 8)), nn.Tanh())
    generator = tlgan.wrap_generator(module, latent_dim=16)
    tlgan.discover("ws", generator=generator, extractors=["colour"], max_samples=300)
    assert tlgan.open_workspace("ws").generator.fingerprint == generator.fingerprint  # in this process
    forget(monkeypatch)
    with pytest.raises(TlganError, match=r"open it with tlgan\.open.*generator="):
        _ = tlgan.open_workspace("ws").generator
    assert tlgan.open_workspace("ws", generator=generator).face(seed=1).set(warmth=1).changed()
    other = tlgan.wrap_generator(
        nn.Sequential(nn.Linear(16, 192), nn.Unflatten(1, (3, 8, 8)), nn.Tanh()), latent_dim=16
    )
    with pytest.raises(TlganError, match="another generator"):
        _ = tlgan.open_workspace("ws", generator=other).generator


def test_a_function_at_hand_is_known_by_its_text_and_what_it_refers_to() -> None:
    weights = [torch.full((16, 192), value) for value in (0.1, 0.1, 0.2)]

    def wrapped(weight: torch.Tensor) -> str:
        return tlgan.wrap_generator(lambda z: torch.tanh(z @ weight).view(-1, 3, 8, 8), latent_dim=16).fingerprint

    one, same, other = map(wrapped, weights)
    assert one == same != other
