"""Opens the store that a URL names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from salon.actors.store import StoreError

from .memory import MemoryStore

if TYPE_CHECKING:
    from salon.actors.sources import Sources

    from .sql import SqlStore


def resolve(url: str, sources: Sources) -> MemoryStore | SqlStore:
    """Open the store at `memory:` or `sqlite:///PATH`. Blocks; raises `StoreError` where it cannot be opened."""
    if url == "memory:":
        return MemoryStore(sources)
    if url.startswith("sqlite:"):
        from .sql import SqlStore  # noqa: PLC0415 - not every store needs SQLite

        return SqlStore.open(url, sources)
    raise StoreError(f"{url}: unknown kind of store: memory: and sqlite:///PATH are known")


def backup(url: str, path: str | Path) -> None:
    """Copy the store at a URL to a new file, whether or not a server has it open. Blocks; raises `StoreError`."""
    if not url.startswith("sqlite:"):
        raise StoreError(f"{url}: only a store at sqlite:///PATH can be copied")
    from .file import File  # noqa: PLC0415 - as above
    from .snapshot import snapshot  # noqa: PLC0415
    from .sql import path_of  # noqa: PLC0415

    snapshot(File(path_of(url)), Path(path))
