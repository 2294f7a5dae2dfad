"""Server processes of our own to try on, as the system sees them: CPU time, memory; and the floor written in C."""

from .process import Process, busy, floor, own_server

__all__ = [
    "Process",
    "busy",
    "floor",
    "own_server",
]
