"""Step 2, classify: pictures in, named features out.

Any extractor trained on any data will do: one that ships with the package, a package's entry point, or a user's own
function or network.
"""

from .base import Extractor, Feature, as_extractor
from .registry import load_extractor

__all__ = ["Extractor", "Feature", "as_extractor", "load_extractor"]
