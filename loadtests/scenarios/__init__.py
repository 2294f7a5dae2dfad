"""Who talks to whom, how fast, for how long; and the processes that play it."""

from .progress import Ticker
from .runner import Result, run
from .scenario import Scenario

__all__ = [
    "Result",
    "Scenario",
    "Ticker",
    "run",
]
