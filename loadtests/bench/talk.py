"""A room of people beside the load, in a process of its own: what its messages take says nothing of how busy the load is."""

from __future__ import annotations

import json
import selectors
import socket
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from ..users import TEXT, RunError, client_frame

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from ..users import Target

TALK = 50.0  # messages a second: with fewer, p99 is the worst of a hundred


def stamp() -> str:
    """The time now in sixteen characters: four tokens."""
    return f"@{time.monotonic():015.5f}"


def stamped(data: bytes) -> float:
    """The time that a stamp says."""
    return float(data[1:])


def connected(target: Target, room: str, token: str) -> socket.socket:
    """A socket in a room, which has all that was said before."""
    made = socket.create_connection(target.address)
    made.sendall(
        f"GET {target.path}/chat/ws/{room} HTTP/1.1\r\nHost: {target.host}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    said = b""
    while b'"caught_up"' not in said:
        more = made.recv(65_536)
        if not more:
            raise RunError(f"the server closed a socket that was just opened: {said[:200]!r}")
        said += more
    return made


class Talk:
    """The room: the first of `tokens` speaks, on schedule, and all listen. `times` ends it."""

    def __init__(self, target: Target, room: str, tokens: list[str]) -> None:
        context = get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(
            target=_talk, args=(target, room, tokens, there), daemon=True
        )
        self._process.start()
        self._pipe.recv()  # it is connected

    def forget(self) -> None:
        """Begin the measurement: what was measured so far does not count."""
        self._pipe.send("forget")

    def times(self) -> list[float]:
        """Seconds from sending to arrival, of each delivery."""
        self._pipe.send("end")
        times: list[float] = self._pipe.recv()
        self._process.join()
        return times


def _talk(target: Target, room: str, tokens: list[str], pipe: Connection) -> None:
    selector = selectors.DefaultSelector()
    sockets = [connected(target, room, token) for token in (tokens[0], *tokens)]
    for each in sockets:
        each.setblocking(False)
        selector.register(each, selectors.EVENT_READ)
    pipe.send("ready")
    times: list[float] = []
    began, said = time.monotonic(), 0
    while True:
        if pipe.poll():
            if pipe.recv() == "end":
                break
            times = []
        while said < (time.monotonic() - began) * TALK:
            said += 1
            frame = json.dumps({"type": "message", "content": stamp()})
            sockets[0].send(client_frame(frame.encode(), TEXT))
        for key, _ in selector.select(0.001):
            times += _arrived(key.fileobj)
    pipe.send(times)


def _arrived(source: Any) -> list[float]:
    """The times of the messages that have come."""
    data, now = source.recv(262_144), time.monotonic()
    if not data:
        raise RunError("the server closed a socket")
    sought = b'"content":"@'
    pieces = data.split(sought)[1:]
    return [now - float(piece[:15]) for piece in pieces if len(piece) >= 15]
