"""The agents that this process itself hosts, as conversations see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .model import Participant, Steering, Trigger
    from .signals import ApprovalDecided, RunRequested


class Answering(NamedTuple):
    """Which messages a hosted agent is asked to answer in a conversation that it joins; the owner may change it there."""

    trigger: Trigger
    agents_may_call: int
    steering: Steering


class AgentHost(Protocol):
    """The hosted agents. No method waits."""

    def defaults(self) -> Sequence[Participant]:
        """The agents that are members of each conversation that is created with AI."""

    def participant(self, agent_id: str) -> Participant | None:
        """An agent as conversations show it; None for all whom this process does not host."""

    def answering(self, agent_id: str) -> Answering | None:
        """How an agent begins in a conversation; None for all whom this process does not host."""

    def busy(self, conversation_id: str, agent_id: str) -> bool:
        """Whether an agent is at work for a conversation."""

    def at_work(self) -> Mapping[str, Collection[Participant]]:
        """The agents that are at work, by the conversation that they work for."""

    def ask(self, conversation_id: str, agent_id: str, request: RunRequested) -> bool:
        """Have an agent answer; the same request again changes nothing while it is being answered.

        False where a hosted agent has too much to do: it says so, and the request need not be kept.
        """

    def finish(self, conversation_id: str, agent_id: str, run_id: str) -> None:
        """End a run that is open in the log, unless it is being worked on: a restart has cut it."""

    def cancel(self, conversation_id: str, run_id: str) -> None:
        """Stop the work on a run that was ended by somebody else."""

    def decided(self, conversation_id: str, decision: ApprovalDecided) -> None:
        """Take a person's decision about a tool call that a run waits for."""

    def leave(self, conversation_id: str, agent_id: str) -> None:
        """Stop all work for a conversation that an agent has left."""


class NoAgents:
    """The host of a process without agents."""

    def defaults(self) -> Sequence[Participant]:
        """None."""
        return ()

    def participant(self, agent_id: str) -> Participant | None:
        """None."""

    def answering(self, agent_id: str) -> Answering | None:
        """None."""

    def busy(self, conversation_id: str, agent_id: str) -> bool:
        """Never."""
        return False

    def at_work(self) -> Mapping[str, Collection[Participant]]:
        """None."""
        return {}

    def ask(self, conversation_id: str, agent_id: str, request: RunRequested) -> bool:
        """True: whoever is asked answers by a connection."""
        return True

    def finish(self, conversation_id: str, agent_id: str, run_id: str) -> None:
        """There are none."""

    def cancel(self, conversation_id: str, run_id: str) -> None:
        """Nothing is being done."""

    def decided(self, conversation_id: str, decision: ApprovalDecided) -> None:
        """Nothing is being done."""

    def leave(self, conversation_id: str, agent_id: str) -> None:
        """Nothing is being done."""
