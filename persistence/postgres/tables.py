"""Makes the tables of an empty database, and brings those of an earlier version to the newest schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic import command
from sqlalchemy import StaticPool, create_engine

from ..migration import config_of, upgrade
from ..migrations import NEWEST
from ..schema import metadata
from .revision import revision_of
from .view import LOCK
from .view import TABLES as VIEW_TABLES

if TYPE_CHECKING:
    from psycopg import Connection as Driver
    from sqlalchemy import Connection

ONLY_SQLITE = frozenset({"keys"})  # an index of the log does for it here
_OWN = (
    # A key is used once: the log itself says so.
    "CREATE UNIQUE INDEX events_by_key ON events (conversation, key, sender_id) WHERE key IS NOT NULL",
    # What messages say, by their places in the log: see `search_index.py`.
    "CREATE TABLE search_words (position bigint PRIMARY KEY, words tsvector NOT NULL)",
    "CREATE INDEX search_words_by_word ON search_words USING gin (words)",
    *VIEW_TABLES,
)


def make(connection: Driver[Any]) -> None:
    """Make all tables, in one transaction or not at all: those of the newest schema. Another server may do so, too."""
    connection.autocommit = False
    with _sqlalchemy(connection) as alchemy, alchemy.begin():
        connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        if revision_of(connection) is not None:
            return
        metadata.create_all(
            alchemy, [table for name, table in metadata.tables.items() if name not in ONLY_SQLITE]
        )
        for statement in _OWN:
            connection.execute(statement)
        command.stamp(config_of(alchemy), NEWEST)


def migrate(connection: Driver[Any], name: object) -> None:
    """Apply every migration that the database lacks. Raises `StoreError` for one that a newer version wrote."""
    connection.autocommit = False
    with _sqlalchemy(connection) as alchemy, alchemy.begin():
        connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        upgrade(alchemy, name, "head")


def _sqlalchemy(connection: Driver[Any]) -> Connection:
    """SQLAlchemy's view of the connection, which the caller still closes."""
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool
    )
    return engine.connect()
