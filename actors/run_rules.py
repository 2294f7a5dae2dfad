"""The rules of runs: who may start, extend, end and cancel one, and what it leaves behind.

A run ends once: in the message that holds all it has said or, where nothing was said, in `RunFailed`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .blank import is_blank
from .events import Posted, RunFailed, RunStarted
from .member_rules import silenced
from .mentions import mentioned
from .refusals import Code, Refusal
from .rights import may

if TYPE_CHECKING:
    from .limits import Limits
    from .model import FailureReason, MessageStatus, Run, State
    from .run_messages import (
        CancelRun,
        DecideApproval,
        EndRun,
        ExtendRun,
        RegenerateRun,
        SetRunState,
        StartRun,
    )

LONGEST = 1_000_000  # code points of a run where messages have no limit: it is all in memory
# The reason of a run that says nothing and gives none.
SILENT: dict[MessageStatus, FailureReason] = {
    "complete": "upstream",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
}


def start(state: State, command: StartRun, at: int, limits: Limits) -> RunStarted | Run | Refusal:
    """Begin a run; a run of this agent that is open already is given as it is."""
    sender = command.sender
    member = state.members.get(sender.id)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT)
    if sender.type != "agent" or not may(state, member, "post"):
        return Refusal(Code.FORBIDDEN)
    refusal = silenced(state, sender.id, at)
    if refusal is not None:
        return refusal
    there = state.runs.get(command.run_id)
    if there is not None:
        return there if there.participant_id == sender.id else Refusal(Code.KEY_REUSED)
    own = sum(run.participant_id == sender.id for run in state.runs.values())
    if 0 < limits.open_runs <= own:
        return Refusal(Code.TOO_MANY_RUNS, {"limit": limits.open_runs}, scope="participant")
    return RunStarted(
        state.id, state.head + 1, at, command.run_id, sender.id, reply_to=command.reply_to
    )


def extend(state: State, command: ExtendRun, at: int, limits: Limits) -> Run | Refusal:
    """Add to a run's text. What the run has already is not added twice; a gap is refused."""
    run = _own(state, command)
    if isinstance(run, Refusal):
        return run
    here, new = len(run.text) - command.offset, command.text
    if here:  # mostly an agent goes on where it was
        known, new = command.text[: max(here, 0)], command.text[max(here, 0) :]
        if here < 0 or not run.text.startswith(known, command.offset):
            return _mismatch(run)
    size, most = len(run.text) + len(new), limits.max_message_size or LONGEST
    if size > most:
        return Refusal(
            Code.MESSAGE_TOO_LARGE, {"run_id": run.id, "actual_size": size, "max_size": most}
        )
    # An agent that speaks waits for nobody.
    return run._replace(text=run.text + new, approval=None) if new else run


def note(state: State, command: SetRunState, at: int, limits: Limits) -> Run | Refusal:
    """The run whose agent shows what it is doing; what it waits for is asked of people."""
    run = _own(state, command)
    if isinstance(run, Refusal):
        return run
    before, asked = run.approval, command.approval
    if before is not None and asked is not None and before[:3] == asked[:3]:
        return run  # asked again, by an agent that may not have heard the decision
    return run if before is asked else run._replace(approval=asked)


def approve(state: State, command: DecideApproval, at: int, limits: Limits) -> Run | Refusal:
    """The run that goes on once a person has decided about its tool call: who asked, or an owner; no agent or observer."""
    member = state.members.get(command.sender.id)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT)
    run = state.runs.get(command.run_id)
    if run is None:
        return Refusal(Code.RUN_NOT_FOUND, {"run_id": command.run_id})
    asked_it = command.sender.id == run.asked_by and member.role != "observer"
    concerned = member.role == "owner" or asked_it
    if command.sender.type != "human" or not concerned:
        return Refusal(Code.FORBIDDEN)
    asked = run.approval
    # The same decision again changes nothing, another one comes too late.
    known = asked is not None and asked.id == command.approval_id
    if asked is None or not known or asked.approved not in (None, command.approved):
        return Refusal(Code.APPROVAL_NOT_FOUND, {"approval_id": command.approval_id})
    if asked.approved is not None:
        return run
    decided = asked._replace(approved=command.approved, decided_by=command.sender.id)
    return run._replace(approval=decided)


def end(state: State, command: EndRun, at: int, limits: Limits) -> Posted | RunFailed | Refusal:
    """End a run as its agent asks."""
    run = _own(state, command)
    if isinstance(run, Refusal):
        return run
    if command.offset is not None and command.offset != len(run.text):
        return _mismatch(run)
    ended = ended_by(state, run, at, command.status, command.reason, command.retry_after)
    if isinstance(ended, Posted):
        return ended._replace(
            usage=command.usage, metadata=command.metadata, results=command.results
        )
    return ended


def cancel(
    state: State, command: CancelRun, at: int, limits: Limits
) -> Posted | RunFailed | Refusal:
    """End a run for the person it answers, for an owner, for its agent, or for an operator."""
    member = state.members.get(command.sender.id)
    if member is None and not command.by_operator:
        return Refusal(Code.NOT_PARTICIPANT)
    run = state.runs.get(command.run_id)
    if run is None:
        return Refusal(Code.RUN_NOT_FOUND, {"run_id": command.run_id})
    concerned = command.sender.id in (run.asked_by, run.participant_id)
    owner = member is not None and member.role == "owner"
    if not (owner or concerned or command.by_operator):
        return Refusal(Code.FORBIDDEN)
    return ended_by(state, run, at, "cancelled")


def not_ended(state: State, command: RegenerateRun, at: int, limits: Limits) -> Refusal:
    """Only a run that has ended is answered anew; the turn knows those."""
    if command.sender.id not in state.members:
        return Refusal(Code.NOT_PARTICIPANT)
    if command.run_id in state.runs:
        facts = {"problem": "the run is still open: cancel it first", "run_id": command.run_id}
        return Refusal(Code.INVALID_FORMAT, facts)
    return Refusal(Code.RUN_NOT_FOUND, {"run_id": command.run_id})


def ended_by(
    state: State,
    run: Run,
    at: int,
    status: MessageStatus,
    reason: FailureReason | None = None,
    retry_after: float | None = None,
) -> Posted | RunFailed:
    """The event that ends the run: a message of what was said or, if that is blank, the failure."""
    if is_blank(run.text):
        reason = reason or SILENT[status]
        temporary = reason != "cancelled"
        return RunFailed(
            state.id,
            state.head + 1,
            at,
            run.id,
            run.participant_id,
            reason,
            temporary,
            retry_after if temporary else None,
        )
    return Posted(
        state.id,
        state.head + 1,
        at,
        state.members[run.participant_id].participant,
        run.text,
        reply_to=run.reply_to,
        mentions=mentioned(state.members, run.text),
        run_id=run.id,
        status=status,
        thread_id=run.thread_id,
    )


def _own(state: State, command: ExtendRun | SetRunState | EndRun) -> Run | Refusal:
    run = state.runs.get(command.run_id)
    if command.sender.id not in state.members:
        return Refusal(Code.NOT_PARTICIPANT)
    if run is None:
        return Refusal(Code.RUN_NOT_FOUND, {"run_id": command.run_id})
    return run if run.participant_id == command.sender.id else Refusal(Code.FORBIDDEN)


def _mismatch(run: Run) -> Refusal:
    return Refusal(Code.OFFSET_MISMATCH, {"run_id": run.id, "expected_offset": len(run.text)})
