"""The rows of a group of changes, gathered so that few statements write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from salon.actors.events import (
    REMOVED,
    AgentUpdated,
    Created,
    Deleted,
    Edited,
    Introduced,
    Joined,
    Left,
    Pinned,
    ReactionAdded,
    ReactionRemoved,
    RunFailed,
    RunStarted,
    Unpinned,
    Updated,
)
from salon.actors.member_events import Banned, JoinRequested, Removed
from salon.actors.posted import sequence_of

from . import files
from .accounts import SAVE
from .erasing import hide
from .keys import place_of
from .member_rows import (
    LEAVE,
    MEMBER_EVENTS,
    rule_columns,
    write_entry,
    write_member_event,
    write_rules,
)
from .rows import Rows
from .transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from salon.actors.events import StateEvent
    from salon.actors.store import Changes, Rewrite, RunAccount

    from .connection import Connection
# OR ROLLBACK: without it SQLite would keep a copy of every page that the statement changes, to undo the statement alone.
# The subquery checks the keys: a key that was used before gives a salt of NULL, which the table refuses.
_EVENTS = (
    "INSERT OR ROLLBACK INTO events (conversation, sequence, at, body, salt, messages, sender_id, key) "
    "SELECT column1, column2, column3, column4, {salt}, column6, column7, column8 "
    "FROM {{values}} WHERE column1 > 0"
)
# The same where one of the events belongs to an earlier message, or is not stored in its first form.
_RELATED = (
    "INSERT OR ROLLBACK INTO events "
    "(conversation, sequence, at, body, salt, messages, sender_id, key, hash, target, relation) "
    "SELECT column1, column2, column3, column4, {salt}, column6, column7, column8, column10, column11, column12 "
    "FROM {{values}} WHERE column1 > 0"
)
_CHECK = (
    "CASE WHEN EXISTS (SELECT 1 FROM keys WHERE conversation = column1 AND digest = column9) "
    "THEN NULL ELSE column5 END"
)
_CHECKED = Rows(_EVENTS.format(salt=_CHECK), "iiibbitti")
_UNCHECKED = Rows(_EVENTS.format(salt="column5"), "iiibbitti")
_CHECKED_RELATED = Rows(_RELATED.format(salt=_CHECK), "iiibbittitit")
_UNCHECKED_RELATED = Rows(_RELATED.format(salt="column5"), "iiibbittitit")
_REWRITES = Rows(
    "UPDATE events SET body = column3, hash = column4, salt = x'' FROM {values} "
    "WHERE column1 > 0 AND conversation = column1 AND sequence = column2",
    "iibt",
)
# In the order of the primary key and with its types: else SQLite would read all mentions.
_UNMENTIONED = Rows(
    "DELETE FROM mentions WHERE (participant, conversation, sequence) IN "
    "(SELECT CAST(column2 AS TEXT), CAST(column1 AS INTEGER), CAST(column3 AS INTEGER) "
    "FROM {values} WHERE column1 > 0)",
    "iti",
)
_THREAD_READS = Rows(
    "INSERT INTO thread_reads (conversation, root, participant, read_sequence) "
    "SELECT column1, column2, column3, column4 FROM {values} WHERE column1 > 0 "
    "ON CONFLICT (conversation, root, participant) "
    "DO UPDATE SET read_sequence = max(thread_reads.read_sequence, excluded.read_sequence)",
    "iiti",
)
_CONVERSATIONS = Rows(
    "INSERT OR ROLLBACK INTO conversations (number, id, title, mode, sites, enable_ai, "
    "join_policy, members_invite, share_reads, metadata, created_at, permissions, history, slow_mode, direct, "
    "retention) SELECT * FROM {values} WHERE column1 > 0",
    "ittttitiitittiii",
)
_MEMBERS = Rows(
    "INSERT OR ROLLBACK INTO members "
    "(conversation, participant, name, type, role, joined_at, invited_by, place, introduced) "
    "SELECT * FROM {values} WHERE column1 > 0",
    "ittttitii",
)
_MENTIONS = Rows(
    "INSERT OR ROLLBACK INTO mentions (conversation, participant, sequence) "
    "SELECT * FROM {values} WHERE column1 > 0",
    "iti",
)
_RUNS = Rows(
    "INSERT OR ROLLBACK INTO runs "
    "(conversation, run_id, participant, started, started_at, reply_to, asked_by, thread_id) "
    "SELECT * FROM {values} WHERE column1 > 0",
    "ittiittt",
)
_TEXTS = Rows(
    "INSERT OR ROLLBACK INTO run_texts (conversation, run_id, start, text) "
    "SELECT * FROM {values} WHERE column1 > 0",
    "itit",
)
_ENDS = Rows(
    "UPDATE runs SET ended = column3 FROM {values} "
    "WHERE column1 > 0 AND conversation = column1 AND run_id = column2",
    "iti",
)
_SAID = Rows(
    "DELETE FROM run_texts WHERE (conversation, run_id) IN "
    "(SELECT column1, column2 FROM {values} WHERE column1 > 0)",
    "iti",
)
_ANSWERED = Rows(
    "DELETE FROM join_requests WHERE (conversation, participant) IN "
    "(SELECT column1, column2 FROM {values} WHERE column1 > 0)",
    "iti",
)
_READS = Rows(
    "UPDATE members SET read_sequence = column3 FROM {values} "
    "WHERE column1 > 0 AND conversation = column1 AND participant = column2 AND read_sequence < column3",
    "iti",
)
_PREFERENCES = Rows(
    "UPDATE members SET archived = column3, muted = column4, pinned = column5 FROM {values} "
    "WHERE column1 > 0 AND conversation = column1 AND participant = column2",
    "itiii",
)
_FORCED = Rows(
    "UPDATE members SET read_sequence = column3, read_forced = column4 FROM {values} "
    "WHERE column1 > 0 AND conversation = column1 AND participant = column2",
    "itii",
)
# As in `Left.apply`: where no owner is left, the longest-standing of the highest rank becomes owner.
_INHERIT = (
    "UPDATE members SET role = 'owner' WHERE conversation = ?1 "
    "AND NOT EXISTS (SELECT 1 FROM members WHERE conversation = ?1 AND role = 'owner') "
    "AND participant = (SELECT participant FROM members WHERE conversation = ?1 "
    "ORDER BY CASE role WHEN 'moderator' THEN 0 WHEN 'member' THEN 1 ELSE 2 END, place LIMIT 1)"
)
_INTRODUCE = "UPDATE members SET name = ?, type = ?, introduced = 1 WHERE conversation = ? AND participant = ?"
_UPDATE = (
    "UPDATE conversations SET title = coalesce(?1, title), "
    "metadata = CASE WHEN ?2 IS NULL THEN metadata ELSE ?3 END WHERE number = ?4"
)
_AGENT = "UPDATE members SET agent_trigger = ?, agent_calls = ?, agent_steering = ? WHERE conversation = ? AND participant = ?"
_REACT = "INSERT INTO reactions (conversation, message, emoji, participant, place) VALUES (?, ?, ?, ?, ?)"
_UNREACT = (
    "DELETE FROM reactions WHERE conversation = ? AND message = ? AND emoji = ? AND participant = ?"
)
_PIN = "INSERT INTO pins (conversation, message, place) VALUES (?, ?, ?)"
_UNPIN = "DELETE FROM pins WHERE conversation = ? AND message = ?"
_DELETE = (
    "INSERT INTO deletions (conversation, message, in_channel) "
    "SELECT conversation, sequence, CASE WHEN relation IS NULL THEN 1 ELSE 0 END "
    "FROM events WHERE conversation = ? AND sequence = ?"
)
_UNREACT_ALL = "DELETE FROM reactions WHERE conversation = ? AND message = ?"
# Where one of them happens in a turn, the order of who comes in and goes out matters.
_GOING = (Left, Removed, Banned, JoinRequested)
_END = "UPDATE conversations SET ended_at = ? WHERE number = ?"


class Rewriting(Protocol):
    """What a batch asks of the search index."""

    def rewrite(self, rewrites: Sequence[Any], /) -> None:
        """Index what messages will say, and nothing that they say still: see `SearchIndex`."""


class SuspectedKeyError(Exception):
    """A key seems to have been used before; only the events can confirm it."""


class Batch:
    """Rows of one transaction. `next_number` is the number of the next created conversation, `digest` as in `Keys`."""

    def __init__(self, next_number: int, digest: Callable[[str | None, str], int]) -> None:
        self._digest = digest
        self.next_number = next_number
        self.keys: dict[int, int] = {}  # as `Keys` takes them
        self._events: list[Any] = []
        self._conversations: list[Any] = []
        self._members: list[Any] = []
        self._mentions: list[Any] = []
        self._ordered: list[tuple[int, StateEvent]] = []  # the order matters if a member leaves
        self._reads: list[Any] = []
        self._runs: list[Any] = []
        self._texts: list[Any] = []
        self._ends: list[Any] = []
        self._accounts: list[Any] = []
        self._is_wide = False  # whether the events have all columns
        self._rewrites: list[Any] = []
        self._unmentioned: list[Any] = []
        self._thread_reads: list[Any] = []
        self._forced: list[Any] = []
        self._preferences: list[Any] = []
        self._erased: list[tuple[int, int]] = []  # conversations that are deleted, and when
        self._entered: list[Any] = []  # who came in: they ask no more to be let in
        self._sent_files: list[Any] = []
        self._gone_files: list[Any] = []

    def add(self, changes: Changes) -> int:
        """Add the changes of one conversation; return the conversation's number.

        Raises `SuspectedKeyError` where a key comes twice in the batch.
        """
        number = changes.number
        if not number:
            number = self.next_number
            self.next_number += 1
        self._add_records(number, changes)
        self._add_state_events(number, changes)
        forced = changes.forced or {}
        for participant_id, sequence in (changes.reads or {}).items():
            if participant_id in forced:
                self._forced += (number, participant_id, sequence, forced[participant_id])
            else:
                self._reads += (number, participant_id, sequence)
        for piece in changes.texts:
            self._texts += (number, *piece)
        for rewrite in changes.rewrites:
            self._add_rewrite(number, rewrite)
        for (reader, root), sequence in (changes.thread_reads or {}).items():
            self._thread_reads += (number, root, reader, sequence)
        for file_id, sequence in changes.sent_files:
            self._sent_files += (number, file_id, sequence)
        for sequence in changes.gone_files:
            self._gone_files += (number, sequence)
        for participant_id, kept in (changes.preferences or {}).items():
            self._preferences += (number, participant_id, *kept)
        if changes.erased is not None:
            self._erased.append((number, changes.erased))
        return number

    @property
    def erased(self) -> list[int]:
        """The numbers of the conversations that are deleted."""
        return [number for number, _ in self._erased]

    def add_account(self, account: RunAccount) -> None:
        """Add what a run has used."""
        self._accounts += (1, *account)

    def write(
        self, connection: Connection, *, checked: bool, search: Rewriting | None = None
    ) -> None:
        """Commit all or nothing; a batch of messages only takes one step, so that the GIL is given up once.

        `search` is the index in which rewritten messages are to be found by their new text alone.

        Raises the driver's `IntegrityError` where a sequence, a conversation or, if `checked`, a key is there already.
        """
        steps = list(self._steps(checked=checked))
        if (
            len(steps) == 1
            and not self._ordered
            and not self._rewrites
            and not self._erased
            and not self._preferences
            and steps[0][0].one_step(steps[0][1])
        ):
            steps[0][0].execute(connection, steps[0][1])
            return
        with transaction(connection):
            if search is not None and self._rewrites:
                search.rewrite(self._rewrites)
            for rows, parameters in steps:
                rows.execute(connection, parameters)
            for number, event in self._ordered:
                _apply(connection, number, event)
            if self._ordered and self._reads:
                _READS.execute(connection, self._reads)
            if self._ordered and self._forced:
                _FORCED.execute(connection, self._forced)
            if self._preferences:
                _PREFERENCES.execute(connection, self._preferences)
            for number, at in self._erased:
                hide(connection, number, at)

    def _add_records(self, number: int, changes: Changes) -> None:
        keys = self.keys
        for (
            sequence,
            at,
            body,
            salt,
            messages,
            sender_id,
            key,
            hash_,
            target,
            relation,
            mentions,
            run_id,
        ) in changes.records:
            hashed = None
            if key is not None:
                hashed = self._digest(sender_id, key)
                place = place_of(number, hashed)
                if place in keys:
                    raise SuspectedKeyError
                keys[place] = sequence
            # bytearrays: for every `bytes` the driver looks for an adapter, which takes longer than the copy
            row = (
                number,
                sequence,
                at,
                bytearray(body),
                bytearray(salt),
                messages,
                sender_id,
                key,
                hashed,
            )
            if self._is_wide or hash_ is not None or target is not None:
                self._widen()
                self._events += (*row, hash_, target, relation)
            else:
                self._events += row
            for participant_id in mentions:
                self._mentions += (number, participant_id, sequence)
            if run_id is not None:
                self._ends += (number, run_id, sequence)

    def _widen(self) -> None:
        """Give all events all columns: one statement writes them, so that places ascend with sequences."""
        if not self._is_wide:
            narrow, width = self._events, _CHECKED.width
            self._events = []
            for start in range(0, len(narrow), width):
                self._events += (*narrow[start : start + width], None, None, None)
            self._is_wide = True

    def _add_rewrite(self, number: int, rewrite: Rewrite) -> None:
        sequence = rewrite.sequence
        self._rewrites += (number, sequence, bytearray(rewrite.body), rewrite.hash)
        for participant_id in rewrite.mentioned:
            self._mentions += (number, participant_id, sequence)
        for participant_id in rewrite.unmentioned:
            self._unmentioned += (number, participant_id, sequence)

    def _add_state_events(self, number: int, changes: Changes) -> None:
        ordered = any(isinstance(event, _GOING) for event in changes.state_events)
        for event in changes.state_events:
            if isinstance(event, Created):
                self._conversations += _conversation_row(number, event)
                self._members += _founder_rows(number, event)
            elif isinstance(event, Joined) and not ordered and event.invite_id is None:
                self._members += _member_row(number, event)
                self._entered += (number, event.participant.id, 0)
            elif isinstance(event, RunStarted):
                self._runs += _run_row(number, event)
            elif isinstance(event, RunFailed):
                self._ends += (number, event.run_id, event.sequence)
            else:
                self._ordered.append((number, event))

    def _steps(self, *, checked: bool) -> Iterator[tuple[Rows, list[Any]]]:
        if self._conversations:
            yield _CONVERSATIONS, self._conversations
        if self._rewrites:  # before an edit comes, the one before it has lost its content
            yield _REWRITES, self._rewrites
        if self._events:
            narrow = _CHECKED if checked else _UNCHECKED
            wide = _CHECKED_RELATED if checked else _UNCHECKED_RELATED
            yield wide if self._is_wide else narrow, self._events
        if self._unmentioned:
            yield _UNMENTIONED, self._unmentioned
        if self._members:
            yield _MEMBERS, self._members
        if self._entered:
            yield _ANSWERED, self._entered
        if self._mentions:
            yield _MENTIONS, self._mentions
        if self._reads and not self._ordered:
            yield _READS, self._reads
        if self._runs:
            yield _RUNS, self._runs
        if self._texts:
            yield _TEXTS, self._texts
        if self._ends:
            yield _ENDS, self._ends
            yield _SAID, self._ends
        if self._forced and not self._ordered:
            yield _FORCED, self._forced
        if self._thread_reads:
            yield _THREAD_READS, self._thread_reads
        if self._sent_files:
            yield files.SEND, self._sent_files
        if self._gone_files:
            yield files.DELETE, self._gone_files
        if self._accounts:
            yield SAVE, self._accounts


def _apply(connection: Connection, number: int, event: StateEvent) -> None:
    match event:
        case Joined():
            _MEMBERS.execute(connection, _member_row(number, event))
            write_entry(connection, number, event)
        case Left(participant=who):
            connection.execute(LEAVE, (number, who.id))
            _succeed(connection, number, event)
        case Introduced(participant=who):
            connection.execute(_INTRODUCE, (who.name, who.type, number, who.id))
        case Updated(title=title, metadata=metadata):
            kept = None if metadata == REMOVED else metadata
            connection.execute(_UPDATE, (title, metadata, kept, number))
            write_rules(connection, number, event)
        case AgentUpdated(participant_id=id):
            settings = event.trigger, event.agents_may_call, event.steering
            connection.execute(_AGENT, (*settings, number, id))
        case Edited():
            pass  # the rewritten message has it
        case Deleted():
            _forget(connection, number, sequence_of(event.message_id))
        case ReactionAdded():
            given = number, sequence_of(event.message_id), event.emoji, event.by
            connection.execute(_REACT, (*given, event.sequence))
        case ReactionRemoved():
            taken = number, sequence_of(event.message_id), event.emoji, event.by
            connection.execute(_UNREACT, taken)
        case Pinned():
            connection.execute(_PIN, (number, sequence_of(event.message_id), event.sequence))
        case Unpinned():
            connection.execute(_UNPIN, (number, sequence_of(event.message_id)))
        case Created() | RunStarted() | RunFailed():
            raise TypeError(f"a row of its own stands for {type(event).__name__}")
        case _ if isinstance(event, MEMBER_EVENTS):
            write_member_event(connection, number, event)
            if isinstance(event, Removed | Banned):
                _succeed(connection, number, event)


def _succeed(connection: Connection, number: int, event: Left | Removed | Banned) -> None:
    """Write what becomes of a conversation that a member has left."""
    if event.participant_count == 0:
        connection.execute(_END, (event.at, number))
    else:
        connection.execute(_INHERIT, (number,))


def _forget(connection: Connection, number: int, sequence: int) -> None:
    """Delete what stands about a deleted message outside of the log."""
    for statement in (_DELETE, _UNREACT_ALL, _UNPIN):
        connection.execute(statement, (number, sequence))


def _conversation_row(number: int, event: Created) -> list[Any]:
    return [
        number,
        event.conversation_id,
        event.title,
        event.mode,
        json.dumps(event.sites),
        event.enable_ai,
        event.join,
        event.members_invite,
        event.share_reads,
        event.metadata,
        event.at,
        *rule_columns(event),
    ]


def _founder_rows(number: int, event: Created) -> list[Any]:
    """The rows of the first members. Their places precede those of later members, which are sequences of joining."""
    owner = event.entrants[0].participant.id
    rows: list[Any] = []
    for place, (participant, role) in enumerate(event.entrants, -len(event.entrants)):
        inviter = None if participant.id == owner else owner
        rows += (number, *participant, role, event.at, inviter, place, False)
    return rows


def _run_row(number: int, event: RunStarted) -> list[Any]:
    return [
        number,
        event.run_id,
        event.participant_id,
        event.sequence,
        event.at,
        event.reply_to,
        event.asked_by,
        event.thread_id,
    ]


def _member_row(number: int, event: Joined) -> list[Any]:
    introduced = event.invite_id is not None
    who = (*event.participant, event.role, event.at, event.invited_by)
    return [number, *who, event.sequence, introduced]
