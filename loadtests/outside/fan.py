"""Builds the C programs, sets up people and rooms, and runs `wsfan` against a server."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..servers import own_server
from ..users import Api, RunError, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .case import OutsideCase

SOURCES = Path(__file__).parent
NAMED = 9  # people who can be named when a room is created, besides its creator
MESSAGE = '{"type":"message","client_message_id":"%k","content":"t=%t;s=%s;n=%n;%p"}'
GRACE = 120.0  # seconds that a run may take to connect and to drain


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of a run. CPU is the server's, in microseconds a delivery; times are in milliseconds."""

    cpu: float
    deliveries_per_second: float
    p50: float
    p99: float
    well: bool  # every delivery came exactly once and in order
    others: float  # CPU that all else on the machine took, in cores: above a tenth it spoils times and throughput


@dataclass(frozen=True, slots=True)
class Tools:
    """The built programs."""

    fan: Path
    floor: Path

    def salon(self, case: OutsideCase, seconds: float) -> Figures:
        """Run a case against a server of its own. Raises `RunError`."""
        people = {f"t{n}": {"id": f"u{n}", "name": f"P{n}"} for n in range(case.people)}
        settings = {"AUTH__STATIC_TOKENS": json.dumps(people, separators=(",", ":"))}
        with own_server(**settings) as (url, pid), tempfile.NamedTemporaryFile("w") as rooms:
            rooms.writelines(f"{room}\n" for room in _rooms(Target.of(url), case))
            rooms.flush()
            place = ["--path", "/chat/ws/%i", "--room-ids", rooms.name]
            who = ["--header", "Authorization: Bearer t%u", "--user-base", "0"]
            said = ["--wait", '"caught_up"', "--payload", MESSAGE]
            port = str(urlsplit(url).port)
            return self._run(case, seconds, port, pid, [*place, *who, *said])

    def bare(self, case: OutsideCase, seconds: float) -> Figures:
        """Run it against the floor, which writes once to each socket a turn. Raises `RunError`."""
        with _floor(self.floor) as (port, pid):
            return self._run(case, seconds, port, pid, ["--path", "/%r"])

    def _run(
        self, case: OutsideCase, seconds: float, port: str, pid: int, options: Sequence[str]
    ) -> Figures:
        command = [str(self.fan), "--port", port, "--server-pid", str(pid), "--json", "--quiet"]
        command += ["--duration", f"{seconds:g}", *case.options, *options]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + GRACE, check=False
        )
        try:
            told: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise RunError(f"wsfan ended with {done.returncode}: {done.stderr.strip()}") from None
        if not told["received"]:
            raise RunError(f"nothing was delivered: {told['error'] or done.stderr.strip()}")
        return Figures(
            told["server_cpu_us_per_delivery"],
            told["deliveries_per_s"],
            told["lat_ms_p50"],
            told["lat_ms_p99"],
            well=done.returncode == 0,
            others=told["other_cpu_pct"] / 100,
        )


@contextmanager
def tools() -> Iterator[Tools]:
    """Build the programs with gcc, for as long as the block runs. Raises `RunError` where there is no gcc."""
    with tempfile.TemporaryDirectory(prefix="salon-outside-") as folder:
        built = [Path(folder, name) for name in ("wsfan", "wsfloor")]
        for program in built:
            source = SOURCES / f"{program.name}.c"
            try:
                subprocess.run(["gcc", "-O2", "-o", program, source], check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise RunError(f"the client in C is built with gcc: {error}") from None
        yield Tools(*built)


@contextmanager
def _floor(program: Path) -> Iterator[tuple[str, int]]:
    command = [str(program), "0", "--batch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1], server.pid
        finally:
            server.terminate()


def _rooms(target: Target, case: OutsideCase) -> Iterator[str]:
    """Create the rooms; the ids in order. Person n is in room n modulo the number of rooms, as `wsfan` has it."""
    with closing(Api(target)) as api:
        for room in range(case.rooms):
            owner, *others = range(room, case.people, case.rooms)
            named = [{"user_id": f"u{n}", "name": f"P{n}"} for n in others[:NAMED]]
            body = {"title": f"Room {room}", "participants": named}
            found = str(api.call("POST", "/chat/create", f"t{owner}", body)["conversation_id"])
            for n in others[NAMED:]:
                api.send("POST", f"/chat/{found}/join", f"t{n}")
            yield found
