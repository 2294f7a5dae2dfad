"""A conversation as a server would send it to several people, frame by frame, for the tests of the load tool's checks.

The frames are those of the real codec. `Talk.play` cuts each person's stream into arbitrary pieces and hands them out in an
arbitrary order; what tests do in between is to spoil one of the streams.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st

from salon.actors.events import Event, Joined, Left, Posted
from salon.actors.messages import Receipt
from salon.actors.model import Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.signals import (
    CaughtUp,
    Connected,
    ParticipantList,
    Presence,
    Resume,
    Signal,
    Typing,
)
from salon.loadtests.users.api import Target
from salon.loadtests.users.figures import Tally
from salon.loadtests.users.raw_user import RawUser
from salon.loadtests.users.transcript import Transcript
from salon.loadtests.users.user import Person
from salon.loadtests.users.verdict import judge
from salon.loadtests.users.wire import Wire
from salon.web.socket.codec import JsonCodec, error_frame, message_ack
from salon.web.socket.websocket import ping_frame

ROOM = "AbCdEfGhIjKlMnOpQrStUv"
HEAD = 5  # what the conversation has before anybody is connected
NOW = 1000.0  # when everything arrives
TARGET = Target.of("http://127.0.0.1:9")
CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)
EVE = Participant("eve", "Eve")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
SIGNALS = [
    CODEC.payload([CODEC.encode(Presence((("guest_1", True), ("guest_2", False))))]),
    CODEC.payload([CODEC.encode(Typing("guest_1", is_typing=True))]),
    CODEC.payload([b'{"type":"pong"}']),
    ping_frame(),
]


def frame(message: Event | Signal) -> bytes:
    """An event or signal as it stands on the wire."""
    return CODEC.payload([CODEC.encode(message)])


def opening(head: int, first: int, resume: Resume = "complete") -> bytes:
    """What comes first on a new connection, up to the events."""
    connected = Connected(ROOM, "guest_1", "connection", True, head, first, "epoch", resume)
    return SWITCHED + frame(connected) + frame(ParticipantList(ROOM, (), 0))


def posted(
    sequence: int, key: str, due: float = NOW, *, content: str = "", **changes: str
) -> Posted:
    """A message as the load tool sends them, in the log."""
    text = content or f"{int(due * 1e9):016x} {key} {'x' * 20}"
    given: str | None = changes.get("key", key)
    return Posted(ROOM, sequence, 1_700_000_000_000 + sequence, EVE, text, given or None)


def ack(sequence: int, key: str) -> bytes:
    """The receipt of a message."""
    receipt = Receipt(ROOM, f"{ROOM}-{sequence}", sequence, 0, key or None, "committed", "0" * 64)
    return CODEC.payload([message_ack(receipt)])


def error(key: str, code: Code = Code.QUEUE_FULL, retry_after: float | None = 1.5) -> bytes:
    """The refusal of a message."""
    return CODEC.payload([error_frame(Refusal(code, retry_after=retry_after, key=key, id="r"))])


@dataclass
class Item:
    """One frame of a stream: what it is, and which sequence or key it is about."""

    kind: str  # event, receipt, refusal, signal
    data: bytes
    sequence: int = 0
    key: str = ""


@dataclass
class Talk:
    """What happened, and what each person is to be sent of it."""

    people: int
    transcript: Transcript = field(default_factory=lambda: Transcript(HEAD))
    tally: Tally = field(default_factory=lambda: Tally(measuring=True, due_from=0.0))
    head: int = HEAD

    def __post_init__(self) -> None:
        self.users = [
            RawUser(
                Wire(TARGET), ROOM, Person("token", True, True), number, self.transcript, self.tally
            )
            for number in range(self.people)
        ]
        self.streams: list[list[Item]] = [[] for _ in self.users]

    def say(self, number: int) -> str:
        """Somebody sends a message; its key. What comes of it is up to the test."""
        self.users[number].post(NOW)
        return f"{number}-{self.users[number].ledger.sent}"

    def log(self, event: Event, *but: int) -> None:
        """An event goes to all, except to some."""
        self.head = max(self.head, event.sequence)
        for number, stream in enumerate(self.streams):
            if number not in but:
                stream.append(Item("event", frame(event), event.sequence))

    def accept(self, key: str) -> None:
        """A message is in the log: the receipt goes to who sent it, the event to all."""
        sequence = self.head + 1
        self.answer(key, ack(sequence, key), "receipt")
        self.log(posted(sequence, key))

    def answer(self, key: str, data: bytes, kind: str) -> None:
        """Something that goes to the sender alone."""
        self.streams[int(key.partition("-")[0])].append(Item(kind, data, self.head + 1, key))

    def enter(self) -> None:
        """All connections are made."""
        for user in self.users:
            caught_up = frame(CaughtUp(HEAD))
            assert user.take(opening(HEAD, HEAD + 1) + caught_up, NOW)
            assert user.live

    def play(self, random: Random) -> None:
        """Hand the streams out in pieces, in any order."""
        self.enter()
        rest = [b"".join(item.data for item in stream) for stream in self.streams]
        while any(rest):
            number = random.choice([number for number, data in enumerate(rest) if data])
            size = random.choice((1, 7, 60, 400, 3000))
            self.users[number].take(rest[number][:size], NOW + 0.01)
            rest[number] = rest[number][size:]

    def verdict(self, head: int | None = None) -> dict[str, int]:
        """How many anomalies of which kind there are."""
        heads = {ROOM: self.head if head is None else head}
        judge(self.users, {ROOM: self.transcript}, heads, self.tally)
        return dict(self.tally.wrong)


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """Conversations of two to four people in which all went well; at least three messages in a row are in the log."""
    talk = Talk(draw(st.integers(2, 4)))
    for what in [*draw(st.lists(st.sampled_from("aaarjls"), max_size=12)), "a", "a", "a"]:
        number = draw(st.integers(0, talk.people - 1))
        sequence = talk.head + 1
        match what:
            case "a":
                talk.accept(talk.say(number))
            case "r":
                key = talk.say(number)
                talk.answer(key, error(key), "refusal")
            case "j":
                talk.log(Joined(ROOM, sequence, 1_700_000_000_000, EVE, 3, "member"))
            case "l":
                talk.log(Left(ROOM, sequence, 1_700_000_000_000, EVE, 2))
            case "s":
                talk.streams[number].append(Item("signal", draw(st.sampled_from(SIGNALS))))
    return talk
