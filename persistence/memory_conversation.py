"""One conversation of the memory store: its log, and what the store answers about it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salon.actors.events import Deleted, Edited, Joined, ReactionAdded, ReactionRemoved
from salon.actors.message import Reaction
from salon.actors.model import Preferences, State
from salon.actors.posted import sequence_of
from salon.actors.rights import first_readable
from salon.actors.store import MOST_MENTIONS, PINNED, Record, StoredRun, Summary, Target

if TYPE_CHECKING:
    from salon.actors.events import RunStarted, StateEvent
    from salon.actors.store import Rewrite


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
    reactions: dict[int, dict[str, list[str]]] = field(default_factory=dict)  # of each message
    joined: dict[str, int] = field(default_factory=dict)  # later members -> sequence
    edits: dict[int, int] = field(default_factory=dict)  # message -> its last edit
    deletions: list[int] = field(default_factory=list)  # sequences of the main log
    deleted: set[int] = field(default_factory=set)  # of all messages
    thread_reads: dict[tuple[int, str], int] = field(default_factory=dict)  # (root, reader)

    def rewrite(self, rewrite: Rewrite) -> None:
        """Replace the stored form of an event."""
        sequence = rewrite.sequence
        record = self.records[sequence - 1]
        again = record._replace(body=rewrite.body, hash=rewrite.hash, salt=b"")
        self.records[sequence - 1] = again
        if record.key is not None:
            self.keys[record.sender_id, record.key] = again
        for participant_id in rewrite.mentioned:
            insort(self.mentions.setdefault(participant_id, []), sequence)
        for participant_id in rewrite.unmentioned:
            self.mentions[participant_id].remove(sequence)

    def erase(self) -> None:
        """Forget all but the places of its events, which are not used again."""
        self.state = State(self.state.id, self.state.number)
        self.records = [Record(each.sequence, each.at, b"", b"", 0) for each in self.records]
        self.deletions = []
        everything = self.keys, self.mentions, self.runs, self.ends, self.reactions, self.edits
        for kept in (*everything, self.deleted, self.thread_reads):
            kept.clear()

    def note_change(self, event: StateEvent) -> None:
        """Keep what a change of a message means outside of the log."""
        match event:
            case Joined():
                self.joined[event.participant.id] = event.sequence
            case Edited():
                self.edits[sequence_of(event.message_id)] = event.sequence
            case Deleted():
                sequence = sequence_of(event.message_id)
                self.reactions.pop(sequence, None)
                self.deleted.add(sequence)
                if self.records[sequence - 1].relation is None:
                    insort(self.deletions, sequence)
            case ReactionAdded():
                given = self.reactions.setdefault(sequence_of(event.message_id), {})
                given.setdefault(event.emoji, []).append(event.by)
            case ReactionRemoved():
                given = self.reactions[sequence_of(event.message_id)]
                given[event.emoji].remove(event.by)
                if not given[event.emoji]:
                    del given[event.emoji]


def messages_after(conversation: Conversation, sequence: int) -> int:
    """The number of messages after a sequence that are not deleted."""
    records = conversation.records
    so_far = records[min(sequence, len(records)) - 1].messages if records and sequence > 0 else 0
    if not records:
        return 0
    deleted = len(conversation.deletions) - bisect_right(conversation.deletions, sequence)
    return records[-1].messages - so_far - deleted


def target(conversation: Conversation, sequence: int) -> Target | None:
    """The message with a sequence, and what was done to it."""
    records = conversation.records
    if not 0 < sequence <= len(records) or not records[sequence - 1].is_message:
        return None
    given = conversation.reactions.get(sequence, {})
    last = conversation.edits.get(sequence)
    edit = None if last is None else records[last - 1]
    return Target(
        records[sequence - 1],
        tuple(Reaction(emoji, tuple(who)) for emoji, who in given.items()),
        None if edit is None or edit.hash is not None else edit,
    )


def mentions_after(conversation: Conversation, participant_id: str, sequence: int) -> int:
    """The number of messages after a sequence that mention a participant, up to `MOST_MENTIONS`."""
    sequences = conversation.mentions.get(participant_id, [])
    return min(MOST_MENTIONS, len(sequences) - bisect_right(sequences, sequence))


def stored_run(conversation: Conversation, run_id: str) -> StoredRun:
    """A run that was started."""
    run, end = conversation.runs[run_id], conversation.ends.get(run_id)
    record = None if end is None else conversation.records[end - 1]
    return StoredRun(run.participant_id, record, run.reply_to, run.asked_by)


def kept_by(conversation: Conversation, participant_id: str) -> Preferences:
    """How a participant keeps it for themselves."""
    return conversation.state.preferences.get(participant_id, Preferences())


def place_for(conversation: Conversation, participant_id: str) -> int:
    """Its place in the order of a participant's list: pinned ones come first."""
    return conversation.newest + PINNED * kept_by(conversation, participant_id).pinned


def summary(conversation: Conversation, participant_id: str) -> Summary:
    """Its line in a participant's list."""
    state, records = conversation.state, conversation.records
    newest = None
    if state.messages:
        newest = records[bisect_left(records, state.messages, key=lambda record: record.messages)]
    oldest = first_readable(state, state.members[participant_id])
    if newest is not None and newest.sequence < oldest:
        newest = None
    read = state.reads.get(participant_id, 0)
    return Summary(
        state.id,
        state.title,
        state.created_at,
        None if newest is None else newest.at,
        len(state.members),
        messages_after(conversation, read),
        mentions_after(conversation, participant_id, read),
        newest,
        kept_by(conversation, participant_id),
    )
