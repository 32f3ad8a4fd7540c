"""Photographs in, latents out, and edited photographs: find the face, invert it, lay back what changed."""

from .editor import PhotographEditor
from .inversion import Found, Inverter, Plan
from .invert import identity_or_none, inversion_of, inverting, place
from .reading import WRITTEN, Photograph, encode_photograph, read_photograph, write_photograph
from .state import Inversion, load_inversion

__all__ = [
    "WRITTEN",
    "Found",
    "Inversion",
    "Inverter",
    "Photograph",
    "PhotographEditor",
    "Plan",
    "encode_photograph",
    "identity_or_none",
    "inversion_of",
    "inverting",
    "load_inversion",
    "place",
    "read_photograph",
    "write_photograph",
]
