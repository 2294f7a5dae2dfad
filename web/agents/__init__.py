"""The agents that salon hosts: each speaks in conversations by the commands that any agent uses."""

from .budget import MILLION, period, scope_of
from .endpoint import Breaker
from .hosted import HostedAgents
from .job import Job
from .member import HostedAgent
from .opening import open_upstream
from .pieces import Activity, Offer, Piece, Results, ToolCall, UpstreamError
from .prompt import Prompt
from .toolbox import ToolResult
from .tools_agent import ToolsAgent
from .upstream import Upstream

__all__ = [
    "MILLION",
    "Activity",
    "Breaker",
    "HostedAgent",
    "HostedAgents",
    "Job",
    "Offer",
    "Piece",
    "Prompt",
    "Results",
    "ToolCall",
    "ToolResult",
    "ToolsAgent",
    "Upstream",
    "UpstreamError",
    "open_upstream",
    "period",
    "scope_of",
]
