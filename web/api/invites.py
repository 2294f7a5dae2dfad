"""The routes of coming in: invites, requests to join, and direct conversations."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_request, document_response, tag

from salon.actors.events import Created
from salon.actors.member_events import lasting
from salon.actors.member_messages import (
    AcceptInvite,
    ApproveJoin,
    CreateInvite,
    DenyJoin,
    OpenDirect,
    RequestJoin,
    RevokeInvite,
)
from salon.actors.messages import Unchanged
from salon.actors.refusals import Code

from ..http import COMMAND, answer, body, raw, refusals
from ..names import TITLE_LENGTH, normalise_title
from ..socket import participant_fields, timestamp
from . import member_schemas as schemas
from .conversations import created_fields, entrant_named
from .members import CONVERSATION, OF_MEMBERS, PARTICIPANT, done, entitled, noted
from .schemas import JoinAnswer
from .view import conversation_json, is_allowed, seen

if TYPE_CHECKING:
    from salon.actors.member_events import InviteCreated
    from salon.actors.model import Invite

    from ..http import Parts

ID_BYTES = 16  # of the hash: as many bits as a conversation's id has
ENTRY = (
    *COMMAND,
    *(Code.RATE_LIMITED, Code.NOT_FOUND, Code.BANNED, Code.ALREADY_PARTICIPANT),
    Code.CAPACITY_EXCEEDED,
)


def invite_routes(parts: Parts) -> Blueprint:
    """The routes of invites to one conversation, and of the requests to join it."""
    routes = Blueprint("invites", __name__)
    _add_create(routes, parts)
    _add_manage(routes, parts)
    _add_accept(routes, parts)
    _add_request(routes, parts)
    _add_answer(routes, parts)
    _add_direct(routes, parts)
    return routes


def invite_id_of(code: str) -> str:
    """The id of the invite with this code: a hash, which is public and does not lead back to the code."""
    return _short(b"salon invite\0" + code.encode())


def direct_id(one: str, other: str) -> str:
    """The id of the conversation of two people, the same whoever asks."""
    first, second = sorted((one, other))
    return _short(f"salon direct\0{len(first)}\0{first}\0{second}".encode())


def _short(data: bytes) -> str:
    return urlsafe_b64encode(sha256(data).digest()[:ID_BYTES]).rstrip(b"=").decode()


def _add_create(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/chat/<conversation_id>/invites")
    @tag(["invites"])
    @document_request(schemas.InviteBody)
    @document_response(schemas.InviteAnswer, 201)
    @refusals(*OF_MEMBERS, Code.LIMIT_REACHED, Code.DIRECT_CONVERSATION)
    async def create_invite(conversation_id: str) -> Response:
        """Make a link by which people come in, for those who may invite. All members get `invite_created`, without the code."""
        identity = parts.caller()
        depth = parts.settings.limits.json_depth
        wanted = await body(schemas.InviteBody, depth=depth, optional=True)
        code = parts.directory.sources.new_id()
        command = CreateInvite(
            conversation_id,
            identity.participant,
            invite_id_of(code),
            wanted.role,
            None if wanted.expires_in is None else wanted.expires_in * 1000,
            wanted.max_uses,
        )
        event: InviteCreated = await noted(parts, identity, command, command.invite_id)
        fields = _invite_fields(
            event.invite_id, event.role, event.by, event.at, event.expires_at, event.max_uses
        )
        return answer({**fields, "code": code, "url": f"/invites/{code}"}, 201)


def _add_manage(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/chat/<conversation_id>/invites")
    @tag(["invites"])
    @document_response(schemas.Invites)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def invites(conversation_id: str) -> Response:
        """List the invites that may still be used. Their codes are known only to those who made them."""
        identity = parts.caller()
        state = await entitled(parts, identity, conversation_id, "invite")
        everybody = is_allowed(identity, state, "remove")
        found: list[Invite] = [
            each
            for each in lasting(state.invites, parts.directory.sources.now()).values()
            if everybody or each.by == identity.participant.id
        ]
        return answer({"invites": [_invite_fields(*each) for each in found]})

    @routes.delete("/chat/<conversation_id>/invites/<code>")
    @tag(["invites"])
    @document_response(schemas.InviteRevokedAnswer)
    @refusals(*OF_MEMBERS)
    async def revoke_invite(conversation_id: str, code: str) -> Response:
        """End an invite, named by its code or its id: one's own, or as one who may remove members any."""
        identity = parts.caller()
        state = await entitled(parts, identity, conversation_id, "invite")
        id = code if code in state.invites else invite_id_of(code)
        command = RevokeInvite(conversation_id, identity.participant, id)
        await noted(parts, identity, command, id)
        return answer({"success": True, "invite_id": id})


def _add_accept(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/invites/<code>")
    @tag(["invites"])
    @document_response(JoinAnswer)
    @refusals(*ENTRY, Code.INVITE_EXPIRED)
    async def accept_invite(code: str) -> Response:
        """Come in by an invite. It is counted together with the join: of two at once, a last use lets one in."""
        identity = parts.caller()
        invite_id = invite_id_of(code)
        conversation_id = await parts.directory.store.conversation_of(invite_id).wait()
        if conversation_id is None:
            raise parts.refusal(Code.NOT_FOUND)
        await parts.ask(identity, AcceptInvite(conversation_id, identity.participant, invite_id))
        snapshot = await seen(parts, identity, conversation_id)
        whole = await conversation_json(parts, snapshot, identity)
        return raw(b'{"success":true,"conversation":' + whole + b"}")


def _add_request(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/chat/<conversation_id>/join-requests")
    @tag(["invites"])
    @document_request(schemas.ReasonBody)
    @document_response(schemas.JoinRequestAnswer, 201)
    @document_response(schemas.JoinRequestAnswer, 200)
    @refusals(
        *ENTRY,
        *(Code.FORBIDDEN, Code.INVALID_FORMAT, Code.LIMIT_REACHED, Code.DIRECT_CONVERSATION),
    )
    async def request_join(conversation_id: str) -> Response:
        """Ask to be let in where one comes in by invitation. The members get `join_requested`; a denial counts for a day."""
        identity = parts.caller()
        depth = parts.settings.limits.json_depth
        wanted = await body(schemas.ReasonBody, depth=depth, optional=True)
        event = await parts.ask(
            identity, RequestJoin(conversation_id, identity.participant, wanted.reason)
        )
        status = 200 if isinstance(event, Unchanged) else 201
        return answer({"status": "pending", "conversation_id": conversation_id}, status)

    @routes.get("/chat/<conversation_id>/join-requests")
    @tag(["invites"])
    @document_response(schemas.JoinRequests)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def join_requests(conversation_id: str) -> Response:
        """List who asks to be let in, for those who may invite."""
        state = await entitled(parts, parts.caller(), conversation_id, "invite")
        waiting = [each for each in state.requests.values() if each.denied_at is None]
        return answer(
            {
                "join_requests": [
                    {
                        "participant": participant_fields(each.participant),
                        "requested_at": timestamp(each.at),
                        "reason": each.reason,
                    }
                    for each in waiting
                ]
            }
        )


def _add_answer(routes: Blueprint, parts: Parts) -> None:
    of_one = f"{CONVERSATION}/join-requests{PARTICIPANT}"

    @routes.post(f"{of_one}/approve")
    @tag(["invites"])
    @document_response(schemas.MemberAnswer)
    @refusals(*ENTRY, Code.FORBIDDEN)
    async def approve_join(conversation_id: str, participant_id: str) -> Response:
        """Let somebody in who has asked, as one who may invite."""
        identity = parts.caller()
        command = ApproveJoin(conversation_id, identity.participant, participant_id)
        return await done(parts, identity, command)

    @routes.post(f"{of_one}/deny")
    @tag(["invites"])
    @document_request(schemas.ReasonBody)
    @document_response(schemas.MemberAnswer)
    @refusals(*OF_MEMBERS)
    async def deny_join(conversation_id: str, participant_id: str) -> Response:
        """Refuse somebody who has asked, as one who may invite. They may ask again after a day."""
        identity = parts.caller()
        depth = parts.settings.limits.json_depth
        wanted = await body(schemas.ReasonBody, depth=depth, optional=True)
        command = DenyJoin(conversation_id, identity.participant, participant_id, wanted.reason)
        return await done(parts, identity, command)


def _add_direct(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/chat/direct")
    @tag(["conversations"])
    @document_request(schemas.DirectBody)
    @document_response(schemas.DirectAnswer, 201)
    @document_response(schemas.DirectAnswer, 200)
    @refusals(*COMMAND, Code.FORBIDDEN, Code.RATE_LIMITED, Code.CAPACITY_EXCEEDED)
    async def direct() -> Response:
        """Open the one conversation of the caller and another person: the same every time, also if both ask at once."""
        identity = parts.caller()
        wanted = await body(schemas.DirectBody, depth=parts.settings.limits.json_depth)
        own = identity.participant
        if wanted.user_id == own.id:
            raise parts.malformed("user_id: is yours; a direct conversation is with somebody else")
        id = direct_id(own.id, wanted.user_id)
        if not identity.reaches(id):
            raise parts.refusal(Code.FORBIDDEN)
        snapshot = await parts.directory.look(id)
        event = None
        if snapshot is None:
            entrant = entrant_named(parts, wanted.user_id, wanted.name)
            title = normalise_title(f"{own.name}, {entrant.participant.name}") or "–"
            event = await parts.ask(identity, OpenDirect(id, own, title[:TITLE_LENGTH], entrant))
            snapshot = await seen(parts, identity, id)
        state = snapshot.state
        people = [member.participant for member in state.members.values()]
        fields = created_fields(id, state.title, state.mode, state.created_at, people)
        return answer(fields, 201 if isinstance(event, Created) else 200)


def _invite_fields(
    id: str,
    role: str,
    by: str,
    at: int,
    expires_at: int | None = None,
    max_uses: int | None = None,
    uses: int = 0,
) -> dict[str, Any]:
    return {
        "invite_id": id,
        "role": role,
        "by": by,
        "created_at": timestamp(at),
        "expires_at": None if expires_at is None else timestamp(expires_at),
        "max_uses": max_uses,
        "uses": uses,
    }
