"""The fast lane of HTTP: answers plain requests with a bearer token that post a message.

Hypercorn and Quart take over a millisecond for a lookup, a parse and one command. The most frequent request of backends and
agents is therefore read here. It uses the same identities, schemas and refusals as the route. Unusual and invalid requests
are passed on unchanged to Hypercorn and Quart-Trio.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from pydantic import ValidationError

from salon.actors.held import Held
from salon.actors.refusals import Code, Refusal
from salon.actors.store import StoreError

from ..http import (
    HEAD_BYTES,
    Refused,
    Wanted,
    deeper_than,
    no_good,
    refusal_headers,
)
from ..identity import bearer
from ..socket import compact, error_fields, held_fields, receipt_json
from .answer_head import FIXED, header_lines, http_date
from .handshake_lane import plain_fields
from .messages import command_of
from .schemas import PostBody

if TYPE_CHECKING:
    from salon.actors.messages import Receipt

    from ..http import Parts

START = re.compile(rb"POST /chat/([A-Za-z0-9_-]{1,64})/messages HTTP/1\.1")
END = b"\r\n\r\n"
LENGTH = re.compile(r"[0-9]{1,9}")
# Headers that change how a request is read, or who may send it: Hypercorn and Quart handle these.
UNUSUAL = {
    "connection",
    "content-encoding",
    "cookie",
    "expect",
    "origin",
    "transfer-encoding",
    "upgrade",
}

logger = logging.getLogger(__name__)


class PostLane:
    """Reads and answers these requests."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._max_body_size = parts.settings.limits.max_body_size

    def read(self, data: bytes) -> Wanted | None:
        """The request at the beginning of these bytes; None if it is not for this lane."""
        head = data.find(END)
        start, *lines = data[: max(head, 0)].split(b"\r\n")
        path = START.fullmatch(start)
        if path is None:
            return None
        fields = plain_fields(lines)
        if fields is None:
            return None
        if fields.get("connection", "").lower() == "keep-alive":
            del fields["connection"]
        token = bearer(fields.get("authorization"))
        length = fields.get("content-length", "")
        if (
            token is None
            or head + len(END) > HEAD_BYTES
            or "host" not in fields
            or not LENGTH.fullmatch(length)
            or (self._max_body_size and int(length) > self._max_body_size)
            or not UNUSUAL.isdisjoint(fields)
        ):
            return None
        head += len(END)
        size = head + int(length)
        return Wanted(path[1].decode(), token, fields.get("idempotency-key"), head, size)

    async def answer(self, wanted: Wanted, data: bytes) -> bytes | None:
        """The whole answer to a whole request; None if Quart has to answer with the reason of a refusal."""
        parts = self._parts
        try:
            await parts.prepare(wanted.token)
        except Refused as refused:
            return self.refuse(refused.refusal, wanted.conversation_id)
        identity = parts.identities.verify(wanted.token)
        if identity is None:
            facts = {"problem": no_good(token=wanted.token)}
            return self.refuse(Refusal(Code.UNAUTHENTICATED, facts), wanted.conversation_id)
        content = data[wanted.head : wanted.size]
        depth = parts.settings.limits.json_depth
        if depth and deeper_than(depth, content):
            return None
        try:
            body = PostBody.model_validate_json(content)
            command = command_of(
                parts, wanted.conversation_id, identity.participant, body, wanted.key
            )
        except (ValidationError, Refused):
            return None
        try:
            receipt: Receipt | Held = await parts.ask(identity, command)
        except Refused as refused:
            return self.refuse(refused.refusal, wanted.conversation_id)
        except StoreError as error:
            parts.directory.report(error)
            return self.refuse(parts.directory.store_refusal(), wanted.conversation_id)
        except Exception as error:
            logger.error("a request failed", exc_info=error)
            refusal = Refusal(Code.INTERNAL_ERROR, retry_after=1.0, scope="server")
            return self.refuse(refusal, wanted.conversation_id)
        if isinstance(receipt, Held):
            return self._whole(202, compact(held_fields(receipt)).encode())
        return self._whole(200 if receipt.duplicate else 201, receipt_json(receipt))

    def refuse(self, refusal: Refusal, conversation_id: str | None = None) -> bytes:
        """The whole answer of a refusal."""
        if not refusal.id:
            book = self._parts.directory.refusals
            refusal = book.name(refusal, conversation_id=conversation_id)
        body = compact(error_fields(refusal)).encode()
        return self._whole(refusal.reason.status, body, refusal_headers(refusal))

    def _whole(self, status: int, body: bytes, more: dict[str, str] | None = None) -> bytes:
        date = http_date(self._parts.directory.sources.now() // 1000)
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n{header_lines(more or {})}{FIXED}date: {date}\r\n\r\n"
        )
        return head.encode() + body
