"""Opens the store that a URL names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from salon.actors.store import StoreError

from .memory import MemoryStore

if TYPE_CHECKING:
    from salon.actors.sources import Sources

    from .postgres.store import PostgresStore
    from .sql import SqlStore

    AnyStore: TypeAlias = MemoryStore | SqlStore | PostgresStore


def resolve(url: str, sources: Sources) -> AnyStore:
    """Open the store at `memory:`, `sqlite:///PATH` or `postgresql://…`. Blocks; raises `StoreError` where that fails."""
    if url == "memory:":
        return MemoryStore(sources)
    if url.startswith("sqlite:"):
        from .sql import SqlStore  # noqa: PLC0415 - not every store needs SQLite

        return SqlStore.open(url, sources)
    if is_postgres(url):
        return _postgres().open(url, sources)
    raise StoreError(
        f"{url}: unknown kind of store: memory: and sqlite:///PATH and postgresql://… are known"
    )


def is_postgres(url: str) -> bool:
    """Whether a URL names a database of PostgreSQL."""
    return url.startswith(("postgresql:", "postgres:"))


def _postgres() -> type[PostgresStore]:
    try:
        from .postgres.store import PostgresStore  # noqa: PLC0415 - its library is an extra
    except ImportError as error:
        if error.name is None or not error.name.startswith("psycopg"):
            raise
        raise StoreError(f"store.url: {error}: pip install 'salon[postgres]'") from None
    return PostgresStore


def backup(url: str, path: str | Path) -> None:
    """Copy the store at a URL to a new file, whether or not a server has it open. Blocks; raises `StoreError`."""
    if not url.startswith("sqlite:"):
        raise StoreError(f"{url}: only a store at sqlite:///PATH can be copied")
    from .file import File  # noqa: PLC0415 - as above
    from .snapshot import snapshot  # noqa: PLC0415
    from .sql import path_of  # noqa: PLC0415

    snapshot(File(path_of(url)), Path(path))
