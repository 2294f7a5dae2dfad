"""Two hundred who stop reading: the others do not notice, what waits for each is bounded, and all of them end equal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import trio

from salon.actors.audience import DELIVERY_BYTES
from salon.web.client import Socket
from salon.web.socket.connection import OUTBOX_BYTES
from tests.person import PATIENCE, Person, guests
from tests.server import ServerProcess
from tests.traffic import Crowd, Speaker, deaf, percentiles

DEAF = 200
LISTENERS = 20
MESSAGES = 400
SIZE = 3000  # characters: more than a megabyte in all, of which a kernel takes a part
# Bytes of the largest thing that may be added to an outbox that is not yet full, and of small frames besides
MOST = OUTBOX_BYTES + DELIVERY_BYTES + 65_536


async def outboxes(server: ServerProcess) -> list[int]:
    """What waits for each connection in the server."""
    admin = Person(server, "admin_token", "admin", "Admin")
    waiting: list[int] = []
    while True:
        page = await admin.ask("GET", f"/admin/connections?limit=100&offset={len(waiting)}")
        waiting += [row["outbox_bytes"] for row in page["connections"]]
        if len(waiting) >= page["total"]:
            return waiting


async def talk(
    server: ServerProcess, ada: Person, bob: Person, conversation_id: str
) -> list[float]:
    """A conversation among those who read; the latencies of what they heard."""
    speaker, crowd = Speaker(ada, MESSAGES, window=4, size=SIZE), Crowd()
    async with trio.open_nursery() as nursery:
        for _ in range(LISTENERS):
            await nursery.start(crowd.listen, bob, conversation_id, MESSAGES)
        nursery.start_soon(speaker.speak, conversation_id)
    assert len(speaker.receipts) == MESSAGES
    sent = list(speaker.sent_at.values())
    return [at - due for times in crowd.came_at for due, at in zip(sent, times, strict=True)]


async def catch_up(socket: Socket, head: int, heard: list[list[str]]) -> None:
    """Read until nothing is missing, and note the messages."""
    texts: list[str] = []
    lagged = False
    while True:
        text = await socket.receive_text()
        if text.startswith('{"type":"message",'):
            texts.append(text)
        lagged = lagged or text.startswith('{"type":"lagging"')
        if text == f'{{"type":"caught_up","sequence_id":{head}}}':
            break
    assert lagged
    heard.append(texts)


@pytest.mark.timeout(240)
async def test_two_hundred_who_stop_reading_cost_the_others_nothing_and_end_equal(
    start_server: Callable[..., ServerProcess], tell: Callable[[str], None]
) -> None:
    server = start_server(LIMITS__HEARTBEAT="0")
    ada, bob, *silent = await guests(server, "Ada", "Bob", *(f"Silent {n}" for n in range(10)))
    alone, together = await ada.create(bob), await ada.create(bob, *silent[:8])
    await ada.join(together, *silent[8:])
    without = await talk(server, ada, bob, alone)
    before = server.memory
    async with AsyncExitStack() as stack:
        with trio.fail_after(4 * PATIENCE):
            sockets = [
                await stack.enter_async_context(deaf(silent[n % len(silent)], together))
                for n in range(DEAF)
            ]
            opened = server.memory
            beside = await talk(server, ada, bob, together)
            waiting = await outboxes(server)
        stalled = [waits for waits in waiting if waits]
        assert len(stalled) == DEAF
        assert max(stalled) <= MOST
        grown = server.memory - opened
        assert grown <= DEAF * MOST + 64 * 2**20
        head = (await ada.see(together))["head_sequence_id"]
        heard: list[list[str]] = []
        with trio.fail_after(10 * PATIENCE):
            async with trio.open_nursery() as nursery:
                for socket in sockets:
                    nursery.start_soon(catch_up, socket, head, heard)
        assert all(texts == heard[0] for texts in heard)
        assert len(heard) == DEAF
        assert len(heard[0]) == MESSAGES
    tell(f"others without {DEAF} who do not read: {percentiles(without)}")
    tell(f"others beside {DEAF} who do not read: {percentiles(beside)}")
    tell(
        f"{DEAF} who do not read: {sum(stalled) / DEAF / 1000:.0f} KB wait for each, at most "
        f"{max(stalled) / 1000:.0f}; server {before / 1e6:.0f} MB before, {opened / 1e6:.0f} with "
        f"their sockets, {grown / 1e6:.0f} more"
    )
