"""The fast lane of the handshake: answers plain WebSocket requests.

Hypercorn and Quart take over a millisecond for a lookup and a digest. The usual request is therefore read here. It uses the
same identities, membership, limits and refusals as the route. Unusual requests are passed on unchanged to Hypercorn and
Quart-Trio.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from werkzeug.datastructures import MultiDict
from werkzeug.http import parse_cookie
from wsproto.utilities import generate_accept_token

from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied
from salon.actors.store import StoreError

from ..http import Refused, TrustedProxies, refusal_headers
from ..identity import COOKIE, HOST_COOKIE, session_in
from ..socket import compact, error_fields
from .answer_head import header_lines, http_date
from .handshake import Asked, attach, greet, last_sequence

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from ..http import HttpStream, Parts

START = re.compile(rb"GET /chat/ws/([A-Za-z0-9_-]{1,64})(?:\?([!-~]*))? HTTP/1\.1")
# One way alone to match any bytes: a pattern that also took the spaces off would try each way to share them out.
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~]*)")
KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-proto")
ROUTE = "socket.converse"
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)


class FastLane:
    """Takes connections over before Hypercorn has seen them."""

    def __init__(self, app: QuartTrio, parts: Parts) -> None:
        endpoint, _ = app.url_map.bind("").match("/chat/ws/id", websocket=True)
        assert endpoint == ROUTE, "the fast lane and the routing table have different routes"
        self._parts = parts
        self._proxies = TrustedProxies(parts.settings.server.trusted_proxies)

    async def take(self, http_stream: HttpStream) -> int:
        """Answer the request for a WebSocket: the status, 101 where a participant has the connection now.

        0 if Hypercorn has to answer: nothing was answered yet, and no ticket was used.
        """
        fields = read_fields(http_stream.upgrade_lines)
        address, scheme = http_stream.address, None
        if fields and self._proxies:
            said = [(fields[name],) if name in fields else () for name in FORWARDED]
            scheme = self._proxies.scheme(address, *said)
            address = self._proxies.address(address, *said[:2])
        asked = fields and read_request(http_stream.upgrade_lines[0], fields, address, scheme)
        if not fields or not asked:
            return 0
        try:
            connection = await greet(self._parts, asked)
        except Refused as refused:
            return await self._refuse(http_stream, asked, refused.refusal)
        except StoreError as error:
            self._parts.directory.report(error)
            refusal = self._parts.directory.store_refusal()
            return await self._refuse(http_stream, asked, refusal)
        except ActorDied:
            refusal = Refusal(Code.INTERNAL_ERROR, retry_after=1.0, scope="conversation")
            return await self._refuse(http_stream, asked, refusal)
        connection.hold(ANSWER % generate_accept_token(fields["sec-websocket-key"].encode()))
        early = http_stream.hand_over(connection, self._parts.wire)
        attach(self._parts, connection, last_sequence(self._parts, asked), early)
        return 101

    async def _refuse(self, http_stream: HttpStream, asked: Asked, refusal: Refusal) -> int:
        """Answer as Hypercorn would: without the headers of answers to pages."""
        directory = self._parts.directory
        if not refusal.id:
            refusal = directory.refusals.name(refusal, conversation_id=asked.conversation_id)
        body = compact(error_fields(refusal)).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": f"{len(body)}",
            **refusal_headers(refusal),
            "Date": http_date(directory.sources.now() // 1000),
        }
        status = refusal.reason.status
        head = f"HTTP/1.1 {status} \r\n{header_lines(headers)}\r\n"
        await http_stream.turn_down(head.encode() + body)
        return status


def read_fields(lines: list[bytes]) -> dict[str, str] | None:
    """The header fields of a WebSocket request; None if a field is unusual, missing or repeated."""
    fields = plain_fields(lines[1:])
    if fields is None or "sec-websocket-protocol" in fields or "host" not in fields:
        return None
    return fields if KEY.fullmatch(fields.get("sec-websocket-key", "")) else None


def plain_fields(lines: list[bytes]) -> dict[str, str] | None:
    """The fields of a request head by their names in lower case; None if a field is ambiguous or repeated."""
    fields: dict[str, str] = {}
    for line in lines:
        field = FIELD.fullmatch(line)
        if field is None:
            return None
        name, value = field[1].decode().lower(), field[2].decode().strip(" \t")
        if name in fields or "\t" in value:
            return None
        fields[name] = value
    return fields


def read_request(
    start: bytes, fields: dict[str, str], address: str, scheme: str | None
) -> Asked | None:
    """The parsed request; None if the path is not exactly that of the route."""
    path = START.fullmatch(start)
    if path is None:
        return None
    query: dict[str, str] = {}
    for name, value in parse_qsl((path[2] or b"").decode(), keep_blank_values=True):
        query.setdefault(name, value)
    cookies = fields.get("cookie")
    given = parse_cookie(cookies) if cookies else MultiDict()
    if any(len(set(given.getlist(name))) > 1 for name in (COOKIE, HOST_COOKIE)):
        return None  # the route answers with the reason
    return Asked(
        path[1].decode(),
        address,
        query,
        fields["host"],
        fields.get("origin"),
        fields.get("authorization"),
        session_in(given),
        scheme,
    )
