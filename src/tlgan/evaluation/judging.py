"""Who says what an edit did: a judge that had no part in finding the axes.

The network that made an edit is the last to ask whether it worked: whatever it saw wrongly it also moved by. A judge is
another extractor, of another architecture, seed and training; where the world is made by a program, it is the truth.
All its words are places in the population of plain pictures of the same generator, in its own standard deviations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import numpy as np

from tlgan.axes import from_response
from tlgan.editing.canvas import same_mirrored
from tlgan.errors import TlganError
from tlgan.extractors import Feature, as_extractor

if TYPE_CHECKING:
    import torch

    from tlgan.editing import Canvas
    from tlgan.extractors import Extractor

#: Pictures at a time.
BATCH = 128

View: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"


@runtime_checkable
class Witness(Protocol):
    """What says how things are: responses float64 [n, f] of pictures [n, C, H, W] that latents [n, d] led to, and an
    embedding [n, e] in which the same face lies near."""

    name: str
    features: tuple[Feature, ...]

    def testify(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f] and embedding [n, e]."""
        ...


def _moved(images: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Moved by a sixty-fourth of the side for each unit; the border goes on."""
    import torch.nn.functional as F

    unit = max(1, images.shape[-1] // 64)
    down, right, edge = down * unit, right * unit, 2 * unit
    padded = F.pad(images, (edge, edge, edge, edge), mode="replicate")
    rows, columns = images.shape[-2:]
    return padded[:, :, edge - down : edge - down + rows, edge - right : edge - right + columns]


#: Views [n, C, H, W] -> [n, C, H, W] that leave a face the same face; every second one is mirrored.
VIEWS: tuple[View, ...] = (
    lambda images: images,
    lambda images: images.flip(-1),
    lambda images: _moved(images, 1, 2),
    lambda images: _moved(images, -2, -1).flip(-1),
)


class ExtractorWitness:
    """An extractor's word. Without an embedding of its own, its responses are one.

    A network's word on the same face changes when the picture is mirrored or moved by a pixel: for `judge40` on faces of
    64 pixels by a third of a standard deviation, as much as what is to be measured. So each picture is looked at through
    several views and the average counts.
    """

    def __init__(self, extractor: Extractor, views: Sequence[View] = VIEWS) -> None:
        self.views = tuple(views)
        self._symmetric: np.ndarray | None = None
        self.name = extractor.name
        self.features = extractor.features
        self._extractor = as_extractor(extractor)

    def testify(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f] and embedding [n, e] of pictures [n, C, H, W]."""
        said = [self._look(view(images)) for view in self.views]
        responses, embedded = (np.stack(part) for part in zip(*said, strict=True))
        if len(self.views) < 2:
            return responses[0], embedded[0]
        if self._symmetric is None:  # the first pictures tell for which features a mirrored picture is the same
            self._symmetric = same_mirrored(responses[0], responses[1])
        straight = responses[::2].mean(axis=0)
        return np.where(self._symmetric, responses.mean(axis=0), straight), embedded.mean(axis=0)

    def _look(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        responses = self._extractor.responses(images).double().numpy(force=True)
        if not self._extractor.embeds:
            return responses, responses
        return responses, self._extractor.embedding(images).double().numpy(force=True)


class Truth:
    """A world's own word: `factors` tells the responses float [n, f] from the latents [n, d] alone."""

    def __init__(self, name: str, features: tuple[Feature, ...], factors: Callable[[np.ndarray], np.ndarray]) -> None:
        self.name = name
        self.features = features
        self._factors = factors

    def testify(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The factors, and the factors again as what makes a face the same."""
        responses = np.asarray(self._factors(latents), dtype=np.float64)
        return responses, responses


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a judge says of n pictures: ``positions`` [n, f] in population sd, ``values`` [n, f] in natural units
    (probabilities), ``embedding`` [n, e] about the population's mean. float64."""

    positions: np.ndarray
    values: np.ndarray
    embedding: np.ndarray

    def __getitem__(self, rows: slice) -> Verdict:
        return Verdict(self.positions[rows], self.values[rows], self.embedding[rows])


class Judge:
    """A witness, asked about `names` alone, with its own scale from the plain pictures of latents [n, d].

    Raises TlganError where it does not know one of the names.
    """

    def __init__(self, canvas: Canvas, witness: Witness, names: Sequence[str], plain: np.ndarray) -> None:
        known = [feature.name for feature in witness.features]
        missing = [name for name in names if name not in known]
        if missing:
            raise TlganError(
                f"the judge {witness.name} knows no {', '.join(missing)}: choose features among {', '.join(known)}"
            )
        self.canvas = canvas
        self.witness = witness
        self.rows = [known.index(name) for name in names]
        self.features = tuple(witness.features[row] for row in self.rows)
        responses, embedding = self._testify(plain)
        # About the mean, so that two strangers have a cosine of 0 and not what all faces have in common.
        self._middle = embedding.mean(axis=0)
        self.plain_embedding = embedding - self._middle
        self.mean, self.sd = responses.mean(axis=0), np.maximum(responses.std(axis=0), 1e-12)
        self.plain_positions = (responses - self.mean) / self.sd

    def judge(self, latents: np.ndarray) -> Verdict:
        """What it says of the pictures of latents [n, d]."""
        return self._verdict(*self._testify(latents))

    def hear(self, latents: np.ndarray, images: torch.Tensor) -> Verdict:
        """What it says of pictures [n, C, H, W] in [-1, 1] of latents [n, d], painted already."""
        import torch

        with torch.inference_mode():
            responses, embedding = self.witness.testify(latents, images)
        return self._verdict(responses[:, self.rows], embedding)

    def _verdict(self, responses: np.ndarray, embedding: np.ndarray) -> Verdict:
        positions = (responses - self.mean) / self.sd
        return Verdict(positions, from_response(self.features, responses), embedding - self._middle)

    def _testify(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import torch

        said = []
        with torch.inference_mode():
            for first in range(0, len(latents), BATCH):
                rows = np.ascontiguousarray(latents[first : first + BATCH], dtype=np.float32)
                said.append(self.witness.testify(rows, self.canvas.synthesize(torch.from_numpy(rows)).clamp(-1, 1)))
        return np.concatenate([r for r, _ in said])[:, self.rows], np.concatenate([e for _, e in said])
