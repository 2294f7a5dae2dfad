"""Who talks to whom, how fast, for how long; and the processes that play it."""

from .progress import Ticker
from .runner import Result, run
from .scenario import Scenario
from .worker import RAW, WIRES

__all__ = [
    "RAW",
    "WIRES",
    "Result",
    "Scenario",
    "Ticker",
    "run",
]
