"""A generator changed a little around one photograph (pivotal tuning: Roich, Mokady, Bermano and Cohen-Or, TOG 2022).

What is kept is what tuning adds to the weights, in half precision, in the file of the inversion.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from tlgan.errors import TlganError
from tlgan.generators import Generator
from tlgan.generators.base import LatentGenerator

from .inversion import tunable_of


def tuned_generator(generator: Generator, added: Mapping[str, np.ndarray]) -> Generator:
    """`generator` with `added` to its weights; itself where there is nothing to add. Raises TlganError where they are not its
    own."""
    if not added:
        return generator
    known = tunable_of(generator)
    for name, values in added.items():
        if name not in known or values.shape != known[name][1].shape:
            raise TlganError(f"this inversion was tuned on other weights than {generator.name} has: it is damaged")
    assert isinstance(generator, LatentGenerator)
    with torch.no_grad():
        return generator.tuned(
            {
                name: known[name][1] + torch.from_numpy(values.astype(np.float32)).to(known[name][1])
                for name, values in added.items()
            }
        )
