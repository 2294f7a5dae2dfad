"""One connection, with a transport that takes what it likes: what comes in becomes commands, what goes out stays whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from salon.actors.limits import Limits
from salon.actors.messages import Attach, Join, Receipt, Reviewed
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import Code, Refusal
from salon.web.socket import connection as connection_module
from salon.web.socket.codec import JsonCodec, error_frame, message_ack
from salon.web.socket.connection import (
    CLOSE_TIMEOUT,
    FAREWELL,
    FAULT_WINDOW,
    FAULTS,
    OUTBOX_BYTES,
    Connection,
    Phase,
)
from salon.web.socket.websocket import text_header
from tests.examples import examples
from tests.raw import BINARY, CLOSE, PING, PONG, TEXT, client_frame, close_payload, frames_in
from tests.unit.engine import ADA, BEN, Engine, in_virtual_time, open_engine

RECEIPT = Receipt("c", "c-1", 1, 0, "k", "memory", "0" * 64)
SMALL_OUTBOX = 300


class Pipe:
    """The way to a peer that takes `room` more bytes, so many at once as `bite` says."""

    def __init__(
        self, room: float = float("inf"), bite: Callable[[int], int] = lambda size: size
    ) -> None:
        self.sent = bytearray()
        self.room = room
        self.broken = False
        self.reading, self.writing = True, False
        self.closing_told, self.abandoned = 0, 0
        self.refusals: list[float] = []
        self._bite = bite

    def send(self, data: bytes | memoryview) -> int:
        if self.broken or self.abandoned:
            return -1
        size = int(min(len(data), self.room, self._bite(len(data))))
        self.sent += data[:size]
        self.room -= size
        return size

    def unconfirmed(self) -> int:
        return 0

    def watch(self, connection: Connection, *, reading: bool, writing: bool) -> None:
        assert not self.abandoned, "a socket that is closed cannot be watched"
        self.reading, self.writing = reading, writing

    def refused(self, connection: Connection, retry_after: float) -> None:
        self.refusals.append(retry_after)

    def closing(self, connection: Connection) -> None:
        self.closing_told += 1

    def abandon(self, connection: Connection) -> None:
        self.abandoned += 1

    def drain(self, connection: Connection) -> None:
        """Take everything from now on, as fast as it is told of."""
        self.room = float("inf")
        while self.writing and not self.abandoned:
            connection.writable()

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """What the peer has received, which has to be whole frames."""
        frames, rest = frames_in(bytes(self.sent))
        assert not rest
        return frames

    @property
    def heard(self) -> list[dict[str, Any]]:
        """The text frames, parsed."""
        return [json.loads(payload) for opcode, payload in self.frames if opcode == TEXT]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.heard if frame["type"] == kind]

    @property
    def closes(self) -> list[int]:
        """The codes of all close frames."""
        return [
            int.from_bytes(payload[:2], "big") for opcode, payload in self.frames if opcode == CLOSE
        ]


def unattached(
    engine: Engine,
    pipe: Pipe,
    conversation_id: str = "c",
    who: Participant = ADA,
    *,
    max_frame_size: int = 131_072,
    frame_rate: float = 0,
) -> Connection:
    """A connection that its conversation does not know of."""
    connection = Connection(
        directory=engine.directory,
        connection_id=engine.sources.new_id(),
        conversation_id=conversation_id,
        participant=who,
        token_id=None,
        expires_at=None,
        address="127.0.0.1",
        max_frame_size=max_frame_size,
        frame_rate=frame_rate,
    )
    connection.bind(pipe)
    return connection


async def attached(
    engine: Engine,
    pipe: Pipe,
    conversation_id: str,
    who: Participant = ADA,
    last: int | None = None,
) -> Connection:
    """A connection whose conversation has greeted it."""
    connection = unattached(engine, pipe, conversation_id, who)
    ref = engine.directory.participant(who.id)
    ref.tell(Attach(conversation_id, connection, last), connection)
    await engine.settle()
    return connection


def frame(**fields: Any) -> bytes:
    return client_frame(TEXT, json.dumps(fields))


def message(content: str, key: str | None = None) -> bytes:
    return frame(type="message", content=content, client_message_id=key)


@pytest.fixture
async def talk(engine: Engine) -> str:
    """A conversation of Ada's and Ben's, on an engine that speaks JSON."""
    engine.directory.codec = JsonCodec(heartbeat=25, max_message_size=10_000)
    return await engine.create(ADA, BEN)


# --- frames in --------------------------------------------------------------------------------------------------------------


BOT = Participant("bot", "Bot", "agent")


def delta(offset: int, text: str, run_id: str = "r") -> bytes:
    return frame(type="delta", run_id=run_id, offset=offset, text=text)


async def test_what_an_agent_sends_in_one_piece_is_taken_in_order(
    engine: Engine, talk: str
) -> None:
    ada, agent = Pipe(), Pipe()
    await engine.do(Join(talk, ADA, Entrant(BOT)))
    await attached(engine, ada, talk)
    speaker = await attached(engine, agent, talk, BOT)
    speaker.received(
        frame(type="run_start", run_id="r")
        + delta(0, "Fish ")
        + delta(5, "and ")
        + frame(type="run_end", run_id="r", offset=9)
        + frame(type="run_start", run_id="s")
    )
    speaker.received(delta(0, "chips", "s"))  # while the pieces before it still wait
    await engine.settle()
    speaker.received(delta(5, "!", "s") + frame(type="run_end", run_id="s", offset=6))
    await engine.settle()
    assert [each["message"]["content"] for each in ada.of("message")] == ["Fish and ", "chips!"]
    assert agent.of("error") == []
    assert len(agent.of("run_ack")) == 4


async def test_text_of_a_run_is_refused_to_its_agent_in_the_same_round(
    engine: Engine, talk: str
) -> None:
    agent = Pipe()
    await engine.do(Join(talk, ADA, Entrant(BOT)))
    speaker = await attached(engine, agent, talk, BOT)
    with engine.system:
        for offset in range(engine.directory.limits.queue_share + 1):
            speaker.received(delta(offset, "x"))
    full, *_ = agent.of("error")
    assert (full["code"], full["run_id"], full["scope"]) == ("QUEUE_FULL", "r", "participant")
    await engine.settle()
    engine.directory.draining = lambda: 1.0
    speaker.received(delta(0, "x"))
    await engine.settle()
    assert agent.of("error")[-1]["code"] == "DRAINING"


async def test_a_message_is_acknowledged_to_its_sender_and_told_to_all(
    engine: Engine, talk: str
) -> None:
    ada, ben = Pipe(), Pipe()
    sender = await attached(engine, ada, talk)
    await attached(engine, ben, talk, BEN)
    sender.received(message("hello", "k1"))
    await engine.settle()
    (ack,) = ada.of("message_ack")
    assert (ack["client_message_id"], ack["sequence_id"]) == ("k1", 2)
    assert ada.of("message") == ben.of("message")
    assert ben.of("message")[0]["message"]["content"] == "hello"
    assert not ben.of("message_ack")
    assert ada.heard.index(ack) < ada.heard.index(ada.of("message")[0])


async def test_frames_may_come_in_any_pieces(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    sender = await attached(engine, pipe, talk)
    for byte in message("one", "k1") + frame(type="ping") + message("two", "k2"):
        sender.received(bytes((byte,)))
    await engine.settle()
    assert [ack["client_message_id"] for ack in pipe.of("message_ack")] == ["k1", "k2"]
    assert len(pipe.of("pong")) == 1


async def test_every_kind_of_frame_reaches_the_conversation(engine: Engine, talk: str) -> None:
    ada, ben = Pipe(), Pipe()
    sender, other_tab = await attached(engine, ada, talk), Pipe()
    await attached(engine, other_tab, talk)
    await attached(engine, ben, talk, BEN)
    sender.received(frame(type="typing", is_typing=True))
    sender.received(frame(type="read", sequence_id=1))
    sender.received(frame(type="sync", last_sequence_id=0))
    await engine.settle()
    assert ben.of("typing") == [{"type": "typing", "participant_id": "ada", "is_typing": True}]
    assert other_tab.of("read") == [{"type": "read", "participant_id": "ada", "sequence_id": 1}]
    assert not ben.of("read")
    assert len(ada.of("caught_up")) == 2
    assert len(ada.of("conversation_created")) == 2


async def test_pings_of_both_kinds_are_answered(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.received(client_frame(PING, b"are you there?") + frame(type="ping"))
    connection.received(client_frame(PONG, b"unasked"))
    assert pipe.frames[-2:] == [(PONG, b"are you there?"), (TEXT, b'{"type":"pong"}')]


async def test_a_mailbox_that_is_full_refuses_by_the_key_of_the_message(
    engine: Engine, talk: str
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    engine.directory.participant(ADA.id).tell(Reviewed(talk))  # else nothing waits here
    for number in range(1001):
        connection.received(message("x", f"k{number}"))
    (error,) = pipe.of("error")
    assert (error["code"], error["client_message_id"]) == ("QUEUE_FULL", "k1000")
    assert (error["queue_size"], error["scope"]) == (1000, "participant")
    assert error["retry_after"] > 0


async def test_more_frames_a_second_than_are_allowed_are_refused_for_now(
    engine: Engine, talk: str, autojump_clock: MockClock
) -> None:
    pipe = Pipe()
    connection = unattached(engine, pipe, talk, frame_rate=2)
    for _ in range(3):
        connection.received(frame(type="ping"))
    assert [heard["type"] for heard in pipe.heard] == ["pong", "pong", "error"]
    assert pipe.heard[2]["code"] == "RATE_LIMITED"
    assert (pipe.heard[2]["limit"], pipe.heard[2]["unit"]) == (2, "frames a second")
    await trio.sleep(pipe.heard[2]["retry_after"] + 0.001)
    connection.received(frame(type="ping"))
    assert pipe.heard[3]["type"] == "pong"


# --- faults -----------------------------------------------------------------------------------------------------------------

FAULTY = [client_frame(TEXT, text) for text in ("", "{", "[]", '{"type":"x"}', '{"type":"read"}')]


@pytest.mark.parametrize("fault", FAULTY)
async def test_the_twentieth_fault_in_ten_seconds_closes(
    engine: Engine, talk: str, fault: bytes
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.received(fault * (FAULTS - 1))
    assert len(pipe.of("error")) == FAULTS - 1
    assert connection.phase is Phase.OPEN
    connection.received(fault + frame(type="ping"))
    assert len(pipe.of("error")) == FAULTS
    assert pipe.closes == [4501]
    assert not pipe.of("pong")


async def test_the_words_of_nlweb_are_no_faults_whatever_becomes_of_them(
    engine: Engine, talk: str
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    for _ in range(FAULTS + 5):
        connection.received(frame(type="typing", isTyping=True))
        connection.received(frame(type="join", conversation_id=talk))
        connection.received(frame(type="join", conversation_id="elsewhere"))
        connection.received(frame(type="leave", conversation_id=talk))
        both = {"client_message_id": "k1", "message_id": "k2"}
        connection.received(frame(type="message", content="x", **both))
    await engine.settle()
    problems = [
        f"this socket is to the conversation {talk} alone",
        f"one leaves with DELETE /chat/{talk}/leave",
        "client_message_id and message_id name different keys",
    ]
    assert [each["problem"] for each in pipe.of("error")] == problems * (FAULTS + 5)
    assert [each.get("client_message_id") for each in pipe.of("error")[:3]] == [None, None, "k1"]
    assert not pipe.closes
    assert len(pipe.of("message")) == 0


async def test_a_message_sent_again_by_nlwebs_name_for_its_key_is_the_same_message(
    engine: Engine, talk: str
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    for name in ("message_id", "message_id", "client_message_id"):
        connection.received(frame(type="message", content="x", **{name: "k1"}))
        await engine.settle()
    connection.received(frame(type="message", content="x", client_message_id="k1", message_id="k1"))
    await engine.settle()
    receipts = pipe.of("message_ack")
    assert [each["client_message_id"] for each in receipts] == ["k1"] * 4
    assert len({each["sequence_id"] for each in receipts}) == 1
    assert len(pipe.of("message")) == 1


async def test_faults_that_come_slower_do_not_close(
    engine: Engine, talk: str, autojump_clock: MockClock
) -> None:
    pipe = Pipe()
    connection = unattached(engine, pipe, talk)
    for _ in range(3 * FAULTS):
        connection.received(FAULTY[0])
        await trio.sleep(FAULT_WINDOW / (FAULTS - 1) + 0.01)
    assert len(pipe.of("error")) == 3 * FAULTS
    assert connection.phase is Phase.OPEN


async def test_right_frames_between_do_not_make_faults_good(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.received((FAULTY[1] + frame(type="ping")) * FAULTS)
    assert pipe.closes == [4501]


async def test_a_message_that_is_too_large_is_no_fault(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    for number in range(2 * FAULTS):
        connection.received(message("x" * 10_001, f"k{number}"))
    await engine.settle()
    errors = pipe.of("error")
    assert {error["code"] for error in errors} == {"MESSAGE_TOO_LARGE"}
    assert [error["client_message_id"] for error in errors] == [f"k{n}" for n in range(2 * FAULTS)]
    assert connection.phase is Phase.OPEN


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (client_frame(BINARY, b"\0"), 1003),
        (client_frame(TEXT, "x", mask=None), 1002),
        (client_frame(TEXT, "x", reserved=4), 1002),
        (client_frame(TEXT, b"\xff"), 1007),
        (client_frame(TEXT, b"x" * 200_000)[:14], 1009),
    ],
)
async def test_what_the_protocol_does_not_allow_ends_the_connection_with_a_word(
    engine: Engine, talk: str, data: bytes, code: int
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.received(message("before", "k1") + data + message("after", "k2"))
    await engine.settle()
    assert pipe.closes == [code]
    # What the peer is still sending must not reset the connection before it has read the word.
    assert (pipe.closing_told, pipe.abandoned) == (1, 0)
    assert len(engine.log(talk)) == 2, "what was said before is said"
    connection.received(b"whatever it is still sending")
    connection.received(b"")
    assert pipe.abandoned == 1


# --- the outbox -------------------------------------------------------------------------------------------------------------

steps = st.one_of(
    st.tuples(st.sampled_from(["deliver", "deliver", "push", "room"]), st.integers(0, 400)),
    st.tuples(st.sampled_from(["answer", "refuse", "flush", "beat"]), st.just(0)),
)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(steps, max_size=40), st.integers(0, 2**32))
@example([("deliver", 200), ("answer", 0), ("deliver", 200), ("deliver", 1), ("push", 1)], 0)
def test_what_arrives_is_what_was_written_in_its_order_whatever_is_partial_or_refused(
    script: list[tuple[str, int]], seed: int
) -> None:
    async def play() -> None:
        chance = Random(seed)
        pipe = Pipe(room=0, bite=lambda size: chance.randint(0, size))
        connection = unattached(Engine(), pipe)
        expected, held, full = bytearray(), b"", False
        for number, (step, size) in enumerate(script):
            waiting = len(expected) - len(pipe.sent)
            data = text_header(size + 3) + b"%03d" % number + b"." * size
            match step:
                case "deliver":
                    full = waiting > SMALL_OUTBOX
                    assert connection.deliver(data) is not full
                    if not full:
                        expected += held + data
                        held = b""
                case "push":
                    connection.push(data)
                    expected += held + data
                    held = b""
                case "beat":
                    connection.received(client_frame(PONG))
                    connection.beat(0)
                    expected += held + b"\x89\0"
                    held = b""
                case "answer" | "refuse":
                    refusal = Refusal(Code.FORBIDDEN)
                    connection.set(RECEIPT if step == "answer" else refusal)
                    body = message_ack(RECEIPT) if step == "answer" else error_frame(refusal)
                    held += text_header(len(body)) + body
                case "flush":
                    connection.flush()
                    expected += held
                    held = b""
                case "room":
                    pipe.room = size
                    if pipe.writing:
                        connection.writable()
            assert expected.startswith(pipe.sent)
            assert connection.outbox_bytes == len(expected) - len(pipe.sent)
            assert pipe.writing == (connection.outbox_bytes > 0)
            assert pipe.reading or connection.outbox_bytes > 0
        connection.flush()
        pipe.drain(connection)
        assert pipe.sent == expected + held
        assert (connection.outbox_bytes, pipe.reading, pipe.writing) == (0, True, False)
        assert frames_in(bytes(pipe.sent))[1] == b""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_module, "OUTBOX_BYTES", SMALL_OUTBOX)
        in_virtual_time(play)


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.sampled_from(["say", "say", "hear", "sync", "fault", "some", "all"]), max_size=40),
    st.integers(0, 2**32),
)
def test_whatever_the_peer_takes_it_gets_every_answer_and_every_event_once(
    script: list[str], seed: int
) -> None:
    async def play() -> None:
        chance = Random(seed)
        async with open_engine(Limits(message_rate=0)) as engine:
            engine.directory.codec = JsonCodec(heartbeat=25, max_message_size=10_000)
            talk = await engine.create(ADA, BEN)
            pipe = Pipe(bite=lambda size: chance.randint(0, size))
            connection = await attached(engine, pipe, talk)
            keys: list[str] = []
            faults = synced = 0
            for step in script:
                if step == "say" and pipe.reading:
                    keys.append(f"k{len(keys)}")
                    connection.received(message("x" * 100, keys[-1]))
                elif step == "hear":
                    await engine.post(talk, BEN, "y" * 100)
                elif step == "sync" and pipe.reading:
                    synced += 1
                    connection.received(frame(type="sync", last_sequence_id=0))
                elif step == "fault" and pipe.reading and faults < FAULTS - 1:
                    faults += 1
                    connection.received(FAULTY[1])
                elif step == "some":
                    pipe.room = chance.randint(0, 2000)
                    if pipe.writing:
                        connection.writable()
                elif step == "all":
                    pipe.drain(connection)
                await engine.settle()
            while pipe.writing:
                pipe.drain(connection)
                await engine.settle()
            assert pipe.closes == []
            assert [ack["client_message_id"] for ack in pipe.of("message_ack")] == keys
            assert len(pipe.of("error")) == faults
            told = [heard["sequence_id"] for heard in pipe.of("message")]
            last = engine.log(talk)[-1].sequence
            if synced:  # what was asked for again may come again
                assert set(told) == set(range(2, last + 1))
            else:
                assert told == list(range(2, last + 1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_module, "OUTBOX_BYTES", SMALL_OUTBOX)
        in_virtual_time(play)


async def test_answers_are_never_dropped_reading_stops_instead(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    pipe.room = 0
    keys: list[str] = []
    while pipe.reading:
        keys.append(f"{len(keys):0100}")
        connection.received(message("x", keys[-1]))
        await engine.settle()
    assert OUTBOX_BYTES < connection.outbox_bytes < OUTBOX_BYTES + 200_000
    while pipe.writing:
        pipe.drain(connection)
        await engine.settle()
    answers = [heard for heard in pipe.heard if heard["type"] in ("message_ack", "error")]
    assert [answer["client_message_id"] for answer in answers] == keys
    connection.received(frame(type="ping"))
    assert pipe.heard[-1]["type"] == "pong"


async def test_who_falls_behind_is_told_once_and_misses_nothing(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    pipe.room = 0
    for number in range(60):
        await engine.post(talk, BEN, f"{number:08}" * 1000)
    held = connection.outbox_bytes
    assert held < OUTBOX_BYTES + 20_000, "what waits is bounded"
    while pipe.writing:
        pipe.drain(connection)
        await engine.settle()
    assert len(pipe.of("lagging")) == 1
    assert [heard["sequence_id"] for heard in pipe.of("message")] == list(range(2, 62))
    assert pipe.heard[-1]["type"] == "caught_up"
    await engine.post(talk, BEN, "live again")
    assert pipe.heard[-1]["type"] == "message"


@pytest.mark.parametrize("first", ["push", "deliver", "beat", "close", "flush", "set"])
async def test_what_is_held_leaves_before_anything_else(
    engine: Engine, talk: str, first: str
) -> None:
    """The answer to the handshake is held; nothing may come before it."""
    pipe = Pipe()
    connection = unattached(engine, pipe, talk)
    connection.hold(b"HTTP/1.1 101\r\n\r\n")
    match first:
        case "push" | "deliver":
            getattr(connection, first)(b"\x81\0")
        case "beat":
            connection.beat(0)
        case "close":
            connection.close(4000)
        case "flush":
            connection.flush()
        case "set":
            connection.set(RECEIPT)
            connection.received(client_frame(PING))
    assert pipe.sent.startswith(b"HTTP/1.1 101\r\n\r\n")


# --- the end ----------------------------------------------------------------------------------------------------------------


async def audience(engine: Engine, talk: str) -> int:
    await engine.settle()
    return len(engine.conversation(talk).audience)


async def test_the_peer_closes_and_is_answered(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.received(message("last words") + client_frame(CLOSE, close_payload(1001, "bye")))
    assert pipe.closes == [1001]
    assert (connection.phase, pipe.abandoned) == (Phase.CLOSED, 1)
    assert await audience(engine, talk) == 0
    assert len(engine.log(talk)) == 2
    assert not engine.participant(ADA).connections


async def test_the_server_closes_and_the_peer_answers(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.close(4000, '{"retry_after": 1.0}')
    connection.close(4001)
    assert (pipe.closes, pipe.abandoned) == ([4000], 0)
    assert await audience(engine, talk) == 0
    connection.received(message("too late") + client_frame(CLOSE, close_payload(4000)))
    assert (pipe.closes, pipe.abandoned) == ([4000], 1)
    assert len(engine.log(talk)) == 1


async def test_a_peer_that_does_not_answer_is_given_a_time(
    engine: Engine, talk: str, autojump_clock: MockClock
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.close(4000)
    assert pipe.closing_told == 1
    assert connection.close_deadline == trio.current_time() + CLOSE_TIMEOUT
    connection.lost()
    connection.lost()
    assert pipe.abandoned == 1


async def test_a_close_waits_for_what_waits(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    pipe.room = 10
    connection.push(text_header(12) + b'{"type":"x"}')
    connection.set(RECEIPT)
    connection.received(client_frame(CLOSE, close_payload(1000)))
    assert (connection.phase, pipe.abandoned) == (Phase.CLOSING, 0)
    pipe.drain(connection)
    assert [opcode for opcode, _ in pipe.frames[-3:]] == [TEXT, TEXT, CLOSE]
    assert pipe.of("message_ack")
    assert (connection.phase, pipe.abandoned) == (Phase.CLOSED, 1)


async def test_a_peer_that_cannot_be_understood_any_more_is_cut_soon(
    engine: Engine, talk: str, autojump_clock: MockClock
) -> None:
    connection = await attached(engine, Pipe(), talk)
    connection.received(client_frame(TEXT, b"x" * 200_000)[:14])
    assert connection.phase is Phase.CLOSING
    assert connection.close_deadline == trio.current_time() + FAREWELL


@pytest.mark.parametrize("end", ["", "broken"])
async def test_a_peer_that_goes_without_a_word_is_forgotten(
    engine: Engine, talk: str, end: str
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    if end == "broken":
        pipe.broken = True
        await engine.post(talk, BEN, "is anybody there?")
    else:
        connection.received(b"")
    assert connection.phase is Phase.CLOSED
    assert pipe.abandoned == 1
    assert await audience(engine, talk) == 0
    assert not pipe.closes


async def test_a_peer_found_gone_while_closing_is_forgotten_once(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.set(RECEIPT)
    pipe.broken = True
    connection.close(1000, "Left conversation")
    assert connection.phase is Phase.CLOSED
    assert pipe.abandoned == 1
    assert await audience(engine, talk) == 0


async def test_after_the_end_nothing_is_taken_or_said(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    connection.close(4000)
    size = len(pipe.sent)
    for _ in range(2):
        connection.set(RECEIPT)
        connection.flush()
        connection.push(b"\x81\0")
        assert connection.deliver(b"\x81\0"), "who is closed does not fall behind"
        connection.beat(0)
        connection.received(client_frame(PING) + FAULTY[0] * FAULTS)
        connection.writable()
        connection.lost()
    assert len(pipe.sent) == size


async def test_an_actor_that_dies_sends_its_callers_to_a_fresh_socket(
    engine: Engine, talk: str
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    engine.store.fail("append", RuntimeError("a fault of ours"))
    connection.received(message("x", "k1"))
    await engine.settle()
    assert pipe.closes == [4002]
    assert not pipe.of("message_ack")


async def test_so_does_the_participant_who_dies(
    engine: Engine, talk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, other = Pipe(), Pipe()
    connection = await attached(engine, pipe, talk)
    await attached(engine, other, talk)
    participant = engine.participant(ADA)
    monkeypatch.setattr(participant, "refusal", lambda *_: 1 / 0)
    connection.received(message("x", "k1"))
    assert await audience(engine, talk) == 0
    assert pipe.closes == other.closes == [4002]


# --- the heartbeat ----------------------------------------------------------------------------------------------------------


def beats(connection: Connection, times: int) -> None:
    for _ in range(times):
        connection.beat(0)


async def test_two_pings_without_an_answer_close(engine: Engine, talk: str) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    beats(connection, 2)
    assert [opcode for opcode, _ in pipe.frames[-2:]] == [PING, PING]
    assert connection.phase is Phase.OPEN
    beats(connection, 1)
    assert pipe.closes == [4001]


@pytest.mark.parametrize(
    "sign", [client_frame(PONG), client_frame(PING), frame(type="ping"), FAULTY[0], b"\x81"]
)
async def test_anything_that_comes_is_a_sign_of_life(
    engine: Engine, talk: str, sign: bytes
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    for _ in range(5):
        beats(connection, 2)
        connection.received(sign)
    beats(connection, 2)
    assert connection.phase is Phase.OPEN


async def test_so_is_taking_what_waits_since_a_slow_reader_gets_its_pings_late(
    engine: Engine, talk: str
) -> None:
    pipe = Pipe()
    connection = await attached(engine, pipe, talk)
    pipe.room = 0
    connection.push(b"\x82\x7f" + (OUTBOX_BYTES * 2).to_bytes(8, "big") + bytes(OUTBOX_BYTES * 2))
    connection.push(b"\x89\0")
    assert not pipe.reading, "nothing it says can be heard"
    for _ in range(10):
        beats(connection, 2)
        pipe.room = 1000
        connection.writable()
    assert connection.phase is Phase.OPEN
    beats(connection, 3)
    assert connection.phase is not Phase.OPEN
