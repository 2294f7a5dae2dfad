"""Processes to test against: servers with their CPU time and memory, PostgreSQL, NATS, a relay, and the floor program in C."""

from .nats import NatsServer, free_port
from .nodes import Node, Services, services
from .postgres import PostgresServer
from .process import SALON, Process, busy, floor, own_server
from .relay import Relay

__all__ = [
    "SALON",
    "NatsServer",
    "Node",
    "PostgresServer",
    "Process",
    "Relay",
    "Services",
    "busy",
    "floor",
    "free_port",
    "own_server",
    "services",
]
