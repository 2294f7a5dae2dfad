"""The routes of conversations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response, request
from quart_schema import (
    document_headers,
    document_querystring,
    document_request,
    document_response,
    tag,
)

from salon.actors.messages import (
    Create,
    Entrant,
    Join,
    Leave,
    MarkRead,
    Participant,
    Post,
    Receipt,
)
from salon.actors.refusals import Code

from . import schemas
from .codec import (
    member_fields,
    message_of,
    participant_fields,
    receipt_json,
    timestamp,
)
from .exchange import answer, body, query, raw
from .frames import KEY_LENGTH, metadata_text
from .openapi import COMMAND, POST, PostHeaders, refusals

if TYPE_CHECKING:
    from salon.actors.directory import Snapshot

    from .exchange import Parts
    from .identity import Identity

MESSAGES_SHOWN = 100  # in the conversation object
PAGES_SEARCHED = (
    10  # of a hundred events, for that many messages: more joins and leaves than this are rare
)
PREVIEW = 100  # characters of the last message in a list


def chat_routes(parts: Parts) -> Blueprint:
    """Everything below /chat but the WebSocket."""
    routes = Blueprint("chat", __name__, url_prefix="/chat")
    depth = parts.settings.limits.json_depth

    def checked_metadata(metadata: dict[str, Any] | None) -> str | None:
        try:
            return metadata_text(metadata)
        except ValueError as problem:
            raise parts.malformed(str(problem)) from None

    @routes.post("/create")
    @tag(["conversations"])
    @document_request(schemas.CreateBody)
    @document_response(schemas.Created, 201)
    @refusals(*COMMAND, Code.RATE_LIMITED, Code.CAPACITY_EXCEEDED)
    async def create() -> Response:
        """Begin a conversation."""
        identity = parts.caller()
        wanted = await body(schemas.CreateBody, depth=depth)
        entrants = tuple(_entrant(who) for who in wanted.participants)
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
                wanted.mode,
                tuple(wanted.sites),
                wanted.enable_ai,
                wanted.join,
                wanted.members_invite,
                wanted.share_reads,
                checked_metadata(wanted.metadata),
            ),
        )
        return answer(
            {
                "conversation_id": created.conversation_id,
                "title": created.title,
                "created_at": timestamp(created.at),
                "participants": [participant_fields(e.participant) for e in created.entrants],
                "websocket_url": f"/chat/ws/{created.conversation_id}",
            },
            201,
        )

    @routes.get("/my-conversations")
    @tag(["conversations"])
    @document_querystring(schemas.ListQuery)
    @document_response(schemas.ConversationList)
    @refusals(Code.STORE_UNAVAILABLE)
    async def my_conversations() -> Response:
        """The caller's conversations, newest activity first."""
        identity = parts.caller()
        asked = query(schemas.ListQuery)
        listing = await parts.directory.store.listing(
            identity.participant.id, limit=asked.limit, offset=asked.offset
        ).wait()
        lines = [
            {
                "conversation_id": line.conversation_id,
                "title": line.title,
                "created_at": timestamp(line.created_at),
                "last_message_at": line.last_message_at and timestamp(line.last_message_at),
                "participant_count": line.participant_count,
                "unread_count": line.unread_count,
                "last_message_preview": line.last_message and _preview(line.last_message.body),
            }
            for line in listing.summaries
        ]
        return answer(
            {
                "conversations": lines,
                "total": listing.total,
                "limit": asked.limit,
                "offset": asked.offset,
            }
        )

    @routes.get("/conversations/<conversation_id>")
    @tag(["conversations"])
    @document_response(schemas.Conversation)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def conversation(conversation_id: str) -> Response:
        """The conversation as it is now, with its last messages."""
        identity = parts.caller()
        snapshot = await _seen(parts, identity, conversation_id)
        return raw(await _conversation(parts, snapshot, identity))

    @routes.post("/<conversation_id>/join")
    @tag(["membership"])
    @document_request(schemas.JoinBody)
    @document_response(schemas.JoinAnswer)
    @refusals(
        *COMMAND, Code.FORBIDDEN, Code.NOT_FOUND, Code.ALREADY_PARTICIPANT, Code.CAPACITY_EXCEEDED
    )
    async def join(conversation_id: str) -> Response:
        """Come in, or bring somebody in."""
        identity = parts.caller()
        wanted = (await body(schemas.JoinBody, depth=depth, optional=True)).participant
        entrant = Entrant(identity.participant)
        if wanted is not None and wanted.user_id != identity.participant.id:
            entrant = _entrant(wanted)
        await parts.ask(identity, Join(conversation_id, identity.participant, entrant))
        snapshot = await parts.directory.look(conversation_id)
        if snapshot is None:
            raise parts.refusal(Code.NOT_FOUND)
        whole = await _conversation(parts, snapshot, identity)
        return raw(b'{"success":true,"conversation":' + whole + b"}")

    @routes.delete("/<conversation_id>/leave")
    @tag(["membership"])
    @document_response(schemas.LeaveAnswer)
    @refusals(*COMMAND, Code.NOT_FOUND, Code.NOT_PARTICIPANT)
    async def leave(conversation_id: str) -> Response:
        """Go. The last one out archives the conversation."""
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

    @routes.post("/<conversation_id>/messages")
    @tag(["messages"])
    @document_headers(PostHeaders)
    @document_request(schemas.PostBody)
    @document_response(schemas.ReceiptModel, 201)
    @document_response(schemas.ReceiptModel, 200)
    @refusals(*COMMAND, *POST)
    async def post(conversation_id: str) -> Response:
        """Say something. Answered once it is stored; the same key again gets the same receipt."""
        identity = parts.caller()
        wanted = await body(schemas.PostBody, depth=depth)
        receipt: Receipt = await parts.ask(
            identity,
            Post(
                conversation_id,
                identity.participant,
                wanted.content,
                _key(parts, wanted.client_message_id),
                wanted.reply_to,
                checked_metadata(wanted.metadata),
            ),
        )
        return raw(receipt_json(receipt), 200 if receipt.duplicate else 201)

    @routes.get("/<conversation_id>/messages")
    @tag(["messages"])
    @document_querystring(schemas.EventQuery)
    @document_response(schemas.EventPage)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def events(conversation_id: str) -> Response:
        """A page of the log: every sequenced frame in a range, ascending."""
        identity = parts.caller()
        asked = query(schemas.EventQuery)
        if asked.after is not None and asked.before is not None:
            raise parts.malformed("after and before exclude each other")
        snapshot = await _seen(parts, identity, conversation_id)
        head, number = snapshot.state.head, snapshot.state.number
        store = parts.directory.store
        if asked.after is not None:
            page = await store.read(number, after=asked.after, limit=asked.limit).wait()
        else:
            before = head + 1 if asked.before is None else asked.before
            page = await store.read(number, before=before, limit=asked.limit).wait()
        return raw(
            b'{"events":[%b],"head_sequence_id":%d,"has_more":%b}'
            % (
                b",".join(record.body for record in page.records),
                max(head, page.records[-1].sequence if page.records else 0),
                b"true" if page.has_more else b"false",
            )
        )

    @routes.post("/<conversation_id>/read")
    @tag(["messages"])
    @document_request(schemas.ReadBody)
    @document_response(schemas.ReadAnswer)
    @refusals(*COMMAND, Code.NOT_FOUND, Code.NOT_PARTICIPANT)
    async def read(conversation_id: str) -> Response:
        """Move the read position forward."""
        identity = parts.caller()
        wanted = await body(schemas.ReadBody, depth=depth)
        marked = await parts.ask(
            identity, MarkRead(conversation_id, identity.participant, wanted.sequence_id)
        )
        snapshot = await _seen(parts, identity, conversation_id)
        unread = await _unread(parts, snapshot, marked.sequence)
        return answer({"read_sequence_id": marked.sequence, "unread_count": unread})

    return routes


def _entrant(who: schemas.ParticipantBody) -> Entrant:
    return Entrant(Participant(who.user_id, who.name or who.user_id, who.type), who.role)


def _key(parts: Parts, in_body: str | None) -> str | None:
    in_header = request.headers.get("Idempotency-Key")
    if in_header is None:
        return in_body
    if in_body is not None and in_body != in_header:
        raise parts.malformed("Idempotency-Key and client_message_id name different keys")
    if not 0 < len(in_header) <= KEY_LENGTH:
        raise parts.malformed(f"Idempotency-Key has to have 1 to {KEY_LENGTH} characters")
    return in_header


async def _seen(parts: Parts, identity: Identity, conversation_id: str) -> Snapshot:
    """The conversation, if the caller may see it: unknown and not for you look alike."""
    snapshot = await parts.directory.look(conversation_id)
    if snapshot is None or not (
        identity.admin or identity.participant.id in snapshot.state.members
    ):
        raise parts.refusal(Code.NOT_FOUND)
    return snapshot


async def _unread(parts: Parts, snapshot: Snapshot, sequence: int) -> int:
    if sequence >= snapshot.state.head:
        return 0
    return await parts.directory.store.messages_after(snapshot.state.number, sequence).wait()


async def _conversation(parts: Parts, snapshot: Snapshot, identity: Identity) -> bytes:
    """The conversation object. Its messages are copied from the log as they are, without being parsed."""
    state = snapshot.state
    reader = identity.participant.id
    unread = (
        await _unread(parts, snapshot, state.reads.get(reader, 0)) if reader in state.members else 0
    )
    fields = answer_fields(snapshot, unread)
    messages = await _last_messages(parts, snapshot)
    head = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return head[:-1] + b',"messages":[' + b",".join(messages) + b"]}"


def answer_fields(snapshot: Snapshot, unread: int) -> dict[str, Any]:
    """The conversation object but for its messages."""
    state = snapshot.state
    return {
        "id": state.id,
        "title": state.title,
        "mode": state.mode,
        "sites": list(state.sites),
        "enable_ai": state.enable_ai,
        "join": state.join,
        "members_invite": state.members_invite,
        "share_reads": state.share_reads,
        "metadata": None if state.metadata is None else json.loads(state.metadata),
        "participants": [member_fields(member) for member in snapshot.members],
        "head_sequence_id": state.head,
        "created_at": timestamp(state.created_at),
        "updated_at": timestamp(state.updated_at),
        "ended_at": None if state.ended_at is None else timestamp(state.ended_at),
        "participant_count": len(state.members),
        "message_count": state.messages,
        "unread_count": unread,
        "status": "active" if state.ended_at is None else "inactive",
    }


async def _last_messages(parts: Parts, snapshot: Snapshot) -> list[bytes]:
    found: list[bytes] = []
    before = snapshot.state.head + 1
    for _ in range(PAGES_SEARCHED):
        page = await parts.directory.store.read(
            snapshot.state.number, before=before, limit=schemas.PAGE
        ).wait()
        found = [message_of(r.body) for r in page.records if r.sender_id is not None] + found
        if not page.has_more or len(found) >= MESSAGES_SHOWN:
            break
        before = page.records[0].sequence
    return found[-MESSAGES_SHOWN:]


def _preview(frame: bytes) -> str:
    content: str = json.loads(message_of(frame))["content"]
    return content if len(content) <= PREVIEW else content[: PREVIEW - 1] + "…"
