"""One who never reads costs nobody else anything, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable

import trio
import trio.testing

from tests.person import EVENTS, PATIENCE, Frame, guests
from tests.server import ServerProcess
from tests.traffic import Listener, Speaker, check_promises, deaf, numbers

ALLOWED = (
    64 * 1024 * 1024
)  # bytes that the server may grow by while 8 MB pass through it: many times what it needs


async def test_the_others_get_everything_the_server_stays_small_and_the_reader_catches_up(
    own_server: ServerProcess, tell: Callable[[str], None]
) -> None:
    ada, bob, cleo = await guests(own_server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    speaker, listener = Speaker(ada, 2000, size=4000), Listener(bob)
    with trio.fail_after(4 * PATIENCE):
        async with deaf(cleo, conversation_id) as socket:
            before = own_server.memory
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listener.listen, conversation_id, 2001)
                nursery.start_soon(speaker.speak, conversation_id)
            grown = own_server.memory - before
            log = await bob.history(conversation_id)
            assert listener.events == log
            check_promises(log, speaker)
            tell(f"8 MB that one member never read: the server grew by {grown / 1e6:.1f} MB")
            assert grown < ALLOWED

            frames: list[Frame] = []
            while not frames or frames[-1] != {"type": "caught_up", "sequence_id": 2001}:
                frames.append(await socket.receive_json())
            assert [frame for frame in frames if frame["type"] in EVENTS] == log
            signals = [frame["type"] for frame in frames if frame["type"] not in EVENTS]
            assert signals.count("lagging") >= 1
            assert signals.index("lagging") < len(signals) - 1

            live = await ada.say(conversation_id, "live again")
            while (frame := await socket.receive_json())["type"] != "message":
                pass
            assert frame["sequence_id"] == live["sequence_id"] == 2002


async def test_one_who_sends_without_reading_is_read_no_further_and_no_answer_is_lost(
    own_server: ServerProcess, tell: Callable[[str], None]
) -> None:
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    count = 3000
    with trio.fail_after(4 * PATIENCE):
        async with deaf(ada, conversation_id) as socket:
            before = own_server.memory

            async def send() -> None:
                for number in range(count):
                    content = f"{number}".ljust(2000, ".")
                    await socket.send_json(
                        {"type": "message", "content": content, "client_message_id": f"{number}"}
                    )

            answers: list[Frame] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked(0.5)  # the server takes no more
                grown = own_server.memory - before
                while len(answers) < count:
                    frame = await socket.receive_json()
                    if frame["type"] in ("message_ack", "error"):
                        answers.append(frame)
    tell(f"6 MB sent by one who reads no answer: the server grew by {grown / 1e6:.1f} MB")
    assert grown < ALLOWED
    assert sorted(int(answer["client_message_id"]) for answer in answers) == list(range(count))
    accepted = [answer for answer in answers if answer["type"] == "message_ack"]
    refused = {answer["code"] for answer in answers if answer["type"] == "error"}
    assert refused <= {"QUEUE_FULL"}
    assert numbers(accepted) == list(range(2, len(accepted) + 2))


async def test_going_down_does_not_wait_for_them(own_server: ServerProcess) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    speaker = Speaker(ada, 200, size=4000)
    with trio.fail_after(2 * PATIENCE):
        async with deaf(bob, conversation_id):
            await speaker.speak(conversation_id)
            own_server.terminate()
            assert await own_server.wait_exited() == 0
    own_server.start()
    check_promises(await bob.history(conversation_id), speaker)
    assert len(speaker.receipts) == 200
