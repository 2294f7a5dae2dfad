"""What stands before Hypercorn: lanes that answer the simplest requests, and refuse those of nobody known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from salon.actors.refusals import Refusal

    from .denial import Denial


class Wanted(NamedTuple):
    """The head of a request for the fast lane, and the sizes of its head and body in bytes."""

    conversation_id: str
    token: str
    key: str | None
    head: int
    size: int


class RequestLane(Protocol):
    """The fast lane: answers the simplest requests, and those of nobody known, before Hypercorn sees them."""

    def read(self, data: bytes) -> Wanted | None:
        """The request at the start of `data`; None if Hypercorn has to read it."""

    async def answer(self, wanted: Wanted, data: bytes) -> bytes | None:
        """The complete answer to a complete request; None if Hypercorn has to answer."""

    async def deny(self, data: bytes) -> Denial | None:
        """The refusal that the head at the start of `data` deserves; None if Hypercorn has to read the request."""

    def refuse(self, refusal: Refusal) -> bytes:
        """The complete answer for a refusal."""
