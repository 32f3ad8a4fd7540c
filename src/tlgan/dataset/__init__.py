"""Data sets of a requested composition; two networks check every row."""

from .request import Plan, Request, read_like
from .run import Result, make_dataset

__all__ = ["Plan", "Request", "Result", "make_dataset", "read_like"]
