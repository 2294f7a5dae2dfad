"""The order checker: it says nothing of a good conversation, and names what is wrong with one that was spoiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.messages import CaughtUp, Posted
from salon.actors.refusals import Code
from salon.loadtests.figures import Tally
from salon.loadtests.ledger import Ledger
from salon.loadtests.seat import Person, Seat
from salon.loadtests.transcript import Transcript
from salon.web.websocket import close_frame
from tests.unit.load_talk import (
    CODEC,
    HEAD,
    NOW,
    ROOM,
    SWITCHED,
    TARGET,
    Item,
    Talk,
    ack,
    error,
    frame,
    opening,
    posted,
    talks,
)

RANDOM = st.builds(Random, st.integers(0, 1 << 30))
FEW = settings(max_examples=40, deadline=None)


class TestAGoodConversation:
    @given(talks(), RANDOM)
    @settings(max_examples=100, deadline=None)
    def test_has_no_anomaly_however_its_bytes_are_cut(self, talk: Talk, random: Random) -> None:
        events = sum(item.kind == "event" for stream in talk.streams for item in stream)
        receipts = sum(item.kind == "receipt" for stream in talk.streams for item in stream)
        refusals = sum(item.kind == "refusal" for stream in talk.streams for item in stream)
        talk.play(random)
        assert talk.verdict() == {}, talk.tally.anomalies
        assert talk.tally.deliveries == events
        assert talk.tally.receipts == talk.tally.accepted == receipts
        assert talk.tally.refused.total() == refusals
        assert talk.transcript.digest().messages == receipts

    @given(talks(), RANDOM)
    @FEW
    def test_survives_that_connections_are_lost(self, talk: Talk, random: Random) -> None:
        """A new connection brings the events since the last one received, and the answers to what is sent again."""
        talk.enter()
        rest = [list(stream) for stream in talk.streams]
        while any(rest):
            number = random.choice([number for number, items in enumerate(rest) if items])
            seat = talk.seats[number]
            if random.random() < 0.2:
                seat.disconnect()
                rest[number] = again(talk, seat, talk.streams[number])
                first = seat.reader.sequence + 1
                seat.take(opening(talk.head, first), NOW)
            else:
                seat.take(rest[number].pop(0).data, NOW)
        assert talk.verdict() == {}, talk.tally.anomalies

    def test_may_be_written_in_another_way(self) -> None:
        """White space in JSON is the server's own business."""
        talk = Talk(2)
        key = talk.say(0)
        receipt = {"type": "message_ack", "sequence_id": HEAD + 1, "client_message_id": key}
        event = json.loads(CODEC.encode(posted(HEAD + 1, key)))
        talk.enter()
        talk.seats[0].take(CODEC.payload([json.dumps(receipt).encode()]), NOW)
        for seat in talk.seats:
            seat.take(CODEC.payload([json.dumps(event).encode()]), NOW)
        talk.head = HEAD + 1
        assert talk.verdict() == {}
        assert talk.tally.deliveries == 2


def again(talk: Talk, seat: Seat, stream: list[Item]) -> list[Item]:
    """What is left for a connection that is made now."""
    has = seat.reader.sequence
    pending = seat.ledger.pending
    events = [item for item in stream if item.kind == "event" and item.sequence > has]
    answers = [item for item in stream if item.key.encode() in pending]
    signals = [item for item in stream if item.kind == "signal"]
    return [*events, Item("signal", frame(CaughtUp(talk.head))), *answers, *signals]


# --- what can be spoiled: each takes a good conversation and says what has to be found -------------------------------------

Spoil = Callable[[Talk, Random], dict[str, int]]


def places(talk: Talk, number: int, kind: str) -> list[int]:
    return [place for place, item in enumerate(talk.streams[number]) if item.kind == kind]


def somebody_with(talk: Talk, random: Random, kind: str) -> tuple[list[Item], int]:
    """One of the streams, and the place in it of a frame of that kind."""
    number = random.choice([n for n in range(talk.people) if places(talk, n, kind)])
    return talk.streams[number], random.choice(places(talk, number, kind))


def an_event_is_lost_for_one(talk: Talk, random: Random) -> dict[str, int]:
    stream, place = somebody_with(talk, random, "event")
    del stream[place]
    return {"lost": 1}


def several_in_a_row_are_lost_for_one(talk: Talk, random: Random) -> dict[str, int]:
    number = random.randrange(talk.people)
    events = places(talk, number, "event")
    start = random.randrange(len(events) - 1)
    for place in reversed(events[start : start + 2]):
        del talk.streams[number][place]
    return {"lost": 1}


def an_event_comes_twice(talk: Talk, random: Random) -> dict[str, int]:
    stream, place = somebody_with(talk, random, "event")
    stream.insert(random.randint(place + 1, len(stream)), stream[place])
    return {"duplicate": 1}


def two_events_are_swapped_for_one(talk: Talk, random: Random) -> dict[str, int]:
    number = random.randrange(talk.people)
    events = places(talk, number, "event")
    first = random.randrange(len(events) - 1)
    one, other = events[first], events[first + 1]
    stream = talk.streams[number]
    stream[one], stream[other] = stream[other], stream[one]
    return {"reordered": 1}


def two_events_are_swapped_for_all(talk: Talk, random: Random) -> dict[str, int]:
    sequence = random.randint(HEAD + 1, talk.head - 1)
    for stream in talk.streams:
        one, other = (
            next(
                place
                for place, item in enumerate(stream)
                if item.sequence == number and item.kind == "event"
            )
            for number in (sequence, sequence + 1)
        )
        stream[one], stream[other] = stream[other], stream[one]
    return {"reordered": talk.people}


def a_number_is_left_out(talk: Talk, random: Random) -> dict[str, int]:
    key = talk.say(random.randrange(talk.people))
    talk.head += random.randint(1, 3)
    talk.accept(key)
    return {"gap": 1}


def the_first_number_is_left_out(talk: Talk, _: Random) -> dict[str, int]:
    sequence = HEAD + 1
    for stream in talk.streams:
        event = next(item for item in stream if item.sequence == sequence and item.kind == "event")
        stream.remove(event)
    for stream in talk.streams:  # nor was it promised to anybody
        stream[:] = [item for item in stream if (item.kind, item.sequence) != ("receipt", sequence)]
    for seat in talk.seats:
        keys = {item.key.encode() for stream in talk.streams for item in stream}
        for key in set(seat.ledger.pending) - keys:
            del seat.ledger.pending[key]
    return {"gap": 1}


def the_end_is_lost_for_one(talk: Talk, random: Random) -> dict[str, int]:
    number = random.randrange(talk.people)
    del talk.streams[number][places(talk, number, "event")[-1]]
    return {"lost": 1}


def the_end_is_lost_for_all(talk: Talk, _: Random) -> dict[str, int]:
    talk.head += 2
    return {"lost": 1}


def the_log_ends_before_what_was_sent(talk: Talk, _: Random) -> dict[str, int]:
    talk.head -= 1
    return {"lost": 1}


def a_receipt_says_another_sequence(talk: Talk, random: Random) -> dict[str, int]:
    stream, place = somebody_with(talk, random, "receipt")
    item = stream[place]
    stream[place] = Item("receipt", ack(item.sequence + 1, item.key), item.sequence, item.key)
    return {"receipt": 1}


def a_receipt_comes_twice(talk: Talk, random: Random) -> dict[str, int]:
    stream, place = somebody_with(talk, random, "receipt")
    stream.append(stream[place])
    return {"receipt": 1}


def a_promised_message_is_not_in_the_log(talk: Talk, random: Random) -> dict[str, int]:
    key = talk.say(random.randrange(talk.people))
    talk.answer(key, ack(talk.head, key), "receipt")
    return {"lost": 1}


def a_refused_message_is_in_the_log(talk: Talk, random: Random) -> dict[str, int]:
    key = talk.say(random.randrange(talk.people))
    talk.answer(key, error(key), "refusal")
    talk.log(posted(talk.head + 1, key))
    return {"refused": 1}


def a_message_is_in_the_log_twice(talk: Talk, random: Random) -> dict[str, int]:
    key = talk.say(random.randrange(talk.people))
    talk.accept(key)
    talk.log(posted(talk.head + 1, key))
    return {"duplicate": 1, "receipt": 1}


def a_message_that_nobody_sent_is_in_the_log(talk: Talk, random: Random) -> dict[str, int]:
    talk.log(posted(talk.head + 1, f"{random.randrange(talk.people)}-999"))
    return {"invented": 1}


def a_message_is_never_answered(talk: Talk, random: Random) -> dict[str, int]:
    talk.say(random.randrange(talk.people))
    return {"unanswered": 1}


def a_message_has_lost_its_key(talk: Talk, random: Random) -> dict[str, int]:
    key = talk.say(random.randrange(talk.people))
    sequence = talk.head + 1
    talk.answer(key, ack(sequence, key), "receipt")
    talk.log(posted(sequence, key)._replace(key=None))
    return {"key": 1}


def a_refusal_for_load_says_no_time(talk: Talk, random: Random) -> dict[str, int]:
    key = talk.say(random.randrange(talk.people))
    talk.answer(key, error(key, retry_after=None), "refusal")
    return {"refused": 1}


def something_is_no_json(talk: Talk, random: Random) -> dict[str, int]:
    random.choice(talk.streams).append(Item("signal", CODEC.payload([b'{"type":"pong"'])))
    return {"protocol": 1}


def something_is_no_frame(talk: Talk, random: Random) -> dict[str, int]:
    random.choice(talk.streams).append(Item("signal", b"\x83\x01x"))
    return {"protocol": 1}


SPOILED: list[Spoil] = [
    an_event_is_lost_for_one,
    several_in_a_row_are_lost_for_one,
    an_event_comes_twice,
    two_events_are_swapped_for_one,
    two_events_are_swapped_for_all,
    a_number_is_left_out,
    the_first_number_is_left_out,
    the_end_is_lost_for_one,
    the_end_is_lost_for_all,
    the_log_ends_before_what_was_sent,
    a_receipt_says_another_sequence,
    a_receipt_comes_twice,
    a_promised_message_is_not_in_the_log,
    a_refused_message_is_in_the_log,
    a_message_is_in_the_log_twice,
    a_message_that_nobody_sent_is_in_the_log,
    a_message_is_never_answered,
    a_message_has_lost_its_key,
    a_refusal_for_load_says_no_time,
    something_is_no_json,
    something_is_no_frame,
]


@pytest.mark.parametrize("spoil", SPOILED)
@given(talk=talks(), random=RANDOM)
@FEW
def test_what_is_wrong_is_named(spoil: Spoil, talk: Talk, random: Random) -> None:
    expected = spoil(talk, random)
    talk.play(random)
    assert talk.verdict() == expected, talk.tally.anomalies


@given(talk=talks(), random=RANDOM)
@FEW
def test_readers_who_were_sent_different_bytes_are_found(talk: Talk, random: Random) -> None:
    """Who of them was sent the wrong ones cannot be known: the first to come is believed."""
    stream, place = somebody_with(talk, random, "event")
    item = stream[place]
    at = random.randrange(item.data.index(b'"timestamp"') + 14, len(item.data) - 8)
    spoiled = item.data[:at] + bytes([item.data[at] ^ 1]) + item.data[at + 1 :]
    stream[place] = Item("event", spoiled, item.sequence)
    talk.play(random)
    found = talk.verdict()
    found.pop("key", None)  # where it was the key that changed
    assert set(found) <= {"disagree"}
    assert 1 <= found["disagree"] < talk.people or talk.people == 2
