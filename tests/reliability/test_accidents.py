"""Accidents at bad moments: killed while it makes its file, copies it or drains; started twice; its clock set back."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests import processes
from tests.person import PATIENCE, Person, admin, guests, static
from tests.server import ServerProcess
from tests.syscalls import injected
from tests.syscalls import refusal as no_tracing
from tests.traffic import Listener, Speaker, check_promises, until
from tests.unit.stores import environment

# Where the first start is killed: as it asks for a sync, or writes so many times, the schema's transaction in the midst.
MOMENTS = [*(f"fdatasync:signal=KILL:when={n}" for n in (3, 6)), "pwrite64:signal=KILL:when=25"]
EARLIER = """
import time

an_hour, actual = 3_600, time.time_ns
time.time_ns = lambda: actual() - an_hour * 10**9
"""


@pytest.fixture
def _traceable(tell: Callable[[str], None]) -> None:
    if why := no_tracing():
        tell(
            f"NOT TRIED: kills in the midst of a system call, since nothing can be traced here ({why})"
        )
        pytest.skip(f"nothing can be traced here: {why}")


def member(server: ServerProcess) -> Person:
    """Somebody who needs nothing but the configuration."""
    return static(server, "test_token_1", "test_user_1", "Ada")


@pytest.mark.usefixtures("_traceable")
async def test_a_first_start_that_is_killed_anywhere_leaves_what_the_next_one_can_use(
    tmp_path: Path,
) -> None:
    script = (
        "import sys; from salon.persistence.sql import SqlStore\n"
        "from tests.unit.history import sources\n"
        "SqlStore.open(sys.argv[1], sources())"
    )
    for number, moment in enumerate(MOMENTS):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        store = f"sqlite:///{folder / 'salon.db'}"
        making = [*injected(moment), sys.executable, "-c", script, store]
        done = await trio.run_process(making, check=False, env=environment())
        assert done.returncode == -signal.SIGKILL, moment
        await trio.run_process([sys.executable, "-c", script, store], env=environment())
    server = ServerProcess(tmp_path / "0")
    ada = member(server)
    assert (await ada.say(await ada.create(), "first"))["sequence_id"] == 2
    assert server.stop() == 0


@pytest.mark.usefixtures("_traceable")
async def test_a_backup_that_is_killed_leaves_no_half_copy_and_harms_nobody(
    own_server: ServerProcess, tmp_path: Path
) -> None:
    ada = member(own_server)
    conversation_id = await ada.create()
    speaker = Speaker(ada, 200, size=2000)
    await speaker.speak(conversation_id)
    copy = tmp_path / "copy.db"
    words = ["backup", f"{copy}", "--store", own_server.store]
    for moment in ("pwrite64:signal=KILL:when=10", "fdatasync:signal=KILL:when=1"):
        backup = [
            *injected(moment),
            sys.executable,
            "-m",
            "salon.web.cli",
            *words,
        ]
        done = await trio.run_process(backup, check=False, capture_stdout=True)
        assert done.returncode == -signal.SIGKILL
        assert not copy.exists()
    await ada.say(conversation_id, "still here", client_message_id="still here")
    await processes.run_beside(words)
    assert copy.exists()
    check_promises(await ada.history(conversation_id), speaker)


async def test_a_drain_that_is_killed_loses_nothing_that_was_promised(
    own_server: ServerProcess, tell: Callable[[str], None]
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    luck = random.Random(1)
    speakers = []
    for turn in range(4):
        pair = [Speaker(ada, 2000), Speaker(bob, 2000)]
        for speaker in pair:  # other words each time
            speaker.messages = {f"{key} {turn}": text for key, text in speaker.messages.items()}
        speakers += pair
        with trio.fail_after(4 * PATIENCE):
            async with trio.open_nursery() as nursery:
                for speaker in pair:
                    nursery.start_soon(speaker.speak, conversation_id)
                await until(lambda: len(pair[0].receipts) > 100)  # noqa: B023 - within this turn
                own_server.terminate()
                await trio.sleep(luck.uniform(0, 0.05))  # any moment will do
                own_server.kill()
        own_server.start()
    check_promises(await ada.history(conversation_id), *speakers)
    promised = sum(len(speaker.receipts) for speaker in speakers)
    tell(f"killed while it drained, 4 times: all {promised:,} messages with a receipt are there")


async def test_a_second_server_on_the_same_file_is_refused_and_the_first_goes_on(
    own_server: ServerProcess,
) -> None:
    ada = member(own_server)
    conversation_id = await ada.create()
    words = ["serve", "--port", "0", "--store", own_server.store]
    done = await trio.to_thread.run_sync(processes.run, words)
    assert done.returncode == 1
    taken = f"another server has it open (process {own_server.pid}): stop that one first"
    assert taken in done.stderr
    assert (await ada.say(conversation_id, "first"))["sequence_id"] == 2


async def test_a_clock_that_is_set_back_changes_no_order_and_ends_no_session(
    start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start_server()
    ada = (await guests(server, "Ada"))[0]
    conversation_id = await ada.create()
    before = await ada.say(conversation_id, "before", client_message_id="k1")
    server.kill()
    (tmp_path / "sitecustomize.py").write_text(EARLIER)
    server.under = ["env", f"PYTHONPATH={tmp_path}:{os.environ.get('PYTHONPATH', '')}"]
    server.start()
    assert await ada.say(conversation_id, "before", client_message_id="k1") == before
    await ada.say(conversation_id, "after")
    bob = (await guests(server, "Bob"))[0]
    await bob.join(conversation_id)
    times = [
        frame.get("timestamp") or frame["message"]["timestamp"]
        for frame in await bob.history(conversation_id)
    ]
    # An hour ago nothing can have come after it: the time stands still until the clock has caught up.
    assert times[0] <= times[1] == times[2] == times[3]
    server.under = ()
    server.restart()  # and forward again
    await bob.say(conversation_id, "later")
    assert (await bob.ask("GET", "/chat/my-conversations"))["total"] == 1


async def test_a_server_that_stands_still_for_a_while_takes_nobody_for_dead(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LIMITS__HEARTBEAT="1")
    people = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await people[0].create(*people[1:])
    with trio.fail_after(2 * PATIENCE):
        async with AsyncExitStack() as stack, trio.open_nursery() as nursery:
            listeners = [Listener(who) for who in people]
            for listener in listeners:
                socket = await stack.enter_async_context(
                    listener.who.client().socket(conversation_id, 0)
                )
                nursery.start_soon(listener.take, socket, 3)
            for listener in listeners:
                await listener.wait_heard(1)
            os.kill(server.pid, signal.SIGSTOP)  # as when a virtual machine is moved
            await trio.sleep(4)
            os.kill(server.pid, signal.SIGCONT)
            await people[0].say(conversation_id, "Where were we?")
            for listener in listeners:
                await listener.wait_heard(2)
            shown = await admin(server).ask("GET", f"/admin/conversations/{conversation_id}")
            assert len(shown["connections"]) == 3
            await people[1].say(conversation_id, "Here.")
    assert all(listener.last_sequence_id == 3 for listener in listeners)
