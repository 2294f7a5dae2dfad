"""The agents that salon hosts: each speaks in conversations by the commands that any agent uses."""

from .hosted import HostedAgents
from .opening import open_upstream
from .prompt import Prompt
from .upstream import Activity, Piece, Results, Upstream, UpstreamError

__all__ = [
    "Activity",
    "HostedAgents",
    "Piece",
    "Prompt",
    "Results",
    "Upstream",
    "UpstreamError",
    "open_upstream",
]
