"""A client's conversation sends: each message once and in order, against a scripted server."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from salon.web.client import Client, Closed, Refused
from tests.memory_stream import lockstep_pair
from tests.scripted import (
    URL,
    Peer,
    ack,
    caught_up,
    connected,
    error,
    event,
    events,
    quiet,
    serving,
    take,
)
from tests.virtual_time import in_virtual_time, under_both


@in_virtual_time
async def test_send_returns_the_receipt_of_its_own_message() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        first, second = await peer.receive(), await peer.receive()
        assert first["reply_to"] == "m0"
        assert first["metadata"] == {"a": 1}
        await peer.send(ack(2, second["client_message_id"]), ack(1, first["client_message_id"]))
        await peer.stay()

    got = {}
    async with serving(script) as (_, client), client.conversation("c1") as conversation:

        async def send(content: str, **more: Any) -> None:
            got[content] = (await conversation.send(content, **more)).sequence_id

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: send("one", reply_to="m0", metadata={"a": 1}))
            await wait_all_tasks_blocked()
            tasks.start_soon(send, "two")
    assert got == {"one": 1, "two": 2}


@under_both
async def test_when_a_receipt_is_lost_the_same_key_goes_out_again_in_the_first_order() -> None:
    seen: list[str] = []

    async def first(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        seen.extend([(await peer.receive())["client_message_id"] for _ in range(3)])
        await peer.send(ack(2, "k1"))
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.send(connected(3, 1), *events(1, 3), caught_up(3))
        for number in (1, 3):
            key = (await peer.receive())["client_message_id"]
            seen.append(key)
            await peer.send(ack(number, key))
        await peer.stay()

    async with serving(first, second) as (_, client), client.conversation("c1") as conversation:
        async with anyio.create_task_group() as tasks:
            for key in ("k0", "k1", "k2"):
                tasks.start_soon(conversation.send, "text", key)
                await wait_all_tasks_blocked()
        assert seen == ["k0", "k1", "k2", "k0", "k2"]
        assert conversation.statistics().resent == 2
        assert conversation.statistics().unacknowledged == 0


@under_both
async def test_a_temporary_refusal_is_obeyed_to_the_second_and_the_same_key_sent_again() -> None:
    times: list[float] = []

    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        key = (await peer.receive())["client_message_id"]
        times.append(anyio.current_time())
        await peer.send(error("RATE_LIMITED", key, temporary=True, retry_after=7.5))
        assert (await peer.receive())["client_message_id"] == key
        times.append(anyio.current_time())
        await peer.send(ack(1, key))
        await peer.stay()

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        await conversation.send("hello")
    assert times[1] - times[0] == pytest.approx(7.5)


@in_virtual_time
async def test_after_a_temporary_refusal_the_others_follow_at_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        await anyio.sleep(1)
        for _ in "ab":
            key = (await peer.receive())["client_message_id"]
            await peer.send(error("QUEUE_FULL", key, temporary=True, retry_after=2))
        for number, key in enumerate("ab"):
            assert (await peer.receive())["client_message_id"] == key
            await peer.send(ack(number + 1, key))
        await peer.stay()

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        started = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for key in "ab":
                tasks.start_soon(conversation.send, "text", key)
                await wait_all_tasks_blocked()
        assert anyio.current_time() - started == pytest.approx(3)


@in_virtual_time
async def test_a_final_refusal_is_raised_with_all_that_the_server_said() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        key = (await peer.receive())["client_message_id"]
        await peer.send(error("MESSAGE_TOO_LARGE", key, actual_size=9, max_size=5))
        await peer.stay()

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        with pytest.raises(Refused) as refused:
            await conversation.send("too large")
        value = refused.value
        assert (value.code, value.text, value.id) == ("MESSAGE_TOO_LARGE", "no", "r1")
        assert (value.temporary, value.retry_after, value.status) == (False, None, None)
        assert value.details["max_size"] == 5


@under_both
async def test_a_frame_too_large_fails_its_message_and_not_the_conversation() -> None:
    async def first(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        await peer.receive()
        await peer.receive()
        await peer.close(1009)

    async def second(peer: Peer) -> None:
        await peer.send(connected(0, resume="complete"), caught_up(0))
        message = await peer.receive()
        assert message["content"] == "small"
        await peer.send(ack(1, message["client_message_id"]))
        await peer.stay()

    async with (
        serving(first, second) as (_, client),
        client.conversation("c1") as conversation,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(conversation.send, "small")
        with pytest.raises(Refused, match="MESSAGE_TOO_LARGE"):
            await conversation.send("x" * 200_000)


@under_both
async def test_messages_wait_their_turn_in_order_while_the_outbox_is_full() -> None:
    received: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        for number in range(20):
            received.append((await peer.receive())["client_message_id"])
            if number % 2:
                with anyio.move_on_after(5) as nothing_more:
                    await peer.receive()
                assert nothing_more.cancelled_caught
                await peer.send(*[ack(place, received[place]) for place in (number - 1, number)])
        await peer.stay()

    async with (
        serving(script) as (_, client),
        client.conversation("c1", outbox=2) as conversation,
        anyio.create_task_group() as tasks,
    ):
        for number in range(20):
            tasks.start_soon(conversation.send, "text", str(number))
            await wait_all_tasks_blocked()
        assert conversation.statistics().unacknowledged == 20
    assert received == [str(number) for number in range(20)]


@under_both
async def test_a_cancelled_send_is_not_sent_again() -> None:
    async def first(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert (await peer.receive())["client_message_id"] == "k"
        await anyio.sleep(20)
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert (await peer.receive())["client_message_id"] == "other"
        await peer.send(ack(1, "other"))
        await peer.stay()

    async with serving(first, second) as (_, client), client.conversation("c1") as conversation:
        with anyio.move_on_after(10) as scope:
            await conversation.send("text", key="k")
        assert scope.cancelled_caught
        await anyio.sleep(15)
        await conversation.send("text", key="other")


@pytest.mark.parametrize("size", [5, 10_000])  # the server stops after, and within, a write
@under_both
async def test_receiving_goes_on_while_the_server_reads_nothing_more(size: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        await anyio.sleep(1)
        await peer.ping()
        await anyio.sleep(1)
        await peer.send(*events(1, 5))
        await anyio.sleep(1)
        for number in range(6, 16):
            await peer.send(ack(number, (await peer.receive())["client_message_id"]))
        await peer.stay()

    async with serving(script) as (server, client):
        server.streams = lockstep_pair
        async with client.conversation("c1") as conversation, anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(conversation.send, "x" * size, str(number))
            assert await take(conversation, 5) == [1, 2, 3, 4, 5]
            assert conversation.statistics().unacknowledged == 10


@under_both
async def test_a_request_whose_message_is_awaited_no_longer_comes_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(9, 9), event(9), caught_up(9))
        asked = {"run_id": "r1", "message_id": "c1-3", "mentions": [], "why": "alone"}
        await peer.send({"type": "run_requested", **asked})
        await peer.stay()

    async with serving(script, log=9) as (server, client), client.conversation("c1") as agent:
        server.pause = anyio.Event()
        with anyio.move_on_after(1) as scope:
            await anext(agent.requests())
        assert scope.cancelled_caught
        server.pause.set()
        request = await anext(agent.requests())
        assert (request.run_id, request.message["content"]) == ("r1", "text 3")


@under_both
async def test_after_its_block_a_conversation_is_over() -> None:
    async with serving(quiet) as (_, client):
        async with client.conversation("c1") as conversation:
            await conversation.wait_caught_up()
        with pytest.raises(Closed, match="block"):
            await conversation.send("too late")
        with pytest.raises(Closed, match="block"):
            await anext(conversation)


@in_virtual_time
async def test_keys_come_from_the_injected_randomness() -> None:
    one, same = (Client(URL, random=random.Random(7).random).new_key() for _ in range(2))
    assert one == same
    assert len({Client(URL).new_key() for _ in range(100)}) == 100
    assert len(one) == 32
