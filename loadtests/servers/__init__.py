"""Server processes to test against, with their CPU time and memory, and the floor program written in C."""

from .process import SALON, Process, busy, floor, own_server

__all__ = [
    "SALON",
    "Process",
    "busy",
    "floor",
    "own_server",
]
