"""One WebSocket connection after its handshake: turns frames into commands, and outcomes and payloads into bytes.

Everything written to the socket goes through one outbox, in order. Bytes that the kernel does not take at once wait there.
When too many wait, live push stops, and the conversation serves this reader from its log at the reader's pace.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, assert_never, get_args

import trio

from salon.actors.change_messages import Changed
from salon.actors.held import Held
from salon.actors.mailbox import MailboxFull
from salon.actors.messages import Detach, Drained, MarkRead, Post, Receipt, SetTyping, Sync
from salon.actors.rates import TokenBucket
from salon.actors.refusals import Code, Refusal, about_run, milliseconds_up, too_fast
from salon.actors.run_messages import (
    RUN_COMMANDS,
    CancelRun,
    DecideApproval,
    EndRun,
    ExtendRun,
    RunExtended,
    RunReceipt,
    SetRunState,
    StartRun,
)
from salon.actors.runtime import ActorDied

from .change_frames import CHANGE_FRAMES, change_command
from .client_frames import (
    ApprovalFrame,
    AuthFrame,
    CancelFrame,
    DeltaFrame,
    JoinFrame,
    LeaveFrame,
    MessageFrame,
    PingFrame,
    ReadFrame,
    RunEndFrame,
    RunStartFrame,
    RunStatusFrame,
    SyncFrame,
    TypingFrame,
    attachments,
    one_key,
    parse,
)
from .codec import auth_ack, change_ack, error_frame, message_ack, message_held, run_ack
from .run_parts import approval_of, metadata_text, results_text
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
    from salon.actors.run_messages import RunCommand

    from .change_frames import AnyChangeFrame


# Limit of one outbox, in addition to the kernel's buffer: seconds of a busy room
OUTBOX_BYTES = 262_144
FAULTS = 20  # invalid frames within `FAULT_WINDOW` after which the socket is closed
FAULT_WINDOW = 10.0  # seconds
CLOSE_TIMEOUT = 5.0  # seconds for the peer to answer a close frame before the socket is cut
# The same where the peer's frames can no longer be read: a browser tells its page only once the socket is cut
FAREWELL = 1.0
UNANSWERED_PINGS = 2
RunFrame = RunStartFrame | RunStatusFrame | ApprovalFrame | RunEndFrame | CancelFrame
RUN_FRAMES = frozenset(get_args(RunFrame))
PONG = text_header(15) + b'{"type":"pong"}'

logger = logging.getLogger(__name__)


class Phase(Enum):
    """The phase of a connection's life."""

    OPEN = "open"
    CLOSING = "closing"  # a close frame is queued or sent; nothing else is sent
    CLOSED = "closed"  # the socket is gone


class Transport(Protocol):
    """Carries one connection's bytes to its peer."""

    def send(self, data: bytes | memoryview) -> int:
        """The number of bytes that the kernel took: 0 for none now, -1 if the peer has gone. Never waits."""

    def unconfirmed(self) -> int:
        """The number of sent bytes that the peer's system has not acknowledged; 0 where that is not known."""

    def watch(self, connection: Connection, *, reading: bool, writing: bool) -> None:
        """Choose the events to be notified of: bytes to read, room to write."""

    def refused(self, connection: Connection, retry_after: float) -> None:
        """Note that a message was refused for load or rate; if refusals are too many, the connection rests."""

    def closing(self, connection: Connection) -> None:
        """Note that a close frame has been written; the socket is cut at the connection's `close_deadline`."""

    def abandon(self, connection: Connection) -> None:
        """Close the socket and forget the connection."""


class Renewal(Protocol):
    """Renews the identity of one connection."""

    def holds(self) -> bool:
        """Whether the identity is still valid."""

    def renew(self, connection: Connection, token: str | None, ticket: str | None) -> None:
        """Judge a new token or ticket, and answer with `renewed`, `refuse` or `fault`, now or later."""


class Connection:
    """A participant's connection, subscribed to one conversation. Any actor may write to it."""

    protocol: ClassVar[str] = "websocket"

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
        "in_text",
        "opened_at",
        "participant",
        "phase",
        "renewal",
        "resting",
        "since",
        "stalled_since",
        "token_id",
        "warned_of",
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
        renewal: Renewal | None = None,
    ) -> None:
        now = trio.current_time()
        self.connection_id = connection_id
        self.conversation_id = conversation_id
        self.participant = participant
        self.token_id = token_id
        self.expires_at = expires_at
        self.warned_of: int | None = None  # the end that the peer has been warned of
        self.renewal = renewal
        self.address = address
        self.opened_at = now
        self.phase = Phase.OPEN
        self.close_deadline = float("inf")
        self.resting = False  # not read for a while, since too many messages are refused
        self.in_text = False  # whether the peer's last frame was more text of a run
        self.since = 0
        self.stalled_since: float | None = None
        self._directory = directory
        self._receiver = Receiver(max_frame_size)
        self._transport: Transport | None = None
        self._outbox: deque[memoryview] | None = None
        self._outbox_bytes = 0
        self._corked = b""
        self._refused = False  # a payload was rejected: its sender waits for `Drained`
        self._heard = True
        self._pings = 0
        self._faults: deque[float] | None = None
        self._frame_bucket = TokenBucket(frame_rate, frame_rate, now) if frame_rate else None

    def bind(self, transport: Transport) -> None:
        """Set the transport. Called once, before any other method."""
        self._transport = transport

    @property
    def outbox_bytes(self) -> int:
        """Bytes in the outbox, which the kernel has not taken yet."""
        return self._outbox_bytes

    @property
    def on_its_way(self) -> bool:
        """Whether written bytes have not reached the peer's system yet: cutting the socket may lose them."""
        transport = self._transport
        return bool(self._outbox) or (transport is not None and transport.unconfirmed() > 0)

    # --- in ---------------------------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Handle bytes from the peer; empty `data` means that the peer has gone."""
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
            wait = self._frame_bucket.take(self._directory.system.now())
            if wait:
                rate = self._frame_bucket.rate
                self.refuse(too_fast(rate, "frames a second", wait, "participant"))
                return
        frame: Any = parse(text)
        kind = type(frame)  # not isinstance: pydantic's metaclass runs Python code for it
        self.in_text = kind is DeltaFrame
        if kind is MessageFrame:
            self._message(frame)
        elif kind is TypingFrame:
            self._tell(SetTyping(self.conversation_id, self.participant, frame.is_typing))
        elif kind is ReadFrame:
            self._tell(
                MarkRead(
                    self.conversation_id,
                    self.participant,
                    frame.sequence_id,
                    frame.thread_id,
                    frame.force,
                )
            )
        elif kind is SyncFrame:
            self._tell(Sync(self.conversation_id, self, frame.last_sequence_id))
        elif kind is PingFrame:
            self.push(PONG)
        elif kind is DeltaFrame:
            self._tell(
                ExtendRun(
                    self.conversation_id, self.participant, frame.run_id, frame.offset, frame.text
                )
            )
        elif kind in RUN_FRAMES:
            self._run(frame)
        elif kind in CHANGE_FRAMES:
            self._change(frame)
        elif kind is AuthFrame:
            self._renew(frame)
        elif kind is JoinFrame or kind is LeaveFrame:
            self._original(frame)
        else:
            self.fault(frame)

    def _renew(self, frame: AuthFrame) -> None:
        if (frame.token is None) == (frame.ticket is None):
            problem = "it needs either a token or a ticket"
            self.fault(Refusal(Code.INVALID_FORMAT, {"problem": problem}))
        elif self.renewal is None:
            self._refuse_plainly("this socket cannot be renewed")
        else:
            self.renewal.renew(self, frame.token, frame.ticket)

    def renewed(self, token_id: str | None, expires_at: int | None) -> None:
        """Go on with another identity of the same participant, and tell the peer until when."""
        self.token_id, self.expires_at = token_id, expires_at
        body = auth_ack(expires_at)
        self.push(text_header(len(body)) + body)

    def _binary(self, payload: bytes) -> None:
        self.close(1003, "only text frames are understood")

    def _original(self, frame: JoinFrame | LeaveFrame) -> None:
        """Handle a frame that only NLWeb's clients send; it never counts as a fault, even when refused."""
        if isinstance(frame, LeaveFrame):
            self._refuse_plainly(f"one leaves with DELETE /chat/{self.conversation_id}/leave")
        elif frame.conversation_id not in (None, self.conversation_id):
            self._refuse_plainly(f"this socket is to the conversation {self.conversation_id} alone")

    def _refuse_plainly(self, problem: str, key: str | None = None) -> None:
        self.refuse(Refusal(Code.INVALID_FORMAT, {"problem": problem}, key=key))

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
                self.fault(Refusal(Code.INVALID_FORMAT, facts, key=key))
                return
        self._tell(
            Post(
                self.conversation_id,
                self.participant,
                frame.content,
                key,
                frame.reply_to,
                metadata,
                tuple(frame.mentions or ()),
                frame.thread_id,
                frame.also_in_channel,
                attachments(frame.files) if frame.files else (),
            )
        )

    def _change(self, frame: AnyChangeFrame) -> None:
        try:
            command = change_command(frame, self.conversation_id, self.participant)
        except ValueError as error:
            facts = {"problem": str(error)}
            self.fault(Refusal(Code.INVALID_FORMAT, facts, key=frame.client_message_id))
            return
        self._tell(command)

    def _run(self, frame: RunFrame) -> None:
        try:
            command = self._run_command(frame)
        except ValueError as error:
            facts = {"problem": str(error), "run_id": frame.run_id}
            self.fault(Refusal(Code.INVALID_FORMAT, facts))
            return
        self._tell(command)

    def _run_command(self, frame: RunFrame) -> RunCommand:
        place = self.conversation_id, self.participant, frame.run_id
        match frame:
            case RunStartFrame():
                return StartRun(*place, frame.reply_to)
            case RunStatusFrame():
                approval = approval_of(frame.approval)
                return SetRunState(*place, frame.state, frame.label, approval)
            case ApprovalFrame():
                return DecideApproval(*place, frame.approval_id, frame.approved)
            case CancelFrame():
                return CancelRun(*place)
            case RunEndFrame():
                return EndRun(
                    *place,
                    frame.status,
                    frame.offset,
                    metadata_text(frame.usage, "usage"),
                    metadata_text(frame.metadata),
                    frame.reason,
                    frame.retry_after,
                    results_text(frame.results),
                )

    def _tell(self, command: Any) -> None:
        try:
            self._directory.tell(self.participant.id, command, self)
        except MailboxFull as full:
            key = getattr(command, "key", None)
            facts = {"queue_size": full.waiting, "limit": full.limit}
            refusal = Refusal(
                Code.QUEUE_FULL,
                facts,
                retry_after=full.retry_after,
                scope="participant",
                key=key,
            )
            if type(command) in RUN_COMMANDS:
                refusal = about_run(refusal, command.run_id)
            self.refuse(refusal)

    def fault(self, refusal: Refusal) -> None:
        """Answer an invalid frame; close the connection after too many of them."""
        self.refuse(refusal)
        now = trio.current_time()
        if self._faults is None:
            self._faults = deque(maxlen=FAULTS)
        self._faults.append(now)
        if len(self._faults) == FAULTS and now - self._faults[0] <= FAULT_WINDOW:
            self.close(4501, "too many frames that are not understood")

    def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal."""
        named = self._directory.refusals.name(
            refusal,
            participant_id=self.participant.id,
            conversation_id=self.conversation_id,
        )
        self.set(named)
        self.flush()

    # --- out: what actors call --------------------------------------------------------------------------------------------

    def set(self, value: Any = None) -> None:
        """Write the outcome of a command. It is held until the next payload of the same turn, or until `flush`."""
        if isinstance(value, Receipt):
            body = message_ack(value)
        elif isinstance(value, Changed):
            body = change_ack(value)
        elif isinstance(value, RunExtended):
            return  # an echo of each token would help nobody
        elif isinstance(value, RunReceipt):
            body = run_ack(value)
        elif isinstance(value, Held):
            body = message_held(value)
        elif isinstance(value, Refusal):
            body = error_frame(value)
            if value.retry_after and self._transport is not None and self.phase is Phase.OPEN:
                self._transport.refused(self, value.retry_after)
        else:
            return  # a join or read mark: the event or signal itself reports it
        if self.phase is Phase.OPEN:
            self._corked += text_header(len(body)) + body

    def set_exception(self, exc_info: Any = None) -> None:
        """Close after the actor died. The client learns the command's outcome by sending it again with the same key."""
        self.close(4002, "the actor was restarted")

    def flush(self) -> None:
        """Write the held outcomes."""
        if self._corked:
            held, self._corked = self._corked, b""
            self._write(held)

    def deliver(self, payload: bytes) -> bool:
        """Queue a payload; False if the outbox is full. The sender then gets `Drained` once the outbox is empty."""
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
        """Write a small payload after the held outcomes, even if the outbox is full."""
        if self.phase is Phase.OPEN:
            held, self._corked = self._corked, b""
            self._write(held + payload if held else payload)

    def hold(self, data: bytes) -> None:
        """Hold bytes until the next write and send them with it."""
        self._corked += data

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame after the queued bytes; the socket is cut if the peer does not answer in time."""
        if self.phase is not Phase.OPEN:
            return
        self.phase = Phase.CLOSING  # set first: writing may detect that the peer has gone
        self.close_deadline = trio.current_time() + CLOSE_TIMEOUT
        if self._transport is not None:
            self._transport.closing(self)
        self._detach()
        self.flush()
        self._write(close_frame(code, reason))

    # --- called by the wire when too much is refused -----------------------------------------------------------------------

    def rest(self) -> None:
        """Stop reading until `go_on`."""
        self.resting = True
        self._watch()

    def go_on(self) -> None:
        """Resume reading."""
        self.resting = False
        self._watch()

    # --- the life of the connection ---------------------------------------------------------------------------------------

    def beat(self, now: float) -> None:
        """Send a ping, or close if the peer has left its last pings unanswered. Called once per heartbeat."""
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
        """Drop the socket, which can no longer be used, and detach the connection."""
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
        """Cut the socket once the outbox is empty; both close frames have been exchanged."""
        if self.phase is Phase.CLOSED:
            return
        self.close_deadline = float("-inf")
        if not self._outbox:
            self.lost()

    def _detach(self) -> None:
        ref = self._directory.participant(self.participant.id)
        with suppress(ActorDied):  # it is crashing, and detaches its connections itself
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
        """Choose reading and writing. Answers are never dropped: a peer that does not read them is not read either."""
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
                self._heard = True  # a peer that takes bytes is alive, even if its pongs are unread
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
            conversation = self._directory.attended(self.conversation_id)
            if conversation is not None:
                try:
                    conversation.actor_ref.tell(Drained(self))
                except ActorDied:
                    self.close(4002, "the conversation was restarted")


def retry_reason(retry_after: float) -> str:
    """A close reason with the seconds after which this client may reconnect."""
    return json.dumps({"retry_after": milliseconds_up(retry_after)})
