"""The routes of messages: send, read the log, move the read position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response, request
from quart_schema import (
    document_headers,
    document_querystring,
    document_request,
    document_response,
    tag,
)

from salon.actors.blank import is_blank
from salon.actors.held import Held
from salon.actors.messages import MarkRead, Post, Receipt
from salon.actors.readable import body_for
from salon.actors.refusals import Code

from ..http import COMMAND, POST, PostHeaders, Refused, answer, body, query, raw, refusals
from ..socket import KEY_LENGTH, attachments, blank_content, held_fields, one_key, receipt_json
from . import schemas
from .held_schemas import HeldAnswer
from .view import readable_from, seen, unread_of

if TYPE_CHECKING:
    from salon.actors.model import Participant, State
    from salon.actors.store import Record

    from ..http import Parts


def message_routes(parts: Parts) -> Blueprint:
    """The routes of the messages of one conversation."""
    routes = Blueprint("messages", __name__, url_prefix="/chat")
    _add_post(routes, parts)
    _add_events(routes, parts)
    _add_read(routes, parts)
    return routes


def _add_post(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<conversation_id>/messages")
    @tag(["messages"])
    @document_headers(PostHeaders)
    @document_request(schemas.PostBody)
    @document_response(schemas.ReceiptModel, 201)
    @document_response(schemas.ReceiptModel, 200)
    @document_response(HeldAnswer, 202)
    @refusals(*COMMAND, *POST, Code.MESSAGE_REFUSED, Code.LIMIT_REACHED)
    async def post(conversation_id: str) -> Response:
        """Send a message. The answer comes after it is stored; a retry with the same key gets the same receipt."""
        identity = parts.caller()
        wanted = await body(schemas.PostBody, depth=parts.settings.limits.json_depth)
        in_header = request.headers.get("Idempotency-Key")
        command = command_of(parts, conversation_id, identity.participant, wanted, in_header)
        receipt: Receipt | Held = await parts.ask(identity, command)
        if isinstance(receipt, Held):
            return answer(held_fields(receipt), 202)
        return raw(receipt_json(receipt), 200 if receipt.duplicate else 201)


def key_of(parts: Parts, named: str | None, in_header: str | None) -> str | None:
    """The key, from the header or the body. Raises the refusal where it is invalid, or the two differ."""
    if in_header is None:
        return named
    if named is not None and named != in_header:
        raise parts.malformed("Idempotency-Key and client_message_id name different keys")
    if not 0 < len(in_header) <= KEY_LENGTH:
        raise parts.malformed(f"Idempotency-Key has to have 1 to {KEY_LENGTH} characters")
    return in_header


def command_of(
    parts: Parts,
    conversation_id: str,
    sender: Participant,
    wanted: schemas.PostBody,
    key_in_header: str | None,
) -> Post:
    """The command of a request to send a message. Raises the refusal if content, key or metadata are invalid."""
    named = parts.checked(lambda: one_key(wanted.client_message_id, wanted.message_id))
    key = key_of(parts, named, key_in_header)
    if is_blank(wanted.content) and not wanted.files:
        raise Refused(blank_content(key))
    metadata = parts.metadata(wanted.metadata)
    mentions = tuple(wanted.mentions or ())
    return Post(
        conversation_id,
        sender,
        wanted.content,
        key,
        wanted.reply_to,
        metadata,
        mentions,
        wanted.thread_id,
        wanted.also_in_channel,
        attachments(wanted.files),
    )


def _add_events(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/<conversation_id>/messages")
    @tag(["messages"])
    @document_querystring(schemas.EventQuery)
    @document_response(schemas.EventPage)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def events(conversation_id: str) -> Response:
        """Get a page of the log: the events of a range, in ascending order."""
        identity = parts.caller()
        asked = event_query(parts)
        snapshot = await seen(parts, identity, conversation_id)
        oldest = readable_from(identity, snapshot.state)
        return await event_page(parts, snapshot.state, asked, oldest)


def event_query(parts: Parts) -> schemas.EventQuery:
    """The requested part of the log. Raises the refusal if both `after` and `before` are given."""
    asked = query(schemas.EventQuery)
    if asked.after is not None and asked.before is not None:
        raise parts.malformed("after and before exclude each other")
    return asked


async def event_page(
    parts: Parts, state: State, asked: schemas.EventQuery, oldest: int = 1
) -> Response:
    """A page of a conversation's log, for one who may read it from the sequence `oldest` on."""
    records, has_more = await _readable(parts, state, asked, oldest)
    codec = parts.directory.codec
    return raw(
        b'{"events":[%b],"head_sequence_id":%d,"has_more":%b,"oldest_sequence_id":%d}'
        % (
            b",".join(body_for(record, oldest, codec) for record in records),
            max(state.head, records[-1].sequence if records else 0),
            b"true" if has_more else b"false",
            oldest,
        )
    )


async def _readable(
    parts: Parts, state: State, asked: schemas.EventQuery, oldest: int
) -> tuple[list[Record], bool]:
    """The records of a page that are not before `oldest`, and whether there are more of them in the direction asked."""
    bounds = page_of(asked, state.head)
    if asked.after is not None:
        bounds["after"] = max(asked.after, oldest - 1)
    page = await parts.directory.store.read(state.number, **bounds).wait()
    if not page.records and bounds.get("after", 0) < state.head and bounds.get("before", 2) > 1:
        raise parts.refusal(Code.NOT_FOUND)  # it was deleted since it was looked at
    records = [record for record in page.records if record.sequence >= oldest]
    at_the_end = asked.after is None and records[:1] and records[0].sequence == oldest
    return records, page.has_more and len(records) == len(page.records) and not at_the_end


def page_of(asked: schemas.EventQuery, head: int) -> dict[str, Any]:
    """The bounds of a page as a store takes them; without any it is the last page."""
    if asked.after is not None:
        return {"after": asked.after, "limit": asked.limit}
    return {"before": head + 1 if asked.before is None else asked.before, "limit": asked.limit}


def _add_read(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<conversation_id>/read")
    @tag(["messages"])
    @document_request(schemas.ReadBody)
    @document_response(schemas.ReadAnswer)
    @refusals(*COMMAND, Code.NOT_FOUND, Code.NOT_PARTICIPANT)
    async def read(conversation_id: str) -> Response:
        """Move the read position forward, in the main log or in a thread; back only with `force`."""
        identity = parts.caller()
        wanted = await body(schemas.ReadBody, depth=parts.settings.limits.json_depth)
        marked = await parts.ask(
            identity,
            MarkRead(
                conversation_id,
                identity.participant,
                wanted.sequence_id,
                wanted.thread_id,
                wanted.force,
            ),
        )
        snapshot = await seen(parts, identity, conversation_id)
        if marked.root is not None:
            place = snapshot.state.number, marked.root, identity.participant.id
            position = await parts.directory.store.thread_read(*place).wait()
            count = await parts.directory.store.thread_unread(*place).wait()
            return answer({"read_sequence_id": position, "unread_count": count, "mention_count": 0})
        unread = await unread_of(parts, snapshot, identity.participant.id, marked.sequence)
        return answer(
            {
                "read_sequence_id": marked.sequence,
                "unread_count": unread.messages,
                "mention_count": unread.mentions,
            }
        )
