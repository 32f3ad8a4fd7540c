"""Step 3, Generate: many (latent, features, thumbnail) rows, resumable, in constant memory."""

from .draw import batch_size, class_labels, draw, paint_rows, thumbnails
from .nearest import nearest
from .recipe import Recipe
from .store import SampleStore, features_of, latents_of

__all__ = [
    "Recipe",
    "SampleStore",
    "batch_size",
    "class_labels",
    "draw",
    "features_of",
    "latents_of",
    "nearest",
    "paint_rows",
    "thumbnails",
]
