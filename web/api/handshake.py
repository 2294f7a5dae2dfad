"""The WebSocket handshake: authentication and permission; then the connection is handed over to its participant."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from quart import Blueprint, Response, websocket

from salon.actors.messages import Admit, Attach, Detach
from salon.actors.participant import CONNECTION_RETRY
from salon.actors.refusals import Code, Refusal

from ..http import Refused, no_good
from ..identity import bearer, session_in, token_in_url
from ..socket import LAST_SEQUENCE, Connection, retry_reason
from .renewal import Renewal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..http import HttpStream, Parts
    from ..identity import Identity


C = TypeVar("C", bound=Connection)


class Asked(NamedTuple):
    """A request for a WebSocket: the conversation, and the credentials of the caller."""

    conversation_id: str
    address: str
    query: Mapping[str, str]
    host: str | None
    origin: str | None
    authorization: str | None
    cookie: str | None  # the session's
    scheme: str | None = None  # what the browser uses, http or https, if that is known


def socket_routes(parts: Parts) -> Blueprint:
    """The WebSocket route. Most requests do not reach it: the fast lane answers plain ones."""
    routes = Blueprint("socket", __name__, url_prefix="/chat")

    @routes.websocket("/ws/<conversation_id>")
    async def converse(conversation_id: str) -> Response | None:
        """Accept or refuse before the upgrade; then hand the connection over."""
        http_stream: HttpStream = websocket.scope["state"]["http_stream"]
        asked = _asked(conversation_id)
        connection = await greet(parts, asked)
        try:
            if not http_stream.ready:
                raise parts.malformed("open a new connection for a WebSocket, with HTTP/1.1")
            await websocket.accept()
            early = http_stream.hand_over(connection, parts.wire)
        except BaseException:
            turn_away(parts, connection)
            raise
        attach(parts, connection, last_sequence(parts, asked), early)
        return None

    return routes


def _asked(conversation_id: str) -> Asked:
    headers = websocket.headers
    return Asked(
        conversation_id,
        (websocket.scope.get("client") or ("",))[0],
        websocket.args,
        headers.get("Host"),
        headers.get("Origin"),
        headers.get("Authorization"),
        session_in(websocket.cookies),
        websocket.scope["state"]["known_scheme"],
    )


async def greet(parts: Parts, asked: Asked) -> Connection:
    """A connection for the caller, admitted by their participant. Raises the refusal if they have no permission.

    The caller of this function must then call `attach` or `turn_away`.
    """
    return await greet_as(parts, asked, Connection)


async def greet_as(parts: Parts, asked: Asked, kind: type[C]) -> C:
    """A connection of that kind; as `greet`."""
    await parts.prepare(bearer(asked.authorization) or asked.cookie)
    identity = identified(parts, asked)
    last_sequence(parts, asked)
    await _check(parts, identity, asked.conversation_id)
    return await admit(parts, identity, asked, kind)


async def admit(parts: Parts, identity: Identity, asked: Asked, kind: type[C]) -> C:
    """A connection of a caller who may have it, admitted by their participant; as `greet`."""
    connection = kind(
        directory=parts.directory,
        connection_id=parts.directory.sources.new_id(),
        conversation_id=asked.conversation_id,
        participant=identity.participant,
        token_id=identity.token_id,
        expires_at=identity.expires_at,
        address=asked.address,
        max_frame_size=parts.settings.limits.max_frame_size,
        frame_rate=parts.settings.limits.frame_rate,
        renewal=Renewal(parts, identity),
    )
    _check_address(parts, asked.address)
    try:
        refusal = await parts.directory.participant(identity.participant.id).ask(
            Admit(connection.connection_id)
        )
    except BaseException:
        turn_away(parts, connection)
        raise
    if refusal is not None:
        raise Refused(refusal)
    return connection


def attach(parts: Parts, connection: Connection, after: int | None, early: bytes) -> None:
    """Attach an admitted connection, whose socket the wire has, to its conversation; `early` has the bytes that it has sent."""
    participant = parts.directory.participant(connection.participant.id)
    participant.tell(Attach(connection.conversation_id, connection, after), connection)
    if connection.renewal is not None and not connection.renewal.holds():
        connection.close(4500, "identity revoked")  # since the handshake began
    elif parts.directory.draining is not None:  # since the handshake began
        connection.close(4000, retry_reason(parts.directory.draining()))
    if early:
        parts.wire.take(connection, connection.received, early)


def turn_away(parts: Parts, connection: Connection) -> None:
    """Give back the place of an admitted connection."""
    # Sent after `Admit`, so that the place is given back even if it is still to be granted.
    participant = parts.directory.participant(connection.participant.id)
    participant.tell(Detach(connection.conversation_id, connection))


def last_sequence(parts: Parts, asked: Asked) -> int | None:
    """The last event that the client has. Raises the refusal if it is not a number."""
    given = asked.query.get("last_sequence_id")
    if given is None:
        return None
    if not (
        given.isascii() and given.isdecimal() and len(given) <= 16 and int(given) <= LAST_SEQUENCE
    ):
        raise parts.malformed("last_sequence_id has to be a whole number, 0 or more")
    return int(given)


def identified(parts: Parts, asked: Asked) -> Identity:
    """The identity of the caller: by header, by a one-time ticket, or by cookie from a page of an allowed origin."""
    if parts.directory.draining is not None:
        raise Refused(
            Refusal(Code.DRAINING, retry_after=parts.directory.draining(), scope="server")
        )
    if not parts.allows(asked.origin, asked.host, asked.scheme):
        raise parts.refusal(Code.ORIGIN_NOT_ALLOWED)
    if token_in_url(asked.query):
        problem = "a token in an address ends in logs; send it in a header, or a ticket"
        raise parts.refusal(Code.UNAUTHENTICATED, problem=problem)
    identity = None
    token = bearer(asked.authorization)
    ticket = asked.query.get("ticket")
    if token is not None:
        identity = parts.identities.verify(token)
    elif ticket is not None:
        identity = parts.identities.redeem(ticket)
    elif asked.cookie is not None:
        identity = parts.identities.verify(asked.cookie, "cookie")
    if identity is None:
        problem = no_good(token=token, ticket=ticket, cookie=asked.cookie)
        raise parts.refusal(Code.UNAUTHENTICATED, problem=problem)
    return identity


async def _check(parts: Parts, identity: Identity, conversation_id: str) -> None:
    if not identity.reaches(conversation_id):
        raise parts.refusal(Code.NOT_FOUND)
    snapshot = await parts.directory.look(conversation_id)
    there = snapshot is not None and identity.participant.id in snapshot.state.members
    if snapshot is None or (snapshot.state.direct and not there):
        raise parts.refusal(Code.NOT_FOUND)
    if identity.participant.id not in snapshot.state.members:
        raise parts.refusal(Code.FORBIDDEN)


def _check_address(parts: Parts, address: str) -> None:
    limit = parts.settings.limits.connections_per_address
    if limit and parts.wire.addresses[address] >= limit:
        facts = {"limit": limit}
        raise Refused(
            Refusal(Code.TOO_MANY_CONNECTIONS, facts, retry_after=CONNECTION_RETRY, scope="server")
        )
