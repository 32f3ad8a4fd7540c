"""Is an axis true, is an edit clean: numbers, and a report with pictures."""

from .evaluate import evaluate
from .judging import Truth, Witness
from .methods import METHODS, Method
from .record import kept
from .report import write_report
from .scores import Evaluation, MethodScore, SliderScore
from .workspaces import evaluate_workspaces

__all__ = [
    "METHODS",
    "Evaluation",
    "Method",
    "MethodScore",
    "SliderScore",
    "Truth",
    "Witness",
    "evaluate",
    "evaluate_workspaces",
    "kept",
    "write_report",
]
