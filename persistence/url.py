"""Opens the store that a URL names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from salon.actors.store import StoreError

from .memory import MemoryStore

if TYPE_CHECKING:
    from salon.actors.sources import Sources

    from .postgres.cluster_store import ClusterStore
    from .postgres.store import PostgresStore
    from .sql import SqlStore

    AnyStore: TypeAlias = MemoryStore | SqlStore | PostgresStore | ClusterStore


_PASSWORD = re.compile(r"(://[^:@/\s]*:)\S*(?=@)|([?&]password=)[^&\s]*")


def resolve(url: str, sources: Sources) -> AnyStore:
    """Open the store at `memory:`, `sqlite:///PATH` or `postgresql://…`. Blocks; raises `StoreError` where that fails."""
    if url == "memory:":
        return MemoryStore(sources)
    if url.startswith("sqlite:"):
        from .sql import SqlStore  # noqa: PLC0415 - not every store needs SQLite

        return SqlStore.open(url, sources)
    if is_postgres(url):
        needs_psycopg()
        from .postgres.store import PostgresStore  # noqa: PLC0415 - as above

        return PostgresStore.open(url, sources)
    raise StoreError(
        f"{shown(url)}: unknown kind of store: memory: and sqlite:///PATH and postgresql://… are known"
    )


def resolve_shared(url: str, sources: Sources) -> ClusterStore:
    """Open the store at `postgresql://…` as the nodes of a cluster share it. Blocks; raises `StoreError` where that fails."""
    if not is_postgres(url):
        raise StoreError(
            f"{shown(url)}: the nodes of a cluster share a database: set store.url to postgresql://USER@HOST/DATABASE"
        )
    needs_psycopg()
    from .postgres.cluster_store import ClusterStore  # noqa: PLC0415 - as above

    return ClusterStore.open(url, sources)


def is_postgres(url: str) -> bool:
    """Whether a URL names a database of PostgreSQL."""
    return url.startswith(("postgresql:", "postgres:"))


def needs_psycopg() -> None:
    """Raise `StoreError`, with what to install, where PostgreSQL's library is not there."""
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise StoreError(f"store.url: {error}: pip install 'salon[postgres]'") from None


def shown(url: str) -> str:
    """A URL as it may stand in a log."""
    return _PASSWORD.sub(lambda found: f"{found[1] or found[2]}***", url)


def examine(url: str) -> list[tuple[str, str]]:
    """What is wrong with a database of PostgreSQL, and what to do about it. Blocks; nothing is made or changed."""
    try:
        needs_psycopg()
        from .postgres.server import Server, warnings  # noqa: PLC0415 - as above

        server = Server(url)
        found = server.look()
        server.refuse(found)
        return warnings(found)
    except StoreError as error:
        problem, _, remedy = str(error).removeprefix(f"{shown(url)}: ").partition(": ")
        return [(problem, remedy)]


def pending(url: str) -> tuple[str | None, list[tuple[str, str]]]:
    """The schema's revision in a database of PostgreSQL, and the migrations that the next start applies. Raises `StoreError`."""
    needs_psycopg()
    from .migration import migrations_after  # noqa: PLC0415 - a third of a second
    from .postgres.server import Server  # noqa: PLC0415 - as above

    server = Server(url)
    revision = server.look_at_revision()
    return revision, migrations_after(revision, server.name)


def backup(url: str, path: str | Path) -> None:
    """Copy the store at a URL to a new file, whether or not a server has it open. Blocks; raises `StoreError`."""
    if not url.startswith("sqlite:"):
        raise StoreError(f"{shown(url)}: only a store at sqlite:///PATH can be copied")
    from .file import File  # noqa: PLC0415 - as above
    from .snapshot import snapshot  # noqa: PLC0415
    from .sql import path_of  # noqa: PLC0415

    snapshot(File(path_of(url)), Path(path))
