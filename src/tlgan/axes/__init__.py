"""Step 4, correlate: axes fitted to sample rows, with the uncertainty of each."""

from .axes import Axes
from .learner import SURE, WEAK_R2, AxisLearner, Learned
from .metric import Metric
from .population import population, priors
from .response import LIMIT, from_response, to_response

__all__ = [
    "LIMIT",
    "SURE",
    "WEAK_R2",
    "Axes",
    "AxisLearner",
    "Learned",
    "Metric",
    "from_response",
    "population",
    "priors",
    "to_response",
]
