"""The database that a URL names: connections to it, and what has to be true of its server before messages are trusted to it."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg import conninfo

from salon.actors.store import StoreError

from .fault import Lost, explain, starting, without_password
from .revision import revision_of
from .session import PostgresSession

if TYPE_CHECKING:
    from psycopg import Connection

STARTING = 10.0  # seconds for a server to start
RETRY = 0.1  # seconds between two tries to reach it
OLDEST = 13  # the first version with all that the statements use
# What a URL may say otherwise. A peer that is gone is noticed in seconds, since a commit has no other end.
_DEFAULTS = {
    "connect_timeout": "5",
    "application_name": "salon",
    "client_encoding": "utf8",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
}
_SETTINGS = (
    "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'), "
    "pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', current_setting('synchronous_commit'), "
    "current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_standby_names')"
)


class ServerSettings(NamedTuple):
    """What a server says of itself."""

    version: int
    encoding: str
    read_only: bool
    synchronous_commit: str
    fsync: str
    full_page_writes: str
    standbys: str


class Server:
    """Connects to a database. `name` is its URL without a password."""

    def __init__(self, url: str) -> None:
        try:
            self._options: dict[str, Any] = {**_DEFAULTS, **conninfo.conninfo_to_dict(url)}
        except psycopg.Error as error:
            raise StoreError(
                f"{without_password(url)}: this is no address of a database: "
                "postgresql://USER@HOST/DATABASE is one"
            ) from error
        self.name = shown(url)

    def connect(self) -> Connection[Any]:
        """A new connection, whose transactions begin only where the code begins them. Raises psycopg's errors."""
        return psycopg.connect(**self._options, autocommit=True, prepare_threshold=None)

    def look_at_revision(self) -> str | None:
        """The schema's revision; None where there are no tables of salon. Raises `StoreError`."""
        try:
            with self.connect() as connection:
                return revision_of(connection)
        except psycopg.Error as error:
            raise self.explain(error) from None

    def connect_reader(self) -> PostgresSession:
        """A connection to read with, made when it is first used."""
        return PostgresSession(self.connect)

    def explain(self, error: Exception) -> StoreError:
        """The error for operators."""
        return explain(self.name, error)

    def look(self) -> ServerSettings:
        """What the server says of itself, asked on a connection of its own. Raises `StoreError`."""
        with closing(self.connect_reader()) as session:
            try:
                return self.settings(session)
            except (psycopg.Error, Lost) as error:
                raise self.explain(error) from None

    def await_answer(self) -> None:
        """Wait for a server that is just starting, as it is where both start with the machine. Raises psycopg's errors."""
        deadline = time.monotonic() + STARTING
        while True:
            try:
                self.connect().close()
            except psycopg.Error as error:
                if time.monotonic() > deadline or not starting(error):
                    raise
                time.sleep(RETRY)
            else:
                return

    def settings(self, session: PostgresSession) -> ServerSettings:
        """What the server says of itself."""
        return ServerSettings(*session.run(_SETTINGS).fetchone())

    def refuse(self, found: ServerSettings) -> None:
        """Raise `StoreError` where nothing may be trusted to the server."""
        problem = None
        if found.version < OLDEST * 10_000:
            problem = (
                f"PostgreSQL {found.version // 10_000} is too old: {OLDEST} or newer is needed"
            )
        elif found.encoding != "UTF8":
            problem = f"its encoding is {found.encoding}: make the database anew with `createdb -E UTF8 -T template0`"
        elif found.read_only:
            problem = (
                "the database can only be read, as on a standby: name the primary, "
                "or all hosts with target_session_attrs=read-write"
            )
        elif found.synchronous_commit == "off":
            problem = (
                "synchronous_commit is off, so a crash of the server would lose what was acknowledged: "
                "ALTER ROLE … SET synchronous_commit = on"
            )
        if problem is not None:
            raise StoreError(f"{self.name}: {problem}")


def warnings(found: ServerSettings) -> list[tuple[str, str]]:
    """What may cost messages, and what to do about it."""
    problems = []
    if found.fsync != "on":
        problems.append(
            ("fsync is off: a crash of the machine can lose everything", "set fsync = on")
        )
    if found.full_page_writes != "on":
        problems.append(
            ("full_page_writes is off: a power cut can damage pages", "set full_page_writes = on")
        )
    if found.standbys and found.synchronous_commit == "local":
        problems.append(
            (
                "synchronous_commit is local: a failover can lose what was acknowledged",
                "set synchronous_commit = on",
            )
        )
    return problems


def shown(url: str) -> str:
    """A URL as it may stand in a log."""
    return without_password(url)
