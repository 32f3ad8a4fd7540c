"""Independent evaluators: extractors that were not used to fit the axes.

The extractor that made an edit can't measure whether it worked: where it is wrong, it moved by the same error. A judge is
another extractor, of another architecture, seed and training; where the world is made by a program, it is the truth.
All measurements are z-scores over unedited pictures of the same generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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

    from .cache import Panel

#: Pictures at a time.
BATCH = 128

View: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"


@runtime_checkable
class Evaluator(Protocol):
    """Measures pictures [n, C, H, W] painted from latents [n, d]: responses float64 [n, f], and an embedding [n, e] in which
    pictures of the same face lie near each other."""

    name: str
    features: tuple[Feature, ...]

    def measure(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f] and embedding [n, e]."""
        ...


def seen_as_it_is(images: torch.Tensor) -> torch.Tensor:
    """The view of a picture that changes nothing."""
    return images


def _moved(images: torch.Tensor, *, down: int = 0, right: int = 0, mirrored: bool = False) -> torch.Tensor:
    """Moved by a sixty-fourth of the side for each unit, where the border goes on; then mirrored."""
    import torch.nn.functional as F

    if mirrored:
        return _moved(images, down=down, right=right).flip(-1)
    if not (down or right):
        return images
    unit = max(1, images.shape[-1] // 64)
    down, right, edge = down * unit, right * unit, 2 * unit
    padded = F.pad(images, (edge, edge, edge, edge), mode="replicate")
    rows, columns = images.shape[-2:]
    return padded[:, :, edge - down : edge - down + rows, edge - right : edge - right + columns]


#: Views [n, C, H, W] -> [n, C, H, W] that leave a face the same face; every second one is mirrored.
VIEWS: tuple[View, ...] = (
    seen_as_it_is,
    partial(_moved, mirrored=True),
    partial(_moved, down=1, right=2),
    partial(_moved, down=-2, right=-1, mirrored=True),
)


class ExtractorEvaluator:
    """Measures by an extractor. Without an embedding of its own, its responses are one.

    A network's responses to the same face change when the picture is mirrored or moved by a pixel: for `judge40` on faces
    of 64 pixels by a third of a standard deviation, as much as what is to be measured. So the average over several views
    of each picture counts.
    """

    def __init__(self, extractor: Extractor, views: Sequence[View] = VIEWS) -> None:
        self.views = tuple(views)
        self._symmetric: np.ndarray | None = None
        self.name = extractor.name
        self.features = extractor.features
        self.extractor = as_extractor(extractor)

    def measure(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Responses [n, f] and embedding [n, e] of pictures [n, C, H, W]."""
        measured = [self._look(view(images)) for view in self.views]
        responses, embedded = (np.stack(part) for part in zip(*measured, strict=True))
        if len(self.views) < 2:
            return responses[0], embedded[0]
        if self._symmetric is None:  # the first pictures tell for which features a mirrored picture is the same
            self._symmetric = same_mirrored(responses[0], responses[1])
        straight = responses[::2].mean(axis=0)
        return np.where(self._symmetric, responses.mean(axis=0), straight), embedded.mean(axis=0)

    def _look(self, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        responses = self.extractor.responses(images).double().numpy(force=True)
        if not self.extractor.embeds:
            return responses, responses
        return responses, self.extractor.embedding(images).double().numpy(force=True)


class Truth:
    """The true factors of a synthetic world: `factors` computes the responses float [n, f] from the latents [n, d] alone."""

    def __init__(self, name: str, features: tuple[Feature, ...], factors: Callable[[np.ndarray], np.ndarray]) -> None:
        self.name = name
        self.features = features
        self._factors = factors

    def measure(self, latents: np.ndarray, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The factors, and the factors again as what makes a face the same."""
        responses = np.asarray(self._factors(latents), dtype=np.float64)
        return responses, responses


@dataclass(frozen=True, eq=False)
class Measurement:
    """A judge's measurements of n pictures: ``positions`` [n, f] in population sd, ``values`` [n, f] in natural units
    (probabilities), ``embedding`` [n, e] about the population's mean. float64."""

    positions: np.ndarray
    values: np.ndarray
    embedding: np.ndarray

    def __getitem__(self, rows: slice) -> Measurement:
        return Measurement(self.positions[rows], self.values[rows], self.embedding[rows])


class Judge:
    """An evaluator, asked about `names` alone, with its own scale from the plain pictures of latents [n, d].

    Raises TlganError where it does not know one of the names.
    """

    def __init__(
        self,
        canvas: Canvas,
        evaluator: Evaluator,
        names: Sequence[str],
        plain: np.ndarray,
        panel: Panel | None = None,
    ) -> None:
        """``panel``: that `evaluator` looks with, so that pictures are painted once for all; None paints for it alone."""
        known = [feature.name for feature in evaluator.features]
        missing = [name for name in names if name not in known]
        if missing:
            raise TlganError(
                f"the judge {evaluator.name} knows no {', '.join(missing)}: choose features among {', '.join(known)}"
            )
        self.canvas = canvas
        self.evaluator = evaluator
        self._panel = panel
        self.rows = [known.index(name) for name in names]
        self.features = tuple(evaluator.features[row] for row in self.rows)
        responses, embedding = self._measure(plain)
        # About the mean, so that two strangers have a cosine of 0 and not what all faces have in common.
        self._middle = embedding.mean(axis=0)
        self.plain_embedding = embedding - self._middle
        self.mean, self.sd = responses.mean(axis=0), np.maximum(responses.std(axis=0), 1e-12)
        self.plain_positions = (responses - self.mean) / self.sd

    @property
    def name(self) -> str:
        """The evaluator's."""
        return self.evaluator.name

    def measure(self, latents: np.ndarray) -> Measurement:
        """Measures the pictures of latents [n, d]."""
        return self._measurement(*self._measure(latents))

    def measure_pictures(self, latents: np.ndarray, images: torch.Tensor) -> Measurement:
        """Measures pictures [n, C, H, W] in [-1, 1] of latents [n, d], painted already."""
        import torch

        with torch.inference_mode():
            responses, embedding = self.evaluator.measure(latents, images)
        return self._measurement(responses[:, self.rows], embedding)

    def _measurement(self, responses: np.ndarray, embedding: np.ndarray) -> Measurement:
        positions = (responses - self.mean) / self.sd
        return Measurement(positions, from_response(self.features, responses), embedding - self._middle)

    def _measure(self, latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        import torch

        if self._panel is not None:
            responses, embedding = self._panel.measure(self.evaluator, latents)
            return responses[:, self.rows], embedding
        measured = []
        with torch.inference_mode():
            for first in range(0, len(latents), BATCH):
                rows = np.ascontiguousarray(latents[first : first + BATCH], dtype=np.float32)
                measured.append(
                    self.evaluator.measure(rows, self.canvas.synthesize(torch.from_numpy(rows)).clamp(-1, 1))
                )
        return np.concatenate([r for r, _ in measured])[:, self.rows], np.concatenate([e for _, e in measured])
