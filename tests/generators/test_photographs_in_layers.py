"""Photographs inverted into a generator that takes a latent for every layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.generators.openvino_writer import write_pair
from tlgan import load_generator
from tlgan.axes.metric import Metric
from tlgan.photographs import Inverter, Plan
from tlgan.photographs.offsets import OffsetGenerator, split


def test_layers_part_where_a_generator_has_them(tmp_path: Path) -> None:
    generator = load_generator(str(write_pair(tmp_path)))
    w = generator.sample(400, seed=0, space="w").numpy().astype(np.float64)
    metric = Metric.around(w, w.mean(axis=0), np.cov(w.T) + 1e-6 * np.eye(w.shape[1]))
    first, second = (torch.from_numpy(w[row]).float() for row in (1, 2))
    truth = torch.stack([first if layer < 4 else second for layer in range(generator.num_ws)])
    target = generator.synthesize(truth[None], space="w+").clamp(-1, 1)
    weight = torch.ones(1, 1, *target.shape[-2:])
    losses = {}
    for apart in (0.0, 0.5):
        *_, last = Inverter(generator, "w", metric).run(target, weight, Plan(small=80, rate=0.2, apart=apart))
        losses[apart] = last.loss
    assert last.latent.shape == (generator.num_ws, generator.w_dim)
    assert losses[0.5] < 0.8 * losses[0.0]
    middle, offsets = split(last.latent)
    assert offsets is not None
    seen = OffsetGenerator(generator, offsets)
    same = generator.synthesize(torch.from_numpy(last.latent)[None], space="w+")
    assert torch.allclose(seen.synthesize(torch.from_numpy(middle)[None], space="w"), same, atol=1e-4)
    assert seen.fingerprint == generator.fingerprint
