"""What all HTTP routes share: the caller's identity, the parsed body and query, answers and refusals."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from pydantic import BaseModel, ValidationError
from quart import Response, request
from werkzeug.http import parse_options_header

from salon.actors.refusals import Code, Refusal

from ..identity import (
    COOKIE,
    HOST_COOKIE,
    Identity,
    Unreachable,
    bearer,
    origin_allowed,
    session_in,
)
from ..socket import compact, error_fields, metadata_text, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart.wrappers import Request, Websocket

    from salon.actors.directory import Directory
    from salon.actors.messages import Command
    from salon.actors.people import PeopleStore

    from ..files import FileShelf
    from ..identity import IdentityBook
    from ..privacy import Erasures, LegalHolds
    from ..settings import Settings
    from ..socket import Wire

M = TypeVar("M", bound=BaseModel)
Checked = TypeVar("Checked")
JSON = "application/json"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SINGLE = ("Authorization", "Content-Type", "Idempotency-Key", "Origin")  # once each: RFC 9110, 5.3
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
SQUARE = bytes.maketrans(b"{}", b"[]")
KEYS_RETRY = 10.0  # seconds: an issuer whose keys are not to be had is not asked again sooner
RELAYED = (
    "relayed"  # in the state of a request that another node has passed on: the operator who sent it
)
NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


class Refused(Exception):
    """Ends a request with a refusal; the only exception that routes raise on purpose."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Parts:
    """The objects that routes use; the composition root makes one per server."""

    files: FileShelf | None = None  # none where there are no routes
    people: PeopleStore
    erasures: Erasures | None = None
    holds: LegalHolds | None = None
    personal_feed: Any = None  # likewise

    def __init__(
        self, settings: Settings, directory: Directory, wire: Wire, identities: IdentityBook
    ) -> None:
        self.settings = settings
        self.directory = directory
        self.wire = wire
        self.identities = identities
        self.ready = False  # true once connections are accepted, until the drain
        self.tasks: trio.Nursery | None = None  # for what a socket has to wait for; while serving
        self.stop = trio.Event()  # set by a signal or an operator: the server drains and ends

    def refusal(self, code: Code, **facts: int | float | str) -> Refused:
        """A refusal made by the edge itself, for the caller to raise."""
        return Refused(Refusal(code, facts or None))

    def malformed(self, problem: str) -> Refused:
        """A refusal of a malformed request, for the caller to raise."""
        return self.refusal(Code.MALFORMED_REQUEST, problem=problem)

    async def prepare(self, token: str | None) -> None:
        """Fetch what is needed to verify a token, mostly nothing. Raises the refusal if it is not to be had now."""
        try:
            renamed = await self.identities.prepare(token)
        except Unreachable:
            refusal = Refusal(Code.KEYS_UNAVAILABLE, retry_after=KEYS_RETRY, scope="server")
            raise Refused(refusal) from None
        if renamed is not None:
            await self.directory.rename(renamed)

    def caller(self) -> Identity:
        """The caller's identity, from the bearer token or session cookie. Raises the refusal if neither is valid.

        A token that is limited to some conversations is refused on a route of any other.
        """
        relayed: Identity | None = request.scope["state"].get(RELAYED)
        if relayed is not None:
            return relayed
        token = bearer(request.headers.get("Authorization"))
        identity = self.identified(token, session_in(request.cookies))
        if token is None and request.method not in SAFE_METHODS:
            self.check_origin()  # a browser sends the cookie for any page; the origin names the page
        asked = (request.view_args or {}).get("conversation_id")
        if asked is not None and not identity.reaches(asked):
            raise self.refusal(Code.NOT_FOUND)
        return identity

    def identified(self, token: str | None, cookie: str | None) -> Identity:
        """Whose bearer token it is, or whose session if there is no token. Raises the refusal if it is nobody's."""
        verify = self.identities.verify
        identity = verify(cookie or "", "cookie") if token is None else verify(token)
        if identity is None:
            raise self.refusal(Code.UNAUTHENTICATED, problem=no_good(token=token, cookie=cookie))
        return identity

    def unlimited(self) -> Identity:
        """The caller's identity. Raises the refusal if their token is limited to some conversations."""
        identity = self.caller()
        if identity.conversations is not None:
            raise self.refusal(Code.FORBIDDEN)
        return identity

    def admin(self) -> Identity:
        """The caller's identity. Raises the refusal unless it is an admin's."""
        identity = self.caller()
        if not identity.admin:
            raise self.refusal(Code.FORBIDDEN)
        return identity

    def check_origin(self) -> None:
        """Refuse pages of other origins."""
        origin, host = request.headers.get("Origin"), request.headers.get("Host")
        if not self.allows(origin, host, request.scope["state"]["known_scheme"]):
            raise self.refusal(Code.ORIGIN_NOT_ALLOWED)

    def allows(self, origin: str | None, host: str | None, scheme: str | None) -> bool:
        """Whether a page of this origin may use a session at this host; see `origin_allowed`."""
        server = self.settings.server
        return origin_allowed(
            origin, host, server.allowed_origins, scheme=scheme, public_url=server.public_url
        )

    def is_secure(self) -> bool:
        """Whether the browser uses TLS, to this server or to a proxy in front of it, which has to be a trusted one or that of
        `public_url`. If so, cookies are `Secure`.
        """
        return request.scheme == "https" or (self.settings.server.public_url or "").startswith(
            "https:"
        )

    def metadata(self, metadata: dict[str, Any] | None, what: str = "metadata") -> str | None:
        """A body's metadata as the engine carries it. Raises the refusal if it is invalid; `what` names the field."""
        return self.checked(lambda: metadata_text(metadata, what))

    def checked(self, make: Callable[[], Checked]) -> Checked:
        """What is made of a field of a body. Raises the refusal where `make` raises a `ValueError` with the problem."""
        try:
            return make()
        except ValueError as problem:
            raise self.malformed(str(problem)) from None

    def note(self, who: Identity, deed: str, target: str, outcome: str = "done") -> None:
        """Tell the audit what a member did to others; the parts of a server with operators keep one."""

    async def ask(self, identity: Identity, command: Command) -> Any:
        """The outcome of a command, sent through the caller's own actor. Raises the refusal if it was refused."""
        if not identity.reaches(command.conversation_id):
            raise self.refusal(Code.NOT_FOUND)
        outcome = await self.directory.ask(identity.participant.id, command)
        if isinstance(outcome, Refusal):
            raise Refused(outcome)
        return outcome


def no_good(
    *, token: str | None = None, ticket: str | None = None, cookie: str | None = None
) -> str:
    """Why a token, ticket or cookie is invalid, and what the client can do."""
    if token is not None:
        return "this token is not one of this server, or has ended; get a new one"
    if ticket is not None:
        return "this ticket is wrong, used or too old; get a new one from POST /auth/ticket"
    if cookie is not None:
        return "this session is not one of this server, or has ended; come in again"
    return (
        "send 'Authorization: Bearer TOKEN', a session cookie or, for a WebSocket, a fresh ticket"
    )


def refuse_encoded() -> None:
    """Refuse a body that is compressed."""
    lines = request.headers.getlist("Content-Encoding")
    if {each.strip().lower() for line in lines for each in line.split(",")} - {"", "identity"}:
        raise Refused(Refusal(Code.UNSUPPORTED_ENCODING, {"accepted": "identity"}))


async def body(model: type[M], *, depth: int, optional: bool = False) -> M:
    """The request's body, validated as a model. Raises the refusal if it is invalid.

    `depth` bounds the nesting of its JSON. With `optional` the body may be empty.
    """
    refuse_encoded()
    data: bytes = await request.get_data(cache=False)  # type: ignore[assignment]
    if optional and not data.strip():
        data = b"{}"
    if depth and deeper_than(depth, data):
        raise Refused(
            Refusal(Code.MALFORMED_REQUEST, {"problem": f"nested deeper than {depth} levels"})
        )
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid" and _says_other_than_json():
            raise Refused(Refusal(Code.UNSUPPORTED_MEDIA_TYPE, {"accepted": JSON})) from None
        raise _malformed(error) from None


def _says_other_than_json() -> bool:
    """Whether the request's `Content-Type` explains why its body is not JSON.

    A body that is JSON is accepted under any `Content-Type`: curl labels every body as a form.
    """
    kind, parameters = parse_options_header(request.headers.get("Content-Type", JSON))
    is_json = kind == JSON or kind.endswith("+json")
    return not is_json or parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}


def check_head(head: Request | Websocket) -> None:
    """Refuse a request with contradictory headers: a proxy on its way may have used the other value.

    Repeated headers with equal values count as one. `RequestHeads` has checked `Host` and `Content-Length`.
    """
    said = {f"{name} headers": head.headers.getlist(name) for name in SINGLE}
    for name in (COOKIE, HOST_COOKIE):
        said[f"{name} cookies"] = head.cookies.getlist(name)
    for name, values in said.items():
        if len(set(values)) > 1:
            problem = f"it has {len(values)} {name} that differ; send one"
            raise Refused(Refusal(Code.MALFORMED_REQUEST, {"problem": problem}))


def query(model: type[M]) -> M:
    """The query's parameters, validated as a model. Raises the refusal if they are invalid."""
    try:
        return model.model_validate(request.args.to_dict())
    except ValidationError as error:
        raise _malformed(error) from None


def answer(fields: dict[str, Any], status: int = 200) -> Response:
    """A JSON answer."""
    return raw(compact(fields).encode(), status)


def raw(data: bytes, status: int = 200) -> Response:
    """A JSON answer from encoded bytes."""
    return Response(data, status, content_type="application/json")


def refusal_response(refusal: Refusal) -> Response:
    """A refusal as an answer, with `Retry-After` if a later retry can succeed."""
    response = answer(error_fields(refusal), refusal.reason.status)
    response.headers.update(refusal_headers(refusal))
    return response


def refusal_headers(refusal: Refusal) -> dict[str, str]:
    """The headers of a refusal's answer."""
    headers = {}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    if refusal.code is Code.UNSUPPORTED_ENCODING:
        headers["Accept-Encoding"] = "identity"
    if refusal.code is Code.UNSUPPORTED_MEDIA_TYPE:
        headers["Accept"] = JSON
    if refusal.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="salon"'
    return headers


def _malformed(error: ValidationError) -> Refused:
    problem = problem_of(error.errors(include_url=False, include_input=False))
    return Refused(Refusal(Code.MALFORMED_REQUEST, {"problem": problem}))


def deeper_than(depth: int, data: bytes) -> bool:
    """Whether JSON text is nested deeper than `depth` levels; brackets inside strings do not count."""
    if data.count(b"[") + data.count(b"{") <= depth:  # a cheap check, which settles nearly all
        return False
    brackets = STRING.sub(b"", data).translate(SQUARE, NO_BRACKET)
    for _ in range(depth):
        brackets = brackets.replace(b"[]", b"")  # removes the innermost level
    return b"[]" in brackets
