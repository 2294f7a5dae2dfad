"""The routes of conversations: create, list, read, update, join, leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.events import REMOVED
from salon.actors.messages import Create, Join, Leave, Update
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import Code

from ..http import COMMAND, answer, body, query, raw, refusals
from ..socket import message_of, participant_fields, timestamp
from . import schemas
from .view import conversation_json, seen

if TYPE_CHECKING:
    from salon.actors.events import Created
    from salon.actors.model import Mode
    from salon.actors.store import Summary

    from ..http import Parts
    from ..identity import Identity

PREVIEW = 100  # characters of the last message in a list


def chat_routes(parts: Parts) -> Blueprint:
    """The routes of conversations and membership."""
    routes = Blueprint("chat", __name__, url_prefix="/chat")
    _add_create(routes, parts)
    _add_list(routes, parts)
    _add_view(routes, parts)
    _add_update(routes, parts)
    _add_join(routes, parts)
    _add_leave(routes, parts)
    return routes


def _add_create(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/create")
    @tag(["conversations"])
    @document_request(schemas.CreateBody)
    @document_response(schemas.Created, 201)
    @refusals(*COMMAND, Code.RATE_LIMITED, Code.CAPACITY_EXCEEDED)
    async def create() -> Response:
        """Create a conversation."""
        identity = parts.caller()
        wanted = await body(schemas.CreateBody, depth=parts.settings.limits.json_depth)
        entrants = tuple(_entrant(parts, who, identity) for who in wanted.participants)
        if wanted.enable_ai:
            there = {entrant.participant.id for entrant in entrants}
            entrants += tuple(
                Entrant(agent.participant)
                for agent in parts.settings.default_agents
                if agent.id not in there
            )
        named = {entrant.participant.id for entrant in entrants} | {identity.participant.id}
        if len(named) > schemas.AT_CREATION:
            raise parts.malformed(
                f"participants: at most {schemas.AT_CREATION} in all may be named, the caller among them"
            )
        created = await parts.ask(
            identity,
            Create(
                parts.directory.sources.new_id(),
                identity.participant,
                wanted.title,
                entrants,
                _mode(wanted),
                tuple(wanted.sites),
                wanted.enable_ai,
                wanted.join,
                wanted.members_invite,
                wanted.share_reads,
                parts.metadata(wanted.metadata),
            ),
        )
        return answer(_created(created), 201)


def _add_list(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/my-conversations")
    @tag(["conversations"])
    @document_querystring(schemas.ListQuery)
    @document_response(schemas.ConversationList)
    @refusals(Code.STORE_UNAVAILABLE)
    async def my_conversations() -> Response:
        """List the caller's conversations, newest activity first."""
        identity = parts.caller()
        asked = query(schemas.ListQuery)
        listing = await parts.directory.store.listing(
            identity.participant.id, limit=asked.limit, offset=asked.offset
        ).wait()
        lines = [_line(summary) for summary in listing.summaries]
        return answer(
            {
                "conversations": lines,
                "total": listing.total,
                "limit": asked.limit,
                "offset": asked.offset,
            }
        )


def _add_view(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/conversations/<conversation_id>")
    @tag(["conversations"])
    @document_response(schemas.Conversation)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def conversation(conversation_id: str) -> Response:
        """Get a conversation in its current state, with its last messages."""
        identity = parts.caller()
        snapshot = await seen(parts, identity, conversation_id)
        return raw(await conversation_json(parts, snapshot, identity))


def _add_update(routes: Blueprint, parts: Parts) -> None:
    @routes.patch("/<conversation_id>")
    @tag(["conversations"])
    @document_request(schemas.UpdateBody)
    @document_response(schemas.Conversation)
    @refusals(*COMMAND, Code.RATE_LIMITED, Code.FORBIDDEN, Code.NOT_FOUND)
    async def update(conversation_id: str) -> Response:
        """Change the title or the metadata; only the owner may. All members get `conversation_updated`."""
        identity = parts.caller()
        wanted = await body(schemas.UpdateBody, depth=parts.settings.limits.json_depth)
        metadata = None
        if "metadata" in wanted.model_fields_set:
            metadata = parts.metadata(wanted.metadata) or REMOVED
        await parts.ask(
            identity, Update(conversation_id, identity.participant, wanted.title, metadata)
        )
        snapshot = await seen(parts, identity, conversation_id)
        return raw(await conversation_json(parts, snapshot, identity))


def _add_join(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<conversation_id>/join")
    @tag(["membership"])
    @document_request(schemas.JoinBody)
    @document_response(schemas.JoinAnswer)
    @refusals(
        *COMMAND, Code.FORBIDDEN, Code.NOT_FOUND, Code.ALREADY_PARTICIPANT, Code.CAPACITY_EXCEEDED
    )
    async def join(conversation_id: str) -> Response:
        """Join a conversation, or add another participant."""
        identity = parts.caller()
        wanted = (
            await body(schemas.JoinBody, depth=parts.settings.limits.json_depth, optional=True)
        ).participant
        entrant = Entrant(identity.participant)
        if wanted is not None and wanted.user_id != identity.participant.id:
            entrant = _entrant(parts, wanted, identity)
        await parts.ask(identity, Join(conversation_id, identity.participant, entrant))
        snapshot = await parts.directory.look(conversation_id)
        if snapshot is None:
            raise parts.refusal(Code.NOT_FOUND)
        whole = await conversation_json(parts, snapshot, identity)
        return raw(b'{"success":true,"conversation":' + whole + b"}")


def _add_leave(routes: Blueprint, parts: Parts) -> None:
    @routes.delete("/<conversation_id>/leave")
    @tag(["membership"])
    @document_response(schemas.LeaveAnswer)
    @refusals(*COMMAND, Code.NOT_FOUND, Code.NOT_PARTICIPANT)
    async def leave(conversation_id: str) -> Response:
        """Leave a conversation. When the last member leaves, the conversation is archived."""
        identity = parts.caller()
        left = await parts.ask(identity, Leave(conversation_id, identity.participant))
        return answer(
            {
                "success": True,
                "message": "Left conversation",
                "conversation_id": conversation_id,
                "remaining_participants": left.participant_count,
            }
        )


def _entrant(parts: Parts, who: schemas.ParticipantBody, inviter: Identity) -> Entrant:
    """The participant with the inviter's name for them. Only the configuration or an admin says that they are an agent."""
    hosted = parts.settings.agent(who.user_id)
    if hosted is not None:
        return Entrant(hosted.participant, who.role)
    kind = parts.identities.type_of(who.user_id) or (who.kind if inviter.admin else "human")
    return Entrant(Participant(who.user_id, who.name or who.user_id, kind), who.role)


def _mode(wanted: schemas.CreateBody) -> Mode:
    """The mode asked for; NLWeb's words for one person or several are none, since anybody may come in later."""
    match wanted.mode:
        case "single" | "multi":
            return "list"
        case mode:
            return mode


def _created(event: Created) -> dict[str, Any]:
    return {
        "conversation_id": event.conversation_id,
        "title": event.title,
        "mode": event.mode,
        "created_at": timestamp(event.at),
        "participants": [participant_fields(entrant.participant) for entrant in event.entrants],
        "websocket_url": f"/chat/ws/{event.conversation_id}",
    }


def _line(summary: Summary) -> dict[str, Any]:
    last = summary.last_message
    return {
        "conversation_id": summary.conversation_id,
        "title": summary.title,
        "created_at": timestamp(summary.created_at),
        "last_message_at": None if last is None else timestamp(last.at),
        "participant_count": summary.participant_count,
        "unread_count": summary.unread_count,
        "mention_count": summary.mention_count,
        "last_message_preview": None if last is None else _preview(last.body),
    }


def _preview(frame: bytes) -> str:
    content: str = json.loads(message_of(frame))["content"]
    return content if len(content) <= PREVIEW else content[: PREVIEW - 1] + "…"
