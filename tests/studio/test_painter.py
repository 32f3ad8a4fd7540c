"""The numbers of a frame are those of its picture, measured once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tlgan.editing import Edit
from tlgan.web.server.painter import Painter
from tlgan.workspace import Workspace


def test_an_exact_frame_tells_what_is_measured_on_it_and_does_not_measure_again(
    cartoons: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter = Painter(cartoons)
    name = cartoons.axes.features[0].name
    painter.refined(Edit(painter.latent_of(4), {name: 1.0}, exact=True))  # learns what a mirrored picture means, once
    start = painter.latent_of(3)
    edit = Edit(start, {name: 1.0}, exact=True)
    measured: list[int] = []
    extract = painter.canvas.extractor.extract

    def counted(images: torch.Tensor) -> torch.Tensor:
        measured.append(len(images))
        return extract(images)

    monkeypatch.setattr(painter.canvas.extractor, "extract", counted)
    frame = painter.refined(edit)
    assert sum(measured) == 2  # by the loop: the face without edits and the face it found
    both = painter.canvas.measure(np.stack([start, frame.latent]))
    # Pictures that are painted alone and in pairs differ by rounding, and some features are steep.
    np.testing.assert_allclose(np.stack([frame.own, frame.measured]), both, atol=5e-3)
    painter.close()
