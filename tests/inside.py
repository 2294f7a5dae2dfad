"""A server in this very process, for tests that count what is left of a connection."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.tcp_server import TCPServer

from salon.web.app import serve
from salon.web.http.stream import HttpStream
from salon.web.settings.model import Settings
from salon.web.socket.connection import Connection
from tests.patience import PATIENCE

TOKEN, OPERATOR = "token", "operator"
HANDSHAKE_TIMEOUT = 1.0
IN_LOOPS = 3  # of each kind: the last one that a loop has handled stays in its variables
PER_CONNECTION = (TCPServer, H11Protocol, WSStream, HttpStream, Connection)
OF_HYPERCORN = ("TCPServer", "H11Protocol", "WSStream", "HttpStream", "TlsHttpStream")


@asynccontextmanager
async def serving(
    agents: Sequence[Mapping[str, Any]] = (),
    *,
    store: str = "memory:",
    moderation: Mapping[str, Any] | None = None,
    webhooks: Sequence[Mapping[str, Any]] = (),
    **server: Any,
) -> AsyncIterator[str]:
    """A server that hosts these agents, and its URL. `server` are settings of that section."""
    settings = Settings.model_validate(
        {
            "server": {"port": 0, **server},
            "store": {"url": store},
            "auth": {
                "static_tokens": {
                    TOKEN: {"id": "ada", "name": "Ada"},
                    "ben": {"id": "ben", "name": "Ben"},
                    "agent": {"id": "bot", "name": "Bot", "type": "agent"},
                    OPERATOR: {"id": "root", "name": "Root", "admin": True},
                }
            },
            "limits": {
                "connections_per_person": 0,
                "handshake_timeout": HANDSHAKE_TIMEOUT,
                "message_rate": 0,
            },
            "agents": agents,
            "moderation": moderation or {},
            "webhooks": webhooks,
        }
    )
    send, receive = trio.open_memory_channel[str](1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("salon.web.app.settle_garbage", lambda: None)  # what is frozen is not found
        gc.collect()
        gc.freeze()  # what was there before is not looked through each time
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(serve, settings, announce=send.send_nowait))
            yield await receive.receive()
            nursery.cancel_scope.cancel()


def tasks() -> int:
    """How many tasks there are."""
    return trio.lowlevel.current_statistics().tasks_living


def left() -> Counter[str]:
    """How many objects there are of those that each connection has its own of."""
    gc.collect()
    return Counter(
        type(each).__name__ for each in gc.get_objects() if isinstance(each, PER_CONNECTION)
    )


def connections() -> list[Connection]:
    """All connections of the server."""
    return [each for each in gc.get_objects() if isinstance(each, Connection)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what has to come about by itself, in bounds."""
    with trio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110  # nobody tells when a task has ended
            await trio.sleep(0.01)


async def all_gone() -> None:
    """Wait until nothing is left of any connection."""
    await until(lambda: all(number <= IN_LOOPS for number in left().values()))


async def each_in_turn(times: int, act: Callable[[], Awaitable[None]]) -> None:
    """Do something over and over: nothing of it may be left."""
    before = tasks()
    for _ in range(times):
        await act()
    await until(lambda: tasks() <= before)
    await all_gone()
