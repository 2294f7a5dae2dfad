"""The agents that salon hosts: each speaks in conversations by the commands that any agent uses."""

from .hosted import HostedAgents
from .opening import open_upstream
from .prompt import Prompt
from .upstream import Upstream, UpstreamError

__all__ = ["HostedAgents", "Prompt", "Upstream", "UpstreamError", "open_upstream"]
