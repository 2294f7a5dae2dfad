"""The interfaces of the edge: a subscriber to deliver to, a caller to answer, a codec for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .events import Event
    from .message import Message
    from .model import Participant
    from .signals import Signal
    from .store import Record


class Caller(Protocol):
    """Takes the outcome of a command: a connection or a future. The methods are named after those of a future."""

    def set(self, value: Any = None) -> None:
        """Take the outcome: an event, a receipt, a refusal. It need not reach the wire before `flush`."""

    def set_exception(self, exc_info: Any = None) -> None:
        """Learn that the actor died before it could answer."""

    def flush(self) -> None:
        """Send the outcomes set so far, where `deliver` has not sent them already."""


class Subscriber(Caller, Protocol):
    """One connection of a participant, as the conversation sees it. No method waits.

    `since` is the conversation's: the sequence with which the participant had come in when the connection was taken in. One who
    leaves and comes back needs another connection.
    """

    since: int

    @property
    def connection_id(self) -> str:
        """The connection's id."""

    @property
    def conversation_id(self) -> str:
        """The id of its conversation."""

    @property
    def participant(self) -> Participant:
        """The participant who owns the connection."""

    @property
    def token_id(self) -> str | None:
        """The id of the token that it was opened with, if that can be revoked."""

    def deliver(self, payload: bytes) -> bool:
        """Take a payload, to be written now or soon. False: too much waits already and nothing was taken."""

    def push(self, payload: bytes) -> None:
        """Take a small payload however much waits: connected, lagging, caught up."""

    def close(self, code: int, reason: str) -> None:
        """Close after the waiting payloads have been written."""


class Codec(Protocol):
    """Encoding of events and signals on the wire and in the log; made once, shared by all readers."""

    def encode(self, message: Event | Signal) -> bytes:
        """One event or signal as one frame's text. The log keeps exactly these bytes of an event."""

    def decode(self, record: Record) -> Event:
        """The event whose `encode` gave the record's body."""

    def encode_message(self, message: Message) -> bytes:
        """A message's frame as it is now; the log keeps it in place of the frame that was sent first."""

    def decode_message(self, record: Record) -> Message:
        """The message of a record; of each kind of reaction it may have only the first ones."""

    def payload(self, bodies: Sequence[bytes]) -> bytes:
        """One payload of frames for these bodies, as a socket takes it."""
