"""The WebSocket's handshake: who asks, whether they may; then the connection goes over to its participant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response, websocket

from salon.actors.messages import Admit, Attach, Detach
from salon.actors.participant import CONNECTION_RETRY
from salon.actors.refusals import Code, Refusal

from .connection import Connection, retry_reason
from .exchange import Refused
from .frames import LAST_SEQUENCE
from .identity import COOKIE, bearer, origin_allowed, token_in_url

if TYPE_CHECKING:
    from .doorstep import Doorstep
    from .exchange import Parts
    from .identity import Identity


def socket_routes(parts: Parts) -> Blueprint:
    """The one WebSocket route."""
    routes = Blueprint("socket", __name__, url_prefix="/chat")

    @routes.websocket("/ws/<conversation_id>")
    async def converse(conversation_id: str) -> Response | None:
        """Shake hands, or refuse before the upgrade; then hand the connection over."""
        door: Doorstep = websocket.scope["state"]["doorstep"]
        identity = _identify(parts)
        last_sequence = _last_sequence(parts)
        await _check(parts, identity, conversation_id)
        if not door.ready:
            raise parts.malformed("open a new connection for a WebSocket, with HTTP/1.1")
        connection = Connection(
            directory=parts.directory,
            connection_id=parts.directory.sources.new_id(),
            conversation_id=conversation_id,
            participant=identity.participant,
            token_id=identity.token_id,
            expires_at=identity.expires_at,
            address=(websocket.scope.get("client") or ("",))[0],
            max_frame_size=parts.settings.limits.max_frame_size,
            frame_rate=parts.settings.limits.frame_rate,
        )
        _check_address(parts, connection.address)
        try:
            await _admit(parts, connection)
            await websocket.accept()
            early = door.hand_over(connection, parts.wire)
        except BaseException:
            # Told behind `Admit`, so that the place is given back even where that has still to be granted.
            participant = parts.directory.participant(identity.participant.id)
            participant.tell(Detach(conversation_id, connection))
            raise
        participant = parts.directory.participant(identity.participant.id)
        participant.tell(Attach(conversation_id, connection, last_sequence), connection)
        if parts.directory.draining is not None:  # since the handshake began
            connection.close(4000, retry_reason(parts.directory.draining()))
        if early:
            connection.received(early)
        return None

    return routes


def _identify(parts: Parts) -> Identity:
    """Who asks: by header, by a one-time ticket, or by cookie from a page that may."""
    if parts.directory.draining is not None:
        raise Refused(
            Refusal(Code.DRAINING, retry_after=parts.directory.draining(), scope="server")
        )
    headers, allowed = websocket.headers, parts.settings.server.allowed_origins
    if not origin_allowed(headers.get("Origin"), headers.get("Host"), allowed):
        raise parts.refusal(Code.ORIGIN_NOT_ALLOWED)
    identity = None
    if token_in_url(websocket.args):
        raise parts.refusal(Code.UNAUTHENTICATED)
    token = bearer(headers.get("Authorization"))
    ticket = websocket.args.get("ticket")
    if token is not None:
        identity = parts.identities.verify(token)
    elif ticket is not None:
        identity = parts.identities.redeem(ticket)
    elif COOKIE in websocket.cookies:
        identity = parts.identities.verify(websocket.cookies[COOKIE], "cookie")
    if identity is None:
        raise parts.refusal(Code.UNAUTHENTICATED)
    return identity


def _last_sequence(parts: Parts) -> int | None:
    given = websocket.args.get("last_sequence_id")
    if given is None:
        return None
    if not (
        given.isascii() and given.isdecimal() and len(given) <= 16 and int(given) <= LAST_SEQUENCE
    ):
        raise parts.malformed("last_sequence_id has to be a whole number, 0 or more")
    return int(given)


async def _check(parts: Parts, identity: Identity, conversation_id: str) -> None:
    snapshot = await parts.directory.look(conversation_id)
    if snapshot is None:
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


async def _admit(parts: Parts, connection: Connection) -> None:
    ref = parts.directory.participant(connection.participant.id)
    refusal = await ref.ask(Admit(connection.connection_id))
    if refusal is not None:
        raise Refused(refusal)
