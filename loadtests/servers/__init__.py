"""Server processes to test against, with their CPU time and memory, and the floor program written in C."""

from .process import Process, busy, floor, own_server

__all__ = [
    "Process",
    "busy",
    "floor",
    "own_server",
]
