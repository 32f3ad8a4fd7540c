"""Graphs whose ends are not the usual ones: classes, truncation, several outputs, and pictures of any layout and shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tlgan.errors import TlganError
from tlgan.generators import load_generator
from tlgan.generators.base import picture_size

pytest.importorskip("onnx")
pytestmark = [
    pytest.mark.filterwarnings("ignore::tlgan.errors.AssumedWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning"),
]


class Painter(nn.Module):
    """16 latents -> pictures of 8 x 12 pixels; what goes in beside them and what comes out says `kind`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        channels = 4 if kind == "rgba" else 3
        self.start = nn.Linear(24 if kind == "open" else 16, 16)
        self.classes = nn.Linear(5, 16)
        self.paint = nn.Sequential(
            nn.Unflatten(1, (16, 1, 1)),
            nn.ConvTranspose2d(16, 8, (4, 6)),
            nn.ReLU(),
            nn.ConvTranspose2d(8, channels, 4, 2, 1),
        )

    def pictures(self, z: Tensor, more: Tensor | None = None) -> Tensor:
        w = self.start(z)
        if self.kind in ("numbers", "one-hot"):
            w = w + self.classes(torch.nn.functional.one_hot(more, 5).float() if self.kind == "numbers" else more)
        if self.kind == "truncation":
            w = w * more
        return torch.sigmoid(self.paint(w)) if self.kind == "rgba" else torch.tanh(self.paint(w))

    def forward(self, z: Tensor, more: Tensor | None = None) -> Any:
        if self.kind == "one":
            return self.pictures(z[None])[0]
        x = self.pictures(z, more)
        if self.kind == "last":
            return x.permute(0, 2, 3, 1)
        if self.kind == "w first":
            return self.start(z), x
        return (x.mean(1, keepdim=True), x) if self.kind == "two" else x


def export(painter: Painter, path: Path) -> Path:
    z = torch.randn(2, painter.start.in_features)
    rows = {0: "n"}
    axes: dict[str, Any] = {"z": {0: "n", 1: "d"} if painter.kind == "open" else rows, "x": rows, "w": rows}
    given: tuple[Any, ...] = (z,)
    names, outputs = ["z"], ["x"]
    if painter.kind == "numbers":
        names, given, axes = ["z", "y"], (z, torch.tensor([0, 1])), axes | {"y": rows}
    elif painter.kind == "one-hot":
        names, given, axes = ["z", "c"], (z, torch.eye(5)[:2]), axes | {"c": rows}
    elif painter.kind == "truncation":
        names, given = ["z", "psi"], (z, torch.tensor(1.0))
    elif painter.kind in ("w first", "two"):
        outputs = ["w", "x"]
    elif painter.kind == "one":
        given, axes = (z[0],), {}
    torch.onnx.export(
        painter,
        given,
        str(path),
        input_names=names,
        output_names=outputs,
        dynamic_axes=axes,
        dynamo=False,
        verbose=False,
    )
    return path


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def made(kind: str) -> tuple[Painter, Path]:
        torch.manual_seed(0)
        painter = Painter(kind).eval().requires_grad_(False)
        return painter, export(painter, tmp_path / f"{kind}.onnx".replace(" ", ""))

    return made


@pytest.mark.parametrize(
    ("kind", "options", "more"),
    [
        ("last", {}, None), ("one", {}, None), ("w first", {}, None), ("two", {"output": "x"}, None), ("open", {}, None),
        ("truncation", {}, torch.tensor(1.0)), ("truncation", {"inputs": "psi:0.5"}, torch.tensor(0.5)),
        ("numbers", {"classes": 5}, torch.tensor([3, 3, 3])), ("one-hot", {}, torch.eye(5)[[3, 3, 3]]),
    ],
)  # fmt: skip
def test_what_goes_in_and_what_comes_out_is_found_or_said(kind: str, options: Any, more: Any, make: Any) -> None:
    painter, path = make(kind)
    generator = load_generator(path, **options)
    z = generator.sample(3, seed=0)
    classes = kind in ("numbers", "one-hot")
    assert generator.label_dim == (5 if classes else 0)
    made = generator.synthesize(z, label=3 if classes else None)
    assert torch.allclose(made, painter.pictures(z, more), atol=1e-5)
    if kind == "truncation":
        assert generator.assumed == (() if options else ("inputs=psi:1",))
    if kind == "open":
        assert "latent_dim=24" in generator.assumed


def test_pictures_that_are_not_square_keep_their_shape(make: Any) -> None:
    _, path = make("last")
    generator = load_generator(path)
    z = generator.sample(2, seed=0)
    assert (generator.resolution, picture_size(generator), picture_size(generator, 6)) == (12, (8, 12), (4, 6))
    assert generator.synthesize(z, resolution=6).shape == (2, 3, 4, 6)
    assert generator.synthesize(z[:0]).shape == (0, 3, 8, 12)


def test_transparency_is_painted_over_white(make: Any, tmp_path: Path) -> None:
    painter, path = make("rgba")
    torch.jit.trace(painter, torch.randn(2, 16), check_trace=False).save(str(tmp_path / "g.pt"))
    z = torch.randn(3, 16)
    painted = painter.pictures(z)
    expected = (painted[:, :3] * 2 - 1) * painted[:, 3:] + 1 - painted[:, 3:]
    for generator in (load_generator(path), load_generator(tmp_path / "g.pt", trust=True)):
        assert generator.channels == 3
        assert torch.allclose(generator.synthesize(z), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("two", {}, r"w \[8, 1, 8, 12\], x \[8, 3, 8, 12\] for 8 latents: say which are its pictures with --output"),
        ("two", {"output": "y"}, "has no output 'y'"),
        ("w first", {"output": "w"}, "paints no pictures"),
        ("numbers", {}, "class numbers in y: say how many classes there are, -g classes=N"),
        ("one-hot", {"classes": 4}, "4 classes don't fit"),
        ("truncation", {"inputs": "phi:1"}, "'phi:1' is not NAME:NUMBER of its inputs z, psi"),
        ("last", {"latent_input": "w"}, "say which input takes them with --input NAME"),
    ],
)
def test_what_is_open_is_refused_with_the_option_that_decides(kind: str, options: Any, words: str, make: Any) -> None:
    _, path = make(kind)
    with pytest.raises(TlganError, match=words):
        load_generator(path, **options)


@pytest.mark.parametrize("kind", ["numbers", "one-hot"])
def test_torchscript_with_classes(kind: str, tmp_path: Path) -> None:
    class Classes(nn.Module):
        def __init__(self, hot: bool) -> None:
            super().__init__()
            self.hot = hot
            self.table = nn.Parameter(torch.randn(5, 16))
            self.paint = nn.Linear(16, 48)

        def forward(self, z: Tensor, label: Tensor) -> Tensor:
            c = label @ self.table if self.hot else self.table[label]
            return torch.tanh(self.paint(z + c)).view(-1, 3, 4, 4)

    torch.manual_seed(0)
    module = Classes(kind == "one-hot").eval().requires_grad_(False)
    torch.jit.script(module).save(str(tmp_path / "g.pt"))
    generator = load_generator(tmp_path / "g.pt", trust=True, classes=5)
    z = generator.sample(3, seed=0)
    label = torch.eye(5)[[2, 2, 2]] if kind == "one-hot" else torch.tensor([2, 2, 2])
    assert torch.allclose(generator.synthesize(z, label=2), module(z, label), atol=1e-6)
