"""Photographs in, latents out, and edited photographs: find the face, invert it, lay back what changed."""

from .editor import PhotographEditor
from .inversion import Found, Inverter, Plan
from .invert import identity_or_none, inversion_of, inverting, place
from .reading import Photograph, read_photograph, write_photograph
from .state import Inversion, load_inversion

__all__ = [
    "Found",
    "Inversion",
    "Inverter",
    "Photograph",
    "PhotographEditor",
    "Plan",
    "identity_or_none",
    "inversion_of",
    "inverting",
    "load_inversion",
    "place",
    "read_photograph",
    "write_photograph",
]
