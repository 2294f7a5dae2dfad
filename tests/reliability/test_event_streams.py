"""Streams of events over drops, kills and drains, and readers who do not read."""

from __future__ import annotations

from collections.abc import Callable

import h11
import trio
import trio.lowlevel

from tests.events import following
from tests.patience import PATIENCE
from tests.person import Frame, Person, guest, guests
from tests.server import ServerProcess
from tests.traffic import Listener, Speaker, check_promises, until


async def read_over_drops(who: Person, id: str, last: int, drop_after: int) -> list[Frame]:
    """Read a conversation to that sequence over as many streams as it takes, as a browser does; each ends after some events."""
    events: list[Frame] = []
    seen: str | None = "0"
    while not (events and events[-1]["sequence_id"] >= last):
        try:
            async with following(who, f"/chat/{id}/events", seen) as stream:
                while len(stream.events) < drop_after and await stream.next() is not None:
                    if stream.events and stream.events[-1]["sequence_id"] >= last:
                        break
        except (OSError, AssertionError, h11.RemoteProtocolError):  # the server is down
            await trio.sleep(0.05)
            continue
        events += stream.events
        seen = stream.last_event_id or seen
    return events


async def test_over_drops_and_a_kill_each_event_comes_once_and_in_order(
    own_server: ServerProcess, tell: Callable[[str], None]
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    id = await ada.create(bob)
    speaker = Speaker(ada, 600)
    found: list[Frame] = []
    with trio.fail_after(8 * PATIENCE):
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                found.extend(await read_over_drops(bob, id, 601, 97))

            nursery.start_soon(read)
            nursery.start_soon(speaker.speak, id)
            await until(lambda: len(speaker.receipts) > 200)
            own_server.kill()
            own_server.start()
            while len(speaker.receipts) < 600:
                await speaker.speak(id)
    log = await bob.history(id)
    assert found == log
    check_promises(log, speaker)
    tell(f"{len(log)} events over streams that were dropped every 97 and killed once")


async def test_a_drain_tells_when_to_come_back_and_the_next_stream_goes_on(
    own_server: ServerProcess,
) -> None:
    ada = await guest(own_server, "Ada")
    id = await ada.create()
    async with following(ada, f"/chat/{id}/events") as stream:
        await stream.until("caught_up")
        await ada.say(id, "before")
        await stream.until_sequence(2)
        own_server.terminate()
        closed = await stream.until("closed")
        assert (closed["code"], closed["retry_after"] > 0) == (4000, True)
        assert stream.retry == round(closed["retry_after"] * 1000)
        assert await stream.next() is None
    assert await own_server.wait_exited() == 0
    own_server.start()
    await ada.say(id, "after")
    async with following(ada, f"/chat/{id}/events", stream.last_event_id) as stream:
        await stream.until("caught_up")
        assert [event["sequence_id"] for event in stream.events] == [3]


async def test_a_stream_that_nobody_reads_slows_nobody_and_catches_up(
    own_server: ServerProcess, tell: Callable[[str], None]
) -> None:
    ada, bob, cleo = await guests(own_server, "Ada", "Bob", "Cleo")
    id = await ada.create(bob, cleo)
    speaker, listener = Speaker(ada, 2000, size=4000), Listener(bob)
    with trio.fail_after(8 * PATIENCE):
        async with following(cleo, f"/chat/{id}/events", deaf=True) as stream:
            before = own_server.memory
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listener.listen, id, 2001)
                nursery.start_soon(speaker.speak, id)
            grown = own_server.memory - before
            log = await bob.history(id)
            assert listener.events == log
            tell(f"8 MB that one stream never read: the server grew by {grown / 1e6:.1f} MB")
            assert grown < 64 * 1024 * 1024
            await stream.until_sequence(2001)
            assert stream.events == log
            assert "lagging" in [frame["type"] for frame in stream.frames]
