"""What the SQLite store does beyond the contract: what survives, who is harmed by what, and what it costs."""

from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.model import Participant
from salon.actors.store import Appended, Changes, KeysTaken, Record, StoreError
from salon.persistence import file, keys, queries
from salon.persistence.file import File
from salon.persistence.keys import Keys
from salon.persistence.ledger import Ledger
from salon.persistence.sql import SqlStore
from tests.traffic import until
from tests.unit.history import ADA, History, sources
from tests.unit.stores import begin, environment, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    store = open_store(path)
    yield store
    store.close()


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    opened = File(path)
    connection = opened.open(sources())
    yield connection
    connection.close()
    opened.release()


def begun(ledger: Ledger, *entrants: Participant) -> History:
    history = History(*entrants)
    (outcome,) = ledger.append([history.begin()])
    assert isinstance(outcome, Appended)
    history.state.number = outcome.number
    return history


# --- what survives ------------------------------------------------------------------------------------------------------


async def test_a_commit_waits_for_the_disk(store: SqlStore) -> None:
    await begin(store)

    def modes(connection: sqlite3.Connection) -> list[Any]:
        return [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous")
        ]

    assert await store._writer.do(modes).wait() == ["wal", 2]


async def test_merging_keys_leaves_the_connection_waiting_for_the_disk(
    connection: sqlite3.Connection, path: Path
) -> None:
    merged = Keys(connection)
    merged.add({keys.place_of(1, 5): 2})
    merged.merge_all()
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_closing_commits_what_was_appended(path: Path) -> None:
    store = open_store(path)
    histories = [await begin(store) for _ in range(20)]
    futures = [store.append(history.say("k", "l")) for history in histories]
    await trio.to_thread.run_sync(store.close)
    for future in futures:
        assert isinstance(await future.wait(), Appended)
    assert sorted(each.name for each in path.parent.iterdir()) == ["salon.db", "salon.db.lock"]
    store = open_store(path)
    for history in histories:
        assert await store.load(history.id).wait() == history.state
    store.close()


async def test_closing_completes_the_index_of_keys(path: Path) -> None:
    store = open_store(path)
    history = await begin(store)
    await store.append(history.say(*"abcdef")).wait()
    store.close()
    other = sqlite3.connect(path)
    through = other.execute("SELECT value FROM meta WHERE name = 'keys_through'").fetchone()
    assert int(through[0]) == other.execute("SELECT max(position) FROM events").fetchone()[0]
    assert other.execute("SELECT count(*) FROM keys").fetchone() == (6,)
    other.close()


async def test_a_closed_store_says_so(store: SqlStore) -> None:
    history = await begin(store)
    store.close()
    for future in (store.append(history.say("k")), store.load(history.id), store.backup("x")):
        with pytest.raises(StoreError, match="closed"):
            await future.wait()


async def test_the_epoch_stays_with_the_file(path: Path) -> None:
    store = open_store(path)
    epoch = store.epoch
    store.close()
    store = open_store(path)
    assert store.epoch == epoch
    store.close()


async def test_the_files_as_they_are_at_any_moment_hold_all_that_was_committed(
    store: SqlStore, path: Path, tmp_path: Path
) -> None:
    history = await begin(store)
    for turn in range(5):
        await store.append(history.say(f"k{turn}", None)).wait()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for each in path.parent.glob("salon.db*"):
        shutil.copy(each, crashed)
    revived = open_store(crashed / "salon.db")
    assert await revived.load(history.id).wait() == history.state
    taken = await revived.append(history.fork().say("k3")).wait()
    assert taken == KeysTaken({(ADA.id, "k3"): history.records[7]})
    revived.close()


KILLED = """
    import sys, trio
    from salon.actors.store import Appended
    from salon.persistence import keys, writer
    from salon.persistence.sql import SqlStore
    from tests.unit.history import History, sources

    keys.MERGE_AT, keys.PIECE, writer.CHECKPOINT_AT = 300, 50, 64

    async def talk(store):
        history = History()
        outcome = await store.append(history.begin()).wait()
        history.state.number = outcome.number
        turn = 0
        while True:
            changes = history.say(*(f"{turn}-{n}" for n in range(turn % 4 + 1)))
            outcome = await store.append(changes).wait()
            assert outcome == Appended(history.state.number), outcome
            lines = "".join(f"{history.id} {each.sequence} {each.key}\\n" for each in changes.records)
            sys.stdout.write(lines)
            sys.stdout.flush()
            turn += 1

    async def main():
        store = SqlStore.open(sys.argv[1], sources())
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(talk, store)

    trio.run(main)
"""


def acknowledged_before_a_kill(path: Path, lines: int) -> list[tuple[str, int, str]]:
    """Run a server that appends, kill it after so many lines of what it has acknowledged; give all of them."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED), f"sqlite:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().splitlines(keepends=True)
    assert told[0]
    whole = [line.decode().split() for line in told if line.endswith(b"\n")]
    return [(id_, int(sequence), key) for id_, sequence, key in whole]


@pytest.mark.parametrize("lines", [1, 700, 3000])
def test_a_killed_server_has_lost_nothing_and_doubled_nothing(path: Path, lines: int) -> None:
    acknowledged = acknowledged_before_a_kill(path, lines)

    async def look() -> None:
        store = open_store(path)
        keys_of: dict[str, dict[int, str | None]] = {}
        for id_ in {line[0] for line in acknowledged}:
            keys_of[id_] = await check_conversation(store, id_)
        for id_, sequence, key in acknowledged:
            assert keys_of[id_][sequence] == key
        store.close()

    trio.run(look)


async def check_conversation(store: SqlStore, id_: str) -> dict[int, str | None]:
    """No gap, no key twice, and the newest key is refused again; the keys by sequence."""
    state = await store.load(id_).wait()
    assert state is not None
    records = await read_all(store, state.number)
    assert [each.sequence for each in records] == list(range(1, state.head + 1))
    names = [each.key for each in records if each.key]
    assert len(names) == len(set(names))
    again = Record(state.head + 1, 0, b"", b"", state.messages + 1, ADA.id, names[-1])
    outcome = await store.append(Changes(id_, state.number, (again,))).wait()
    assert outcome == KeysTaken({(ADA.id, names[-1]): records[-1]})
    return {each.sequence: each.key for each in records}


async def read_all(store: SqlStore, number: int) -> list[Record]:
    records: list[Record] = []
    while (page := await store.read(number, after=len(records)).wait()).records:
        records += page.records
    return records


async def test_a_long_log_that_a_kill_left_is_copied_into_the_file(
    path: Path, store: SqlStore, tmp_path: Path
) -> None:
    history = await begin(store)
    for turn in range(3):
        changes = history.say(*(f"{turn} {n}" for n in range(500)))
        records = [record._replace(body=b"x" * 2_000) for record in changes.records]
        await store.append(replace(changes, records=tuple(records))).wait()
    left = tmp_path / "left.db"
    for suffix in ("", "-wal"):  # as they are, which is what a kill leaves
        shutil.copy(f"{path}{suffix}", f"{left}{suffix}")
    again = open_store(left)
    try:
        with trio.fail_after(15):
            await until(lambda: left.stat().st_size > 1_000_000)
    finally:
        again.close()


async def test_a_disk_that_fills_refuses_until_there_is_room(path: Path, store: SqlStore) -> None:
    histories = [await begin(store) for _ in range(3)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept: list[tuple[History, tuple[Record, ...]]] = []

    async def fill(history: History) -> None:
        for turn in range(1000):
            changes = history.fork().say(f"{turn}", None)
            body = changes.records[0]._replace(body=b"x" * 20_000)
            changes = replace(changes, records=(body, *changes.records[1:]))
            outcome = await store.append(changes).wait()
            assert isinstance(outcome, Appended)
            history.say(f"{turn}", None)
            kept.append((history, changes.records))
        pytest.fail("the disk took it all")

    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    try:
        for history in histories:
            with pytest.raises(StoreError, match="full"):
                await fill(history)
            loaded = await store.load(history.id).wait()
            assert loaded is not None
            assert loaded.head == history.state.head
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kept
    for history in histories:
        assert isinstance(await store.append(history.say("room")).wait(), Appended)
    store.close()
    store = open_store(path)
    for history, records in kept:
        page = await store.read(history.state.number, after=records[0].sequence - 1, limit=2).wait()
        assert page.records == records
    store.close()


# --- who is harmed by what ----------------------------------------------------------------------------------------------


def test_a_full_database_is_told_from_a_broken_one(connection: sqlite3.Connection) -> None:
    ledger = Ledger(connection, "salon.db", Keys(connection))
    history = begun(ledger)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = history.fork().say("k")
    large = replace(large, records=(large.records[0]._replace(body=b"x" * 100_000),))
    (outcome,) = ledger.append([large])
    assert isinstance(outcome, StoreError)
    assert "the disk is full: make room" in str(outcome)
    connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.append([large]) == [Appended(history.state.number)]


def test_conflicts_in_one_group_harm_only_their_own(connection: sqlite3.Connection) -> None:
    ledger = Ledger(connection, "salon.db", Keys(connection))
    histories = [begun(ledger) for _ in range(8)]
    ledger.append([history.say("k") for history in histories])
    late = histories[2].fork()
    late.state.head -= 1
    late_and_taken = histories[5].fork()
    late_and_taken.state.head -= 1
    existing = History(id=histories[7].id).begin()
    new = History()
    unwritable = histories[6].fork().say("lone surrogate \ud800")
    group = [
        histories[0].say("new"),
        histories[1].fork().say("new", "k"),
        late.say("new"),
        new.begin(),
        histories[4].say("new", None),
        late_and_taken.say("k"),
        unwritable,
        existing,
    ]
    outcomes = ledger.append(group)
    assert outcomes[0] == Appended(histories[0].state.number)
    assert outcomes[1] == KeysTaken({(ADA.id, "k"): histories[1].records[1]})
    assert "has a sequence 2 already" in str(outcomes[2])
    assert isinstance(outcomes[3], Appended)
    assert outcomes[4] == Appended(histories[4].state.number)
    assert outcomes[5] == KeysTaken({(ADA.id, "k"): histories[5].records[1]})
    assert isinstance(outcomes[6], StoreError)
    assert isinstance(outcomes[7], StoreError)
    new.state.number = outcomes[3].number
    for history in (*histories, new):
        assert queries.load(connection, history.id) == history.state


def test_keys_with_the_same_hash_are_told_apart(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keys, "digest", lambda *_: 7)
    ledger = Ledger(connection, "salon.db", Keys(connection))
    history = begun(ledger)
    for key in ("a", "b", "c"):
        assert ledger.append([history.say(key)]) == [Appended(history.state.number)]
    taken = {(ADA.id, "b"): history.records[2]}
    assert ledger.append([history.fork().say("b")]) == [KeysTaken(taken)]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), merge_at=st.integers(1, 60), piece=st.integers(1, 20))
def test_a_key_is_known_whether_or_not_it_is_merged(
    tmp_path_factory: pytest.TempPathFactory, seed: int, merge_at: int, piece: int
) -> None:
    random = Random(seed)
    opened = File(tmp_path_factory.mktemp("keys") / "salon.db")
    connection = opened.open(sources())
    index = Keys(connection)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "PIECE", piece)
        patch.setattr(keys, "MERGE_AT", merge_at)
        ledger = Ledger(connection, "salon.db", index)
        histories = [begun(ledger) for _ in range(3)]
        for _ in range(60):
            history, key = random.choice(histories), str(random.randrange(40))
            used = {record.key: record for record in history.records}
            changes = history.fork().say(key)
            if key in used:
                expected: object = KeysTaken({(ADA.id, key): used[key]})
            else:
                expected = Appended(history.state.number)
                history.state.head, history.state.messages = 0, 0  # replaced below
            outcome = ledger.append([changes])
            assert outcome == [expected]
            if key not in used:
                history.records += changes.records
                history.state.head = changes.records[-1].sequence
                history.state.messages = changes.records[-1].messages
                history.state.updated_at = changes.records[-1].at
            if index.due or random.random() < 0.1:
                index.merge_piece()
            if random.random() < 0.1:  # a crash: what was in memory is gone
                index = Keys(connection)
                ledger = Ledger(connection, "salon.db", index)
        index.merge_all()
        for row in connection.execute("SELECT conversation, sequence, sender_id, key FROM events"):
            if row[3] is not None:
                place = (row[0], index.digest(row[2], row[3]), row[1])
                found = "SELECT 1 FROM keys WHERE (conversation, digest, sequence) = (?, ?, ?)"
                assert connection.execute(found, place).fetchone()
    connection.close()
    opened.release()


async def test_another_program_that_writes_is_waited_for_and_then_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY", 0.0)
    store = open_store(path)
    history = await begin(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds it locked"):
        await store.append(history.fork().say("k")).wait()
    other.execute("ROLLBACK")
    assert isinstance(await store.append(history.say("k")).wait(), Appended)
    other.close()
    store.close()


async def test_the_file_can_be_looked_at_while_it_is_used(store: SqlStore, path: Path) -> None:
    history = await begin(store)
    await store.append(history.say("k")).wait()
    other = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert other.execute("SELECT count(*), max(key) FROM events").fetchone() == (2, "k")
    assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()


async def test_a_mistake_in_the_store_leaves_nobody_waiting(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    history = await begin(store)

    def fail(_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(store._writer._ledger, "append", fail)
    with pytest.raises(StoreError, match="a mistake"):
        await store.append(history.fork().say("k")).wait()
    assert "a mistake" in caplog.text
    monkeypatch.undo()
    assert isinstance(await store.append(history.say("k")).wait(), Appended)


def test_who_has_gone_is_not_waited_for(path: Path) -> None:
    store = open_store(path)
    history = History()

    async def leave() -> None:
        store.append(history.begin())
        store.load(history.id)

    trio.run(leave)
    store.close()

    async def look() -> None:
        store = open_store(path)
        assert await store.load(history.id).wait() is not None
        store.close()

    trio.run(look)
