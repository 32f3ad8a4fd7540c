"""Pictures on demand: data sets whose composition is asked for, each row seen by two networks as asked."""

from .request import Plan, Request, read_like
from .run import Result, make_dataset

__all__ = ["Plan", "Request", "Result", "make_dataset", "read_like"]
