"""What the engine needs from the edge: a place to deliver to, a caller to answer, a codec for both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .events import Event
    from .model import Participant
    from .signals import Signal
    from .store import Record


class Caller(Protocol):
    """Who waits for the outcome of a command: a connection, or a future, after whose methods these are named."""

    def set(self, value: Any = None) -> None:
        """Take the outcome: an event, a receipt, a refusal. It need not reach the wire before `flush`."""

    def set_exception(self, exc_info: Any = None) -> None:
        """Learn that the actor died before it could answer."""

    def flush(self) -> None:
        """Let what has been set leave, where `deliver` has not taken it along already."""


class Subscriber(Caller, Protocol):
    """One connection of a participant, as the conversation sees it. Nothing here ever waits."""

    @property
    def connection_id(self) -> str:
        """The connection's own name."""

    @property
    def conversation_id(self) -> str:
        """The conversation it is for."""

    @property
    def participant(self) -> Participant:
        """Whose connection it is."""

    @property
    def token_id(self) -> str | None:
        """The token that it was opened with, if that can be revoked."""

    def deliver(self, payload: bytes) -> bool:
        """Take a payload, to be written now or soon. False: too much waits already and nothing was taken."""

    def push(self, payload: bytes) -> None:
        """Take a small payload whatever waits: connected, lagging, caught up."""

    def close(self, code: int, reason: str) -> None:
        """Close after what waits has been written."""


class Codec(Protocol):
    """How events and signals look on the wire and in the log; made once, shared by all readers."""

    def encode(self, message: Event | Signal) -> bytes:
        """One event or signal as one frame's text. The log keeps exactly these bytes of an event."""

    def decode(self, record: Record) -> Event:
        """The event whose `encode` gave the record's body."""

    def payload(self, bodies: Sequence[bytes]) -> bytes:
        """Frames for these bodies, in one piece, as a socket takes them."""
