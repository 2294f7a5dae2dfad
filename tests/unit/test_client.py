"""The client: rules driven without a loop, and the whole of it against a scripted server."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import logging
import math
import pickle
import random
import ssl
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
import trustme
from anyio import wait_all_tasks_blocked
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto import WSConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    Request,
    TextMessage,
)

import salon.web.client
from salon.web.client import Client, Closed, Frame, Gap, Refused, Unreachable, connect
from salon.web.client.rules import Backoff, Outbox, Pending, Receipt, Window, is_event, judge
from salon.web.client.wire import Codec, Target
from tests.loops import LOOPS
from tests.loops import run_under as run_in_real_time
from tests.memory_stream import MemoryStream, lockstep_pair, stream_pair
from tests.scripted import (
    TOKEN,
    URL,
    Gone,
    Peer,
    Rejection,
    Script,
    Server,
    ack,
    caught_up,
    connected,
    error,
    event,
    events,
    http,
    numbers,
    quiet,
    receipt,
    serving,
    take,
)
from tests.virtual_time import in_virtual_time, under_both

# --- rules: what is new -----------------------------------------------------------------------


def taken(window: Window) -> list[Frame]:
    return list(iter(window.take, None))


@settings(deadline=None)
@example(last=4, arrivals=[2, 5, 4], limit=1, takes=set())
@example(last=8, arrivals=[2, 3, 5, 6, 7, 4], limit=5, takes=set())
@given(
    last=st.integers(1, 40),
    arrivals=st.lists(st.integers(0, 40), max_size=120),
    limit=st.integers(1, 50),
    takes=st.sets(st.integers(0, 120)),
)
def test_each_event_is_taken_once_and_in_order_however_a_stream_is_shuffled_or_cut(
    last: int, arrivals: list[int], limit: int, takes: set[int]
) -> None:
    window, got, highest = Window(limit), [], 0
    assert window.open(connected(last, 1))
    replaying = True
    for turn, number in enumerate(arrivals):
        if number == 0:
            replaying = window.caught_up(highest) is not None
        else:
            highest = max(highest, 1 + number % last)
            replaying |= window.put(event(1 + number % last)) is not None
        assert window.contiguous >= highest or window.page_due or replaying
        assert window.buffered <= 2 * limit
        if turn in takes:
            got += taken(window)
    for _ in range(2):  # the first may ask for a sync, which is lost
        window.caught_up(last)
    got += taken(window)
    while window.page_due:
        after = window.contiguous
        window.fill(events(after + 1, min(last, after + 7)))
        got += taken(window)
    assert numbers(got) == list(range(1, last + 1))


def test_a_gap_is_asked_for_once_and_what_came_after_it_is_held_back() -> None:
    window = Window(10)
    window.open(connected(1, 1))
    window.put(event(1))
    window.caught_up(1)
    assert window.put(event(4)) == 1
    assert window.put(event(5)) is None
    assert window.put(event(4)) is None
    assert window.duplicates == 1
    assert numbers(taken(window)) == [1]
    window.put(event(2))
    window.put(event(3))
    assert numbers(taken(window)) == [2, 3, 4, 5]
    assert window.gaps == 1


def test_a_gap_that_a_sync_does_not_fill_is_left_to_the_log() -> None:
    window = Window(10)
    window.open(connected(1, 1))
    window.put(event(1))
    window.caught_up(1)
    assert window.put(event(3)) == 1
    assert not window.page_due
    assert window.caught_up(3) is None
    assert window.page_due


def test_a_gap_in_a_replay_waits_for_the_end_of_the_replay() -> None:
    window = Window(10, last=0)
    window.open(connected(3, 1, resume="complete"))
    assert window.put(event(1)) is None
    assert window.put(event(3)) is None
    assert window.caught_up(3) == 1


def test_a_gap_behind_events_that_were_let_go_is_paged_too() -> None:
    window = Window(1)
    window.open(connected(1, 1))
    for number in (1, 2):
        window.put(event(number))
    window.caught_up(2)
    assert numbers(taken(window)) == [1]
    window.put(event(5))
    window.fill([event(2)])
    assert numbers(taken(window)) == [2]
    assert window.page_due


@pytest.mark.parametrize("kind", ["caught_up", "lagging", "message_ack", "read"])
def test_what_names_a_sequence_and_has_no_place_in_it_is_no_event(kind: str) -> None:
    assert is_event(event(3))
    assert not is_event({"type": kind, "sequence_id": 3})


def test_an_early_caught_up_leaves_no_gap_unasked_for() -> None:
    window = Window(10)
    window.open(connected(1, 1))
    window.put(event(1))
    window.caught_up(1)
    assert window.put(event(9)) == 1
    window.caught_up(4)
    window.fill(events(2, 4))
    assert window.page_due


def test_a_tail_that_never_came_is_noticed_when_the_server_says_caught_up() -> None:
    window = Window(10)
    window.open(connected(3, 1))
    window.put(event(1))
    assert window.caught_up(3) == 1


def test_a_fresh_window_misses_nothing_from_before_its_first_event() -> None:
    window = Window(10)
    window.open(connected(80, 31))
    assert window.position == 30
    window.put(event(31))
    assert numbers(taken(window)) == [31]


def test_beginning_after_nothing_wants_the_first_event() -> None:
    window = Window(10, last=0)
    window.open(connected(1, 1, resume="complete"))
    assert window.position == 0
    window.put(event(1))
    assert numbers(taken(window)) == [1]


@pytest.mark.parametrize("other", [{"epoch": "e2"}, {"head_sequence_id": 2}])
def test_another_epoch_or_a_shorter_log_voids_what_was_kept(other: Frame) -> None:
    window = Window(10, last=2, epoch="e1")
    window.open(connected(3))
    window.put(event(3))
    assert not window.open({**connected(9, 4), **other})
    assert window.position is None
    [notice] = taken(window)
    assert notice["type"] == "epoch_changed"
    assert notice["previous_epoch"] == "e1"


def test_what_does_not_fit_is_let_go_and_wanted_from_the_log() -> None:
    window = Window(2, last=0)
    window.open(connected(0))
    for number in range(1, 8):
        assert window.put(event(number)) is None
    assert window.buffered <= 4
    assert numbers(taken(window)) == [1, 2]
    assert window.page_due
    window.fill(events(3, 7))
    assert numbers(taken(window)) == [3, 4]
    assert window.page_due


# --- rules: when to come back -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "come_back", "retry_after"),
    [
        (Closed(1000, "Left conversation"), False, None),
        (Closed(1000), True, None),
        (Closed(1006), True, None),
        (Closed(1009), False, None),
        (Closed(1012), True, None),
        (Closed(4000, '{"retry_after": 3.2}'), True, 3.2),
        (Closed(4000, '{"retry_after": "soon"}'), True, None),
        (Closed(4000, "[1]"), True, None),
        (Closed(4499), True, None),
        (Closed(4500), False, None),
        (Closed(4503, "removed"), False, None),
        (Closed(4999), False, None),
        (Refused({}, 401), False, None),
        (Refused({"temporary": True}, 403), False, None),
        (Refused({}, 404), False, None),
        (Refused({"retry_after": 7}, 429), True, 7.0),
        (Refused({"temporary": False, "code": "CAPACITY_EXCEEDED"}, 429), False, None),
        (Refused({"retry_after": "2"}, 503), True, 2.0),
        (Refused({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 503), True, None),
        (Refused({"retry_after": -1}, 503), True, None),
        (Refused({"retry_after": math.nan}, 503), True, None),
        (Unreachable("no route"), True, None),
    ],
)
def test_the_verdict_of_an_end(
    end: Refused | Closed | Unreachable, come_back: bool, retry_after: float | None
) -> None:
    assert judge(end).come_back is come_back
    assert judge(end).retry_after == retry_after


def test_the_backoff_doubles_to_its_cap_and_begins_again_after_success() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.delay() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.delay() == 1


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(0, 2000))
def test_the_jitter_is_full(drawn: float, attempt: int) -> None:
    backoff = Backoff(lambda: drawn, base=0.5, cap=20)
    for _ in range(attempt):
        backoff.delay()
    assert backoff.delay() == drawn * min(20, 0.5 * 2 ** min(attempt, 64))


def test_the_backoff_obeys_the_server() -> None:
    assert Backoff(lambda: 1.0).delay(3.25) == 3.25


def test_errors_survive_the_way_between_processes() -> None:
    refused = pickle.loads(pickle.dumps(Refused({"code": "QUEUE_FULL", "retry_after": 1}, 429)))
    assert (refused.code, refused.retry_after, refused.status) == ("QUEUE_FULL", 1.0, 429)
    closed = pickle.loads(pickle.dumps(Closed(4503, "removed")))
    assert (closed.code, str(closed)) == (4503, "closed with 4503: removed")


# --- rules: what goes next --------------------------------------------------------------------


def outbox_of(*keys: str, limit: int = 1000) -> tuple[Outbox, dict[str, Pending]]:
    outbox = Outbox(limit)
    return outbox, {key: outbox.add(key, f"text of {key}", lambda: None) for key in keys}


def keys(batch: list[Pending]) -> list[str]:
    return [pending.key for pending in batch]


def test_what_has_no_receipt_goes_out_again_in_order_and_before_what_is_newer() -> None:
    outbox, _ = outbox_of("a", "b", "c")
    assert keys(outbox.due(0, 2)) == ["a", "b"]
    outbox.acknowledge(Receipt.of(receipt(1, "a")))
    outbox.rewind()
    outbox.add("d", "text", lambda: None)
    assert keys(outbox.due(0, 9)) == ["b", "c", "d"]
    assert outbox.resent == 1


def test_after_a_temporary_refusal_everything_waits_and_then_begins_with_one() -> None:
    outbox, _ = outbox_of("a", "b", "c")
    outbox.due(0, 9)
    full = Refused({"code": "QUEUE_FULL", "temporary": True})
    for key, delay in (("a", 2), ("b", 2), ("c", 0.5)):
        outbox.refuse(key, full, now=0, delay=delay)
    assert outbox.due(1, 9) == []
    assert outbox.delay(1) == 1
    assert keys(outbox.due(2, 9)) == ["a"]
    assert outbox.due(2, 9) == []
    outbox.acknowledge(Receipt.of(receipt(1, "a")))
    assert keys(outbox.due(2, 9)) == ["b", "c"]


def test_a_final_refusal_fails_its_message_alone() -> None:
    outbox, pending = outbox_of("a", "b")
    outbox.due(0, 9)
    outbox.refuse("a", Refused({"code": "KEY_REUSED", "temporary": False}), 0, 1)
    assert isinstance(pending["a"].error, Refused)
    assert pending["b"].error is None
    assert outbox.delay(0) == math.inf


def test_a_withdrawn_message_is_not_written() -> None:
    outbox, pending = outbox_of("a", "b")
    outbox.withdraw(pending["a"])
    outbox.withdraw(pending["a"])
    assert keys(outbox.due(0, 9)) == ["b"]
    outbox.acknowledge(Receipt.of(receipt(1, "a")))
    assert len(outbox) == 1


def test_a_key_under_way_is_not_taken_twice() -> None:
    outbox, _ = outbox_of("a")
    with pytest.raises(ValueError, match="under way"):
        outbox.add("a", "text", lambda: None)


@settings(deadline=None)
@given(st.data())
def test_no_message_is_forgotten_and_none_settles_twice_whatever_happens(
    data: st.DataObject,
) -> None:
    outbox, settled = Outbox(50), Counter[str]()
    added: list[str] = []
    in_flight: set[str] = set()
    full = Refused({"temporary": True})
    for now in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["add", "write", "ack", "refuse", "drop"])):
            case "add":
                key = str(len(added))
                added.append(key)
                outbox.add(key, "", lambda key=key: settled.update([key]))  # type: ignore[misc]
            case "write":
                batch = keys(outbox.due(now, 3))
                assert not in_flight & set(batch)
                assert batch == sorted(batch, key=int)
                in_flight |= set(batch)
            case "ack" if in_flight:
                key = data.draw(st.sampled_from(sorted(in_flight)))
                in_flight.remove(key)
                outbox.acknowledge(Receipt.of(receipt(1, key)))
            case "refuse" if in_flight:
                key = data.draw(st.sampled_from(sorted(in_flight)))
                in_flight.remove(key)
                outbox.refuse(key, full, now, 2)
            case "drop":
                outbox.rewind()
                in_flight.clear()
    outbox.rewind()
    for now in itertools.count(1000):
        batch = keys(outbox.due(now, 3))
        if not batch:
            break
        for key in batch:
            outbox.acknowledge(Receipt.of(receipt(1, key)))
    assert settled == Counter(added)


# --- what is public ---------------------------------------------------------------------------


def undocumented(name: str) -> list[str]:
    public = getattr(salon.web.client, name)
    members = vars(public).items() if inspect.isclass(public) else ()
    fields = dataclasses.fields(public) if dataclasses.is_dataclass(public) else ()
    private = {each.name for each in fields} | {n for n, _ in members if n.startswith("_")}
    said = {f"{name}.{n}": it for n, it in members if n not in private}
    return [each for each, it in {name: public, **said}.items() if not inspect.getdoc(it)]


def test_what_is_public_says_what_it_is_for() -> None:
    assert [each for name in salon.web.client.__all__ for each in undocumented(name)] == []


# --- the codec --------------------------------------------------------------------------------


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


MESSAGES = st.lists(st.one_of(st.text(max_size=200), st.just("x" * 70_000), st.just("ü" * 300)))


@settings(deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 10**6)), st.data())
def test_messages_come_out_whole_however_the_bytes_are_cut(
    texts: list[str], cuts: list[int], data: st.DataObject
) -> None:
    server, written = Connection(ConnectionType.SERVER), b""
    for text in texts:
        half = data.draw(st.integers(0, len(text)))
        if data.draw(st.booleans()):
            first, second = text[:half], text[half:]
            written += server.send(TextMessage(data=first, message_finished=False))
            written += server.send(Ping(payload=b"p"))
            written += server.send(TextMessage(data=second))
        else:
            written += server.send(TextMessage(data=text))
    codec = Codec()
    for piece in in_pieces(written, cuts):
        answer = codec.receive(piece)
        server.receive_data(answer)
    assert list(codec.texts) == texts
    assert all(isinstance(reply, Pong) for reply in server.events())


@pytest.mark.parametrize(
    ("written", "code"),
    [
        (b"", 1006),
        (b"\x81\x02\xff\xff", 1007),
        (b"\xc1\x00", 1002),
        (b"\x81\x80\0\0\0\0", 1002),
        (b"\x81\x7f" + (2**40).to_bytes(8, "big"), 1006),
        (Connection(ConnectionType.SERVER).send(BytesMessage(data=b"x")), 1003),
        (Connection(ConnectionType.SERVER).send(CloseConnection(code=4000, reason="r")), 4000),
        (b"\x88\x00", 1005),
        (b"\x01\x01a\x81\x01b", 1002),
    ],
)
def test_the_codec_ends_with_the_code_of(written: bytes, code: int) -> None:
    codec = Codec()
    codec.receive(written)
    assert codec.closed is not None
    assert codec.closed.code == code
    with pytest.raises(Closed):
        codec.encode(["too late"])


# --- receiving --------------------------------------------------------------------------------


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


# --- sending ----------------------------------------------------------------------------------


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


# --- coming back, or not ----------------------------------------------------------------------


def closing(code: int, reason: str = "") -> Script:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0), event(1))
        await peer.close(code, reason)

    return script


@in_virtual_time
async def test_a_restarting_server_is_met_again_at_the_slot_it_gave() -> None:
    async with serving(closing(4000, '{"retry_after": 3.25}'), quiet) as (server, client):
        async with client.conversation("c1") as conversation:
            assert await take(conversation, 1) == [1]
            await anyio.sleep(10)
        assert server.connected_at[1] - server.connected_at[0] == pytest.approx(3.25)


@under_both
async def test_reconnects_back_off_until_one_succeeds() -> None:
    async def cut(peer: Peer) -> None:
        await peer.send(connected(0))
        await peer.drop()

    async with serving(*[cut] * 7, closing(1006), quiet) as (server, client):
        client.random = lambda: 1.0
        async with client.conversation("c1"):
            await anyio.sleep(120)
        waits = [after - before for before, after in itertools.pairwise(server.connected_at)]
        assert waits == pytest.approx([1, 2, 4, 8, 16, 30, 30, 1])


@in_virtual_time
async def test_refused_for_load_at_the_handshake_it_comes_back_when_told() -> None:
    full: Frame = {"code": "TOO_MANY_CONNECTIONS", "temporary": True, "retry_after": 4.5}
    draining = Rejection(503, headers=(("Retry-After", "9"),))
    async with serving(Rejection(429, full), draining, quiet) as (server, client):
        async with client.conversation("c1") as conversation:
            await conversation.wait_caught_up()
        waits = [after - before for before, after in itertools.pairwise(server.connected_at)]
        assert waits == pytest.approx([4.5, 9])


@pytest.mark.parametrize("status", [401, 403, 404])
@under_both
async def test_refused_for_good_at_the_handshake_it_tells_everyone_who_waits(status: int) -> None:
    body: Frame = {"code": "FORBIDDEN", "error": "not a member", "temporary": False, "id": "r7"}
    async with (
        serving(Rejection(status, body)) as (_, client),
        client.conversation("c1") as conversation,
    ):
        for waits in (conversation.send("x"), anext(conversation), conversation.ping()):
            with pytest.raises(Refused) as refused:
                await waits
            assert (refused.value.status, refused.value.code) == (status, "FORBIDDEN")
        with pytest.raises(Refused):
            await conversation.wait_caught_up()


@under_both
async def test_removed_it_gives_what_came_before_and_raises_with_code_and_reason() -> None:
    async with (
        serving(closing(4503, "removed")) as (_, client),
        client.conversation("c1") as conversation,
    ):
        for waits in (conversation.send("never answered"), conversation.ping()):
            with pytest.raises(Closed, match="4503"):
                await waits
        assert await take(conversation, 1) == [1]
        with pytest.raises(Closed) as closed:
            await anext(conversation)
        assert (closed.value.code, closed.value.reason) == (4503, "removed")


@in_virtual_time
async def test_who_waits_for_a_pong_is_told_of_the_end() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert await peer.receive() == {"type": "ping"}
        await peer.close(4500)

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        with pytest.raises(Closed, match="4500"):
            await conversation.ping()


@in_virtual_time
async def test_after_leaving_the_iteration_ends() -> None:
    async with (
        serving(closing(1000, "Left conversation")) as (_, client),
        client.conversation("c1") as conversation,
    ):
        assert numbers([frame async for frame in conversation]) == [1]
        with pytest.raises(Closed):
            await conversation.send("too late")


@under_both
async def test_a_connection_on_which_nothing_arrives_is_given_up_after_three_heartbeats() -> None:
    async with serving(quiet, quiet) as (server, client):
        async with client.conversation("c1"):
            await anyio.sleep(80)
        first, second = server.connected_at
        assert 75 <= second - first <= 76


@under_both
async def test_a_server_that_never_finishes_the_handshake_is_tried_again() -> None:
    async def mute() -> MemoryStream:
        mute.calls.append(anyio.current_time())  # type: ignore[attr-defined]
        return stream_pair()[0]

    mute.calls = []  # type: ignore[attr-defined]
    client = Client(URL, dial=mute, answer_timeout=5)
    async with client.conversation("c1") as conversation:
        with anyio.move_on_after(30):
            await conversation.wait_caught_up()
        assert conversation.statistics().reconnects == 0
    assert len(mute.calls) >= 3  # type: ignore[attr-defined]


@under_both
async def test_the_callers_own_errors_come_out_as_they_are() -> None:
    async with serving(quiet) as (_, client):
        with pytest.raises(KeyError, match="mine"):
            async with client.conversation("c1"):
                raise KeyError("mine")


@in_virtual_time
async def test_a_conversation_answers_the_pings_of_the_server() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        await peer.ping()
        await peer.send(event(1))
        await peer.stay()

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        assert await take(conversation, 1) == [1]


@under_both
async def test_it_leaves_with_a_close_frame() -> None:
    ends: list[int | None] = []

    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        await peer.stay()
        ends.append(peer.left_with)

    async with serving(script) as (_, client):
        async with client.conversation("c1") as conversation:
            await conversation.wait_caught_up()
        await wait_all_tasks_blocked()
    assert ends == [1000]


@under_both
async def test_typing_read_and_ping() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert await peer.receive() == {"type": "typing", "is_typing": True}
        assert await peer.receive() == {"type": "read", "sequence_id": 3}
        assert await peer.receive() == {"type": "ping"}
        await anyio.sleep(0.25)
        await peer.send({"type": "pong"})
        assert await peer.receive() == {"type": "ping"}
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert await peer.receive() == {"type": "ping"}
        await peer.send({"type": "pong"})
        await peer.stay()

    async with serving(script, second) as (_, client), client.conversation("c1") as conversation:
        conversation.typing()
        conversation.read(2)
        conversation.read(3)
        assert await conversation.ping() == pytest.approx(0.25)
        assert await conversation.ping() > 0


# --- chaos ------------------------------------------------------------------------------------


@dataclass
class Chaos:
    """A correct log behind sockets that lose, repeat and cut what they carry, by the dice."""

    dice: random.Random
    log: list[Frame]
    keys: dict[str, int] = field(default_factory=dict)

    def roll(self, chance: float) -> bool:
        return self.dice.random() < chance

    async def push(self, peer: Peer, frames: list[Frame]) -> None:
        for frame in frames:
            if not self.roll(0.1):
                await peer.send(*[frame] * (1 + self.roll(0.1)))
            if self.roll(0.03):
                await peer.drop()
                raise Gone

    async def replay(self, peer: Peer, last: int) -> None:
        await self.push(peer, self.log[last:])
        await peer.send(caught_up(len(self.log)))

    async def __call__(self, peer: Peer) -> None:
        head, last = len(self.log), peer.last_sequence_id
        start = head if last is None else last
        resume = "fresh" if last is None else "complete"
        if head - start > 20:
            start, resume = head - 20, "reset"
        await peer.send(connected(head, start + 1, resume=resume))
        await self.replay(peer, start)
        while True:
            frame = await peer.receive()
            if frame["type"] == "sync":
                await self.replay(peer, frame["last_sequence_id"])
            elif frame["type"] == "message":
                await self.take(peer, frame["client_message_id"])

    async def take(self, peer: Peer, key: str) -> None:
        if self.roll(0.1):
            await peer.send(error("QUEUE_FULL", key, temporary=True, retry_after=0.5))
            return
        if key not in self.keys:
            self.keys[key] = len(self.log) + 1
            self.log.append(event(len(self.log) + 1, key=key))
            await self.push(peer, self.log[-1:])
        if not self.roll(0.1):
            await peer.send(ack(self.keys[key], key))
        else:
            await peer.drop()


@settings(deadline=None, max_examples=40)  # under each loop
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 40), st.integers(1, 30))
@under_both
async def test_through_any_chaos_every_event_comes_once_and_every_message_is_stored_once(
    seed: int, before: int, sends: int, window: int
) -> None:
    async with serving() as (server, client):
        chaos = Chaos(random.Random(seed), events(1, before))
        server.log = chaos.log
        server.scripts = [chaos] * 500
        receipts: dict[str, int] = {}
        async with client.conversation("c1", 0, window=window, outbox=5) as conversation:

            async def send(key: str) -> None:
                receipts[key] = (await conversation.send("text", key)).sequence_id

            async with anyio.create_task_group() as tasks:
                for number in range(sends):
                    tasks.start_soon(send, str(number))
                got = await take(conversation, before + sends)
        assert got == list(range(1, before + sends + 1))
        assert receipts == chaos.keys


# --- HTTP -------------------------------------------------------------------------------------


@in_virtual_time
async def test_http_calls_use_the_routes_of_the_contract() -> None:
    async with serving(log=3) as (server, client):
        server.answers = {
            "POST /auth/guest": [(201, {"token": "t2", "participant": {"id": "p1"}})],
            "POST /chat/create": [(201, {"conversation_id": "c1"})],
            "POST /chat/c1/join": [(200, {"success": True})] * 2,
            "DELETE /chat/c1/leave": [(200, {"success": True})],
            "POST /chat/c1/messages": [(201, receipt(4, "k"))],
            "POST /chat/c1/read": [(200, {"read_sequence_id": 3, "unread_count": 0})],
            "GET /chat/my-conversations": [(200, {"conversations": []})],
            "POST /auth/logout": [(204, b"")],
        }
        await client.guest("Ada")
        await client.create("Tea", [{"user_id": "u2", "name": "Bob"}], join="invite")
        await client.join("c1")
        await client.join("c1", {"user_id": "u3", "name": "Eve"})
        assert (await client.post("c1", "hello", key="k", reply_to="m1")).sequence_id == 4
        assert numbers((await client.history("c1", after=1))["events"]) == [2, 3]
        await client.mark_read("c1", 3)
        await client.conversations(limit=5)
        await client.leave("c1")
        assert await client.request("POST", "/auth/logout") == {}
        sent = [(method, path, body) for method, path, _, body in server.requests]
        identity = [headers.get("authorization") for _, _, headers, _ in server.requests]
    assert identity == [f"Bearer {TOKEN}"] + ["Bearer t2"] * 9
    create = {"title": "Tea", "participants": [{"user_id": "u2", "name": "Bob"}], "join": "invite"}
    post = {"content": "hello", "client_message_id": "k", "reply_to": "m1"}
    assert [(method, path, json.loads(body or b"null")) for method, path, body in sent] == [
        ("POST", "/auth/guest", {"name": "Ada"}),
        ("POST", "/chat/create", create),
        ("POST", "/chat/c1/join", {}),
        ("POST", "/chat/c1/join", {"participant": {"user_id": "u3", "name": "Eve"}}),
        ("POST", "/chat/c1/messages", post),
        ("GET", "/chat/c1/messages?after=1&limit=100", None),
        ("POST", "/chat/c1/read", {"sequence_id": 3}),
        ("GET", "/chat/my-conversations?limit=5&offset=0", None),
        ("DELETE", "/chat/c1/leave", None),
        ("POST", "/auth/logout", None),
    ]


@in_virtual_time
async def test_an_http_refusal_carries_what_the_server_said() -> None:
    async with serving() as (server, client):
        body: Frame = {"error": "wait", "code": "QUEUE_FULL", "temporary": True, "id": "r9"}
        server.answers["POST /chat/c1/messages"] = [
            (429, {**body, "retry_after": 1.5}),
            (502, b"<"),
        ]
        with pytest.raises(Refused, match="QUEUE_FULL: wait") as refused:
            await client.post("c1", "hello")
        value = refused.value
        assert (value.temporary, value.retry_after, value.status, value.id) == (
            True,
            1.5,
            429,
            "r9",
        )
        with pytest.raises(Refused, match="HTTP_502") as refused:
            await client.post("c1", "hello")
        assert refused.value.temporary


SWITCHING = b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        SWITCHING + b"Sec-WebSocket-Accept: of another key\r\n\r\n",
    ],
)
@under_both
async def test_what_is_no_answer_is_unreachable_and_leaves_nothing_open(answer: bytes) -> None:
    opened: list[MemoryStream] = []

    async def dial() -> MemoryStream:
        client, server = stream_pair()
        await server.send(answer)
        server.end()
        opened.append(client)
        return client

    with pytest.raises(Unreachable):
        await Client(URL, dial=dial).me()
    with pytest.raises(Unreachable):
        async with Client(URL, dial=dial).socket("c1"):
            pass
    assert [stream.is_closed for stream in opened] == [True, True]


@under_both
async def test_an_answer_before_the_whole_request_was_read_is_heard() -> None:
    async def dial() -> MemoryStream:
        client, server = stream_pair()
        await server.send(http(413, {"code": "MESSAGE_TOO_LARGE", "temporary": False}))
        await server.aclose()
        return client

    with pytest.raises(Refused, match="MESSAGE_TOO_LARGE"):
        await Client(URL, dial=dial).post("c1", "x" * 1_000_000)


@in_virtual_time
async def test_no_token_and_no_ticket_is_in_a_log_a_repr_or_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []
    async with serving(quiet, Rejection(401)) as (server, client):
        async with client.conversation("c1") as conversation:
            await conversation.wait_caught_up()
            shown += [client, conversation, conversation.statistics()]
        with pytest.raises(Refused) as refused:
            async with connect(f"{URL}/chat/ws/c1?ticket=tick3t", dial=server.dial):
                pass
        shown += [refused.value]
        client.token = TOKEN + "\n"
        with pytest.raises(ValueError, match="header") as bad:
            await client.me()
        shown += [bad.value]
    assert client.token is not None
    for text in [*map(repr, shown), *map(str, shown), caplog.text]:
        assert TOKEN not in text
        assert "tick3t" not in text


# --- the raw socket ---------------------------------------------------------------------------


@in_virtual_time
async def test_a_raw_socket_sends_any_headers_and_gives_every_frame_as_it_came() -> None:
    async def script(peer: Peer) -> None:
        assert peer.headers["origin"] == "http://elsewhere"
        assert peer.query == {"ticket": ["t"], "last_sequence_id": ["0"]}
        await peer.send(event(2), event(2), event(1))
        assert await peer.receive_text() == "not JSON"
        assert await peer.receive() == {"content": "\ud800"}
        await peer.close(4501, "enough")

    url = "ws://salon.test/chat/ws/c1?ticket=t&last_sequence_id=0"
    async with (
        serving(script) as (server, _),
        connect(url, headers=[("Origin", "http://elsewhere")], dial=server.dial) as socket,
    ):
        assert numbers([await socket.receive_json() for _ in range(3)]) == [2, 2, 1]
        await socket.send_text("not JSON")
        await socket.send_json({"content": "\ud800"})
        for _ in range(2):
            with pytest.raises(Closed, match="4501: enough"):
                await socket.receive_json()
        with pytest.raises(Closed, match="4501"):
            await socket.send_json({})


@under_both
@pytest.mark.parametrize("answers", [True, False])
async def test_a_raw_socket_answers_pings_unless_told_not_to(answers: bool) -> None:
    answered: list[bool] = []

    async def script(peer: Peer) -> None:
        await peer.ping(b"are you there")
        with anyio.move_on_after(5) as scope:
            await peer.pong(b"are you there")
        answered.append(not scope.cancelled_caught)
        await peer.close(4001)

    async with serving(script) as (_, client), client.socket("c1", answer_pings=answers) as socket:
        with pytest.raises(Closed, match="4001"):
            await socket.receive_json()
    assert answered == [answers]


def test_a_ping_that_comes_while_closing_is_passed_over() -> None:
    codec = Codec()
    assert codec.close(1000)
    assert codec.receive(b"\x89\x00") == b""
    assert codec.closed is None
    assert codec.receive(b"\x88\x02\x03\xe8") == b""
    assert codec.closed is not None


@under_both
async def test_frames_that_come_with_the_handshake_are_not_lost() -> None:
    async def dial() -> MemoryStream:
        client, server = stream_pair()
        tasks.start_soon(serve, server)
        return client

    async def serve(stream: MemoryStream) -> None:
        protocol = WSConnection(ConnectionType.SERVER)
        protocol.receive_data(await stream.receive())
        assert isinstance(next(protocol.events()), Request)
        answer = protocol.send(AcceptConnection())
        await stream.send(answer + protocol.send(TextMessage(data='{"early": 1}')))
        protocol.receive_data(await stream.receive())
        await stream.aclose()

    async with anyio.create_task_group() as tasks, connect(URL, dial=dial) as socket:
        assert await socket.receive_json() == {"early": 1}


@in_virtual_time
async def test_a_raw_handshake_raises_its_refusal() -> None:
    async with serving(Rejection(503, headers=(("Retry-After", "3"),))) as (_, client):
        with pytest.raises(Refused) as refused:
            async with client.socket("c1"):
                pass
        assert (refused.value.status, refused.value.retry_after) == (503, 3.0)


@under_both
async def test_a_cancelled_write_ends_the_socket_and_never_tears_a_frame() -> None:
    async def script(peer: Peer) -> None:
        assert await peer.receive_text() == "one"
        await anyio.sleep_forever()

    async with serving(script) as (server, client):
        server.streams = lockstep_pair
        async with client.socket("c1") as socket:
            await socket.send_text("one")
            with anyio.move_on_after(1):
                await socket.send_text(*["x" * 10_000] * 10)
            with pytest.raises(Closed, match="lost"):
                await socket.send_text("two")


@under_both
async def test_many_tasks_may_send_on_one_raw_socket() -> None:
    received: list[str] = []

    async def script(peer: Peer) -> None:
        for _ in range(60):
            received.append(await peer.receive_text())
        await peer.send({"type": "all here"})
        await peer.stay()

    texts = [str(number) * 9_000 for number in range(20)]
    async with serving(script) as (server, client):
        server.streams = lockstep_pair
        async with client.socket("c1") as socket:

            async def send_thrice(text: str) -> None:
                for _ in range(3):
                    await socket.send_text(text)

            async with anyio.create_task_group() as tasks:
                for text in texts:
                    tasks.start_soon(send_thrice, text)
            assert await socket.receive_json() == {"type": "all here"}
    assert sorted(received) == sorted(texts * 3)


@pytest.mark.parametrize(
    ("url", "authority", "request_line"),
    [
        ("http://salon.test", "salon.test", "/"),
        ("https://salon.test:443/a?b=c", "salon.test", "/a?b=c"),
        ("ws://[::1]:8000/chat", "[::1]:8000", "/chat"),
        ("wss://salon.test:80", "salon.test:80", "/"),
    ],
)
def test_a_url_is_read_as_a_browser_would(url: str, authority: str, request_line: str) -> None:
    target = Target.of(url)
    assert (target.authority, target.request_line) == (authority, request_line)


@in_virtual_time
async def test_a_url_that_leads_nowhere_is_named_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="URL"):
        async with connect("ftp://salon.test"):
            pass


@in_virtual_time
async def test_the_path_of_a_proxy_and_odd_ids_are_kept() -> None:
    async with serving() as (server, _):
        client = Client(URL + "/under/", dial=server.dial)
        server.answers["GET /under/chat/conversations/a%2Fb%3F"] = [(200, {"id": "a/b?"})]
        assert await client.details("a/b?") == {"id": "a/b?"}
        assert server.requests[0][2]["host"] == "salon.test"


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("loop", LOOPS)
def test_over_a_real_connection_it_works_the_same(loop: str, secure: bool) -> None:
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)

    async def script(peer: Peer) -> None:
        await peer.send(connected(1, 1), event(1), caught_up(1))
        await peer.send(ack(2, (await peer.receive())["client_message_id"]))
        await peer.stay()

    async def story() -> None:
        plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with plain, anyio.create_task_group() as tasks:
            server = Server(tasks, [script], answers={"GET /auth/me": [(200, {"id": "u"})]})
            port = plain.extra(anyio.abc.SocketAttribute.local_port)
            listener = TLSListener(plain, server_tls, standard_compatible=False)

            async def serve(stream: ByteStream) -> None:
                await server.serve(stream)

            tasks.start_soon((listener if secure else plain).serve, serve)
            url = f"https://localhost:{port}" if secure else f"http://127.0.0.1:{port}"
            async with Client(url, ssl_context=client_tls) as client:
                assert await client.me() == {"id": "u"}
                async with client.conversation("c1") as conversation:
                    assert await take(conversation, 1) == [1]
                    assert (await conversation.send("hello")).sequence_id == 2
            tasks.cancel_scope.cancel()

    run_in_real_time(loop, story)
