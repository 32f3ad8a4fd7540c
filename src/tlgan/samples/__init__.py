"""Step 3, generate: many (latent, features, thumbnail) rows, resumable, in constant memory."""

from .draw import draw, paint_rows, thumbnails
from .measure import first_pictures, measure_part, measured
from .memory import Samples, sample
from .recipe import Recipe
from .source import Source
from .store import SampleStore, features_of, latents_of

__all__ = [
    "Recipe",
    "SampleStore",
    "Samples",
    "Source",
    "draw",
    "features_of",
    "first_pictures",
    "latents_of",
    "measure_part",
    "measured",
    "paint_rows",
    "sample",
    "thumbnails",
]
