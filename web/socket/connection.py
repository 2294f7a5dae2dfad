"""One WebSocket connection after its handshake: frames in become commands, outcomes and payloads become bytes.

Everything written to the socket goes through one outbox, in order. What the kernel does not take at once waits there;
when too much waits, live push stops and the conversation replays from its log at this reader's own pace.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, assert_never

import trio

from salon.actors.mailbox import MailboxFull
from salon.actors.messages import Detach, Drained, MarkRead, Post, Receipt, SetTyping, Sync
from salon.actors.rates import TokenBucket
from salon.actors.refusals import Code, Refusal, milliseconds_up, too_fast
from salon.actors.runtime import ActorDied

from .client_frames import (
    JoinFrame,
    LeaveFrame,
    MessageFrame,
    PingFrame,
    ReadFrame,
    SyncFrame,
    TypingFrame,
    metadata_text,
    one_key,
    parse,
)
from .codec import error_frame, message_ack
from .websocket import (
    Binary,
    Closed,
    Ping,
    Pong,
    Receiver,
    Text,
    close_frame,
    ping_frame,
    pong_frame,
    text_header,
)

if TYPE_CHECKING:
    from salon.actors.directory import Directory
    from salon.actors.model import Participant


# Waiting for one reader, besides what its kernel buffer holds: seconds of a busy room
OUTBOX_BYTES = 262_144
FAULTS = 20  # frames not understood, within
FAULT_WINDOW = 10.0  # seconds, before the socket is closed
CLOSE_TIMEOUT = 5.0  # seconds for the peer to answer a close, before the socket is cut
FAREWELL = 1.0  # likewise, where nothing it sends can be read any more: browsers tell their page only once it is cut
UNANSWERED_PINGS = 2
PONG = text_header(15) + b'{"type":"pong"}'

logger = logging.getLogger(__name__)


class Phase(Enum):
    """Where a connection is in its life."""

    OPEN = "open"
    CLOSING = "closing"  # a close frame is on its way or out; nothing else is sent
    CLOSED = "closed"  # the socket is gone


class Transport(Protocol):
    """How one connection's bytes reach its peer."""

    def send(self, data: bytes | memoryview) -> int:
        """How many bytes the kernel took, 0 for none now, -1 where the peer has gone. Never waits."""

    def unconfirmed(self) -> int:
        """How many bytes of those that `send` took the peer's system has not confirmed yet, where that is known."""

    def watch(self, connection: Connection, *, reading: bool, writing: bool) -> None:
        """Choose what to be told of: bytes to read, room to write."""

    def refused(self, connection: Connection, retry_after: float) -> None:
        """A message was refused for load or rate: where that is too much work, have the connection rest."""

    def closing(self, connection: Connection) -> None:
        """A close frame has been written: cut the socket at the connection's `close_deadline`."""

    def abandon(self, connection: Connection) -> None:
        """Close the socket and forget the connection."""


class Connection:
    """Owned by its participant; subscribed to one conversation; written to by whoever has something for it."""

    __slots__ = (
        "_corked",
        "_directory",
        "_faults",
        "_frame_bucket",
        "_heard",
        "_outbox",
        "_outbox_bytes",
        "_pings",
        "_receiver",
        "_refused",
        "_transport",
        "address",
        "close_deadline",
        "connection_id",
        "conversation_id",
        "expires_at",
        "opened_at",
        "participant",
        "phase",
        "resting",
        "stalled_since",
        "token_id",
    )

    def __init__(
        self,
        *,
        directory: Directory,
        connection_id: str,
        conversation_id: str,
        participant: Participant,
        token_id: str | None,
        expires_at: int | None,
        address: str,
        max_frame_size: int,
        frame_rate: float,
    ) -> None:
        now = trio.current_time()
        self.connection_id = connection_id
        self.conversation_id = conversation_id
        self.participant = participant
        self.token_id = token_id
        self.expires_at = expires_at
        self.address = address
        self.opened_at = now
        self.phase = Phase.OPEN
        self.close_deadline = float("inf")
        self.resting = False  # too much is refused: nothing is read from it for a moment
        self.stalled_since: float | None = None
        self._directory = directory
        self._receiver = Receiver(max_frame_size)
        self._transport: Transport | None = None
        self._outbox: deque[memoryview] | None = None
        self._outbox_bytes = 0
        self._corked = b""
        self._refused = False  # a payload was refused: whoever sent it waits for `Drained`
        self._heard = True
        self._pings = 0
        self._faults: deque[float] | None = None
        self._frame_bucket = TokenBucket(frame_rate, frame_rate, now) if frame_rate else None

    def bind(self, transport: Transport) -> None:
        """Say how bytes get to the peer. Done once, before anything else."""
        self._transport = transport

    @property
    def outbox_bytes(self) -> int:
        """Bytes that wait here because the kernel has not taken them yet."""
        return self._outbox_bytes

    @property
    def on_its_way(self) -> bool:
        """Whether something that was written has not reached the peer's system yet: a socket that is cut may lose it."""
        transport = self._transport
        return bool(self._outbox) or (transport is not None and transport.unconfirmed() > 0)

    # --- in ---------------------------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Take what the peer has sent; nothing at all means that it has gone."""
        if not data:
            self.lost()
            return
        self._heard = True
        for message in self._receiver.feed(data):
            if self.phase is Phase.CLOSED:
                return
            match message:
                case Text(text):
                    if self.phase is Phase.OPEN:
                        self._frame(text)
                case Ping(payload):
                    self.push(pong_frame(payload))
                case Pong():
                    pass
                case Binary(payload):
                    self._binary(payload)
                case Closed():
                    self._peer_closed(message)
                case _:
                    assert_never(message)

    def _frame(self, text: str) -> None:
        if self._frame_bucket is not None:
            wait = self._frame_bucket.take(trio.current_time())
            if wait:
                rate = self._frame_bucket.rate
                self._refuse(too_fast(rate, "frames a second", wait, "participant"))
                return
        frame: Any = parse(text)
        kind = type(frame)  # pydantic's classes are slow to match: each isinstance runs Python code
        if kind is MessageFrame:
            self._message(frame)
        elif kind is TypingFrame:
            self._tell(SetTyping(self.conversation_id, self.participant, frame.is_typing))
        elif kind is ReadFrame:
            self._tell(MarkRead(self.conversation_id, self.participant, frame.sequence_id))
        elif kind is SyncFrame:
            self._tell(Sync(self.conversation_id, self, frame.last_sequence_id))
        elif kind is PingFrame:
            self.push(PONG)
        elif kind is JoinFrame or kind is LeaveFrame:
            self._original(frame)
        else:
            self._fault(frame)

    def _binary(self, payload: bytes) -> None:
        self.close(1003, "only text frames are understood")

    def _original(self, frame: JoinFrame | LeaveFrame) -> None:
        """What NLWeb's clients send besides; no fault, whatever becomes of it."""
        if isinstance(frame, LeaveFrame):
            self._refuse_plainly(f"one leaves with DELETE /chat/{self.conversation_id}/leave")
        elif frame.conversation_id not in (None, self.conversation_id):
            self._refuse_plainly(f"this socket is to the conversation {self.conversation_id} alone")

    def _refuse_plainly(self, problem: str, key: str | None = None) -> None:
        self._refuse(Refusal(Code.INVALID_FORMAT, {"problem": problem}, key=key))

    def _message(self, frame: MessageFrame) -> None:
        key, metadata = frame.client_message_id, None
        if frame.message_id is not None:
            try:
                key = one_key(key, frame.message_id)
            except ValueError as error:
                self._refuse_plainly(str(error), key)
                return
        if frame.metadata is not None:
            try:
                metadata = metadata_text(frame.metadata)
            except ValueError as error:
                facts = {"problem": str(error)}
                self._fault(Refusal(Code.INVALID_FORMAT, facts, key=key))
                return
        self._tell(
            Post(
                self.conversation_id,
                self.participant,
                frame.content,
                key,
                frame.reply_to,
                metadata,
            )
        )

    def _tell(self, command: Any) -> None:
        try:
            self._directory.participant(self.participant.id).tell(command, self)
        except MailboxFull as full:
            key = command.key if isinstance(command, Post) else None
            facts = {"queue_size": full.waiting, "limit": full.limit}
            self._refuse(
                Refusal(
                    Code.QUEUE_FULL,
                    facts,
                    retry_after=full.retry_after,
                    scope="participant",
                    key=key,
                )
            )

    def _fault(self, refusal: Refusal) -> None:
        """Answer a frame that is not understood, and close on who sends nothing else."""
        self._refuse(refusal)
        now = trio.current_time()
        if self._faults is None:
            self._faults = deque(maxlen=FAULTS)
        self._faults.append(now)
        if len(self._faults) == FAULTS and now - self._faults[0] <= FAULT_WINDOW:
            self.close(4501, "too many frames that are not understood")

    def _refuse(self, refusal: Refusal) -> None:
        named = self._directory.refusals.name(
            refusal,
            participant_id=self.participant.id,
            conversation_id=self.conversation_id,
        )
        self.set(named)
        self.flush()

    # --- out: what actors call --------------------------------------------------------------------------------------------

    def set(self, value: Any = None) -> None:
        """An outcome. It is held for the payload that follows it in the same turn, or for `flush`."""
        if isinstance(value, Receipt):
            body = message_ack(value)
        elif isinstance(value, Refusal):
            body = error_frame(value)
            if value.retry_after and self._transport is not None and self.phase is Phase.OPEN:
                self._transport.refused(self, value.retry_after)
        else:
            return  # a joined, a read mark: told by the event or signal itself
        if self.phase is Phase.OPEN:
            self._corked += text_header(len(body)) + body

    def set_exception(self, exc_info: Any = None) -> None:
        """The actor died: what became of the command is found out on a fresh socket, with the same key."""
        self.close(4002, "the actor was restarted")

    def flush(self) -> None:
        """Write what has been held."""
        if self._corked:
            held, self._corked = self._corked, b""
            self._write(held)

    def deliver(self, payload: bytes) -> bool:
        """Write a payload now or soon; False where too much waits already: then `Drained` is told when nothing does."""
        if self.phase is not Phase.OPEN:
            return True
        if self._outbox_bytes > OUTBOX_BYTES:
            self._refused = True
            return False
        if self._corked:
            payload = self._corked + payload
            self._corked = b""
        self._write(payload)
        return True

    def push(self, payload: bytes) -> None:
        """Write something small, whatever waits, behind what has been held."""
        if self.phase is Phase.OPEN:
            held, self._corked = self._corked, b""
            self._write(held + payload if held else payload)

    def hold(self, data: bytes) -> None:
        """Have this leave together with what is written next."""
        self._corked += data

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye after what waits; the socket is cut if the peer does not answer in time."""
        if self.phase is not Phase.OPEN:
            return
        self.phase = Phase.CLOSING  # first: writing may find out that the peer has gone
        self.close_deadline = trio.current_time() + CLOSE_TIMEOUT
        if self._transport is not None:
            self._transport.closing(self)
        self._detach()
        self.flush()
        self._write(close_frame(code, reason))

    # --- what the wire calls, where too much is refused --------------------------------------------------------------------

    def rest(self) -> None:
        """Read nothing until `go_on`."""
        self.resting = True
        self._watch()

    def go_on(self) -> None:
        """Read again."""
        self.resting = False
        self._watch()

    # --- the life of the connection ---------------------------------------------------------------------------------------

    def beat(self, now: float) -> None:
        """Once a heartbeat: ping, or close on a peer that answers nothing."""
        if self.phase is not Phase.OPEN:
            return
        if self._heard:
            self._pings = 0
            self._heard = False
        if self._pings >= UNANSWERED_PINGS:
            self.close(4001, "no answer to pings")
            return
        self._pings += 1
        self.push(ping_frame())

    def lost(self) -> None:
        """The socket is of no more use: let go of it."""
        if self.phase is Phase.CLOSED:
            return
        was_open = self.phase is Phase.OPEN
        self.phase = Phase.CLOSED
        self._outbox = None
        self._outbox_bytes = 0
        self._corked = b""
        if self._transport is not None:
            self._transport.abandon(self)
        if was_open:
            self._detach()

    def _peer_closed(self, closed: Closed) -> None:
        self.close(closed.code, "" if closed.by_peer else closed.reason)
        if closed.by_peer:
            self._finish()
        else:
            self.close_deadline = trio.current_time() + FAREWELL

    def _finish(self) -> None:
        """Both sides have said goodbye: cut the socket as soon as nothing waits."""
        if self.phase is Phase.CLOSED:
            return
        self.close_deadline = float("-inf")
        if not self._outbox:
            self.lost()

    def _detach(self) -> None:
        ref = self._directory.participant(self.participant.id)
        with suppress(ActorDied):  # it crashes this moment, and lets go of its connections itself
            ref.tell(Detach(self.conversation_id, self))

    # --- the outbox -------------------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if self._outbox is not None:
            self._outbox.append(memoryview(data))
            self._outbox_bytes += len(data)
            self._watch()
        elif self._transport is not None:
            sent = self._transport.send(data)
            if sent < 0:
                self.lost()
            elif sent < len(data):
                rest = memoryview(data)[sent:]
                self._outbox = deque((rest,))
                self._outbox_bytes = len(rest)
                self.stalled_since = trio.current_time()
                self._watch()

    def _watch(self) -> None:
        """Answers are never dropped: who does not read them is not read from either."""
        if self._transport is not None and self.phase is not Phase.CLOSED:
            reading = self._outbox_bytes <= OUTBOX_BYTES and not self.resting
            self._transport.watch(self, reading=reading, writing=self._outbox is not None)

    def writable(self) -> None:
        """The kernel has room again."""
        outbox, transport = self._outbox, self._transport
        if transport is None or outbox is None:
            return
        while outbox:
            piece = outbox[0]
            sent = transport.send(piece)
            if sent < 0:
                self.lost()
                return
            if sent:
                self.stalled_since = trio.current_time()
                self._heard = True  # whoever takes bytes lives, though its pongs may not be read
            self._outbox_bytes -= sent
            if sent < len(piece):
                outbox[0] = piece[sent:]
                return
            outbox.popleft()
        self._outbox = None
        self.stalled_since = None
        self._watch()
        self._drained()

    def _drained(self) -> None:
        if self.phase is Phase.CLOSING and self.close_deadline == float("-inf"):
            self.lost()
        elif self._refused:
            self._refused = False
            conversation = self._directory.active(self.conversation_id)
            if conversation is not None:
                try:
                    conversation.actor_ref.tell(Drained(self))
                except ActorDied:
                    self.close(4002, "the conversation was restarted")


def retry_reason(retry_after: float) -> str:
    """A close reason that gives the client its own time to come back."""
    return json.dumps({"retry_after": milliseconds_up(retry_after)})
