"""Disks that are held, slow, or fail now and then. What waits for them is refused in clear words, all else goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import trio

from tests.disk import check, say
from tests.person import PATIENCE, Frame, guests
from tests.server import ServerProcess
from tests.syscalls import injected
from tests.syscalls import refusal as no_tracing
from tests.traffic import Speaker, store_held


async def test_a_store_that_is_held_too_long_refuses_what_waits_and_all_else_goes_on(
    own_server: ServerProcess,
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    stored: dict[str, Frame] = {}
    refused: dict[str, Frame] = {}
    with trio.fail_after(4 * PATIENCE):
        async with ada.tab(conversation_id) as tab, bob.tab(conversation_id) as other:
            await say(tab, stored, refused, ["before"])
            with store_held(own_server):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(say, tab, stored, refused, ["while"])
                    pongs = 0
                    while not refused:
                        await other.send("ping")
                        await other.until("pong")
                        await bob.history(conversation_id)
                        pongs += 1
            assert pongs > 1
            assert refused["while"]["code"] == "STORE_UNAVAILABLE"
            assert refused["while"]["retry_after"] > 0
            assert "another program holds it locked: end what writes to it" in own_server.log
            refused.clear()
            await say(tab, stored, refused, ["while", "after"])
            assert not refused
            await other.until_sequence(4)
    assert other.events[1:] == (await check(ada, conversation_id, stored))[1:]


@pytest.fixture
def traced(
    start_server: Callable[..., ServerProcess], tell: Callable[[str], None]
) -> Callable[[str], ServerProcess]:
    """Starts a server whose system calls do what is injected into them."""
    if why := no_tracing():
        tell(f"NOT TRIED: disks that are slow or fail, since nothing can be traced here ({why})")
        pytest.skip(f"nothing can be traced here: {why}")
    return lambda inject: start_server(under=injected(inject))


async def test_a_disk_that_takes_five_seconds_keeps_nobody_waiting_but_those_who_write(
    traced: Callable[[str], ServerProcess],
) -> None:
    server = traced("fdatasync:delay_enter=5000000:when=10")  # microseconds
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    speaker = Speaker(ada, 20, window=1)
    pongs: Counter[int] = Counter()
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery, bob.tab(conversation_id) as tab:
            nursery.start_soon(speaker.speak, conversation_id)
            while tab.last_sequence_id < 21:
                await tab.send("ping")
                await tab.until("pong")
                pongs[tab.last_sequence_id] += 1
                await trio.sleep(0.05)
    assert max(speaker.latencies) > 4
    assert max(pongs.values()) > 10  # answered while nothing could be stored
    await check(bob, conversation_id, speaker.receipts)


@pytest.mark.parametrize(
    ("fault", "killed"),
    [
        ("fdatasync:error=EIO:when=12", False),
        ("fdatasync:error=EIO:when=12", True),
        ("pwrite64:error=EIO:when=240", False),
    ],
    ids=["sync fails", "sync fails, then it is killed", "write fails"],
)
async def test_a_disk_that_fails_once_refuses_and_what_is_said_again_is_stored_once(
    traced: Callable[[str], ServerProcess], fault: str, killed: bool
) -> None:
    server = traced(fault)
    ada = (await guests(server, "Ada"))[0]
    conversation_id = await ada.create()
    stored: dict[str, Frame] = {}
    refused: dict[str, Frame] = {}
    with trio.fail_after(4 * PATIENCE):
        async with ada.tab(conversation_id) as tab:
            for n in range(100):
                await say(tab, stored, refused, [f"{n}"])
                if refused:
                    break
            (again,) = refused
            assert refused[again]["code"] == "STORE_UNAVAILABLE"
            assert "the disk failed to read or write" in server.log
            refused.clear()
            if not killed:
                await say(tab, stored, refused, [again, "after"])
        if killed:
            server.kill()
            server.under = ()
            server.start()
            async with ada.tab(conversation_id) as tab:
                await say(tab, stored, refused, [again, "after"])
        assert not refused
        await check(ada, conversation_id, stored)
    server.kill()
    server.start()
    await check(ada, conversation_id, stored)


@pytest.mark.timeout(300)  # six starts long
async def test_a_disk_that_cannot_be_read_refuses_the_start_in_one_line_and_then_what_is_asked(
    own_server: ServerProcess, traced: object
) -> None:
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    speaker = Speaker(ada, 300, size=3000)
    await speaker.speak(conversation_id)
    assert own_server.stop() == 0
    failing = "pread64:error=EIO:when="
    for when in ("1+", "8..10", "12..13"):
        own_server.under = injected(failing + when, on=own_server.path)
        with pytest.raises(AssertionError, match=r"the (disk failed to read|file is damaged)"):
            own_server.start()
    assert "Traceback" not in own_server.log

    own_server.under = injected(f"{failing}45..55", on=own_server.path)
    own_server.start()
    path = f"/chat/{conversation_id}/messages?after=0"
    codes = [(await ada.call("GET", path)).status_code for _ in range(200)]
    assert set(codes) == {200, 503}
    assert codes[-1] == 200
    assert own_server.stop() == 0
    assert "Traceback" not in own_server.log
    own_server.under = ()
    own_server.start()
    await check(ada, conversation_id, speaker.receipts)
