"""The operators' routes for identities: issue, list and revoke tokens, block people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.messages import Revoke
from salon.actors.model import Participant
from salon.actors.refusals import Code
from salon.actors.tokens import IssuedToken

from ..http import NoContent, answer, body, query, refusals
from ..names import ID_LENGTH, is_id
from ..socket import timestamp
from . import token_schemas as schemas
from .paging import page_of

if TYPE_CHECKING:
    from salon.actors.model import ParticipantType

    from .parts import AdminParts

DAY = 86_400  # seconds


def token_routes(parts: AdminParts) -> Blueprint:
    """The routes of tokens and of blocked people."""
    routes = Blueprint("tokens", __name__, url_prefix="/admin")
    _add_issue(routes, parts)
    _add_list(routes, parts)
    _add_revoke(routes, parts)
    _add_block(routes, parts)
    return routes


def _add_issue(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/tokens")
    @tag(["admin"])
    @document_request(schemas.TokenBody)
    @document_response(schemas.NewToken, 201)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def issue_token() -> Response:
        """Issue a token for somebody, who need not be known before."""
        operator = parts.admin()
        wanted = await body(schemas.TokenBody, depth=parts.settings.limits.json_depth)
        if wanted.admin and wanted.conversations is not None:
            raise parts.malformed("conversations: an admin's token is for all of them")
        if parts.identities.access.is_blocked(wanted.id):
            raise parts.malformed("id: this person is blocked; unblock them first")
        only = None if wanted.conversations is None else frozenset(wanted.conversations)
        token, identity = parts.identities.issue_limited(
            await _participant(parts, wanted),
            seconds=wanted.expires_in or parts.settings.auth.session_days * DAY,
            admin=wanted.admin,
            conversations=only,
        )
        token_id, expires_at = identity.token_id, identity.expires_at
        assert token_id is not None
        assert expires_at is not None
        issued = IssuedToken(
            0,
            token_id,
            identity.participant,
            identity.admin,
            None if only is None else tuple(sorted(only)),
            identity.issued_at,
            expires_at,
            operator.participant.id,
        )
        await parts.identities.access.save_token(issued)
        parts.audit.note(operator, "token", wanted.id, token_id)
        fields = {"token": token, "token_id": token_id, "expires_at": timestamp(expires_at)}
        return answer(fields, 201)


async def _participant(parts: AdminParts, wanted: schemas.TokenBody) -> Participant:
    """As the conversations will show them: a name that they chose stays."""
    kind: ParticipantType = "agent" if wanted.agent else "human"
    if wanted.name is not None:
        return await parts.identities.known(Participant(wanted.id, wanted.name, kind))
    return Participant(wanted.id, await parts.identities.name_of(wanted.id) or wanted.id, kind)


def _add_list(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("/tokens")
    @tag(["admin"])
    @document_querystring(schemas.TokenQuery)
    @document_response(schemas.Tokens)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def list_tokens() -> Response:
        """List the tokens that operators issued, of one person or of all, the newest first."""
        parts.admin()
        asked = query(schemas.TokenQuery)
        found = await parts.identities.access.tokens(
            asked.id, before=asked.before, limit=asked.limit
        )
        return answer({"tokens": [_view(each) for each in found.tokens], "before": found.before})

    @routes.get("/blocked")
    @tag(["admin"])
    @document_querystring(schemas.BlockedQuery)
    @document_response(schemas.BlockedPeople)
    @refusals(Code.FORBIDDEN)
    async def list_blocked() -> Response:
        """List the blocked people, the latest first; with `id`, only that one, if they are blocked."""
        parts.admin()
        asked = query(schemas.BlockedQuery)
        people = sorted(parts.identities.access.blocked, key=lambda each: each[1], reverse=True)
        people = [each for each in people if asked.id in (None, each[0])]
        page, before = page_of(people, asked, lambda each: each[0])
        listed = [{"id": id, "blocked_at": timestamp(at)} for id, at in page]
        return answer({"people": listed, "before": before})


def _add_revoke(routes: Blueprint, parts: AdminParts) -> None:
    @routes.delete("/tokens/<token_id>")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def revoke_token(token_id: str) -> Response:
        """Revoke one token that an operator issued. Its sockets are closed with 4500."""
        operator = parts.admin()
        now = parts.directory.sources.now()
        token = await parts.identities.access.revoke_issued(token_id, now)
        if token is None:
            raise parts.refusal(Code.NOT_FOUND)
        parts.directory.revoke(token.participant.id, Revoke(token_id))
        parts.audit.note(operator, "revoke", f"{token_id} of {token.participant.id}")
        return Response(b"", 204)

    @routes.delete("/tokens")
    @tag(["admin"])
    @document_querystring(schemas.PersonQuery)
    @document_response(NoContent, 204)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def revoke_all() -> Response:
        """Revoke all tokens and sessions of a person that were issued until now, by whomever, but not static tokens."""
        operator = parts.admin()
        who = query(schemas.PersonQuery).id
        await parts.identities.access.revoke_all(who, parts.directory.sources.now())
        parts.directory.revoke(who, Revoke())
        parts.audit.note(operator, "revoke", f"all of {who}")
        return Response(b"", 204)


def _add_block(routes: Blueprint, parts: AdminParts) -> None:
    @routes.put("/people/<path:participant_id>/block")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(Code.MALFORMED_REQUEST, Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def block_person(participant_id: str) -> Response:
        """Refuse a person whatever token they have, now and later. Their sockets are closed with 4500."""
        operator = parts.admin()
        _check_id(parts, participant_id)
        if participant_id == operator.participant.id:
            raise parts.malformed("you cannot block yourself; another admin can")
        await parts.identities.access.block(participant_id, parts.directory.sources.now())
        parts.directory.revoke(participant_id, Revoke(blocked=True))
        parts.audit.note(operator, "block", participant_id)
        return Response(b"", 204)

    @routes.delete("/people/<path:participant_id>/block")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(Code.MALFORMED_REQUEST, Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def unblock_person(participant_id: str) -> Response:
        """Let a blocked person in again, with the tokens that they have."""
        operator = parts.admin()
        _check_id(parts, participant_id)
        if not await parts.identities.access.unblock(participant_id):
            raise parts.refusal(Code.NOT_FOUND)
        parts.directory.decided()
        parts.audit.note(operator, "unblock", participant_id)
        return Response(b"", 204)


def _check_id(parts: AdminParts, participant_id: str) -> None:
    if not is_id(participant_id):
        raise parts.malformed(f"a person's id has 1 to {ID_LENGTH} characters, all visible")


def _view(token: IssuedToken) -> dict[str, Any]:
    revoked_at = token.revoked_at
    return {
        "token_id": token.token_id,
        "id": token.participant.id,
        "name": token.participant.name,
        "admin": token.admin,
        "agent": token.participant.type == "agent",
        "conversations": None if token.conversations is None else list(token.conversations),
        "issued_at": timestamp(token.issued_at),
        "issued_by": token.issued_by,
        "expires_at": timestamp(token.expires_at),
        "revoked_at": None if revoked_at is None else timestamp(revoked_at),
    }
