"""The order checker: it says nothing of a good conversation, and names what is wrong with one that was spoiled."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.events import Posted
from salon.actors.refusals import Code
from salon.actors.signals import CaughtUp
from salon.loadtests.users.figures import Tally
from salon.loadtests.users.ledger import Ledger
from salon.loadtests.users.raw_user import RawUser
from salon.loadtests.users.transcript import Transcript
from salon.loadtests.users.user import Person, User
from salon.loadtests.users.wire import Wire
from salon.web.socket.websocket import close_frame
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
            user = talk.users[number]
            if random.random() < 0.2:
                user.disconnect()
                rest[number] = again(talk, user, talk.streams[number])
                first = user.reader.sequence + 1
                user.take(opening(talk.head, first), NOW)
            else:
                user.take(rest[number].pop(0).data, NOW)
        assert talk.verdict() == {}, talk.tally.anomalies

    def test_may_be_written_in_another_way(self) -> None:
        """White space in JSON is the server's own business."""
        talk = Talk(2)
        key = talk.say(0)
        receipt = {"type": "message_ack", "sequence_id": HEAD + 1, "client_message_id": key}
        event = json.loads(CODEC.encode(posted(HEAD + 1, key)))
        talk.enter()
        talk.users[0].take(CODEC.payload([json.dumps(receipt).encode()]), NOW)
        for user in talk.users:
            user.take(CODEC.payload([json.dumps(event).encode()]), NOW)
        talk.head = HEAD + 1
        assert talk.verdict() == {}
        assert talk.tally.deliveries == 2


def again(talk: Talk, user: User, stream: list[Item]) -> list[Item]:
    """What is left for a connection that is made now."""
    has = user.reader.sequence
    pending = user.ledger.pending
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
    for user in talk.users:
        keys = {item.key.encode() for stream in talk.streams for item in stream}
        for key in set(user.ledger.pending) - keys:
            del user.ledger.pending[key]
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


class TestAConnection:
    def user(self, **options: bool) -> User:
        tally = Tally(measuring=True, due_from=0.0)
        person = Person("token", True, True)
        return RawUser(Wire(TARGET), ROOM, person, 0, Transcript(HEAD), tally, **options)

    def test_is_live_once_it_has_caught_up(self) -> None:
        user = self.user()
        user.take(opening(HEAD, HEAD + 1), NOW)
        before = user.live
        user.take(frame(CaughtUp(HEAD)), NOW)
        assert (before, user.live) == (False, True)
        assert user.largest == 10_000
        assert user.tally.connect.total == 1

    def test_that_is_made_again_counts_apart_from_when_it_was_wanted(self) -> None:
        user = self.user()
        for wanted in (NOW - 1, NOW - 3):
            user.disconnect()
            user._due_back = wanted
            user.take(opening(HEAD, HEAD + 1) + frame(CaughtUp(HEAD)), NOW)
        assert user.tally.connect.highest == pytest.approx(1)
        assert user.tally.reconnect.highest == pytest.approx(3)

    def test_counts_nothing_that_comes_before_it_is_live(self) -> None:
        user = self.user()
        user.take(opening(HEAD + 1, HEAD + 1) + frame(posted(HEAD + 1, "1-1")), NOW)
        assert user.reader.sequence == HEAD + 1
        assert user.tally.deliveries == user.tally.delivery.total == 0

    def test_that_was_caught_up_too_early_has_lost_something(self) -> None:
        user = self.user()
        user.take(opening(HEAD + 3, HEAD + 1) + frame(CaughtUp(HEAD + 3)), NOW)
        assert user.tally.wrong == {"lost": 1}

    def test_to_a_log_that_has_become_shorter_has_lost_something(self) -> None:
        user = self.user()
        user.take(opening(HEAD - 1, HEAD - 1, "reset") + frame(CaughtUp(HEAD - 1)), NOW)
        assert user.tally.wrong == {"lost": 1}

    def test_that_was_reset_goes_on_where_the_server_says(self) -> None:
        user = self.user()
        user.take(opening(HEAD + 90, HEAD + 81, "reset") + frame(posted(HEAD + 81, "1-1")), NOW)
        assert user.tally.resets == 1
        assert user.reader.verdict() == []
        assert user.transcript.holes == set(range(HEAD + 1, HEAD + 81))

    @pytest.mark.parametrize(
        ("code", "reason", "back_in"),
        [
            (1000, "Left conversation", 0.0),
            (4000, '{"retry_after":3.25}', 3.25),
            (4003, "lagged too long", 0.0),
            (4500, "identity revoked", None),
        ],
    )
    def test_comes_back_as_the_close_code_says(
        self, code: int, reason: str, back_in: float | None
    ) -> None:
        user = self.user()
        assert not user.take(opening(HEAD, HEAD + 1) + close_frame(code, reason), NOW)
        assert user.back_in == back_in
        assert user.tally.closes == {code: 1}
        assert bool(user.tally.wrong) == (back_in is None)

    @pytest.mark.parametrize("cut", [10, 40, 80, 200])
    def test_that_is_refused_says_why_and_when_to_come_back(self, cut: int) -> None:
        body = json.dumps({"code": "TOO_MANY_CONNECTIONS", "error": "Too many.", "retry_after": 5})
        answer = (
            f"HTTP/1.1 429 \r\nRetry-After: 5\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        user = self.user()
        parts = [part for part in (answer[:cut], answer[cut:]) if part]
        assert [user.take(part, NOW) for part in parts] == [True, False][-len(parts) :]
        assert user.back_in == 5
        assert "limits.connections_per_address" in user.no_entry
        assert user.tally.refused == {"TOO_MANY_CONNECTIONS": 1}

    def test_answers_pings_of_the_server(self) -> None:
        user = self.user()
        user.wire.unsent = b"-"
        user.take(SWITCHED + b"\x89\x04ping", NOW)
        assert user.wire.unsent == b"-\x8a\x84\0\0\0\0ping"


class TestLatency:
    def test_counts_from_when_the_message_was_due(self) -> None:
        talk = Talk(1)
        talk.enter()
        talk.users[0].post(NOW - 2)
        event = frame(posted(HEAD + 1, "0-1", NOW - 2))
        talk.users[0].take(ack(HEAD + 1, "0-1") + event, NOW + 1)
        assert talk.tally.receipt.highest == pytest.approx(3)
        assert talk.tally.delivery.highest == pytest.approx(3)

    def test_counts_the_oldest_of_what_came_together(self) -> None:
        talk = Talk(3)
        talk.enter()
        dues = (NOW - 1, NOW - 5, NOW - 2)
        data = b"".join(frame(posted(HEAD + 1 + n, f"9-{n}", due)) for n, due in enumerate(dues))
        talk.users[0].take(data, NOW)
        assert sorted(talk.tally.delivery.counts)[-3:] == [1, 1, 1]
        for user in talk.users[1:]:
            user.take(data, NOW)
        assert talk.tally.delivery.counts[-1:] == [0]
        assert max(talk.tally.delivery.counts) == 7  # one alone, and twice three
        assert talk.tally.deliveries == 9

    @pytest.mark.parametrize(("due", "counted"), [(9.9, 0), (10.0, 1), (14.9, 1), (15.0, 0)])
    def test_is_of_messages_due_in_the_measured_time(self, due: float, counted: int) -> None:
        talk = Talk(1)
        talk.enter()
        talk.tally.due_from, talk.tally.due_until, talk.tally.measuring = 10.0, 15.0, False
        talk.users[0].post(due)
        talk.users[0].take(ack(HEAD + 1, "0-1") + frame(posted(HEAD + 1, "0-1", due)), 16.0)
        assert talk.tally.delivery.total == talk.tally.receipts == counted
        assert talk.tally.deliveries == 0  # those are counted while it lasts

    def test_of_one_who_does_not_read_is_nobodys(self) -> None:
        talk = Talk(1)
        talk.users[0].person = Person("token", sends=False, reads=False)
        talk.enter()
        talk.users[0].take(frame(posted(HEAD + 1, "9-1")), NOW + 60)
        assert talk.tally.deliveries == talk.tally.delivery.total == 0


class TestWhatWasSent:
    def test_is_sent_again_with_its_key_until_it_is_answered(self) -> None:
        talk = Talk(1)
        user = talk.users[0]
        talk.enter()
        user.wire.unsent = b"-"  # nothing is written: it waits here
        user.post(NOW)
        once = user.wire.unsent[1:]
        user.disconnect()
        user.wire.unsent = b"-"
        user.resend()
        assert user.wire.unsent[1:] == once
        assert user.tally.sent == 1

    @pytest.mark.parametrize("size", [40, 100, 5000, 70_000])
    def test_has_the_size_that_is_asked_for(self, size: int) -> None:
        tally = Tally()
        user = RawUser(
            Wire(TARGET), ROOM, Person("t", True, True), 12345, Transcript(0), tally, size=size
        )
        user.wire.unsent = b"-"
        user.post(NOW)
        sent = user.wire.unsent[1:]
        payload = sent[sent.index(b"{") :]
        assert len(json.loads(payload)["content"]) == size
        assert sent[1] & 0x80

    def test_with_a_refusal_that_names_no_key_stays_on_its_way(self) -> None:
        """It was of something else, such as a typing signal."""
        talk = Talk(1)
        key = talk.say(0)
        talk.answer(key, error("", Code.RATE_LIMITED), "refusal")
        talk.answer(key, CODEC.payload([b'{"type":"error","code":"UNKNOWN_TYPE"}']), "refusal")
        talk.accept(key)
        talk.play(Random(1))
        assert talk.verdict() == {}
        assert talk.tally.refused == {"RATE_LIMITED": 1, "UNKNOWN_TYPE": 1}


class TestWithoutKeys:
    """The receipts name no message: what counts are their sequences."""

    def ledger(self, *receipts: int, sent: int = 3) -> Ledger:
        ledger = Ledger(0, keyed=False)
        for _ in range(sent):
            ledger.send(NOW)
        for sequence in receipts:
            assert ledger.confirm(None, sequence) == NOW
        return ledger

    def log(self, *sequences: int) -> dict[bytes, int]:
        return {b"0-%d" % number: sequence for number, sequence in enumerate(sequences, 1)}

    def test_all_is_well_where_the_sequences_are_the_same(self) -> None:
        assert self.ledger(7, 9, 12).verdict(self.log(12, 7, 9)) == []

    def test_a_receipt_for_what_is_not_in_the_log_is_a_loss(self) -> None:
        found = self.ledger(7, 9, 13).verdict(self.log(7, 9))
        assert [kind for kind, _ in found] == ["lost"]

    def test_a_message_in_the_log_without_a_receipt_was_not_refused(self) -> None:
        ledger = self.ledger(7, 9)
        ledger.refuse(None, "QUEUE_FULL")
        assert [kind for kind, _ in ledger.verdict(self.log(7, 9, 12))] == ["refused"]

    @pytest.mark.parametrize("there", [(7, 9), (7, 9, 12)])
    def test_what_a_lost_connection_had_on_its_way_may_be_there(
        self, there: tuple[int, ...]
    ) -> None:
        ledger = self.ledger(7, 9)
        ledger.cut()
        assert ledger.unknown == 1
        assert ledger.verdict(self.log(*there)) == []

    def test_messages_are_found_by_what_they_say(self) -> None:
        transcript = Transcript(HEAD, keyed=False)
        event: Posted = posted(HEAD + 1, "3-1")._replace(key=None)
        transcript.put(HEAD + 1, frame(event), CODEC.encode(event))
        assert transcript.keys == {b"3-1": HEAD + 1}
        assert transcript.problems == []
