"""The interface of persistence: append, load, read and questions; what hosted agents have used, and the agents of operators.

Every call returns a `Future` at once. It fails with `StoreError` where the store cannot answer now. After a failed `append`
the caller loads again before it goes on: nearly always nothing was stored, but a disk can fail after it has written.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .events import StateEvent
    from .files import StoredFile
    from .future import Future
    from .held import HeldMessage, HeldOutcome, HeldPage
    from .message import Reaction
    from .model import Durability, Preferences, State
    from .search import Found, Sought


# A sender has read what they have sent. To write that with each message would cost the writer a third more, so a sender's stored
# position is written when it is this many events behind; the store adds what it finds in so many events after it.
READ_LAG = 64
# Added to the place in the order of activity of what somebody has pinned; both together are exact in JavaScript.
PINNED = 2**52
# Mentions that are counted: a list shows "99+", and each one more would cost.
MOST_MENTIONS = 1000


# What an event is to the message that it names as its `target`; None for an event of the main log. The last edit has content.
Relation = Literal["reply", "edit", "change"]
MESSAGES: frozenset[Relation | None] = frozenset({None, "reply"})


class StoreError(Exception):
    """The store cannot answer now: disk full, locked, unreadable. The text states the cause, for the operator."""


class SearchUnavailableError(StoreError):
    """The store cannot search where it runs; everything else it can."""


class Record(NamedTuple):
    """One event as the log keeps it.

    `messages` counts the messages of the conversation up to and with this event; `salt` belongs to this event alone.
    """

    sequence: int
    at: int
    body: bytes
    salt: bytes
    messages: int
    sender_id: str | None = None  # of a message, and of a change of one: who did it
    key: str | None = None  # of these, where the client gave one
    hash: str | None = None  # as first stored, where the stored form was replaced: the salt is gone
    target: int | None = (
        None  # the sequence of the message that it changes, or replies to in a thread
    )
    relation: Relation | None = None
    mentions: tuple[str, ...] = ()  # only of a record on its way into the store
    run_id: str | None = None  # likewise: the run that this message ends

    @property
    def is_message(self) -> bool:
        """Whether the event is a message, in the main log or in a thread."""
        return self.sender_id is not None and self.relation in MESSAGES


class RunText(NamedTuple):
    """A piece of an open run's text, from `offset` (code points) on. The pieces of a run follow each other without a gap."""

    run_id: str
    offset: int
    text: str


class StoredRun(NamedTuple):
    """A run that the log knows: its agent, the record of its end, or None while it is open, and what it answers for whom."""

    participant_id: str
    end: Record | None
    reply_to: str | None = None
    asked_by: str | None = None


class Rewrite(NamedTuple):
    """Another stored form for an earlier event of the same conversation. Its hash stays, its salt is forgotten.

    `mentioned` are the members whom the message mentions now and did not before, `unmentioned` those whom it no longer mentions.
    """

    sequence: int
    body: bytes
    hash: str
    mentioned: tuple[str, ...] = ()
    unmentioned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one turn to one conversation, all or nothing: its records without a gap, ascending, and read positions.

    `rewrites` replace the stored forms of earlier events. `texts` are what open runs have said since the last such changes.
    The text of a run is forgotten when the run ends. `erased` is the time at which the conversation was deleted, after all else:
    it is there no more for any question, and its id is not free. What it had may be erased a little later.

    `sent_files` are the ids of files with the sequences of the messages that have them from now on. The files of the messages
    whose sequences are in `gone_files` are deleted.

    `number` is 0 where the first record creates the conversation. `state_events` repeats the events that are no messages,
    in order: the store's answers about the conversation follow them. A member's read position is at least the sequence at which
    they joined, and that of their last message, of which `reads` may leave out what `READ_LAG` allows.
    """

    conversation_id: str
    number: int
    records: tuple[Record, ...]
    state_events: tuple[StateEvent, ...] = ()
    reads: Mapping[str, int] | None = None
    texts: tuple[RunText, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    thread_reads: Mapping[tuple[str, int], int] | None = None  # (reader, root) -> sequence
    forced: Mapping[str, int] | None = (
        None  # readers of `reads` who moved back -> the newest event then
    )
    sent_files: tuple[tuple[str, int], ...] = ()
    gone_files: tuple[int, ...] = ()
    erased: int | None = None
    preferences: Mapping[str, Preferences] | None = None  # of members who have changed them
    view: int = 0  # the view of the cluster in which they were decided; 0: there is none


class Target(NamedTuple):
    """A message that commands want to change or reply to: its record, its reactions, and the record of its last edit.

    Only the last edit has its content still; of a deleted message none has.
    """

    record: Record
    reactions: tuple[Reaction, ...] = ()
    edit: Record | None = None


def event_hash(record: Record) -> str:
    """SHA-256 over the event's salt and its first stored form, as hexadecimal digits."""
    if record.hash is not None:
        return record.hash
    return sha256(record.salt + record.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Appended:
    """The changes are stored, as safely as the store's durability says. `number` is the conversation's."""

    number: int


@dataclass(frozen=True, slots=True)
class KeysTaken:
    """Nothing was stored: these (sender, key) pairs were used before, by these records."""

    records: Mapping[tuple[str, str], Record]


class StaleView(NamedTuple):
    """Nothing was stored: the cluster's view is another, that of this number or a newer one."""

    number: int


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive records, ascending. `has_more` is in the direction asked."""

    records: tuple[Record, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a participant's list of conversations. `last_message` is the newest message's record, or None.

    `mention_count` counts the unread messages that mention the participant, up to `MOST_MENTIONS`.
    """

    conversation_id: str
    title: str
    created_at: int
    last_message_at: int | None
    participant_count: int
    unread_count: int
    mention_count: int
    last_message: Record | None
    preferences: Preferences


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of a participant's conversations, pinned ones first, then newest activity first; `total` counts all pages.

    `before` asks for the next page; None where this is the last.
    """

    summaries: tuple[Summary, ...]
    total: int
    before: int | None = None


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """Figures since the start, and the recent commits: (records, seconds) each, newest last."""

    commits: int
    records: int
    waiting: int
    recent: tuple[tuple[int, float], ...] = ()


class RunAccount(NamedTuple):
    """What one run of a hosted agent has used. Times are milliseconds; `cost` is in millionths of the price table's currency."""

    agent_id: str
    conversation_id: str
    run_id: str
    started_at: int  # since the epoch
    asked_by: str | None  # the participant whom it answered
    why: str | None  # the rule by which it was asked: alone, mention, reply, always, regenerate
    status: str  # complete, cancelled, interrupted, failed
    reason: str | None  # why it failed or was interrupted
    first_word: int | None  # after the start; None where it has said nothing
    duration: int
    input_tokens: int
    output_tokens: int
    cost: int
    tool_calls: int = 0


class AccountPage(NamedTuple):
    """Accounts, the run that started last first. `before` asks for the next page; None where this is the last."""

    accounts: tuple[RunAccount, ...]
    before: int | None


class RunTotals(NamedTuple):
    """Sums over runs. `tokens` are input and output together; `cost` and `duration` as in `RunAccount`.

    `runs` are those with tokens: one that was refused, and so told nobody anything, is none.
    """

    runs: int
    tokens: int
    cost: int
    duration: int


class Report(NamedTuple):
    """A member's report of a message. `position` orders the reports, 0 before it is stored; `closed_at` is None while open."""

    position: int
    conversation_id: str
    sequence: int
    reporter_id: str
    reason: str
    at: int
    closed_at: int | None = None
    closed_by: str | None = None
    outcome: str | None = None


class ReportPage(NamedTuple):
    """Reports, the newest first. `before` asks for the next page; None where this is the last."""

    reports: tuple[Report, ...]
    before: int | None


class Store(Protocol):
    """The log. A conversation has one `append` under way at a time; different conversations may append at once."""

    @property
    def durability(self) -> Durability:
        """The durability that a receipt promises."""

    @property
    def epoch(self) -> str:
        """The log's id; it changes when the log is restored from an older copy."""

    def append(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        """Store the changes; the outcome follows once they are stored. `StaleView` comes only where they name a view."""

    def load(self, conversation_id: str) -> Future[State | None]:
        """The conversation's state after its events, or None."""

    def read(
        self, number: int, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Future[Page]:
        """Up to `limit` records with after < sequence < before: the first of them, or with `before` alone the last."""

    def messages_after(self, number: int, sequence: int) -> Future[int]:
        """The number of messages after a sequence: the unread messages of a reader at that position."""

    def mentions_after(self, number: int, participant_id: str, sequence: int) -> Future[int]:
        """The number of messages after a sequence that mention a participant, up to `MOST_MENTIONS`."""

    def senders_among(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, str]]:
        """The senders' ids of those of the sequences whose events are messages."""

    def targets(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, Target]]:
        """Those of the sequences whose events are messages, with what was done to them."""

    def thread(
        self,
        number: int,
        root: int,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> Future[Page]:
        """The replies in a message's thread, paged as `read` does."""

    def thread_read(self, number: int, root: int, participant_id: str) -> Future[int]:
        """How far a participant has read a thread: a sequence, 0 where they have not."""

    def thread_unread(self, number: int, root: int, participant_id: str) -> Future[int]:
        """The number of replies in a thread that a participant has not read, without deleted ones, up to `MOST_MENTIONS`."""

    def keys_among(
        self, number: int, names: Sequence[tuple[str, str]]
    ) -> Future[Mapping[tuple[str, str], Record]]:
        """Those of the (sender, key) pairs that were used before, with the records that used them: as `KeysTaken` names them."""

    def runs_among(self, number: int, run_ids: Sequence[str]) -> Future[Mapping[str, StoredRun]]:
        """Those of the runs that were ever started, by id."""

    def with_open_runs(self) -> Future[tuple[str, ...]]:
        """The ids of the conversations that have open runs."""

    def listing(
        self,
        participant_id: str,
        *,
        limit: int,
        offset: int = 0,
        before: int | None = None,
        archived: bool | None = False,
        only: frozenset[str] | None = None,
    ) -> Future[Listing]:
        """A page of the conversations that a participant is a member of: without archived ones, only these, or with None all.

        `only` are the ids of the only conversations to list, None for all.

        `before` is what the page before this one gave, a place in the order of activity: whatever is said meanwhile, no
        conversation is on two such pages, and only one that has had something new since is on none. `offset` counts from there.
        """

    def conversation_of(self, invite_id: str) -> Future[str | None]:
        """The id of the conversation that an invite leads into, also after its end; None for one that never was."""

    def search(self, sought: Sought) -> Future[Found]:
        """A page of the messages that match, of what the reader may read now; every message committed before is looked at.

        Fails with `SearchUnavailableError` where the store cannot search at all.
        """

    def save_account(self, account: RunAccount) -> Future[None]:
        """Store what a run has used. A run that has an account keeps the first: to save again after a failure counts once.

        An account that cannot be stored fails alone: no append fails for it.
        """

    def accounts(
        self,
        *,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Future[AccountPage]:
        """Up to `limit` accounts of all runs, or of an agent's, a conversation's or both; `limit` is at least 1.

        `before` is what the page before this one gave: a place in the order by start and, of the same start, by storing. So
        pages show each account once, however many started in the same millisecond and whatever is stored meanwhile.
        """

    def run_totals(
        self,
        agent_id: str,
        *,
        since: int,
        asked_by: str | None = None,
        conversation_id: str | None = None,
    ) -> Future[RunTotals]:
        """The sums over an agent's runs that started at `since` or later, of those for one person or in one conversation.

        Sums are exact up to 2^53. The runs of a person or a conversation are found by index, whatever others have asked.
        """

    def save_agent(self, agent_id: str, settings: str | None) -> Future[None]:
        """Store the settings, JSON text, of an agent that operators made, in place of what it had; None deletes the agent."""

    def agents(self) -> Future[Mapping[str, str]]:
        """The settings of the agents that operators made, by id, in the order of the ids."""

    def save_report(self, report: Report) -> Future[Report]:
        """Store a report, once for each message and reporter; the one that is stored then."""

    def report(self, position: int) -> Future[Report | None]:
        """The report at a position."""

    def reports(
        self, *, is_open: bool = True, before: int | None = None, limit: int = 100
    ) -> Future[ReportPage]:
        """Up to `limit` reports that are open, or that are closed, the newest first."""

    def close_report(
        self, position: int, *, by: str, outcome: str, at: int
    ) -> Future[Report | None]:
        """Close a report. One that is closed stays as it was; None where there is none."""

    def files_among(self, number: int, file_ids: Sequence[str]) -> Future[Mapping[str, StoredFile]]:
        """Those of the files that are or were in a conversation, by id, each with the key of its message."""

    def hold(self, held: HeldMessage) -> Future[HeldMessage | None]:
        """Store a message that waits for a decision, once for each sender and key; what is stored then.

        None where its conversation is deleted.
        """

    def held(self, position: int) -> Future[HeldMessage | None]:
        """The held message at a position."""

    def held_count(self, sender_id: str) -> Future[int]:
        """How many of a sender's messages wait for a decision."""

    def held_messages(
        self,
        *,
        is_open: bool = True,
        number: int | None = None,
        sender_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Future[HeldPage]:
        """Up to `limit` held messages that wait, or that were decided, the newest first; of a conversation, a sender or all."""

    def close_held(
        self, position: int, *, by: str, outcome: HeldOutcome, why: str | None, at: int
    ) -> Future[HeldMessage | None]:
        """Note what was decided about a held message, whose text is forgotten. One that is decided stays as it was.

        One that is claimed is not denied.
        """

    def claim_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """Note that a held message is being posted, under another name each time; as it is then. One that is decided stays."""

    def release_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """Note that it is not posted, unless somebody else has claimed it since."""

    def statistics(self) -> StoreStatistics:
        """Figures for operators; never waits."""
