"""What agents cost: runs at once in rooms of four, each at 80 tokens a second, and a room of people beside them."""

from __future__ import annotations

import json
import selectors
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..servers import Process, own_server
from ..users import TEXT, Api, RunError, Target, client_frame
from .talk import Talk, connected, stamp, stamped

if TYPE_CHECKING:
    from collections.abc import Callable

    Tell = Callable[[str], None]

AGENTS = 50  # identities; an agent is in many rooms, as in a product
READERS = 3  # people of a room, besides the agent
DELTA_EVERY = 0.05  # seconds between two frames of an agent's client, which gathers the tokens
TOKENS = 4  # of about four characters, in each frame: 80 a second
WARM = 2.0  # seconds before the measurement
LENGTH = 9_000  # code points after which a run is ended and another begins


@dataclass(slots=True)
class Figures:
    """CPU in microseconds of the server, times in milliseconds, memory in KiB."""

    runs: int
    deltas: int = 0
    deliveries: int = 0
    cpu_per_delta: float = 0.0
    cpu_per_delivery: float = 0.0
    core: float = 0.0
    token_p50: float = 0.0
    token_p99: float = 0.0
    message_p50: float = 0.0
    message_p99: float = 0.0
    memory_per_run: float = 0.0

    def as_rows(self) -> dict[str, float]:
        """The figures by their names in the table."""
        return {name: round(float(getattr(self, name)), 2) for name in self.__slots__}


@dataclass(slots=True, eq=False)
class _Agent:
    """One agent's socket in one room, and its run."""

    socket: socket.socket
    number: int
    begun: int = 0
    length: int = LENGTH
    answers: bytes = b""

    @property
    def run_id(self) -> str:
        return f"run-{self.number}-{self.begun}"


@dataclass(slots=True)
class _Room:
    """What readers have got: how long tokens took, in seconds."""

    tokens: list[float] = field(default_factory=list)
    deliveries: int = 0


def agents(runs: int, seconds: float, tell: Tell) -> Figures:
    """Measure so many runs at once, and in a room of five people the messages that are sent meanwhile."""
    tokens = {
        f"bench_agent_{number}": {"id": f"agent-{number}", "name": "Agent", "type": "agent"}
        for number in range(AGENTS)
    }
    with own_server(AUTH__STATIC_TOKENS=json.dumps(tokens)) as (url, pid), ExitStack() as opened:
        return _Bench(url, Process(pid), opened, tell).measure(runs, seconds)


class _Bench:
    def __init__(self, url: str, server: Process, opened: ExitStack, tell: Tell) -> None:
        self._target = Target.of(url)
        self._api = Api(self._target)
        self._server = server
        self._opened = opened
        self._tell = tell
        self._selector = selectors.DefaultSelector()
        self._agents: list[_Agent] = []
        self._seen = _Room()
        self._deltas = 0

    def measure(self, runs: int, seconds: float) -> Figures:
        guests = [self._api.call("POST", "/auth/guest") for _ in range(5)]
        talk = self._talk(guests)
        self._tell(f"{runs} rooms of an agent and {READERS} people")
        for number in range(runs):
            self._room(number, guests)
        idle = self._server.memory()
        self._play(WARM)
        figures = Figures(runs, memory_per_run=(self._server.memory() - idle) / max(1, runs) / 1024)
        self._tell(f"{runs} runs for {seconds:g} s")
        talk.forget()
        self._seen, self._deltas, cpu = _Room(), 0, self._server.cpu()
        began = time.monotonic()
        self._play(seconds)
        took, cpu = time.monotonic() - began, self._server.cpu() - cpu
        figures.deltas, figures.deliveries = self._deltas, self._seen.deliveries
        figures.core = cpu / took
        figures.cpu_per_delta = 1e6 * cpu / max(1, self._deltas)
        figures.cpu_per_delivery = 1e6 * cpu / max(1, self._seen.deliveries)
        figures.token_p50, figures.token_p99 = _quantiles(self._seen.tokens)
        figures.message_p50, figures.message_p99 = _quantiles(talk.times())
        return figures

    # --- rooms ------------------------------------------------------------------------------------

    def _talk(self, guests: list[dict[str, Any]]) -> Talk:
        """The room of people beside the runs."""
        room = self._create(guests[0], [each["participant"]["id"] for each in guests[1:]])
        return Talk(self._target, room, [each["token"] for each in guests])

    def _room(self, number: int, guests: list[dict[str, Any]]) -> None:
        readers = guests[:READERS]
        others = [each["participant"]["id"] for each in readers[1:]]
        room = self._create(readers[0], [*others, f"agent-{number % AGENTS}"])
        for guest in readers:
            self._listen(self._connect(room, guest["token"]))
        agent = _Agent(self._connect(room, f"bench_agent_{number % AGENTS}"), number)
        agent.socket.setblocking(False)
        self._agents.append(agent)
        self._selector.register(agent.socket, selectors.EVENT_READ, agent)

    def _create(self, owner: dict[str, Any], others: list[str]) -> str:
        body = {"title": "Bench", "participants": [{"user_id": other} for other in others]}
        return str(self._api.call("POST", "/chat/create", owner["token"], body)["conversation_id"])

    def _connect(self, room: str, token: str) -> socket.socket:
        made = connected(self._target, room, token)
        self._opened.callback(made.close)
        return made

    def _listen(self, made: socket.socket) -> None:
        made.setblocking(False)
        self._selector.register(made, selectors.EVENT_READ)

    # --- traffic ----------------------------------------------------------------------------------

    def _play(self, seconds: float) -> None:
        """Speak on schedule in all runs, and read whatever comes."""
        began = time.monotonic()
        spoken = 0
        pace = DELTA_EVERY / max(1, len(self._agents))
        while (now := time.monotonic() - began) < seconds:
            due = min(int(now / pace), spoken + 200) if self._agents else 0
            while spoken < due:
                self._speak(self._agents[spoken % len(self._agents)])
                spoken += 1
            for key, _ in self._selector.select(0.001):
                self._read(key.fileobj, key.data)

    def _speak(self, agent: _Agent) -> None:
        if agent.length >= LENGTH:
            if agent.begun:
                self._send(agent.socket, {"type": "run_end", "run_id": agent.run_id})
            agent.begun, agent.length = agent.begun + 1, 0
            self._send(agent.socket, {"type": "run_start", "run_id": agent.run_id})
        text = stamp() + " tok" * (TOKENS - 3)
        frame = {"type": "delta", "run_id": agent.run_id, "offset": agent.length, "text": text}
        self._send(agent.socket, frame)
        agent.length += len(text)
        self._deltas += 1

    def _send(self, to: socket.socket, frame: dict[str, Any]) -> None:
        data = client_frame(json.dumps(frame).encode(), TEXT)
        while data:
            try:
                data = data[to.send(data) :]
            except BlockingIOError:
                self._read_all()

    def _read_all(self) -> None:
        for key, _ in self._selector.select(0.001):
            self._read(key.fileobj, key.data)

    def _read(self, source: Any, agent: _Agent | None) -> None:
        data = source.recv(262_144)
        if not data:
            raise RunError("the server closed a socket")
        if agent is not None:
            if b'"type":"error"' in data:
                raise RunError(f"an agent was refused: {data[:300]!r}")
            return
        seen, now = self._seen, time.monotonic()
        deltas = data.count(b'{"type":"delta"')
        seen.deliveries += deltas
        if deltas:
            at = data.find(b'"text":"')
            seen.tokens.append(now - stamped(data[at + 8 : at + 24]))


def _quantiles(times: list[float]) -> tuple[float, float]:
    """The median and the 99th percentile, in milliseconds."""
    if not times:
        return 0.0, 0.0
    ordered = sorted(times)
    return 1000 * ordered[len(ordered) // 2], 1000 * ordered[int(len(ordered) * 0.99)]
