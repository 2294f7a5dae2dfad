"""The reads of the SQLite store, as functions of a connection.

The statements are text, since SQLAlchemy took a third longer for a page of 50 events and five times as long for a single row.
None of them costs more in a long conversation than in a short one.
"""

from __future__ import annotations

import json
from itertools import starmap
from typing import TYPE_CHECKING, Any

from salon.actors.message import Reaction
from salon.actors.model import Member, Participant, Preferences, Run, State
from salon.actors.store import (
    MOST_MENTIONS,
    PINNED,
    READ_LAG,
    Listing,
    Page,
    Record,
    StoredRun,
    Summary,
    Target,
)

from .member_rows import load_rights
from .transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .connection import Connection

_HEAD = (
    "SELECT c.number, c.title, c.mode, c.sites, c.enable_ai, c.join_policy, c.members_invite, "
    "c.share_reads, c.metadata, c.created_at, c.ended_at, c.permissions, c.history, c.slow_mode, c.direct, "
    "c.retention, "
    "e.at, e.sequence, e.messages "
    "FROM conversations c JOIN events e ON e.conversation = c.number "
    "WHERE c.id = ? AND c.deleted_at IS NULL ORDER BY e.sequence DESC LIMIT 1"
)
# A member's read position as stored: messages from before they joined count as read, unless they have moved back.
_SAVED = "max(m.read_sequence, CASE WHEN m.read_forced > 0 THEN 0 ELSE m.place END, 0)"
# From where on the member's own messages move it forward.
_BASE = f"max({_SAVED}, m.read_forced)"
# The same, moved forward by the member's own later messages, see `READ_LAG`.
_POSITION = (
    f"max({_SAVED}, coalesce((SELECT max(own.sequence) FROM events own WHERE own.conversation = m.conversation "
    f"AND own.sequence > {_BASE} AND own.sequence <= {_BASE} + {READ_LAG} "
    "AND own.sender_id = m.participant AND own.relation IS NULL), 0))"
)
_MEMBERS = (
    "SELECT m.participant, m.name, m.type, m.role, m.joined_at, m.invited_by, m.introduced, "
    "m.agent_trigger, m.agent_calls, m.agent_steering, "
    f"{_BASE}, {_POSITION}, m.place, n.name, m.archived, m.muted, m.pinned "
    "FROM members m LEFT JOIN names n ON n.participant = m.participant "
    "WHERE m.conversation = ? ORDER BY m.place"
)

RECORD = (
    "e.sequence, e.at, e.body, e.salt, e.messages, e.sender_id, e.key, e.hash, e.target, e.relation"
)
# A deleted conversation has no events from then on, though they are erased only piece by piece.
_THERE = "(SELECT c.deleted_at FROM conversations c WHERE c.number = ?1) IS NULL"
_PAGE = (
    f"SELECT {RECORD} FROM events e "
    "WHERE e.conversation = ?1 AND e.sequence > ?2 AND e.sequence < ?3 "
    f"AND {_THERE} ORDER BY e.sequence {{order}} LIMIT ?4"
)
_FORWARD = _PAGE.format(order="ASC")
_BACKWARD = _PAGE.format(order="DESC")
_NEVER = 2**63 - 1  # above every sequence

# Number of messages up to a position; subtracted from that of the newest event.
_READ_SO_FAR = (
    "coalesce((SELECT r.messages FROM events r WHERE r.conversation = {conversation} "
    "AND r.sequence <= {sequence} ORDER BY r.sequence DESC LIMIT 1), 0)"
)
_DELETED_AFTER = (
    "(SELECT count(*) FROM deletions WHERE conversation = {conversation} AND message > {sequence} "
    "AND in_channel = 1)"
)
_MESSAGES_AFTER = (
    f"SELECT e.messages - {_READ_SO_FAR.format(conversation='?1', sequence='?2')} "
    f"- {_DELETED_AFTER.format(conversation='?1', sequence='?2')} FROM events e "
    "WHERE e.conversation = ?1 ORDER BY e.sequence DESC LIMIT 1"
)

_MENTIONS_AFTER = (
    "SELECT count(*) FROM (SELECT 1 FROM mentions WHERE conversation = {conversation} "
    "AND participant = {participant} AND sequence > {sequence} LIMIT "
    f"{MOST_MENTIONS}) AS found"
)
_MENTIONED = _MENTIONS_AFTER.format(conversation="?1", participant="?2", sequence="?3")

_MESSAGE = "sender_id IS NOT NULL AND (relation IS NULL OR relation = 'reply')"
_REPLY = "target IS NOT NULL AND (relation IS NULL OR relation = 'reply')"  # as the index has it
_SENDER = f"SELECT sender_id FROM events WHERE conversation = ? AND sequence = ? AND {_MESSAGE}"
_TARGET = (
    f"SELECT {RECORD} FROM events e WHERE e.conversation = ?1 AND e.sequence = ?2 AND {_MESSAGE} "
    f"AND {_THERE}"
)
_EDIT = (
    f"SELECT {RECORD} FROM events e WHERE e.conversation = ? AND e.target = ? "
    "AND e.relation = 'edit' AND e.hash IS NULL"
)
_REACTIONS = (
    "SELECT emoji, participant FROM reactions WHERE conversation = ? AND message = ? ORDER BY place"
)
_PINS = "SELECT message FROM pins WHERE conversation = ? ORDER BY place"
_THREAD = (
    f"SELECT {RECORD} FROM events e WHERE e.conversation = ?1 AND e.target = ?2 "
    f"AND e.sequence > ?3 AND e.sequence < ?4 AND {_REPLY} AND {_THERE} "
    "ORDER BY e.sequence {order} LIMIT ?5"
)
_THREAD_FORWARD = _THREAD.format(order="ASC")
_THREAD_BACKWARD = _THREAD.format(order="DESC")
_THREAD_READ = (
    "SELECT read_sequence FROM thread_reads WHERE conversation = ? AND root = ? AND participant = ?"
)

_OPEN_RUNS = (
    "SELECT run_id, participant, started, started_at, reply_to, asked_by, '', NULL, thread_id FROM runs "
    "WHERE conversation = ? AND ended = 0 ORDER BY started"
)
_SAID = "SELECT text FROM run_texts WHERE conversation = ? AND run_id = ? ORDER BY start"
_RUN = (
    f"SELECT r.participant, r.reply_to, r.asked_by, {RECORD} FROM runs r "
    "LEFT JOIN events e ON r.ended > 0 AND e.conversation = r.conversation AND e.sequence = r.ended "
    "WHERE r.conversation = ? AND r.run_id = ?"
)
_WITH_OPEN_RUNS = (
    "SELECT c.id FROM (SELECT DISTINCT conversation FROM runs WHERE ended = 0) r "
    "JOIN conversations c ON c.number = r.conversation WHERE c.deleted_at IS NULL ORDER BY c.number"
)

# The order of arrival is the order of activity. The newest message is the first event with the same count of messages as the
# head: where the head is no message, it is found by binary search, since any number of other events may follow it.
# The conversations that a limited token is for, as a JSON array of their ids; NULL for all.
_ONLY = (
    "(?{0} IS NULL OR m.conversation IN (SELECT number FROM conversations "
    "WHERE id IN (SELECT value FROM json_each(?{0}))))"
)
_LISTING = f"""
WITH mine AS (
    SELECT m.conversation, m.participant, m.read_sequence, m.read_forced, m.place,
        m.archived, m.muted, m.pinned, m.pinned * {PINNED} +
        (SELECT e.position FROM events e WHERE e.conversation = m.conversation
         ORDER BY e.sequence DESC LIMIT 1) AS newest
    FROM members m WHERE m.participant = ?1 AND (?5 IS NULL OR m.archived = ?5) AND {_ONLY.format(6)}
), chosen AS MATERIALIZED (SELECT * FROM mine WHERE newest < ?4 ORDER BY newest DESC LIMIT ?2 OFFSET ?3),
page AS MATERIALIZED (SELECT conversation, newest, place, archived, muted, pinned,
    {_POSITION.replace("m.", "chosen.")} AS read FROM chosen)
SELECT c.id, c.title, c.created_at,
    (SELECT count(*) FROM members m WHERE m.conversation = page.conversation),
    head.messages - {_READ_SO_FAR.format(conversation="page.conversation", sequence="page.read")}
        - {_DELETED_AFTER.format(conversation="page.conversation", sequence="page.read")},
    ({_MENTIONS_AFTER.format(conversation="page.conversation", participant="?1", sequence="page.read")}),
    page.newest, page.archived, page.muted, page.pinned, {RECORD}
FROM page
JOIN conversations c ON c.number = page.conversation
JOIN events head ON head.position = page.newest - page.pinned * {PINNED}
LEFT JOIN events e ON head.messages > 0 AND e.conversation = page.conversation AND e.sequence = (
    WITH RECURSIVE halves(low, high) AS (
        SELECT CASE WHEN head.sender_id IS NULL OR head.relation IS NOT NULL THEN 1
            ELSE head.sequence END, head.sequence
        UNION ALL
        SELECT CASE WHEN m.messages < head.messages THEN m.sequence + 1 ELSE low END,
            CASE WHEN m.messages < head.messages THEN high ELSE m.sequence END
        FROM halves JOIN events m
            ON m.conversation = head.conversation AND m.sequence = (low + high) / 2
        WHERE low < high
    )
    SELECT low FROM halves WHERE low = high
) AND (c.history = 'all' OR e.sequence >= page.place)
ORDER BY page.newest DESC"""
_TOTAL = (
    "SELECT count(*) FROM members m WHERE m.participant = ?1 AND (?2 IS NULL OR m.archived = ?2) "
    f"AND {_ONLY.format(3)}"
)

_THREAD_UNREAD = (
    "SELECT count(*) FROM (SELECT 1 FROM events e WHERE e.conversation = ?1 AND e.target = ?2 "
    "AND e.sequence > max(coalesce((SELECT read_sequence FROM thread_reads "
    "WHERE conversation = ?1 AND root = ?2 AND participant = ?3), 0), "
    # From before they joined nothing is unread.
    "coalesce((SELECT place FROM members WHERE conversation = ?1 AND participant = ?3), 0)) "
    f"AND {_REPLY} AND NOT EXISTS (SELECT 1 FROM deletions d WHERE d.conversation = e.conversation "
    f"AND d.message = e.sequence) LIMIT {MOST_MENTIONS}) AS found"
)


def load(connection: Connection, conversation_id: str) -> State | None:
    """The state after the conversation's events."""
    with transaction(connection, "DEFERRED"):
        head = connection.execute(_HEAD, (conversation_id,)).fetchone()
        if head is None:
            return None
        rows = connection.execute(_MEMBERS, (head[0],)).fetchall()
        runs = [Run(*row) for row in connection.execute(_OPEN_RUNS, (head[0],))]
        pins = [message for (message,) in connection.execute(_PINS, (head[0],))]
        said = [
            "".join(piece for (piece,) in connection.execute(_SAID, (head[0], run.id)))
            for run in runs
        ]
        state = State(conversation_id)
        load_rights(connection, head[0], state)
    state.number, state.title, state.mode, sites = head[:4]
    state.sites = tuple(json.loads(sites))
    state.enable_ai = bool(head[4])
    state.join = head[5]
    state.members_invite, state.share_reads = bool(head[6]), bool(head[7])
    state.metadata, state.created_at, state.ended_at = head[8:11]
    state.permissions, state.history = json.loads(head[11]), head[12]
    state.slow_mode, state.direct, state.retention = head[13], bool(head[14]), head[15]
    state.updated_at, state.head, state.messages = head[16:]
    for row in rows:
        id_, name, type_, role, joined_at, invited_by, introduced, *rest = row
        *agent, saved, read, place, renamed, archived, muted, pinned = rest
        if archived or muted or pinned:
            state.preferences[id_] = Preferences(bool(archived), muted, bool(pinned))
        state.members[id_] = Member(
            Participant(id_, name, type_),
            role,
            joined_at,
            invited_by,
            bool(introduced) or not invited_by,
            *(*agent, max(place, 1)),
        )
        if renamed is not None and renamed != name:
            state.renamed[id_] = renamed
        if read or saved:
            state.reads[id_] = read
        if saved != read:
            state.saved[id_] = saved
    state.find_agents()
    state.pinned = tuple(f"{conversation_id}-{message}" for message in pins)
    for run, text in zip(runs, said, strict=True):
        state.runs[run.id] = run._replace(text=text)
    return state


def read(connection: Connection, number: int, after: int, before: int | None, limit: int) -> Page:
    """A page, as `Store.read` describes it."""
    backward = before is not None and not after
    bounds = (number, after, _NEVER if before is None else before, limit + 1)
    rows = connection.execute(_BACKWARD if backward else _FORWARD, bounds).fetchall()
    return _page(rows, limit, backward=backward)


def thread(
    connection: Connection,
    number: int,
    root: int,
    after: int,
    before: int | None,
    limit: int,
) -> Page:
    """A page of a thread, as `Store.thread` describes it."""
    backward = before is not None and not after
    bounds = (number, root, after, _NEVER if before is None else before, limit + 1)
    rows = connection.execute(_THREAD_BACKWARD if backward else _THREAD_FORWARD, bounds).fetchall()
    return _page(rows, limit, backward=backward)


def _page(rows: list[Any], limit: int, *, backward: bool) -> Page:
    """The page of rows that are at most one more than it may have."""
    has_more = len(rows) > limit
    del rows[limit:]
    if backward:
        rows.reverse()
    return Page(tuple(starmap(Record, rows)), has_more)


def thread_read(connection: Connection, number: int, root: int, participant_id: str) -> int:
    """How far a participant has read a thread; 0 where they have not."""
    row = connection.execute(_THREAD_READ, (number, root, participant_id)).fetchone()
    return row[0] if row else 0


def thread_unread(connection: Connection, number: int, root: int, participant_id: str) -> int:
    """The number of replies in a thread that a participant has not read."""
    count: int = connection.execute(_THREAD_UNREAD, (number, root, participant_id)).fetchone()[0]
    return count


def targets(connection: Connection, number: int, sequences: Sequence[int]) -> dict[int, Target]:
    """Those of the sequences whose events are messages, with what was done to them."""
    found = {}
    with transaction(connection, "DEFERRED"):
        for sequence in sequences:
            place = (number, sequence)
            row = connection.execute(_TARGET, place).fetchone()
            if row is not None:
                edit = connection.execute(_EDIT, place).fetchone()
                reactions: dict[str, list[str]] = {}
                for emoji, participant in connection.execute(_REACTIONS, place):
                    reactions.setdefault(emoji, []).append(participant)
                given = tuple(Reaction(emoji, tuple(who)) for emoji, who in reactions.items())
                found[sequence] = Target(Record(*row), given, edit and Record(*edit))
    return found


def messages_after(connection: Connection, number: int, sequence: int) -> int:
    """The number of messages after a sequence."""
    row = connection.execute(_MESSAGES_AFTER, (number, sequence)).fetchone()
    return row[0] if row else 0


def mentions_after(connection: Connection, number: int, participant_id: str, sequence: int) -> int:
    """The number of messages after a sequence that mention a participant."""
    count: int = connection.execute(_MENTIONED, (number, participant_id, sequence)).fetchone()[0]
    return count


def senders_among(connection: Connection, number: int, sequences: Sequence[int]) -> dict[int, str]:
    """The senders' ids of those of the sequences whose events are messages."""
    rows = ((each, connection.execute(_SENDER, (number, each)).fetchone()) for each in sequences)
    return {sequence: row[0] for sequence, row in rows if row is not None}


def runs_among(connection: Connection, number: int, run_ids: Sequence[str]) -> dict[str, StoredRun]:
    """Those of the runs that were ever started, by id."""
    runs = {}
    for run_id in run_ids:
        row = connection.execute(_RUN, (number, run_id)).fetchone()
        if row is not None:
            participant, reply_to, asked_by, *record = row
            end = None if record[0] is None else Record(*record)
            runs[run_id] = StoredRun(participant, end, reply_to, asked_by)
    return runs


def with_open_runs(connection: Connection) -> tuple[str, ...]:
    """The ids of the conversations that have open runs."""
    return tuple(row[0] for row in connection.execute(_WITH_OPEN_RUNS))


def listing(
    connection: Connection,
    participant_id: str,
    limit: int,
    offset: int,
    before: int | None = None,
    archived: bool | None = False,
    only: frozenset[str] | None = None,
) -> Listing:
    """A page of a participant's conversations."""
    among = None if only is None else json.dumps(sorted(only))
    newest = _NEVER if before is None else before
    bounds = (participant_id, limit + 1, offset, newest, archived, among)
    with transaction(connection, "DEFERRED"):
        rows = connection.execute(_LISTING, bounds).fetchall()
        total = connection.execute(_TOTAL, (participant_id, archived, among)).fetchone()[0]
    summaries = []
    rest = rows[limit - 1][6] if len(rows) > limit else None
    for id_, title, created_at, members, unread, mentions, _, *kept in rows[:limit]:
        (archived, muted, pinned), record = kept[:3], kept[3:]
        how = Preferences(bool(archived), muted, bool(pinned))
        last = None if record[0] is None else Record(*record)
        at = None if last is None else last.at
        summaries.append(Summary(id_, title, created_at, at, members, unread, mentions, last, how))
    return Listing(tuple(summaries), total, rest)


def find_guest(connection: Connection, recovery_hash: bytes) -> tuple[str, str] | None:
    """The guest's id and name, or None."""
    sought = "SELECT id, name FROM guests WHERE recovery_hash = ?"
    row: tuple[str, str] | None = connection.execute(sought, (recovery_hash,)).fetchone()
    return row


def participant_of(connection: Connection, account: str) -> str | None:
    """Whose a provider's account is."""
    sought = "SELECT participant FROM accounts WHERE account = ?"
    row = connection.execute(sought, (account,)).fetchone()
    return None if row is None else str(row[0])


def has_account(connection: Connection, participant_id: str) -> bool:
    """Whether a provider's account is theirs."""
    sought = "SELECT 1 FROM accounts WHERE participant = ? LIMIT 1"
    return connection.execute(sought, (participant_id,)).fetchone() is not None


def name_of(connection: Connection, participant_id: str) -> tuple[str, bool] | None:
    """A participant's name, and whether they chose it."""
    sought = "SELECT name, chosen FROM names WHERE participant = ?"
    row = connection.execute(sought, (participant_id,)).fetchone()
    return None if row is None else (row[0], bool(row[1]))


def names_since(connection: Connection, at: int) -> tuple[tuple[str, str], ...]:
    """Ids and names of the participants renamed since then."""
    sought = "SELECT participant, name FROM names WHERE at >= ? ORDER BY at, participant"
    return tuple(connection.execute(sought, (at,)).fetchall())
