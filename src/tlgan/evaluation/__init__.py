"""Quality of axes and edits, measured by independent extractors."""

from .evaluate import evaluate
from .judging import Evaluator, Truth
from .methods import METHODS, Method
from .scores import Evaluation, MethodScore, SliderScore

__all__ = [
    "METHODS",
    "Evaluation",
    "Evaluator",
    "Method",
    "MethodScore",
    "SliderScore",
    "Truth",
    "evaluate",
]
