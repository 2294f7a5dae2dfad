"""PostgreSQL for tests: the server is `salon.loadtests.servers.PostgresServer`, its databases are made once and emptied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from salon.loadtests.servers import PostgresServer as Cluster
from salon.loadtests.servers.postgres import UNSAFE, USER

__all__ = ["UNSAFE", "USER", "Cluster", "Databases"]


class Databases:
    """Databases of a cluster, empty as a new store is, for one test after the other: to empty one is cheaper than to make one."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._free: list[str] = []
        self._made = 0

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of an empty database."""
        name = self._free.pop() if self._free else self._make()
        yield self.cluster.url(name)
        self.cluster.execute(EMPTY, database=name)
        self._free.append(name)

    def _make(self) -> str:
        self._made += 1
        name = f"salon_{self._made}"
        self.cluster.execute(f"CREATE DATABASE {name}")
        return name


# All rows, and the numbers that are counted from 1. The view goes on.
EMPTY = """DO $$
DECLARE each record;
BEGIN
    FOR each IN SELECT schemaname, relname FROM pg_stat_user_tables
        WHERE relname NOT IN ('alembic_version', 'cluster') LOOP
        EXECUTE format('DELETE FROM %I.%I', each.schemaname, each.relname);
    END LOOP;
    FOR each IN SELECT sequencename FROM pg_sequences LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', each.sequencename);
    END LOOP;
END $$"""
