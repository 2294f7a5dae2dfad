"""What of a database does not fit the nodes of a cluster: rights, clocks, connections, and who is in already."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg

from ..schema import metadata
from .fault import Lost
from .view import is_gone, others

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .server import Server
    from .session import PostgresSession

CONNECTIONS = 7  # of a node
APART = 1.0  # seconds by which clocks may differ before somebody sees it
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")
OWN = ("alembic_version", "cluster", "nodes")  # tables beside those of the schema

_LACKING = (
    "SELECT c.relname, r.name FROM pg_class c CROSS JOIN unnest(%s::text[]) AS r(name) "
    "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname = ANY(%s) "
    "AND NOT has_table_privilege(c.oid, r.name) ORDER BY 1, 2"
)
_SEQUENCES = (
    "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace "
    "AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END ORDER BY 1"
)
_STATE = (
    "SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE'), "
    "EXTRACT(epoch FROM clock_timestamp())::float8, current_setting('max_connections')::bigint, "
    "to_regclass('nodes') IS NOT NULL"
)

Problem = tuple[str, str]


def examine_shared(server: Server, form: str, now: float) -> list[Problem]:
    """What is wrong, and what to do about it. `form` is how the nodes' versions end, `now` this machine's time in seconds.

    Blocks; nothing is made or changed. Raises `StoreError`.
    """
    with closing(server.connect_reader()) as session:
        try:
            return list(_problems(session, form, now))
        except (psycopg.Error, Lost) as error:
            raise server.explain(error) from None


def _problems(session: PostgresSession, form: str, now: float) -> Iterator[Problem]:
    user, schema, may_create, clock, connections, is_made = session.run(_STATE).fetchone()
    if abs(clock - now) > APART:
        yield (
            f"the clock of this machine is {now - clock:+.0f} s from the database's",
            "set both by a time service: messages and tokens have the times of their nodes",
        )
    if not is_made:
        if not may_create:
            yield (
                f"the role {user} may not make the tables in the schema {schema}",
                f"GRANT CREATE ON SCHEMA {schema} TO {user}, or call `salon upgrade` as the owner first",
            )
        return
    yield from _lacking_rights(session, user)
    nodes = others(session, "")
    for node in nodes:
        if node.version is None and not is_gone(node):
            yield (
                f"a server that is no node of a cluster uses it (process {node.process} on {node.name})",
                "stop it first",
            )
        elif node.version is not None and not node.version.endswith(form):
            yield (
                f"the node {node.name} has version {node.version}, which this one does not understand",
                "stop the nodes of that version: this one waits until they have left",
            )
    needed = CONNECTIONS * (len(nodes) + 1)
    if connections < needed:
        yield (
            f"max_connections is {connections}, and {len(nodes) + 1} nodes use {needed}",
            "raise it, or put PgBouncer in transaction mode before the database",
        )


def _lacking_rights(session: PostgresSession, user: str) -> Iterator[Problem]:
    """One problem for all rights that a role lacks."""
    names = [*metadata.tables, *OWN]
    lacking: dict[str, list[str]] = {}
    for table, right in session.run(_LACKING, (list(RIGHTS), names)):
        lacking.setdefault(right, []).append(table)
    for (sequence,) in session.run(_SEQUENCES):
        lacking.setdefault("USAGE", []).append(sequence)
    if lacking:
        said = "; ".join(f"{right} on {', '.join(found)}" for right, found in lacking.items())
        yield f"the role {user} lacks {said}", "GRANT them: see docs/postgresql.md"
