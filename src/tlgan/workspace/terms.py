"""What the networks of a workspace are made of, in words for people: data, terms, known biases.

Shown beside the pictures wherever they are shown, since nobody reads a model card that lies somewhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlgan.languages import ENGLISH, Language

if TYPE_CHECKING:
    from tlgan.axes import Axes

    from .settings import Settings

_GENERATORS = {
    "faces1024": (
        "MobileStyleGAN (S. Belousov 2021), taught by NVIDIA's StyleGAN2 for FFHQ: photographs of people from Flickr, CC "
        "BY-NC-SA 4.0. The teacher's weights were for non-commercial use; treat what it paints so too. It shows mostly "
        "adults who look into the camera, as its photographs did"
    ),
    "photo64": (
        "trained for this project on 8,000 photographs of CelebA (celebrities of the web before 2015), which are for "
        "non-commercial research, and so is what it paints. It shows mostly young, smiling, light-skinned faces, since "
        "its photographs did"
    ),
    "face64": "a DCGAN from the PyPI package gan-face-generate (MIT licence), trained on rendered faces: nobody real is in it",
}
_EXTRACTORS = {
    "celeba40": (
        "trained for this project on CelebA (40 attributes, celebrities of the web before 2015) and UTKFace (age); "
        "both are for non-commercial research, and so are what it says and the axes found with it. Attributes are what "
        "annotators saw in a picture, not what a person is; it errs more on faces unlike celebrities'"
    ),
    "colour": "brightness and colour computed from pixels",
}
#: Correlations from here on are worth a word.
_TIED = 0.4


def about(settings: Settings, axes: Axes, say: Language = ENGLISH) -> dict[str, str]:
    """Terms and words in a language, in the order to show them."""
    known = _GENERATORS.get(settings.generator)
    words = {
        say("Generator"): say(known) if known else say("{0}: see its publisher for data and terms", settings.generator)
    }
    if far := foreign(settings, say):
        words[say("Not at home")] = "; ".join(far.values())
    for ref in settings.extractors:
        known = _EXTRACTORS.get(ref)
        words[say("Extractor {0}", ref)] = say(known) if known else say("see its publisher for data and terms")
    if ties := strongest_ties(axes, say=say):
        words[say("Habits of this generator")] = say("in its pictures these go together: {0}", "; ".join(ties))
    words[say("Use")] = say(
        "the people shown do not exist; don't pass pictures off as photographs of anybody, "
        "and don't judge real people by what an extractor says"
    )
    return words


def foreign(settings: Settings, say: Language = ENGLISH) -> dict[str, str]:
    """A line for each extractor, by its name, to which the pictures look like nothing it was trained on."""
    from tlgan.extractors import home

    return {name: line for name, value in settings.distance if (line := home.words(name, value, say))}


def strongest_ties(axes: Axes, count: int = 5, say: Language = ENGLISH) -> list[str]:
    """The pairs of named features that go together most in the population, as "a with b (+0.6)"."""
    strong = [
        row for row in range(len(axes.features)) if not axes.weak[row] and axes.features[row].kind == "probability"
    ]
    pairs = [(a, b, float(axes.correlation[a, b])) for n, a in enumerate(strong) for b in strong[n + 1 :]]
    pairs.sort(key=lambda pair: -abs(pair[2]))
    return [
        say(
            "{0} with {1} ({2})" if value > 0 else "{0} without {1} ({2})",
            _label(axes, a, say),
            _label(axes, b, say),
            f"{value:+.2f}",
        )
        for a, b, value in pairs[:count]
        if np.isfinite(value) and abs(value) >= _TIED
    ]


def _label(axes: Axes, row: int, say: Language) -> str:
    return say.feature(axes.features[row].label or axes.names[row]).lower()
