"""The Python client, importable alone: it needs neither the engine nor Quart."""

from .client import (
    Client,
    Closed,
    Conversation,
    Frame,
    Gap,
    Receipt,
    Refused,
    Request,
    Response,
    Run,
    Socket,
    Statistics,
    Unreachable,
    connect,
    is_event,
)

__all__ = [
    "Client",
    "Closed",
    "Conversation",
    "Frame",
    "Gap",
    "Receipt",
    "Refused",
    "Request",
    "Response",
    "Run",
    "Socket",
    "Statistics",
    "Unreachable",
    "connect",
    "is_event",
]
