"""SIGTERM with many sockets: nothing accepted is lost, and everybody is told a time of their own to come back.

`make prove` runs it with SALON_TEST_SOCKETS=3000.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
import trio

from tests.person import PATIENCE, Person, guests
from tests.raw import Line, open_line, open_socket, request
from tests.server import ServerProcess
from tests.traffic import Speaker, check_promises, deaf

SOCKETS = int(os.environ.get("SALON_TEST_SOCKETS", "200"))
CONVERSATIONS = min(SOCKETS // 8, 100)
AT_ONCE = 50  # handshakes on their way
RATE = min(SOCKETS // 3, 500)  # clients a second that the new server is to greet
# Seconds that a drain may take: those who never read make it take all of them.
DRAIN = 2 + SOCKETS / 750
RESTART = (
    DRAIN + 4
)  # seconds: what the clients are told that it takes; a busy machine is slow to start a server
STUCK = 20


class Crowd:
    """Sockets that wait for the end, each by its own rules, and come back when they were told."""

    def __init__(
        self, server: ServerProcess, people: list[Person], conversations: list[str]
    ) -> None:
        self._server = server
        self._people = people
        self._conversations = conversations
        self.slots: list[float] = []  # seconds from the close, as told
        self.due: list[float] = []  # when they came back
        self.heads: list[int] = []  # what they were told then
        self.inside = trio.Event()
        self.open = 0
        self._doors = trio.CapacityLimiter(AT_ONCE)

    async def sit(self, number: int) -> None:
        """One socket: live, then closed with 4000, then back in time."""
        async with AsyncExitStack() as stack:
            line = await self._come(number, stack)
            self.open += 1
            if self.open == SOCKETS:
                self.inside.set()
            code, reason = await line.closed()
            assert code == 4000, (code, reason)
            slot = float(json.loads(reason)["retry_after"])
            self.slots.append(slot)
            back_at = trio.current_time() + slot
        await trio.sleep_until(back_at)
        async with AsyncExitStack() as stack:
            line = await self._come(number, stack)
            self.due.append(trio.current_time())
            connected = next(frame for frame in line.seen if frame["type"] == "connected")
            self.heads.append(connected["head_sequence_id"])

    async def _come(self, number: int, stack: AsyncExitStack) -> Line:
        who = self._people[number % len(self._people)]
        conversation_id = self._conversations[number % len(self._conversations)]
        async with self._doors:
            while True:
                try:
                    socket = open_socket(self._server.url, conversation_id, who.token)
                    line = await stack.enter_async_context(socket)
                    break
                except OSError:  # the new server is not there yet
                    await trio.sleep(0.2)
            line._patience = 10 * PATIENCE
            await line.until("caught_up")
        return line


def most_within_a_second(moments: list[float]) -> int:
    ordered = sorted(moments)
    first = most = 0
    for last, moment in enumerate(ordered):
        while ordered[first] < moment - 1:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.timeout(300)
async def test_all_sockets_are_sent_away_and_come_back_one_after_the_other(
    start_server: Callable[..., ServerProcess], tell: Callable[[str], None]
) -> None:
    server = start_server(
        LIMITS__RECONNECT_RATE=str(RATE),
        LIMITS__RESTART_TIME=str(RESTART),
        LIMITS__DRAIN_TIMEOUT=str(DRAIN),
        LIMITS__HEARTBEAT="0",
    )
    people = await guests(server, *(f"Person {number}" for number in range(20)))
    talkers = await guests(server, "Ada", "Bob")
    conversations = [await people[0].create(*people[1:10]) for _ in range(CONVERSATIONS)]
    for conversation_id in conversations:
        await people[0].join(conversation_id, *people[10:])
    busy = await talkers[0].create(talkers[1])
    crowd = Crowd(server, people, conversations)
    speakers = [Speaker(who, 20_000, window=20, stays=True) for who in talkers]
    async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
        for number in range(SOCKETS):
            nursery.start_soon(crowd.sit, number)
        with trio.fail_after(6 * PATIENCE):
            await crowd.inside.wait()
        for _ in range(STUCK):
            await stack.enter_async_context(deaf(talkers[1], busy))
        probe = await stack.enter_async_context(open_line(server.url))
        await probe.send(request("GET", "/ready"))
        assert (await probe.answer()).status == 200
        for speaker in speakers:
            nursery.start_soon(speaker.speak, busy)
        with trio.fail_after(2 * PATIENCE):
            while min(len(speaker.receipts) for speaker in speakers) < 200:  # noqa: ASYNC110
                await trio.sleep(0.01)
        began = time.monotonic()
        server.terminate()
        while True:
            await probe.send(request("GET", "/ready"))
            answer = await probe.answer()
            if answer.status != 200:
                break
        assert (answer.status, answer.json()["code"]) == (503, "DRAINING")
        assert await server.wait_exited() == 0, server.log
        gone = time.monotonic() - began
        await trio.to_thread.run_sync(server.start)
        back = time.monotonic() - began

    assert min(crowd.slots) >= RESTART
    assert len(set(crowd.slots)) == len(crowd.slots) == SOCKETS, "each has a time of its own"
    assert most_within_a_second(crowd.slots) <= RATE + 1
    assert len(crowd.due) == SOCKETS
    assert all(speaker.closed is not None and speaker.closed.code == 4000 for speaker in speakers)
    check_promises(await talkers[0].history(busy), *speakers)
    answered = sum(len(speaker.receipts) for speaker in speakers)
    seen = most_within_a_second(crowd.due)
    tell(
        f"SIGTERM with {SOCKETS} sockets, {STUCK} of them stuck besides: gone after {gone:.1f} s, exit 0; "
        f"a new server after {back:.1f} s; within a second at most {most_within_a_second(crowd.slots)} "
        f"were told to come and {seen} came; {answered} receipts, 0 lost"
    )
