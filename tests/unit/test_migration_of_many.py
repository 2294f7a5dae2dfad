"""A store of 100,000 messages from before messages could be changed: brought up to date, and nothing is lost."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from salon.actors.store import Store
from salon.persistence.file import File
from salon.persistence.keys import Keys
from tests.unit.history import sources
from tests.unit.stores import at_revision, open_store

MESSAGES = 100_000
MERGED = 90_000  # messages whose keys are in the table; those of the rest are found in the log
TALK, AT = "talk", 1_700_000_000_000
LOG = "SELECT position, conversation, sequence, at, messages, sender_id, key, salt, body FROM events ORDER BY 1"
REST = (
    "SELECT * FROM keys ORDER BY 1, 2, 3",
    "SELECT participant, conversation, sequence FROM mentions ORDER BY 1, 2, 3",
    "SELECT participant, name, type, role, joined_at, place, read_sequence FROM members ORDER BY 1",
    "SELECT number, id, title, mode, sites, join_policy, created_at FROM conversations",
    "SELECT name, value FROM meta ORDER BY 1",
)


def events() -> Iterator[tuple[Any, ...]]:
    """Rows of the log as schema 0006 has them: the creation, then the messages of two people in turn."""
    created = {"type": "conversation_created", "sequence_id": 1, "conversation_id": TALK}
    yield 1, 1, 1, AT, 0, None, None, b"s" * 16, json.dumps(created).encode()
    for sequence in range(2, MESSAGES + 2):
        sender = "ben" if sequence % 2 else "ada"
        said = (
            f'{{"type":"message","sequence_id":{sequence},"message":{{"message_id":"{TALK}-{sequence}",'
            f'"conversation_id":"{TALK}","sequence_id":{sequence},"sender_id":"{sender}","sender_name":"{sender}",'
            f'"sender_type":"human","content":"message {sequence} ✓","message_type":"text",'
            f'"timestamp":"2023-11-14T22:13:20.000Z","client_message_id":"k{sequence}"}}}}'
        )
        salt = sequence.to_bytes(16, "big")
        yield sequence, 1, sequence, AT, sequence - 1, sender, f"k{sequence}", salt, said.encode()


def fill(path: Path) -> None:
    at_revision(path, "0006")
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", events())
        meta = {
            "epoch": "e",
            "created_at": str(AT),
            "key_secret": "00" * 16,
            "keys_through": str(MERGED + 1),
        }
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        digest = Keys(connection).digest
        merged = connection.execute(
            "SELECT sender_id, key, sequence FROM events WHERE key NOT NULL AND position <= ?",
            (MERGED + 1,),
        )
        rows = [(1, digest(sender, key), sequence) for sender, key, sequence in merged]
        connection.executemany("INSERT INTO keys VALUES (?, ?, ?)", rows)
        connection.execute(
            "INSERT INTO conversations (number, id, title, mode, sites, enable_ai, join_policy, members_invite, "
            "share_reads, created_at) VALUES (1, ?, 'Talk', 'list', '[]', 0, 'invite', 0, 1, ?)",
            (TALK, AT),
        )
        for place, who in enumerate(("ada", "ben"), 1):
            connection.execute(
                "INSERT INTO members (conversation, participant, name, type, role, joined_at, place, read_sequence) "
                "VALUES (1, ?, ?, 'human', ?, ?, ?, ?)",
                (who, who, "owner" if who == "ada" else "member", AT, place, MESSAGES - 1 + place),
            )
            connection.execute("INSERT INTO mentions VALUES (?, 1, ?)", (who, MESSAGES + place - 1))
        connection.commit()


def content(path: Path) -> tuple[int, str, list[Any]]:
    """How many events there are, a hash of all their bytes, and all else."""
    with closing(sqlite3.connect(path)) as connection:
        count, found = 0, sha256()
        for row in connection.execute(LOG):
            count += 1
            found.update(repr(row).encode())
        return count, found.hexdigest(), [connection.execute(q).fetchall() for q in REST]


async def test_a_store_of_100_000_messages_is_brought_up_to_date_and_nothing_is_lost(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    path = tmp_path / "salon.db"
    fill(path)
    before = content(path)
    assert before[0] == MESSAGES + 1
    began, used = time.perf_counter(), time.process_time()
    file = File(path)
    file.open(sources()).close()
    file.release()
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    tell(
        f"a store of {MESSAGES:,} messages, schema 0006, migrates in {seconds:.2f} s ({cpu:.2f} s CPU)"
    )
    assert content(path) == before
    store = open_store(path)
    try:
        await _reads(store)
    finally:
        store.close()


async def _reads(store: Store) -> None:
    """The present version reads what the old one wrote."""
    state = await store.load(TALK).wait()
    assert state is not None
    assert (state.head, state.messages) == (MESSAGES + 1, MESSAGES)
    assert {each.participant.id: each.role for each in state.members.values()} == {
        "ada": "owner",
        "ben": "member",
    }
    assert dict(state.reads) == {"ada": MESSAGES, "ben": MESSAGES + 1}
    rows = {row[2]: row for row in events()}
    for page in (
        await store.read(1, limit=100).wait(),
        await store.read(1, before=MESSAGES + 2, limit=100).wait(),
    ):
        assert len(page.records) == 100
        for each in page.records:
            assert (each.salt, bytes(each.body)) == rows[each.sequence][-2:]
    names = [(rows[n][5], rows[n][6]) for n in (2, MERGED, MERGED + 2, MESSAGES + 1)]
    used = await store.keys_among(1, [*names, ("ada", "never")]).wait()
    assert [used[name].sequence for name in names] == [2, MERGED, MERGED + 2, MESSAGES + 1]
    assert len(used) == len(names)
