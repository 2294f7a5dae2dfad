"""The fast lane of refusals: answers plain requests of nobody known to the server, on every route that needs an identity.

Hypercorn and Quart take a millisecond for a request, and wrong tokens come as fast as somebody likes to send them. The head
of such a request is therefore read here, and judged by the identities, the routing table and the refusals that the routes use.
The answer is theirs to the byte. Unusual heads, routes that are open to strangers, and all callers who are known are left
to Hypercorn and Quart-Trio.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote

from quart_schema.openapi import QUART_SCHEMA_SECURITY_ATTRIBUTE
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.http import parse_cookie

from salon.actors.refusals import Code, Refusal

from ..http import (
    HEAD_BYTES,
    Denial,
    DeniedBody,
    DeniedRequest,
    Refused,
    cors_headers,
    refusal_headers,
)
from ..identity import COOKIE, HOST_COOKIE, bearer, session_in
from ..socket import compact, error_fields
from .answer_head import FIXED, header_line, header_lines, http_date
from .handshake import Asked, identified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart_trio import QuartTrio

    from ..http import Parts
    from .post_lane import PostLane

# Possessive, so that no byte is read twice, whatever the head is.
HEAD = re.compile(
    rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (/[!\"$-~]*+) HTTP/1\.([01])\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~]*+\r\n)*+)\r\n"
)
# The headers that decide about the answer. One that is repeated is left to Quart, which may refuse it.
NAMED = {
    b"authorization",
    b"connection",
    b"content-length",
    b"content-type",
    b"cookie",
    b"expect",
    b"host",
    b"idempotency-key",
    b"origin",
    b"transfer-encoding",
    b"upgrade",
}
HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
LENGTH = re.compile(r"[0-9]{1,15}")
UNCLEAR = -1
ANY_ID = "x" * 22  # as long as each id is
STREAMS = {"event_stream.conversation_events", "personal_events.my_events"}


class Head(NamedTuple):
    """A plain head of a request, its size, and the length of its body: None where only a parser can find the end."""

    method: str
    path: str
    query: str
    fields: Mapping[bytes, str]
    size: int
    length: int | None
    ends: bool  # nothing may follow on the connection


class RefusalLane:
    """Implements `RequestLane`: the lane of messages, and the refusals."""

    def __init__(self, app: QuartTrio, parts: Parts, posts: PostLane) -> None:
        self._parts = parts
        self._routes = app.url_map.bind("")
        self._closed = _closed_routes(app)
        self._allowed = parts.settings.server.allowed_origins
        self._max_body_size = parts.settings.limits.max_body_size
        server = parts.settings.server
        self._proxied = bool(server.trusted_proxies)
        self._scheme = "https" if server.tls_certificate is not None else None
        self.read = posts.read
        self.answer = posts.answer
        self.refuse = posts.refuse

    async def deny(self, data: bytes) -> Denial | None:
        """The refusal that the head at the start of `data` deserves; None if Hypercorn has to read the request."""
        head = read_head(data)
        if head is None:
            return None
        try:
            rule, values = self._routes.match(head.path, head.method, return_rule=True)
        except HTTPException:
            return None
        if rule.endpoint not in self._closed or (
            rule.endpoint in STREAMS and head.method == "HEAD"
        ):
            return None
        try:
            await self._judge(head, streams=rule.endpoint in STREAMS)
        except Refused as refused:
            about = values.get("conversation_id")
            refusal = self._parts.directory.refusals.name(refused.refusal, conversation_id=about)
            asked = DeniedRequest(head.method, rule.rule, about, refusal.reason.status)
            return self._denial(head, refusal, asked)
        return None

    async def _judge(self, head: Head, *, streams: bool) -> None:
        """Judge the caller as the route does, in the same order. Raises the refusal of one who is nobody."""
        fields = head.fields
        token = bearer(fields.get(b"authorization"))
        cookies = fields.get(b"cookie", "")
        given = parse_cookie(cookies) if COOKIE in cookies else MultiDict()
        if any(len(set(given.getlist(name))) > 1 for name in (COOKIE, HOST_COOKIE)):
            return  # Quart answers with the reason
        cookie = session_in(given)
        query: dict[str, str] = {}
        if streams:
            for name, value in parse_qsl(head.query, keep_blank_values=True):
                query.setdefault(name, value)
            if token is None and "ticket" in query:
                return  # it is valid only once
            if self._proxied and b"origin" in fields:
                return  # a proxy may say of which scheme the page is
        await self._parts.prepare(token or cookie)
        if streams:
            host, origin = fields[b"host"], fields.get(b"origin")
            said = fields.get(b"authorization")
            identified(self._parts, Asked("", "", query, host, origin, said, cookie, self._scheme))
        else:
            self._parts.identified(token, cookie)

    def _denial(self, head: Head, refusal: Refusal, asked: DeniedRequest) -> Denial:
        cors = tuple(cors_headers(head.fields.get(b"origin"), head.method, self._allowed))
        if refusal.code is Code.UNAUTHENTICATED:
            before, first, rest = _parts_of(str((refusal.facts or {})["problem"]), cors)
            body = b"%b%b%b" % (first, refusal.id.encode(), rest)
        else:
            body = compact(error_fields(refusal)).encode()
            before = _head_of(refusal, len(body), cors)
        date = b"date: %b\r\n" % http_date(self._parts.directory.sources.now() // 1000).encode()
        end = b"Connection: close\r\n\r\n" if head.ends else b"\r\n"
        return Denial(
            before,
            date + end + (body if head.method != "HEAD" else b""),
            head.size,
            DeniedBody.of(head.method, head.path, head.length, most=self._max_body_size),
            head.ends,
            b"HTTP/1.1 100 \r\n%b\r\n" % date if b"expect" in head.fields else b"",
            asked,
        )


@lru_cache(maxsize=64)
def _parts_of(problem: str, cors: tuple[tuple[str, str], ...]) -> tuple[bytes, bytes, bytes]:
    """The head of the usual refusal, and its body before and after its id: nothing else of it differs."""
    refusal = Refusal(Code.UNAUTHENTICATED, {"problem": problem}, id=ANY_ID)
    body = compact(error_fields(refusal)).encode()
    first, _, rest = body.partition(ANY_ID.encode())
    return _head_of(refusal, len(body), cors), first, rest


def _head_of(refusal: Refusal, size: int, cors: tuple[tuple[str, str], ...]) -> bytes:
    named = header_lines(refusal_headers(refusal)) + "".join(map(header_line, cors))
    return (
        f"HTTP/1.1 {refusal.reason.status} \r\ncontent-type: application/json\r\n"
        f"content-length: {size}\r\n{named}{FIXED}"
    ).encode("latin-1")


def read_head(data: bytes) -> Head | None:
    """The head at the start of these bytes; None if it is incomplete or not a plain one."""
    found = HEAD.match(data, 0, HEAD_BYTES)
    if found is None:
        return None
    fields: dict[bytes, str] = {}
    for line in found[4].split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in NAMED:
            if name in fields:
                return None
            fields[name] = value.decode().strip(" \t")
    length = _length_of(fields, old=found[3] == b"0")
    if (
        length == UNCLEAR
        or b"upgrade" in fields
        or not HOST.fullmatch(fields.get(b"host", ""))
        or (b"expect" in fields and (fields[b"expect"].lower() != "100-continue" or length == 0))
    ):
        return None
    target, _, query = found[2].decode().partition("?")
    options = {each.strip().lower() for each in fields.get(b"connection", "").split(",")}
    ends = length is None or found[3] == b"0" or "close" in options
    return Head(found[1].decode(), unquote(target), query, fields, found.end(), length, ends)


def _length_of(fields: Mapping[bytes, str], *, old: bool) -> int | None:
    """The length of the body; None if it comes in pieces, `UNCLEAR` if a parser should refuse it."""
    length, pieces = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if pieces is not None:
        return None if pieces.lower() == "chunked" and length is None and not old else UNCLEAR
    if length is None:
        return 0
    return int(length) if LENGTH.fullmatch(length) else UNCLEAR


def _closed_routes(app: QuartTrio) -> set[str]:
    """The endpoints that need an identity: those of ours that the interface's document does not call open to everybody."""
    return {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in app.blueprints
        and not rule.websocket
        and getattr(app.view_functions[rule.endpoint], QUART_SCHEMA_SECURITY_ATTRIBUTE, None) != []
    }
