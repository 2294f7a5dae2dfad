"""The objects that the operators' routes use, in addition to those of all routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..http import Parts
from .agent_changes import AgentChanges
from .audit import AuditTrail
from .figures import Figures

if TYPE_CHECKING:
    from salon.actors.directory import Directory
    from salon.actors.log import CommonLog, LogTail

    from ..agents import HostedAgents
    from ..cluster import ServingNode
    from ..identity import Identity, IdentityBook
    from ..settings import Settings
    from ..socket import Wire
    from ..webhooks import Webhooks
    from .relay import Relay


class AdminParts(Parts):
    """The parts of a server with operators: figures over time, and the audit trail."""

    node: ServingNode | None = None  # of a cluster
    relay: Relay | None = None  # to the other nodes

    def __init__(
        self,
        settings: Settings,
        directory: Directory,
        wire: Wire,
        identities: IdentityBook,
        agents: HostedAgents,
        webhooks: Webhooks,
        log: CommonLog,
        tail: LogTail,
    ) -> None:
        self.agents = agents
        self.webhooks = webhooks
        self.log = log
        self.tail = tail
        super().__init__(settings, directory, wire, identities)
        self.figures = Figures(self)
        self.audit = AuditTrail(directory.sources)
        self.agent_changes = AgentChanges()

    async def share(self) -> None:
        """Have what was decided here, and is stored, hold at all nodes of a cluster; before the answer, as far as they answer."""
        if self.relay is not None:
            await self.relay.share()

    def note(self, who: Identity, deed: str, target: str, outcome: str = "done") -> None:
        """Record in the audit what a member did to others."""
        self.audit.note_member(who, deed, target, outcome)
