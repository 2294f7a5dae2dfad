"""A client's conversation receives: each event once and in order, against a scripted server."""

from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from salon.web.client import Frame, Gap
from tests.scripted import (
    Peer,
    ack,
    caught_up,
    connected,
    event,
    events,
    serving,
    take,
)
from tests.virtual_time import in_virtual_time, under_both


@under_both
async def test_a_conversation_resumes_after_a_drop_from_the_last_event_it_had() -> None:
    async def first(peer: Peer) -> None:
        assert peer.last_sequence_id is None
        await peer.send(connected(2, 1), *events(1, 2), caught_up(2), event(3))
        await peer.drop()

    async def second(peer: Peer) -> None:
        assert peer.last_sequence_id == 3
        await peer.send(connected(5, 4, resume="complete"), *events(4, 5), caught_up(5), event(6))
        await peer.stay()

    async with serving(first, second) as (_, client), client.conversation("c1") as conversation:
        assert await take(conversation, 6) == [1, 2, 3, 4, 5, 6]
        assert conversation.last_sequence_id == 6
        assert conversation.epoch == "e1"
        assert conversation.statistics().reconnects == 1


@in_virtual_time
async def test_an_event_that_comes_twice_is_given_once() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(
            connected(2, 1), event(1), event(1), event(2), caught_up(2), event(2), event(3)
        )
        await peer.stay()

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        assert await take(conversation, 3) == [1, 2, 3]
        assert conversation.statistics().duplicates == 2


@under_both
async def test_a_gap_is_filled_by_a_sync_before_anything_behind_it_is_given() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(1, 1), event(1), caught_up(1), event(4))
        assert await peer.receive() == {"type": "sync", "last_sequence_id": 1}
        await peer.send(event(5), *events(2, 5), caught_up(5))
        await peer.stay()

    async with serving(script) as (server, client), client.conversation("c1") as conversation:
        assert await take(conversation, 5) == [1, 2, 3, 4, 5]
        await wait_all_tasks_blocked()
        assert (conversation.statistics().gaps, conversation.statistics().duplicates) == (1, 2)
        assert server.requests == []


@in_virtual_time
async def test_a_gap_that_a_sync_leaves_is_filled_over_http() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(1, 1), event(1), caught_up(1), event(4))
        await peer.receive()
        await peer.send(event(4), caught_up(4))
        await peer.stay()

    async with serving(script, log=4) as (_, client), client.conversation("c1") as conversation:
        assert await take(conversation, 4) == [1, 2, 3, 4]
        assert conversation.statistics().pages == 1


@in_virtual_time
async def test_a_hole_in_the_log_itself_is_told_and_not_passed_over() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(1, 1), event(1), caught_up(1), event(3))
        await peer.receive()
        await peer.send(caught_up(3))
        await peer.stay()

    async with serving(script, log=3) as (server, client):
        del server.log[1]
        async with client.conversation("c1") as conversation:
            assert await take(conversation, 1) == [1]
            with pytest.raises(Gap) as gap:
                await anext(conversation)
            assert gap.value.first == 2


@in_virtual_time
async def test_a_reset_pages_the_missing_events_and_goes_on_with_those_of_the_socket() -> None:
    async def script(peer: Peer) -> None:
        assert peer.last_sequence_id == 3
        await peer.send(connected(400, 391, resume="reset"), *events(391, 400), caught_up(400))
        await peer.send(event(401))
        await peer.stay()

    async with serving(script, log=401) as (server, client):
        async with client.conversation("c1", last_sequence_id=3) as conversation:
            assert await take(conversation, 398) == list(range(4, 402))
            assert conversation.statistics().resets == 1
        assert [path for _, path, _, _ in server.requests] == [
            f"/chat/c1/messages?after={after}&limit=100" for after in (3, 103, 203, 303)
        ]


@in_virtual_time
async def test_paging_waits_out_a_server_that_is_busy() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(3, 3, resume="reset"), event(3), caught_up(3))
        await peer.stay()

    async with serving(script, log=3) as (server, client):
        busy: Frame = {"code": "RATE_LIMITED", "temporary": True, "retry_after": 40}
        server.answers["GET /chat/c1/messages"] = [(429, busy), (502, b"<html>")]
        async with client.conversation("c1", last_sequence_id=0) as conversation:
            started = anyio.current_time()
            assert await take(conversation, 3) == [1, 2, 3]
            assert 40 <= anyio.current_time() - started <= 45


@under_both
async def test_a_caller_who_takes_nothing_stops_neither_receipts_nor_memory() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0), *events(1, 500))
        message = await peer.receive()
        await peer.send(event(501), ack(501, message["client_message_id"]))
        await peer.stay()

    async with (
        serving(script, log=501) as (_, client),
        client.conversation("c1", window=10) as conversation,
    ):
        assert (await conversation.send("hello")).sequence_id == 501
        assert conversation.statistics().buffered <= 20
        assert await take(conversation, 501) == list(range(1, 502))


@in_virtual_time
async def test_another_epoch_drops_what_was_kept_and_begins_afresh() -> None:
    async def first(peer: Peer) -> None:
        assert peer.last_sequence_id == 70
        await peer.send(connected(80, 71, resume="complete", epoch="e2"), event(71))
        await peer.stay()

    async def second(peer: Peer) -> None:
        assert peer.last_sequence_id is None
        await peer.send(connected(80, 79, epoch="e2"), *events(79, 80), caught_up(80))
        await peer.stay()

    async with (
        serving(first, second) as (_, client),
        client.conversation("c1", 70, epoch="e1") as conversation,
    ):
        changed = {"type": "epoch_changed", "epoch": "e2", "previous_epoch": "e1"}
        assert await anext(conversation) == changed
        assert await take(conversation, 2) == [79, 80]
        assert conversation.statistics().epochs == 1


@under_both
async def test_a_page_of_the_log_that_was_is_not_mixed_into_another() -> None:
    resumed = anyio.Event()

    async def first(peer: Peer) -> None:
        await peer.send(connected(9, 9, resume="reset"), event(9), caught_up(9))
        await anyio.sleep(1)
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.send(connected(5, 5, resume="complete", epoch="e2"))
        await peer.stay()

    async def third(peer: Peer) -> None:
        await peer.send(connected(5, 5, epoch="e2"), event(5), caught_up(5))
        resumed.set()
        await wait_all_tasks_blocked()
        await peer.send(event(6, of="e2"))
        await peer.stay()

    async with serving(first, second, third, log=9) as (server, client):
        server.pause = resumed
        async with client.conversation("c1", last_sequence_id=4) as conversation:
            assert (await anext(conversation))["type"] == "epoch_changed"
            assert await take(conversation, 1) == [5]
            assert await anext(conversation) == event(6, of="e2")
            assert conversation.statistics().pages == 1


@in_virtual_time
async def test_signals_come_beside_the_events_and_the_oldest_go_first() -> None:
    async def script(peer: Peer) -> None:
        typing = [
            {"type": "typing", "participant_id": str(n), "is_typing": True} for n in range(200)
        ]
        await peer.send(connected(0), caught_up(0), *typing, {"type": "new kind"}, event(1))
        await peer.stay()

    async with serving(script) as (_, client):
        async with client.conversation("c1") as conversation:
            assert await take(conversation, 1) == [1]
        signals = [signal async for signal in conversation.signals]
        assert len(signals) == 100
        assert signals[-1] == {"type": "new kind"}
        assert conversation.statistics().signals_dropped == 103


@under_both
async def test_a_malformed_frame_costs_the_connection_and_nothing_else() -> None:
    async def first(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0), event(1), event(2, sequence_id="two"))
        await peer.stay()

    async def second(peer: Peer) -> None:
        await peer.send(connected(2, 2, resume="complete"), event(2), caught_up(2))
        await peer.send_text("[not JSON")
        await peer.stay()

    async def third(peer: Peer) -> None:
        await peer.send(connected(3, 3, resume="complete"), event(3), caught_up(3))
        await peer.stay()

    async with (
        serving(first, second, third) as (_, client),
        client.conversation("c1") as conversation,
    ):
        assert await take(conversation, 3) == [1, 2, 3]
