"""Every command about the answers of agents, and where a run is, which is what they are answered with.

Times are whole milliseconds since the Unix epoch, UTC. `usage`, `metadata` and `results` are JSON text, checked at the edge and
carried unopened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from .model import (
        Approval,
        Durability,
        FailureReason,
        MessageStatus,
        Participant,
        RunState,
        Steering,
        Trigger,
    )


@dataclass(frozen=True, slots=True)
class StartRun:
    """Begin a run. The same `run_id` from the same agent is the same run, for ever; the answer says where it is."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    reply_to: str | None = None


class _ExtendRun(NamedTuple):
    conversation_id: str
    sender: Participant
    run_id: str
    offset: int
    text: str


class ExtendRun(_ExtendRun):
    """Say more in a run. `offset` counts the code points said before; what is there already changes nothing."""

    __slots__ = ()
    is_command: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SetRunState:
    """Show what a run is doing while it says nothing."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    state: RunState
    label: str | None = None
    approval: Approval | None = None  # only with the state `waiting_for_approval`


@dataclass(frozen=True, slots=True)
class DecideApproval:
    """Allow the tool call that a run waits for, or refuse it: as the person whom the run answers, or an owner."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    approval_id: str
    approved: bool


@dataclass(frozen=True, slots=True)
class EndRun:
    """End a run: what it has said becomes the message, or it has failed, for `reason`, if nothing was said.

    `results` are what the answer points to, as JSON text; a message has them, a failure has not.
    `offset`, if given, counts the code points that were said: a run that lacks some of them does not end.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    status: MessageStatus = "complete"
    offset: int | None = None
    usage: str | None = None
    metadata: str | None = None
    reason: FailureReason | None = None
    retry_after: float | None = None
    results: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRun:
    """End a run for the person it answers, or an owner; its agent may, too. What it has said becomes the message.

    `by_operator` is true for an operator of the server, who need not be a member.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    by_operator: bool = False


@dataclass(frozen=True, slots=True)
class RegenerateRun:
    """Ask the agent of a run for another answer to the same message."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    new_run_id: str


@dataclass(frozen=True, slots=True)
class UpdateAgent:
    """Set which messages an agent is asked to answer, and how it is steered. None leaves a setting as it is."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    trigger: Trigger | None = None
    agents_may_call: int | None = None
    steering: Steering | None = None


RunCommand = (
    StartRun | ExtendRun | SetRunState | DecideApproval | EndRun | CancelRun | RegenerateRun
)
RUN_COMMANDS = frozenset(get_args(RunCommand))


class RunReceipt(NamedTuple):
    """Where a run is. `offset` counts the code points that it has said, `sequence` is that of its newest event.

    `duplicate` is true where the command changed nothing. `approved` is what people have decided about the tool call that the run
    waits for, as long as it has not gone on. `message_id` and `event_hash` are those of a message that ended it.
    """

    conversation_id: str
    run_id: str
    status: Literal["open", "complete", "cancelled", "interrupted", "failed"]
    offset: int
    sequence: int
    at: int
    durability: Durability
    message_id: str | None = None
    event_hash: str | None = None
    reason: FailureReason | None = None
    duplicate: bool = False
    approved: bool | None = None


class RunExtended(RunReceipt):
    """The receipt of more text. Over HTTP it is the answer; a socket hears only of refusals, or each token would have an echo."""

    __slots__ = ()
