"""SQLite stores as the tests want them: open, filled, refused, looked into."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import trio
from alembic import command
from alembic.config import Config
from sqlalchemy import StaticPool, create_engine

from salon.actors.store import Appended, Record, Store, StoreError
from salon.persistence import MemoryStore, migration
from salon.persistence.postgres.store import PostgresStore
from salon.persistence.sql import SqlStore
from tests import new_store
from tests.unit.history import History, sources

AnyStore = MemoryStore | SqlStore | PostgresStore

URLS = {"memory": "memory:", "sqlite": "sqlite:///{path}/salon.db", "postgres": ""}
ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """For a Python of its own that can import what the test can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])}


async def begin(store: Store) -> History:
    """A conversation that is stored."""
    history = History()
    outcome = await store.append(history.begin()).wait()
    assert isinstance(outcome, Appended)
    history.state.number = outcome.number
    return history


def open_store(path: Path) -> SqlStore:
    return SqlStore.open(f"sqlite:///{path}", sources())


def at_revision(path: Path, revision: str) -> None:
    """Make an empty store as the version with this schema did."""
    config = Config()
    config.set_main_option("script_location", str(migration.SCRIPTS))
    with closing(sqlite3.connect(path)) as connection:
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        with engine.begin() as alchemy:
            config.attributes["connection"] = alchemy
            command.upgrade(config, revision)
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        assert found == (revision,)


def refusal(path: Path) -> str:
    """What the operator reads; and the file must not be held after it."""
    with pytest.raises(StoreError) as caught:
        open_store(path)
    return str(caught.value)


async def log_of(store: Store, conversation_id: str) -> list[Record]:
    """All of a conversation that is stored, and has no gap. Raises `StoreError`."""
    state = await store.load(conversation_id).wait()
    if state is None:
        return []
    page = await store.read(state.number, limit=state.head + 1).wait()
    assert [record.sequence for record in page.records] == list(range(1, state.head + 1))
    return list(page.records)


def filled(path: Path, messages: int = 50) -> History:
    """A closed store of one conversation."""

    new_store.lay(path)

    async def fill() -> History:
        store = open_store(path)
        history = await begin(store)
        for n in range(messages):
            await store.append(history.say(f"k{n}")).wait()
        store.close()
        return history

    return trio.run(fill)


def holds(path: Path, history: History) -> bool:
    """Whether a store at the path has the conversation, as it should be."""

    async def look() -> bool:
        store = open_store(path)
        try:
            return bool(await store.load(history.id).wait() == history.state)
        finally:
            store.close()

    return trio.run(look)
