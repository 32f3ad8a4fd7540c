"""Photographs in, latents out, and edited photographs: find the face, invert it, lay back what changed."""

from .editor import PhotographEditor
from .inversion import TUNED, Found, Inverter, Plan, tunable_of
from .invert import Networks, inversion_of, inverting, networks_of, place
from .reading import WRITTEN, Photograph, encode_photograph, read_photograph, write_photograph
from .state import Inversion, load_inversion
from .warping import side_of

__all__ = [
    "TUNED",
    "WRITTEN",
    "Found",
    "Inversion",
    "Inverter",
    "Networks",
    "Photograph",
    "PhotographEditor",
    "Plan",
    "encode_photograph",
    "inversion_of",
    "inverting",
    "load_inversion",
    "networks_of",
    "place",
    "read_photograph",
    "side_of",
    "tunable_of",
    "write_photograph",
]
