"""What stays true whatever happens to the server: nothing promised is lost, nothing comes twice, nothing is out of order."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import trio

from tests.person import PATIENCE, Frame, admin, guests
from tests.server import ServerProcess
from tests.traffic import Listener, Speaker, check_promises, keys, numbers, store_held

DRAIN_TIMEOUT = "30"  # seconds, for a busy machine: a drain ends as soon as everything is sent


async def test_two_people_speak_1200_times_at_once_and_all_hear_the_same_in_the_same_order(
    server: ServerProcess,
) -> None:
    ada, bob, cleo, dan = await guests(server, "Ada", "Bob", "Cleo", "Dan")
    conversation_id = await ada.create(bob, cleo, dan)
    speakers = [Speaker(ada, 600), Speaker(bob, 600)]
    listeners = [Listener(who) for who in (ada, bob, cleo, dan)]
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(listener.listen, conversation_id, 1201)
            for speaker in speakers:
                nursery.start_soon(speaker.speak, conversation_id)
    log = await cleo.history(conversation_id)
    assert len(log) == 1201
    check_promises(log, *speakers)
    for listener in listeners:
        assert listener.events == log
    assert all(len(speaker.receipts) == 600 for speaker in speakers)


async def test_a_power_cut_in_the_middle_loses_nothing_that_was_promised(
    own_server: ServerProcess,
) -> None:
    ada, bob, cleo = await guests(own_server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    speakers = [Speaker(ada, 600), Speaker(bob, 600)]
    listener = Listener(cleo)
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.listen, conversation_id, 1201)
            for speaker in speakers:
                nursery.start_soon(speaker.speak, conversation_id)
            await listener.wait_heard(400)
            own_server.kill()
        promised = {key: receipt for each in speakers for key, receipt in each.receipts.items()}
        assert 0 < len(promised) < 1200
        assert listener.closed is not None

        own_server.start()
        log = await cleo.history(conversation_id)
        check_promises(log, *speakers)
        assert listener.events == log[: len(listener.events)]  # nobody has heard what is not kept

        for speaker in speakers:  # ask for everything again, what was promised too
            speaker.receipts = {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.listen, conversation_id, 1201)
            for speaker in speakers:
                nursery.start_soon(speaker.speak, conversation_id)
    assert [signal["resume"] for signal in listener.signals if signal["type"] == "connected"] == [
        "complete",
        "complete",
    ]
    again = {key: receipt for each in speakers for key, receipt in each.receipts.items()}
    assert len(again) == 1200
    assert {key: again[key] for key in promised} == promised
    log = await cleo.history(conversation_id)
    assert len(log) == 1201
    assert listener.events == log
    assert set(keys(log)) == set(again)


async def test_going_down_in_order_keeps_all_that_was_taken_and_sends_everybody_away_with_a_time(
    start_server: Callable[..., ServerProcess],
) -> None:
    own_server = start_server(LIMITS__DRAIN_TIMEOUT=DRAIN_TIMEOUT)
    ada, bob, cleo = await guests(own_server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    # Refusals are quick: all may be answered before the sockets are closed.
    speakers = [Speaker(ada, 5000, stays=True), Speaker(bob, 5000, stays=True)]
    listener = Listener(cleo)
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listener.listen, conversation_id, 10_001)
            for speaker in speakers:
                nursery.start_soon(speaker.speak, conversation_id)
            await listener.wait_heard(400)
            own_server.terminate()
        assert await own_server.wait_exited() == 0
    slots = set()
    people: list[Speaker | Listener] = [*speakers, listener]
    for each in people:
        assert each.closed is not None
        assert each.closed.code == 4000
        slots.add(json.loads(each.closed.reason)["retry_after"])
    assert len(slots) == 3  # each comes back at a time of their own
    assert min(slots) > 0
    for speaker in speakers:
        for refused in speaker.refusals:
            assert (refused["code"], refused["scope"]) == ("DRAINING", "server")
            assert refused["retry_after"] > 0

    own_server.start()
    log = await cleo.history(conversation_id)
    check_promises(log, *speakers)
    promised = {key for speaker in speakers for key in speaker.receipts}
    assert set(keys(log)) == promised  # whoever was not promised anything was not taken either
    assert listener.events == log
    assert numbers(listener.events)[-1] == len(promised) + 1
    assert "Traceback" not in own_server.log


async def test_members_roles_reading_and_lists_are_as_they_were_after_a_power_cut(
    own_server: ServerProcess,
) -> None:
    ada, bob, cleo = await guests(own_server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, join="invite", metadata={"colour": "green"})
    for number in range(5):
        await ada.say(conversation_id, f"{number}")
    await bob.ask("POST", f"/chat/{conversation_id}/read", {"sequence_id": 4})
    body = {"participant": cleo.entry(role="observer")}
    await ada.ask("POST", f"/chat/{conversation_id}/join", body)
    await ada.leave(conversation_id)
    archived = await cleo.create()
    await cleo.leave(archived)

    async def everything() -> list[object]:
        return [
            await bob.see(conversation_id),
            await cleo.see(conversation_id),
            await admin(own_server).see(archived),
            *[await who.ask("GET", "/chat/my-conversations") for who in (ada, bob, cleo)],
        ]

    before = await everything()
    own_server.kill()
    own_server.start()
    assert await everything() == before
    seen = await bob.see(conversation_id)
    assert (seen["participants"][0]["role"], seen["unread_count"]) == ("owner", 2)


async def test_what_is_under_way_when_it_goes_down_is_answered(
    start_server: Callable[..., ServerProcess],
) -> None:
    own_server = start_server(LIMITS__DRAIN_TIMEOUT=DRAIN_TIMEOUT)
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    receipts: list[Frame] = []

    async def say() -> None:
        receipts.append(await ada.say(conversation_id, "last words", client_message_id="k1"))

    async with ada.tab(conversation_id) as tab:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                with store_held(own_server):
                    nursery.start_soon(say)
                    while (await actor(own_server, conversation_id))["state"] != "busy":
                        pass  # until it commits
                    await tab.send("message", content="over the socket", client_message_id="k2")
                    while not (await actor(own_server, conversation_id))["mailbox"]["depth"]:
                        pass  # until it waits behind that
                    own_server.process.send_signal(signal.SIGINT)  # as Ctrl-C does
            assert (await tab.until("message_ack"))["client_message_id"] == "k2"
            assert (await tab.closed())[0] == 4000
            assert await own_server.wait_exited() == 0
    own_server.start()
    log = await ada.history(conversation_id)
    assert set(keys(log)) == {"k1", "k2"}
    assert keys(log)[receipts[0]["sequence_id"] - 2] == "k1"


async def actor(server: ServerProcess, conversation_id: str) -> Frame:
    """What the conversation's actor does at the moment."""
    shown = await admin(server).ask("GET", f"/admin/conversations/{conversation_id}")
    found: Frame = shown["actor"]
    return found
