"""What the load tool keeps of a conversation, and how it compares what others are sent with that."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.events import Created, Joined, Left
from salon.actors.model import Entrant, Participant
from salon.loadtests.users.figures import NEVER
from salon.loadtests.users.frame import (
    BadFrame,
    bounds,
    client_frame,
    compact,
    parse,
    receipt_of,
    sequence_of,
    server_frame,
)
from salon.loadtests.users.reader import spans
from salon.loadtests.users.transcript import Transcript
from salon.web.socket.websocket import Receiver, Text
from tests.unit.load_talk import CODEC, HEAD, NOW, ROOM, ack, frame, posted

FEW = settings(max_examples=60, deadline=None)


def kept(*sequences: int) -> Transcript:
    """A transcript of messages with these sequences, put in this order; each was due a second after the one before."""
    transcript = Transcript(HEAD)
    for sequence in sequences:
        put(transcript, sequence)
    return transcript


def put(transcript: Transcript, sequence: int, content: str = "") -> bool:
    event = posted(sequence, f"1-{sequence}", NOW + sequence, content=content)
    return transcript.put(sequence, frame(event), CODEC.encode(event))


def wire(first: int, last: int) -> bytes:
    return b"".join(frame(posted(n, f"1-{n}", NOW + n)) for n in range(first, last + 1))


class TestRepeated:
    @given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 400), st.integers(0, 20))
    @FEW
    def test_counts_the_whole_events_that_are_known(
        self, there: int, after: int, cut: int, sent: int
    ) -> None:
        transcript = kept(*range(HEAD + 1, HEAD + 1 + there))
        data = wire(HEAD + after + 1, HEAD + after + sent)
        data = data[: max(0, len(data) - cut)]
        count, size, due = transcript.repeated(HEAD + after, data)
        known = wire(HEAD + after + 1, HEAD + there)
        whole = [
            n for n in range(sent + 1) if len(wire(HEAD + after + 1, HEAD + after + n)) <= len(data)
        ]
        assert count == min(max(whole), max(0, there - after))
        assert data[:size] == known[:size]
        assert size == len(wire(HEAD + after + 1, HEAD + after + count))
        assert due == (NOW + HEAD + after + 1 if count else NEVER)

    @given(st.integers(1, 10), st.integers(0, 3000))
    @FEW
    def test_takes_nothing_of_an_event_in_which_a_byte_is_another(
        self, there: int, at: int
    ) -> None:
        transcript = kept(*range(HEAD + 1, HEAD + 1 + there))
        data = bytearray(wire(HEAD + 1, HEAD + there))
        at %= len(data)
        data[at] ^= 1
        count, size, _ = transcript.repeated(HEAD, bytes(data))
        assert size <= at
        assert count <= there - 1

    def test_finds_the_oldest_in_any_place(self) -> None:
        transcript = Transcript(HEAD)
        events = [posted(HEAD + n, f"1-{n}", due) for n, due in ((1, 50.0), (2, 20.0), (3, 90.0))]
        for event in events:
            transcript.put(event.sequence, frame(event), CODEC.encode(event))
        assert transcript.repeated(HEAD, b"".join(map(frame, events)))[2] == 20.0

    def test_stops_at_a_signal_between_events(self) -> None:
        transcript = kept(6, 7, 8)
        pong = CODEC.payload([b'{"type":"pong"}'])
        data = wire(6, 6) + pong + wire(7, 8)
        assert transcript.repeated(HEAD, data)[:2] == (1, len(wire(6, 6)))

    def test_is_told_the_same_twice_from_memory(self) -> None:
        transcript = kept(6, 7, 8)
        data = wire(6, 8)
        assert transcript.repeated(HEAD, data) is transcript.repeated(HEAD, data)
        assert transcript.repeated(HEAD + 1, data) == (0, 0, NEVER)

    def test_leaves_a_place_where_something_was_missing_to_be_looked_at_closely(self) -> None:
        transcript = kept(6, 8, 9)
        assert transcript.repeated(HEAD, wire(6, 9)) == (0, 0, NEVER)
        assert transcript.repeated(8, wire(9, 9))[0] == 1


class TestPut:
    def test_keeps_what_is_new_and_compares_what_is_not(self) -> None:
        transcript = kept(6, 7)
        assert transcript.last == 7
        assert put(transcript, 6)
        assert not put(transcript, 6, content="something else")

    def test_remembers_a_hole_until_it_is_filled(self) -> None:
        transcript = kept(6, 9)
        assert transcript.holes == {7, 8}
        assert put(transcript, 8)
        assert transcript.holes == {7}
        assert not put(transcript, 8, content="something else")
        assert put(transcript, 7)
        assert transcript.holes == set()
        assert transcript.due_of(7) == NOW + 7

    def test_finds_a_key_that_is_there_twice(self) -> None:
        transcript = kept(6)
        event = posted(7, "1-6")
        transcript.put(7, frame(event), CODEC.encode(event))
        assert transcript.problems == [("duplicate", "1-6 is in the log twice: 6 and 7")]

    def test_takes_what_others_say_as_it_is(self) -> None:
        transcript = Transcript(HEAD)
        for sequence, content in enumerate(
            ("", "hello", "x" * 40, "0123456789abcdeg 1-1 x"), HEAD + 1
        ):
            event = posted(sequence, "", content=content or " ")
            transcript.put(sequence, frame(event), CODEC.encode(event))
        assert transcript.keys == {}
        assert transcript.problems == []
        assert transcript.due_of(HEAD + 1) == NEVER

    @given(st.permutations(range(HEAD + 1, HEAD + 9)))
    @FEW
    def test_in_any_order_comes_to_the_same(self, sequences: list[int]) -> None:
        """So processes whose people were sent things in another order do not disagree for that."""
        assert kept(*sequences).digest() == kept(*range(HEAD + 1, HEAD + 9)).digest()

    def test_of_one_other_byte_comes_to_something_else(self) -> None:
        one, other = kept(6, 7), kept(6)
        put(other, 7, content=f"{int(NOW * 1e9):016x} 1-7 y")
        assert one.digest() != other.digest()
        assert one.digest().messages == other.digest().messages


class TestForget:
    @given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 10))
    @FEW
    def test_changes_nothing_for_those_who_are_past_it(
        self, first: int, second: int, has: int
    ) -> None:
        transcript = kept(*range(HEAD + 1, HEAD + 11))
        before = transcript.digest()
        transcript.forget(HEAD + min(first, has))
        transcript.forget(HEAD + min(second, has))
        assert transcript.digest() == before
        count, size, due = transcript.repeated(HEAD + has, wire(HEAD + has + 1, HEAD + 10))
        assert count == 10 - has
        assert size == len(wire(HEAD + has + 1, HEAD + 10))
        assert due == (NOW + HEAD + has + 1 if count else NEVER)
        assert put(transcript, HEAD + 11)

    def test_of_what_came_late_too(self) -> None:
        transcript = kept(6, 8, 7, 9)
        transcript.forget(8)
        assert put(transcript, 7, content="whatever it was")  # it cannot be compared any more
        assert not put(transcript, 9, content="something else")


class TestFrames:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
    def test_of_clients_are_read_by_the_server(self, size: int) -> None:
        payload = b"x" * size
        assert Receiver(200_000).feed(client_frame(payload)) == [Text(payload.decode())]

    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
    def test_of_servers_are_found_once_they_are_whole(self, size: int) -> None:
        data = CODEC.payload([b"x" * size])
        assert server_frame(b"x" * size) == data
        start, end = bounds(b"--" + data, 2) or (0, 0)
        assert (b"--" + data)[start:end] == b"x" * size
        for cut in {cut for cut in (0, 1, 2, 3, 9, len(data) - 1) if cut < len(data)}:
            assert bounds(data[:cut], 0) is None

    def test_may_not_be_masked(self) -> None:
        with pytest.raises(BadFrame):
            bounds(client_frame(b"x"), 0)

    @pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"type":1}', b"\xff", b'{"type":"x"'])
    def test_say_something_of_the_protocol(self, text: bytes) -> None:
        with pytest.raises(BadFrame):
            parse(text)

    def test_of_events_are_known_by_their_sequence(self) -> None:
        who = Participant("eve", "Eve")
        events = (
            Created(ROOM, 1, 0, "Talk", (Entrant(who),), "list"),
            Joined(ROOM, 2, 0, who, 2),
            Left(ROOM, 1_234_567, 0, who, 1),
            posted(4, "1-1"),
        )
        for event in events:
            assert sequence_of(CODEC.encode(event)) == event.sequence
        for text in (
            ack(5, "1-1")[4:],
            b'{"type":"caught_up","sequence_id":5}',
            b'{"type":"pong"}',
        ):
            assert sequence_of(text) is None

    @given(st.integers(1, 10**12), st.sampled_from(["1-1", "12345-678901", ""]))
    @FEW
    def test_of_receipts_have_a_key_and_a_sequence(self, sequence: int, key: str) -> None:
        text = ack(sequence, key)[4:]
        assert receipt_of(text) == (key.encode() or None, sequence)
        assert receipt_of(json.dumps(json.loads(text)).encode()) == (key.encode() or None, sequence)

    def test_come_out_of_a_page_of_the_log_as_they_were(self) -> None:
        """Over HTTP the same events are objects in a list: written again they have the same bytes."""
        event = posted(7, "1-7", content='Grüße, \\ "x" \x01 \U0001f600')
        text = CODEC.encode(event)
        assert compact(json.loads(text)) == text
        assert server_frame(compact(json.loads(text))) == frame(event)


@given(st.sets(st.integers(0, 60)), st.integers())
@FEW
def test_spans_are_the_numbers(numbers: set[int], seed: int) -> None:
    shuffled = list(numbers)
    Random(seed).shuffle(shuffled)
    found = spans(set(shuffled))
    assert {n for first, last in found for n in range(first, last + 1)} == numbers
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(found))
