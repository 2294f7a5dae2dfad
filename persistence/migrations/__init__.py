"""The schema's history, applied when a store is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from ...actors.store import StoreError

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Connection

    from ...actors.sources import Sources

HERE = Path(__file__).parent


def migrate(connection: sqlite3.Connection, path: object, sources: Sources) -> None:
    """Bring the database to the newest schema, and name its log where it has no name, in one transaction or not at all.

    Raises `StoreError` for a database that a newer version wrote, and what the driver raises.
    """
    try:
        with _sqlalchemy(connection) as alchemy, alchemy.begin():
            _upgrade(alchemy, path)
            named = "INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)"
            for row in _first_rows(sources):
                alchemy.exec_driver_sql(named, row)
    except DBAPIError as error:
        raise error.orig or error from error


def _upgrade(alchemy: Connection, path: object) -> None:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    for revision in MigrationContext.configure(alchemy).get_current_heads():
        if revision not in known:
            raise StoreError(
                f"{path}: a newer version wrote it (schema {revision}): install that version "
                "again, or open a backup from before it. Nothing was changed."
            )
    config.attributes["connection"] = alchemy
    command.upgrade(config, "head")


def _first_rows(sources: Sources) -> tuple[tuple[str, str], ...]:
    return (
        ("epoch", sources.new_id()),
        ("created_at", str(sources.now())),
        ("keys_through", "0"),
        ("key_secret", sources.entropy(16).hex()),
    )


def _sqlalchemy(connection: sqlite3.Connection) -> Connection:
    """SQLAlchemy's view of the connection, which stays ours to close."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def begin(alchemy: Connection) -> None:
        alchemy.exec_driver_sql("BEGIN IMMEDIATE")  # the driver itself begins none for DDL

    return engine.connect()
