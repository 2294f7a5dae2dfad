"""The agents of a conversation whose hosted ones may be at work at the node that has owned it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from salon.actors.agents import Agents
from salon.actors.signals import Cancel

from .branches import LEASE
from .texts import said_again

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salon.actors.mailbox import Letter
    from salon.actors.model import Run, State
    from salon.actors.run_turn import RunTurn

    from .owned_audience import OwnedAudience


class OwnedAgents(Agents):
    """A node that works on a run says so, as if the agent had a socket there. What nobody works on is begun or ended here."""

    __slots__ = ()
    _audience: OwnedAudience

    def ask_hosted(self, state: State) -> None:
        """Ask them once every node has said who is at work there."""
        if any(self._is_hosted(agent_id) for agent_id in state.agents):
            self._schedule("hosted", trio.current_time() + LEASE)

    def ask_idle(self, state: State) -> None:
        """Ask those that no node says it works with."""
        for agent_id in state.agents:
            if self._is_hosted(agent_id) and not self._audience.branches.has(agent_id):
                self._ask_again(agent_id, state)

    def connected(self, participant_id: str, state: State | None) -> None:
        """Note that somebody has come or gone; a node that worked with an agent may be gone."""
        super().connected(participant_id, state)
        idle = state is not None and not self._audience.branches.has(participant_id)
        if idle and self._is_hosted(participant_id):
            self._schedule("hosted", trio.current_time())

    def said_again(self, state: State) -> list[Letter]:
        """What was said and the store lacks, as commands to another owner; the state is the last one that there was."""
        return said_again(state, self.runs.unsaved(state))

    def _is_hosted(self, agent_id: str) -> bool:
        return self._host.agent_host.answering(agent_id) is not None

    def _tell_last(self, closed: Iterable[Run], by_others: Iterable[Run], now: float) -> None:
        cancelled = list(by_others)
        super()._tell_last(closed, cancelled, now)
        for run in cancelled:
            if self._is_hosted(run.participant_id):
                self._audience.branches.work(run.participant_id, Cancel(run.id))

    def _tell_decisions(self, done: RunTurn) -> None:
        super()._tell_decisions(done)
        for agent_id, signal in done.approvals:
            if self._is_hosted(agent_id):
                self._audience.branches.work(agent_id, signal)
