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
_NEWER = (
    "{path}: a newer version wrote it (schema {revision}): install that version "
    "again, or open a backup from before it. Nothing was changed."
)


def migrate(connection: sqlite3.Connection, path: object, *, to: str = "head") -> None:
    """Apply every migration that the database lacks, in one transaction or not at all; with `to` those up to a revision.

    Raises `StoreError` for a database that a newer version wrote, and the driver's own errors.
    """
    try:
        with _sqlalchemy(connection) as alchemy, alchemy.begin():
            upgrade(alchemy, path, to)
    except DBAPIError as error:
        raise error.orig or error from error


def migrations_after(revision: str | None, path: object) -> list[tuple[str, str]]:
    """The migrations that a database at this revision lacks, the first first: each its revision and what it does.

    None is the revision of an empty database. Raises `StoreError` for one that a newer version wrote.
    """
    scripts = list(ScriptDirectory.from_config(_config()).walk_revisions())[::-1]
    known = [script.revision for script in scripts]
    if revision is not None and revision not in known:
        raise StoreError(_NEWER.format(path=path, revision=revision))
    first = 0 if revision is None else known.index(revision) + 1
    return [(script.revision, " ".join(script.doc.split())) for script in scripts[first:]]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def config_of(alchemy: Connection) -> Config:
    """Alembic's configuration for commands on a connection."""
    config = _config()
    config.attributes["connection"] = alchemy
    return config


def upgrade(alchemy: Connection, path: object, to: str) -> None:
    """Apply the migrations up to a revision in the transaction that was begun. Raises `StoreError` as `migrate` does."""
    for revision in MigrationContext.configure(alchemy).get_current_heads():
        migrations_after(revision, path)
    command.upgrade(config_of(alchemy), to)


def _sqlalchemy(connection: sqlite3.Connection) -> Connection:
    """SQLAlchemy's view of the connection, which the caller still closes."""
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def begin(alchemy: Connection) -> None:
        alchemy.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins no transaction for DDL

    return engine.connect()
