"""In-band refresh: a new token or ticket on an open socket, in place of the one that it was opened with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from salon.actors.refusals import Code, Refusal

from ..http import Refused, no_good

if TYPE_CHECKING:
    from ..http import Parts
    from ..identity import Identity
    from ..socket import Connection

logger = logging.getLogger(__name__)


class Renewal:
    """Renews one connection, whose identity it knows."""

    __slots__ = ("_identity", "_parts", "_waiting")

    def __init__(self, parts: Parts, identity: Identity) -> None:
        self._parts = parts
        self._identity = identity
        self._waiting = False

    def holds(self) -> bool:
        """Whether the identity is still valid: it may have been revoked while the connection was made."""
        return self._parts.identities.holds(self._identity)

    def renew(self, connection: Connection, token: str | None, ticket: str | None) -> None:
        """Judge a new token or ticket and answer it. Only where its issuer's keys have to be fetched, the answer comes later."""
        parts = self._parts
        if self._waiting:
            problem = "your last token is still being judged: wait for auth_ack or an error"
            connection.refuse(Refusal(Code.INVALID_FORMAT, {"problem": problem}))
        elif token is None:
            self._take(connection, parts.identities.redeem(ticket or ""), ticket=ticket)
        elif parts.identities.is_prepared(token) or parts.tasks is None:
            self._take(connection, parts.identities.verify(token), token=token)
        else:
            self._waiting = True
            parts.tasks.start_soon(self._prepare, connection, token)

    async def _prepare(self, connection: Connection, token: str) -> None:
        try:
            await self._parts.prepare(token)
            self._take(connection, self._parts.identities.verify(token), token=token)
        except Refused as refused:
            connection.refuse(refused.refusal)
        except Exception as error:
            logger.error("a token could not be judged", exc_info=error)
            refusal = Refusal(Code.INTERNAL_ERROR, retry_after=1.0, scope="server")
            connection.refuse(refusal)
        finally:
            self._waiting = False

    def _take(
        self,
        connection: Connection,
        identity: Identity | None,
        *,
        token: str | None = None,
        ticket: str | None = None,
    ) -> None:
        if identity is None:
            problem = no_good(token=token, ticket=ticket)
            connection.fault(Refusal(Code.UNAUTHENTICATED, {"problem": problem}))
        elif identity.participant.id != connection.participant.id:
            connection.fault(Refusal(Code.FORBIDDEN))  # somebody else opens a socket of their own
        elif not identity.reaches(connection.conversation_id):
            connection.fault(Refusal(Code.NOT_FOUND))
        else:
            self._identity = identity
            connection.renewed(identity.token_id, identity.expires_at)
            self._parts.wire.endings.look(connection)
