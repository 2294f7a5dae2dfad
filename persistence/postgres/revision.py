"""Which tables a database has, and of which revision they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salon.actors.store import StoreError

if TYPE_CHECKING:
    from psycopg import Connection as Driver


def revision_of(connection: Driver[Any]) -> str | None:
    """The schema's revision; None where there are no tables of salon."""
    found = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if found is None or not found[0]:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def check_ours(connection: Driver[Any], name: object) -> None:
    """Refuse the tables of another application: some that have the names of ours. Raises `StoreError`."""
    found = connection.execute(
        "SELECT to_regclass('events') IS NOT NULL OR to_regclass('members') IS NOT NULL "
        "OR to_regclass('meta') IS NOT NULL"
    ).fetchone()
    if found is not None and found[0] and revision_of(connection) is None:
        raise StoreError(
            f"{name}: there are tables of another program: name another database with --store"
        )
