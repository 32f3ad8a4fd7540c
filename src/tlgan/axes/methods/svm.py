"""InterFaceGAN (Shen, Gu, Tang and Zhou 2020): the normal of the plane that divides the latents with a feature from those
without it, by a linear support vector machine on the samples that the extractor is surest of.

The paper takes the 2 % surest on either side of 500,000. Of the few hundred to some thousand samples here that would be a
handful, so at least `FEWEST` a side are taken, as far as a quarter of the samples goes.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from tlgan.axes.directions import Directions, Labelled

SHARE = 0.02
FEWEST = 500
#: Those of samples that somebody holds: the conditional ones begin with them, and fitting takes a minute.
_normals: WeakKeyDictionary[Labelled, Directions] = WeakKeyDictionary()


class LinearSVM:
    """Normals as they are: an edit is latent + α · normal, in the latents' own coordinates."""

    def fit(self, samples: Labelled) -> Directions:
        """One unit normal a feature; zero for a feature that is the same on all samples."""
        if samples not in _normals:
            _normals[samples] = self._fit(samples)
        return _normals[samples]

    def _fit(self, samples: Labelled) -> Directions:
        from sklearn.svm import SVC

        count = len(samples.latents)
        side = max(1, min(max(int(SHARE * count), FEWEST), count // 4))
        moves = np.zeros((len(samples.axes.features), samples.latents.shape[1]))
        for row, response in enumerate(samples.responses.T):
            order = np.argsort(response, kind="stable")
            chosen = np.concatenate([order[:side], order[-side:]])
            if response[order[-side]] > response[order[side - 1]]:
                machine = SVC(kernel="linear").fit(samples.latents[chosen], np.repeat([0, 1], side))
                moves[row] = machine.coef_[0] / np.linalg.norm(machine.coef_)
        return Directions(samples.axes.names, moves, "svm")


class ConditionalSVM:
    """The same with conditional manipulation: every normal is projected off the base features' normals (section 3.3 of the
    paper), which are the axes' own base."""

    def fit(self, samples: Labelled) -> Directions:
        """One direction a feature; those of the base features stay."""
        normals = LinearSVM().fit(samples).moves
        base = samples.axes.indices(samples.axes.base)
        span, _ = np.linalg.qr(normals[base].T)  # (d, b)
        cleared = normals - normals @ span @ span.T
        cleared[base] = normals[base]
        return Directions(samples.axes.names, cleared, "svm-conditional")
