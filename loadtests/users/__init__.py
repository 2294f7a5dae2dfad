"""Simulated users: their sockets and HTTP requests, the messages they send, and the check of every frame they receive."""

from .api import LIMITS, Api, RunError, Target, advice
from .connections import Connections
from .event_lines import EventLines
from .everywhere import Everywhere, Share, shares
from .figures import INTERVAL, NEVER, Histogram, Sample, Tally
from .frame import TEXT, client_frame, server_frame
from .http_thread import HttpThread, page
from .leaving import Leaving
from .raw_user import RawUser
from .transcript import Digest, Transcript
from .trio_wire import TrioThread, TrioUser, TrioWire
from .user import Person, User
from .verdict import judge
from .wire import Wire

__all__ = [
    "INTERVAL",
    "LIMITS",
    "NEVER",
    "TEXT",
    "Api",
    "Connections",
    "Digest",
    "EventLines",
    "Everywhere",
    "Histogram",
    "HttpThread",
    "Leaving",
    "Person",
    "RawUser",
    "RunError",
    "Sample",
    "Share",
    "Tally",
    "Target",
    "Transcript",
    "TrioThread",
    "TrioUser",
    "TrioWire",
    "User",
    "Wire",
    "advice",
    "client_frame",
    "judge",
    "page",
    "server_frame",
    "shares",
]
