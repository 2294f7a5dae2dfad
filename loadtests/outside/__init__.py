"""A load generator in C that knows nothing of salon, and a floor for it: the same work as other servers are given.

`wsfan` opens sockets, sends stamped messages and finds each delivery by its mark, so its figures compare with those of any
server. A message is done when every reader has it. `wsfloor` is the least that a server can do: it stores nothing.
"""

from .case import CASES, OutsideCase
from .fan import Figures, Tools, tools
from .table import Outside, compare, measure, recorded, save

__all__ = [
    "CASES",
    "Figures",
    "Outside",
    "OutsideCase",
    "Tools",
    "compare",
    "measure",
    "recorded",
    "save",
    "tools",
]
