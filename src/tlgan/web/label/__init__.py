"""A new slider from yes-or-no clicks on generated pictures, with its measured quality."""

from .session import LabelSession
from .web import create_app, label, running

__all__ = ["LabelSession", "create_app", "label", "running"]
