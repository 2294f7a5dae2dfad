"""An empty store of the newest schema, for tests that have no interest in how one is made.

Its migrations are run once in a process of tests, and what they have made is copied: they take as much processor time as all
the rest of a server's start. A store gets its epoch and its secret where it is opened first, so no two are the same log.
Who begins without a file still has them run: what is started under strace, `salon load --serve`, `salon crash`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


def lay(path: Path) -> None:
    """Put one at this path, unless something is there, or its folder is still to be made by whoever opens the store."""
    if path.parent.is_dir() and not path.exists():
        path.touch(mode=0o600)
        path.write_bytes(_content())


@cache
def _content() -> bytes:
    from salon.persistence.migration import migrate  # imports Alembic, which few tests need

    with TemporaryDirectory() as folder:
        path = Path(folder, "salon.db")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            migrate(connection, path)
        return path.read_bytes()
