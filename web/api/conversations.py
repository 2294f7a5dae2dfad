"""The routes of conversations: create, list, read, update, join, leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.blank import is_blank
from salon.actors.events import REMOVED
from salon.actors.keeping_messages import DeleteConversation
from salon.actors.messages import Create, Join, Leave, Update
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import Code

from ..http import COMMAND, answer, body, query, raw, refusals
from ..socket import message_of, participant_fields, timestamp
from . import schemas
from .members import noted_at
from .view import conversation_json, kept_fields, seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salon.actors.model import Mode, ParticipantType
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
    _add_delete(routes, parts)
    return routes


def _add_create(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/create")
    @tag(["conversations"])
    @document_request(schemas.CreateBody)
    @document_response(schemas.Created, 201)
    @refusals(*COMMAND, Code.FORBIDDEN, Code.RATE_LIMITED, Code.CAPACITY_EXCEEDED)
    async def create() -> Response:
        """Create a conversation. A token that is limited to some conversations cannot."""
        identity = parts.unlimited()
        wanted = await body(schemas.CreateBody, depth=parts.settings.limits.json_depth)
        entrants = tuple(_entrant(parts, who, identity) for who in wanted.participants)
        if wanted.enable_ai:
            there = {entrant.participant.id for entrant in entrants}
            entrants += tuple(
                Entrant(agent)
                for agent in parts.directory.agent_host.defaults()
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
                dict(wanted.permissions) or None,
                None if wanted.history == "all" else wanted.history,
                wanted.slow_mode or None,
                None if wanted.retention is None else wanted.retention.days or None,
            ),
        )
        people = [entrant.participant for entrant in created.entrants]
        about = created.conversation_id, created.title, created.mode, created.at
        return answer(created_fields(*about, people), 201)


def _add_list(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/my-conversations")
    @tag(["conversations"])
    @document_querystring(schemas.ConversationListQuery)
    @document_response(schemas.ConversationList)
    @refusals(Code.STORE_UNAVAILABLE)
    async def my_conversations() -> Response:
        """List the caller's conversations: pinned ones, then newest activity first. Page by `before`; messages move `offset`."""
        identity = parts.caller()
        asked = query(schemas.ConversationListQuery)
        listing = await parts.directory.store.listing(
            identity.participant.id,
            limit=asked.limit,
            offset=asked.offset,
            before=asked.before,
            archived=None if asked.archived == "all" else asked.archived == "true",
            only=identity.conversations,
        ).wait()
        now = parts.directory.sources.now()
        lines = [conversation_line(summary, now) for summary in listing.summaries]
        return answer(
            {
                "conversations": lines,
                "total": listing.total,
                "limit": asked.limit,
                "offset": asked.offset,
                "before": listing.before,
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
        """Change title and metadata, as one who may rename; permissions, history and retention, as an owner.

        Slow mode is for those who may mute. All members get `conversation_updated`.
        """
        identity = parts.caller()
        wanted = await body(schemas.UpdateBody, depth=parts.settings.limits.json_depth)
        metadata = None
        if "metadata" in wanted.model_fields_set:
            metadata = parts.metadata(wanted.metadata) or REMOVED
        days = None if wanted.retention is None else wanted.retention.days
        changes = wanted.permissions, wanted.history, wanted.slow_mode, days
        await parts.ask(
            identity,
            Update(conversation_id, identity.participant, wanted.title, metadata, *changes),
        )
        snapshot = await seen(parts, identity, conversation_id)
        return raw(await conversation_json(parts, snapshot, identity))


def _add_join(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<conversation_id>/join")
    @tag(["membership"])
    @document_request(schemas.JoinBody)
    @document_response(schemas.JoinAnswer)
    @refusals(
        *COMMAND,
        *(Code.FORBIDDEN, Code.BANNED, Code.NOT_FOUND),
        *(Code.ALREADY_PARTICIPANT, Code.CAPACITY_EXCEEDED, Code.DIRECT_CONVERSATION),
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
    @refusals(*COMMAND, Code.NOT_FOUND, Code.NOT_PARTICIPANT, Code.DIRECT_CONVERSATION)
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


def _add_delete(routes: Blueprint, parts: Parts) -> None:
    @routes.delete("/<conversation_id>")
    @tag(["conversations"])
    @document_response(schemas.DeleteAnswer)
    @refusals(
        *(*COMMAND, Code.RATE_LIMITED),
        *(Code.FORBIDDEN, Code.NOT_FOUND, Code.DIRECT_CONVERSATION, Code.LEGAL_HOLD),
    )
    async def delete_conversation(conversation_id: str) -> Response:
        """Delete a conversation with everything in it, as an owner. All sockets are closed with 4503; it cannot be undone."""
        identity = parts.caller()
        command = DeleteConversation(conversation_id, identity.participant)
        await noted_at(parts, identity, command, conversation_id)
        return answer({"success": True, "conversation_id": conversation_id})


def _entrant(parts: Parts, who: schemas.ParticipantBody, inviter: Identity) -> Entrant:
    """The participant with the inviter's name for them. Only the configuration or an admin says that they are an agent."""
    kind = who.kind if inviter.admin else "human"
    return entrant_named(parts, who.user_id, who.name, kind)._replace(role=who.role)


def entrant_named(
    parts: Parts, id: str, name: str | None, kind: ParticipantType = "human"
) -> Entrant:
    """The participant with this id, as far as the server knows them, else with a name and type that others give."""
    hosted = parts.directory.agent_host.participant(id)
    if hosted is not None:
        return Entrant(hosted)
    return Entrant(Participant(id, name or id, parts.identities.type_of(id) or kind))


def _mode(wanted: schemas.CreateBody) -> Mode:
    """The mode asked for; NLWeb's words for one person or several are none, since anybody may come in later."""
    match wanted.mode:
        case "single" | "multi":
            return "list"
        case mode:
            return mode


def created_fields(
    id: str, title: str, mode: Mode, at: int, people: Iterable[Participant]
) -> dict[str, Any]:
    """A new conversation, as its creator gets it."""
    return {
        "conversation_id": id,
        "title": title,
        "mode": mode,
        "created_at": timestamp(at),
        "participants": [participant_fields(who) for who in people],
        "websocket_url": f"/chat/ws/{id}",
    }


def conversation_line(summary: Summary, now: int) -> dict[str, Any]:
    """A conversation in the caller's list."""
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
        **kept_fields(summary.preferences, now),
    }


def _preview(frame: bytes) -> str:
    message = json.loads(message_of(frame))
    content: str = message["content"]
    if is_blank(content) and message.get("files"):
        content = ", ".join(file["name"] for file in message["files"])
    return content if len(content) <= PREVIEW else content[: PREVIEW - 1] + "…"
