"""Server processes to test against, with their CPU time and memory, and the floor program written in C."""

from .nodes import Node, Services, services
from .process import Process, busy, floor, own_server

__all__ = [
    "Node",
    "Process",
    "Services",
    "busy",
    "floor",
    "own_server",
    "services",
]
