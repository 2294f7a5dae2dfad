"""The agents that salon hosts: each speaks in conversations by the commands that any agent uses."""

from .hosted import HostedAgents
from .opening import open_upstream
from .pieces import UpstreamError
from .prompt import Prompt
from .upstream import Upstream

__all__ = ["HostedAgents", "Prompt", "Upstream", "UpstreamError", "open_upstream"]
