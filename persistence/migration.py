"""Brings a database to the newest schema. Alembic and SQLAlchemy are imported here, so only where they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import StaticPool, create_engine, event
from sqlalchemy.exc import DBAPIError

from salon.actors.store import StoreError

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy import Connection

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(connection: sqlite3.Connection, path: object) -> None:
    """Apply every migration that the database lacks, in one transaction or not at all.

    Raises `StoreError` for a database that a newer version wrote, and the driver's own errors.
    """
    try:
        with _sqlalchemy(connection) as alchemy, alchemy.begin():
            _upgrade(alchemy, path)
    except DBAPIError as error:
        raise error.orig or error from error


def _upgrade(alchemy: Connection, path: object) -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    for revision in MigrationContext.configure(alchemy).get_current_heads():
        if revision not in known:
            raise StoreError(
                f"{path}: a newer version wrote it (schema {revision}): install that version "
                "again, or open a backup from before it. Nothing was changed."
            )
    config.attributes["connection"] = alchemy
    command.upgrade(config, "head")


def _sqlalchemy(connection: sqlite3.Connection) -> Connection:
    """SQLAlchemy's view of the connection, which the caller still closes."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def begin(alchemy: Connection) -> None:
        alchemy.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins no transaction for DDL

    return engine.connect()
