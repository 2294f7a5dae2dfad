"""Load scenarios - rooms, rates, durations - and the processes that play them."""

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
