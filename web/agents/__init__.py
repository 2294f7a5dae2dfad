"""The agents that salon hosts: each speaks in conversations by the commands that any agent uses."""

from .hosted import HostedAgents
from .opening import open_upstream

__all__ = ["HostedAgents", "open_upstream"]
