"""The decisions of one turn about runs and agents. Most turns have none, and need no such object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from . import rules, run_rules
from .events import Posted, RunFailed, RunStarted
from .model import Run
from .refusals import Code, Refusal
from .requests import Judgement, judged
from .run_messages import (
    CancelRun,
    DecideApproval,
    ExtendRun,
    RegenerateRun,
    RunExtended,
    RunReceipt,
    SetRunState,
    StartRun,
)
from .signals import ApprovalDecided, RunRequested, RunStatus
from .store import event_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .events import Event, StateEvent
    from .limits import Limits
    from .model import Durability, State
    from .runs import Overdue
    from .store import Record


class EndedRun(NamedTuple):
    """A run that has ended: its agent, what it answered and for whom, and the receipt of its end."""

    participant_id: str
    reply_to: str | None
    asked_by: str | None
    receipt: RunReceipt


class Draft(Protocol):
    """The turn, as its decisions about runs see it."""

    state: State
    at: int
    limits: Limits
    durability: Durability
    state_events: list[StateEvent]

    def record(self, event: Event) -> Record:
        """Apply an event, and record it."""

    def said(self, event: Posted) -> None:
        """Note that a message was recorded: its sender has read up to it, its thread has a reply more."""

    def thread_of(self, message_id: str) -> str | None:
        """The thread in which a message is a reply; None for any other."""

    def sender_of(self, sequence: int) -> str | None:
        """The sender's id of the message with this sequence; None for an event that is no message."""


def run_receipt(event: Posted | RunFailed, record: Record, durability: Durability) -> RunReceipt:
    """The receipt of a run that has ended with this event."""
    assert event.run_id is not None, "only the message of a run ends it"
    receipt = RunReceipt(
        event.conversation_id,
        event.run_id,
        "failed",
        0,
        record.sequence,
        record.at,
        durability,
    )
    if isinstance(event, RunFailed):
        return receipt._replace(reason=event.reason)
    return receipt._replace(
        status=event.status or "complete",
        offset=len(event.content),
        message_id=event.message_id,
        event_hash=event_hash(record),
    )


class RunTurn:
    """What a turn does to runs. `ended` are the ended runs that its commands name."""

    __slots__ = (
        "_draft",
        "_ended",
        "approvals",
        "begun",
        "closed",
        "ends",
        "judgements",
        "requests",
        "statuses",
    )

    def __init__(self, draft: Draft, ended: Mapping[str, EndedRun]) -> None:
        self.closed: list[tuple[Run, str | None]] = []  # runs that ended, and who ended them
        self.ends: list[Posted | RunFailed] = []  # how they ended
        self.begun: list[RunStarted | Posted] = []  # runs that began, and messages of agents
        self.statuses: dict[str, RunStatus] = {}
        self.approvals: list[tuple[str, ApprovalDecided]] = []  # with the agents' ids
        self.judgements: list[Judgement] = []
        self.requests: list[
            tuple[str, RunRequested, str]
        ] = []  # with the agents' ids, and who asks
        self._draft = draft
        self._ended = dict(ended)

    def release(self) -> None:
        """Release the turn, once all is decided: the two would keep each other alive until the garbage is collected."""
        del self._draft

    def decide(self, command: Any) -> RunReceipt | RunRequested | Refusal:
        """The outcome of a command about a run."""
        ended, draft = self._ended.get(command.run_id), self._draft
        if ended is not None:
            return self._over(command, ended)
        decision = rules.decide(draft.state, command, draft.at, draft.limits, draft.sender_of)
        match decision:
            case RunStarted():
                if decision.reply_to is not None:
                    decision = replace(decision, thread_id=draft.thread_of(decision.reply_to))
                draft.state_events.append(decision)
                draft.record(decision)
                self.begun.append(decision)
                return self._position(draft.state.runs[decision.run_id])
            case Posted(run_id=str(run_id)) | RunFailed(run_id=run_id):
                return self._close(draft.state.runs[run_id], decision, command.sender.id)
            case Run():
                return self._go_on(command, decision)
            case Refusal():
                return decision
        raise TypeError(f"a command about a run does not lead to {type(decision).__name__}")

    def end_overdue(self, overdue: Iterable[Overdue]) -> None:
        """End the runs whose time is up."""
        for run_id, reason in overdue:
            self._end(self._draft.state.runs[run_id], "interrupted", None, reason)

    def leave(self, participant_id: str) -> None:
        """End the runs of an agent who is about to leave."""
        for run in list(self._draft.state.runs.values()):
            if run.participant_id == participant_id:
                self._end(run, "interrupted", participant_id)

    def judge(self, event: Posted, replied_to: str | None) -> None:
        """Find the agents that are asked to answer a message."""
        state = self._draft.state
        if event.sender.type == "agent":
            self.begun.append(event)
        for judgement, request in list(judged(event, state, replied_to)):
            self.judgements.append(judgement)
            if request is not None:
                self.requests.append((judgement.agent_id, request, event.sender.id))
                if state.members[judgement.agent_id].steering == "restart":
                    self._cancel_answers(judgement.agent_id, event.sender.id)

    def _cancel_answers(self, agent_id: str, asked_by: str) -> None:
        """End the answers that an agent is giving to somebody who has asked something else meanwhile."""
        for run in list(self._draft.state.runs.values()):
            if (run.participant_id, run.asked_by) == (agent_id, asked_by):
                self._end(run, "cancelled", asked_by)

    def _end(self, run: Run, status: Any, by: str | None, reason: Any = None) -> None:
        draft = self._draft
        if run.id in draft.state.runs:  # else the end of another one has ended it, too
            self._close(run, run_rules.ended_by(draft.state, run, draft.at, status, reason), by)

    def _close(self, run: Run, event: Posted | RunFailed, by: str | None) -> RunReceipt:
        """Record the end of a run. Its agent has read everything up to its own message, as every sender."""
        draft = self._draft
        record = draft.record(event)
        self.closed.append((run, by))
        self.ends.append(event)
        self.statuses.pop(run.id, None)
        receipt = run_receipt(event, record, draft.durability)
        self._ended[run.id] = EndedRun(run.participant_id, run.reply_to, run.asked_by, receipt)
        if isinstance(event, Posted):
            draft.said(event)
            self.judge(event, run.asked_by)
        else:
            draft.state_events.append(event)
        return receipt

    def _go_on(self, command: Any, run: Run) -> RunReceipt:
        """An open run, as the command leaves it."""
        state = self._draft.state
        before = state.runs[run.id]
        if run is not before:
            state.runs = {**state.runs, run.id: run}
        asked = isinstance(command, SetRunState) and command.approval is not None
        if asked and run.approval is not None and run.approval.approved is not None:
            self._tell_decision(run)  # once more: the agent had no connection then
        elif asked and run is before:
            pass  # the readers have the question
        elif isinstance(command, SetRunState):
            self.statuses[run.id] = RunStatus(
                run.id, command.state, command.label, command.approval
            )
        elif run is not before:
            self.statuses.pop(run.id, None)
            if isinstance(command, DecideApproval):
                self._tell_decision(run)
        position = self._position(run, duplicate=run is before)
        return RunExtended(*position) if isinstance(command, ExtendRun) else position

    def _tell_decision(self, run: Run) -> None:
        """Tell the agent, and show the readers that nobody has to decide any more."""
        asked = run.approval
        assert asked is not None, "it was decided"
        assert asked.decided_by is not None, "by somebody"
        allowed = bool(asked.approved)
        signal = ApprovalDecided(run.id, asked.id, allowed, asked.decided_by)
        self.approvals.append((run.participant_id, signal))
        status = RunStatus(run.id, "tool", asked.tool) if allowed else RunStatus(run.id, "thinking")
        self.statuses[run.id] = status

    def _position(self, run: Run, *, duplicate: bool = False) -> RunReceipt:
        draft = self._draft
        return RunReceipt(
            draft.state.id,
            run.id,
            "open",
            len(run.text),
            run.sequence,
            run.started_at,
            draft.durability,
            duplicate=duplicate,
            approved=None if run.approval is None else run.approval.approved,
        )

    def _over(self, command: Any, run: EndedRun) -> RunReceipt | RunRequested | Refusal:
        """The answer to a command about a run that has ended: its receipt again, but nothing can be added."""
        receipt = run.receipt
        if isinstance(command, RegenerateRun):
            return self._regenerate(command, run)
        by_operator = isinstance(command, CancelRun) and command.by_operator
        if not by_operator and command.sender.id not in self._draft.state.members:
            return Refusal(Code.NOT_PARTICIPANT)
        if isinstance(command, ExtendRun | SetRunState | DecideApproval):
            return Refusal(Code.RUN_ENDED, {"run_id": receipt.run_id, "run_status": receipt.status})
        if isinstance(command, StartRun) and command.sender.id != run.participant_id:
            return Refusal(Code.KEY_REUSED)
        return receipt._replace(duplicate=True)

    def _regenerate(self, command: RegenerateRun, run: EndedRun) -> RunRequested | Refusal:
        members = self._draft.state.members
        member = members.get(command.sender.id)
        if member is None:
            return Refusal(Code.NOT_PARTICIPANT)
        # An agent that is an owner answers for itself only: a person's message may have called a tool.
        owner = member.role == "owner" and command.sender.type == "human"
        if not owner and command.sender.id != run.asked_by:
            return Refusal(Code.FORBIDDEN)
        if run.reply_to is None or run.participant_id not in members:
            facts = {"problem": "the run answered no message, or its agent has left"}
            return Refusal(Code.INVALID_FORMAT, facts)
        request = RunRequested(command.new_run_id, run.reply_to, (), "regenerate")
        self.requests.append((run.participant_id, request, command.sender.id))
        return request
