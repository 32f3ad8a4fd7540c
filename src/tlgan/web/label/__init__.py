"""A few clicks: generated pictures, yes or no, and a new slider with an honest word on how good it is."""

from .session import LabelSession
from .web import create_app, label, running

__all__ = ["LabelSession", "create_app", "label", "running"]
