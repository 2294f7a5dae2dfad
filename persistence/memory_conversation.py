"""One conversation of the memory store: its log, and what the store answers about it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salon.actors.store import MOST_MENTIONS, StoredRun, Summary

if TYPE_CHECKING:
    from salon.actors.events import RunStarted
    from salon.actors.model import State
    from salon.actors.store import Record


@dataclass(slots=True)
class Conversation:
    """A conversation's log: the record with sequence n is at index n - 1."""

    state: State
    records: list[Record] = field(default_factory=list)
    keys: dict[tuple[str | None, str], Record] = field(default_factory=dict)
    mentions: dict[str, list[int]] = field(default_factory=dict)  # participant id -> sequences
    runs: dict[str, RunStarted] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)  # run id -> sequence
    newest: int = 0  # order of its last change among all conversations


def messages_after(records: list[Record], sequence: int) -> int:
    """The number of messages after a sequence."""
    so_far = records[min(sequence, len(records)) - 1].messages if records and sequence > 0 else 0
    return records[-1].messages - so_far if records else 0


def mentions_after(conversation: Conversation, participant_id: str, sequence: int) -> int:
    """The number of messages after a sequence that mention a participant, up to `MOST_MENTIONS`."""
    sequences = conversation.mentions.get(participant_id, [])
    return min(MOST_MENTIONS, len(sequences) - bisect_right(sequences, sequence))


def stored_run(conversation: Conversation, run_id: str) -> StoredRun:
    """A run that was started."""
    run, end = conversation.runs[run_id], conversation.ends.get(run_id)
    record = None if end is None else conversation.records[end - 1]
    return StoredRun(run.participant_id, record, run.reply_to, run.asked_by)


def summary(conversation: Conversation, participant_id: str) -> Summary:
    """Its line in a participant's list."""
    state, records = conversation.state, conversation.records
    newest = None
    if state.messages:
        newest = records[bisect_left(records, state.messages, key=lambda record: record.messages)]
    read = state.reads.get(participant_id, 0)
    return Summary(
        state.id,
        state.title,
        state.created_at,
        None if newest is None else newest.at,
        len(state.members),
        messages_after(records, read),
        mentions_after(conversation, participant_id, read),
        newest,
    )
