"""A deleted conversation leaves nothing behind, whichever the store, and wherever a store is stopped."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Table

from salon.actors.events import ReactionAdded
from salon.actors.member_messages import Ban, CreateInvite, Mute, RequestJoin
from salon.actors.messages import Create, Post
from salon.actors.model import Entrant
from salon.actors.search import Sought, parse
from salon.actors.store import Appended, Changes, KeysTaken, Store, StoreError
from salon.persistence import erasing, search_index
from salon.persistence.erasing import SqliteEraser
from salon.persistence.file import File
from salon.persistence.keys import Keys
from salon.persistence.schema import metadata
from salon.persistence.search_index import SearchIndex
from tests.inside import until
from tests.unit.history import ADA, BEN, CLEO, DAN, History, sources
from tests.unit.stores import begin, open_store

SECRET = "xylophone"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces so small that a conversation has several of them, in several parts of the index."""
    monkeypatch.setattr(erasing, "PIECE", 5)
    monkeypatch.setattr(search_index, "PART", 16)
    monkeypatch.setattr(search_index, "PIECE", 4)
    monkeypatch.setattr(search_index, "LAG", 4)


async def talk(store: Store, other: History) -> History:
    """A conversation with everything that one can have, among messages of another one."""
    history = History(BEN, CLEO)
    made = history.turn(
        Create(history.id, ADA, SECRET, (Entrant(BEN), Entrant(CLEO)), metadata=f'"{SECRET}"')
    )
    outcome = await store.append(made).wait()
    assert isinstance(outcome, Appended)
    history.state.number = outcome.number
    for number in range(40):
        post = Post(history.id, BEN, f"{SECRET} {number}", f"k{number}", mentions=(ADA.id,))
        assert isinstance(await store.append(history.turn(post)).wait(), Appended)
        await store.append(other.tell(f"kept {number}")).wait()
    await store.append(
        history.turn(
            CreateInvite(history.id, ADA, "invite", "member"),
            Mute(history.id, ADA, BEN.id, reason=SECRET),
            Ban(history.id, ADA, CLEO.id, reason=SECRET),
            RequestJoin(history.id, DAN, SECRET),
        )
    ).wait()
    state = history.state
    message_id = f"{history.id}-2"
    reaction = ReactionAdded(history.id, state.head + 1, state.updated_at, message_id, ":x:", "ada")
    changes = replace(history.take(reaction), thread_reads={("ada", 2): 3})
    assert isinstance(await store.append(changes).wait(), Appended)
    return history


async def erase(store: Store, history: History) -> None:
    changes = Changes(history.id, history.state.number, (), erased=history.state.updated_at)
    assert isinstance(await store.append(changes).wait(), Appended)


async def test_nothing_of_a_deleted_conversation_is_found_and_others_stay(store: Store) -> None:
    other = await begin(store)
    history = await talk(store, other)
    everybody = [each.id for each in (ADA, BEN, CLEO)]
    await erase(store, history)
    assert await store.load(history.id).wait() is None
    assert await store.conversation_of("invite").wait() is None
    assert history.id not in await store.with_open_runs().wait()
    for id in everybody:
        listing = await store.listing(id, limit=10).wait()
        assert history.id not in [each.conversation_id for each in listing.summaries]
        assert listing.total == len(listing.summaries)
        assert (await store.search(Sought(id, parse(SECRET))).wait()).hits == ()
    whole = Sought(None, parse(SECRET), conversation_id=history.id)
    assert (await store.search(whole).wait()).hits == ()
    await store.append(other.tell("and more")).wait()
    assert await store.load(other.id).wait() == other.state
    found = await store.search(Sought(ADA.id, parse("kept"))).wait()
    assert len(found.hits) == 20
    number = other.state.number
    assert len((await store.read(number, limit=100).wait()).records) == other.state.head


async def test_the_id_of_a_deleted_conversation_is_not_used_again(store: Store) -> None:
    history = await talk(store, await begin(store))
    await erase(store, history)
    with pytest.raises(StoreError):
        await store.append(History(id=history.id).begin()).wait()
    assert await store.load(history.id).wait() is None
    newer = await begin(store)
    assert newer.state.number > history.state.number


async def test_places_and_keys_of_others_are_not_mixed_up_with_those_of_a_deleted_one(
    tmp_path: Path,
) -> None:
    """The deleted one has the newest places; what comes after must not be taken for indexed already, also after a restart."""
    path = tmp_path / "salon.db"
    store = open_store(path)
    other = await begin(store)
    history = await talk(store, other)
    await erase(store, history)
    await until(lambda: not pending(path))
    await store.append(other.say("again")).wait()
    store.close()
    store = open_store(path)
    outcome = await store.append(other.fork().say("again")).wait()
    assert isinstance(outcome, KeysTaken)
    found = await store.search(Sought(ADA.id, parse('"say again"'))).wait()
    assert [json.loads(hit.body)["message"]["content"] for hit in found.hits] == ["say again"]
    store.close()


@pytest.mark.parametrize("pieces", [0, 1, 4, 9, 13, 30])
async def test_a_store_that_is_stopped_in_the_middle_goes_on_erasing(
    tmp_path: Path, pieces: int
) -> None:
    path = tmp_path / "salon.db"
    store = open_store(path)
    other = await begin(store)
    history = await talk(store, other)
    store.close()
    file = File(path)
    connection = file.open(sources())
    keys, search = Keys(connection), SearchIndex(connection)
    erasing.hide(connection, history.state.number, 5)
    eraser = SqliteEraser(connection, keys, search)
    for _ in range(pieces):
        if eraser.due:
            eraser.erase_piece()
    file.leave(connection)
    file.release()
    store = open_store(path)
    await until(lambda: not pending(path))
    assert await store.load(other.id).wait() == other.state
    found = await store.search(Sought(ADA.id, parse("kept"))).wait()
    assert len(found.hits) == 20
    store.close()
    assert SECRET.encode() not in path.read_bytes()
    rows = rows_of(path, history.state.number)
    assert {table: len(rows[table]) for table in rows if rows[table]} == {
        "conversations": 1,
        "events": 1,
    }


def pending(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("SELECT 1 FROM erasures").fetchall())


def rows_of(path: Path, number: int) -> dict[str, list[object]]:
    """What every table of the schema that knows conversations by number has of one."""
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for table in metadata.sorted_tables:
            column = column_of(table)
            if column is not None:
                asked = f"SELECT * FROM {table.name} WHERE {column} = ?"
                found[table.name] = connection.execute(asked, (number,)).fetchall()
    assert len(found) > 10
    return found


def column_of(table: Table) -> str | None:
    if table.name == "conversations":
        return "number"
    return "conversation" if "conversation" in table.columns else None
