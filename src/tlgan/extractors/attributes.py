"""The 40 attributes of CelebA in CelebA's order, and age: names, readable labels, end words and groups."""

from __future__ import annotations

from .base import Feature

EXPRESSION = "Expression"
PERSON = "Age and gender"
HAIR = "Hair"
FACE = "Face"
WEARING = "Wearing"
PICTURE = "Light and picture"

# name, label, what the low end is called, what the high end is called, group
_ROWS = (
    ("5_o_clock_shadow", "Five o'clock shadow", "clean-shaven", "stubbled", HAIR),
    ("arched_eyebrows", "Arched eyebrows", "flat", "arched", FACE),
    ("attractive", "Attractive (to annotators)", "less", "more", FACE),
    ("bags_under_eyes", "Bags under eyes", "none", "heavy", FACE),
    ("bald", "Bald", "full hair", "bald", HAIR),
    ("bangs", "Bangs", "bare forehead", "bangs", HAIR),
    ("big_lips", "Lips", "thin", "full", FACE),
    ("big_nose", "Nose size", "small", "big", FACE),
    ("black_hair", "Black hair", "other colour", "black", HAIR),
    ("blond_hair", "Blond hair", "other colour", "blond", HAIR),
    ("blurry", "Blur", "sharp", "blurry", PICTURE),
    ("brown_hair", "Brown hair", "other colour", "brown", HAIR),
    ("bushy_eyebrows", "Eyebrow thickness", "thin", "bushy", FACE),
    ("chubby", "Chubby", "lean", "chubby", FACE),
    ("double_chin", "Double chin", "none", "double chin", FACE),
    ("eyeglasses", "Eyeglasses", "no glasses", "glasses", WEARING),
    ("goatee", "Goatee", "none", "goatee", HAIR),
    ("gray_hair", "Gray hair", "other colour", "gray", HAIR),
    ("heavy_makeup", "Makeup", "none", "heavy", WEARING),
    ("high_cheekbones", "Cheekbones", "low", "high", FACE),
    ("male", "Gender", "female", "male", PERSON),
    ("mouth_slightly_open", "Mouth", "closed", "open", EXPRESSION),
    ("mustache", "Mustache", "none", "mustache", HAIR),
    ("narrow_eyes", "Eye opening", "wide", "narrow", EXPRESSION),
    ("no_beard", "No beard", "bearded", "beardless", HAIR),
    ("oval_face", "Oval face", "other shape", "oval", FACE),
    ("pale_skin", "Skin tone", "other tone", "pale", FACE),
    ("pointy_nose", "Pointy nose", "round", "pointy", FACE),
    ("receding_hairline", "Hairline", "low", "receding", HAIR),
    ("rosy_cheeks", "Rosy cheeks", "plain", "rosy", FACE),
    ("sideburns", "Sideburns", "none", "sideburns", HAIR),
    ("smiling", "Smile", "neutral", "smiling", EXPRESSION),
    ("straight_hair", "Straight hair", "other", "straight", HAIR),
    ("wavy_hair", "Wavy hair", "other", "wavy", HAIR),
    ("wearing_earrings", "Earrings", "none", "earrings", WEARING),
    ("wearing_hat", "Hat", "no hat", "hat", WEARING),
    ("wearing_lipstick", "Lipstick", "none", "lipstick", WEARING),
    ("wearing_necklace", "Necklace", "none", "necklace", WEARING),
    ("wearing_necktie", "Necktie", "none", "necktie", WEARING),
    ("young", "Youth", "older", "younger", PERSON),
)

CELEBA_ATTRIBUTES: tuple[Feature, ...] = tuple(
    Feature(name, "probability", label=label, low=low, high=high, group=group)
    for name, label, low, high, group in _ROWS
)
AGE = Feature("age", "quantity", unit="years", label="Age", low="younger", high="older", group=PERSON)
