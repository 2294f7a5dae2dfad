"""The routes that change earlier messages: edit, delete, react, pin; and the page of a thread."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError
from quart import Blueprint, Response, request
from quart_schema import (
    document_headers,
    document_querystring,
    document_request,
    document_response,
    tag,
)

from salon.actors.blank import is_blank
from salon.actors.change_messages import (
    AddReaction,
    DeleteMessage,
    EditMessage,
    PinMessage,
    RemoveReaction,
    UnpinMessage,
)
from salon.actors.events import REMOVED
from salon.actors.held import Held
from salon.actors.refusals import Code
from salon.actors.rules import named_sequence

from ..http import COMMAND, PostHeaders, Refused, answer, body, raw, refusals
from ..socket import (
    Emoji,
    blank_content,
    changed_json,
    held_fields,
    message_of,
    problem_of,
)
from . import change_schemas as schemas
from .held_schemas import HeldAnswer
from .messages import event_query, key_of, page_of
from .schemas import EventQuery
from .view import readable_from, seen

if TYPE_CHECKING:
    from salon.actors.change_messages import ChangeCommand, Changed

    from ..http import Parts

CHANGE = (
    Code.MALFORMED_REQUEST,
    Code.FORBIDDEN,
    Code.NOT_FOUND,
    Code.NOT_PARTICIPANT,
    Code.KEY_REUSED,
    Code.RATE_LIMITED,
)
_EMOJI: TypeAdapter[str] = TypeAdapter(Emoji)
_REVISION = re.compile('("?)([1-9][0-9]{0,14})\\1')
PATH = "/<conversation_id>/messages/<message_id>"


def change_routes(parts: Parts) -> Blueprint:
    """The routes of what is done to messages."""
    routes = Blueprint("changes", __name__, url_prefix="/chat")
    _add_edit(routes, parts)
    _add_delete(routes, parts)
    _add_react(routes, parts)
    _add_unreact(routes, parts)
    _add_pin(routes, parts)
    _add_unpin(routes, parts)
    _add_thread(routes, parts)
    return routes


def _add_edit(routes: Blueprint, parts: Parts) -> None:
    @routes.patch(PATH)
    @tag(["messages"])
    @document_headers(schemas.EditHeaders)
    @document_request(schemas.EditBody)
    @document_response(schemas.ChangeModel)
    @document_response(HeldAnswer, 202)
    @refusals(
        *COMMAND,
        *CHANGE,
        Code.INVALID_FORMAT,
        Code.MESSAGE_TOO_LARGE,
        Code.MESSAGE_DELETED,
        Code.REVISION_CONFLICT,
        Code.LEGAL_HOLD,
        Code.EDIT_WINDOW_CLOSED,
        Code.MUTED,
        Code.MESSAGE_REFUSED,
        Code.LIMIT_REACHED,
    )
    async def edit(conversation_id: str, message_id: str) -> Response:
        """Give one's own message another content. With `If-Match` or `revision` a lost update is refused."""
        identity = parts.caller()
        wanted = await body(schemas.EditBody, depth=parts.settings.limits.json_depth)
        key = _key(parts, wanted.client_message_id)
        if is_blank(wanted.content):
            raise Refused(blank_content(key))
        metadata = None
        if "metadata" in wanted.model_fields_set:
            metadata = parts.metadata(wanted.metadata) or REMOVED
        return await _answer(
            parts,
            EditMessage(
                conversation_id,
                identity.participant,
                message_id,
                wanted.content,
                metadata,
                _revision(parts, wanted.revision),
                tuple(wanted.mentions or ()),
                key,
            ),
        )


def _add_delete(routes: Blueprint, parts: Parts) -> None:
    @routes.delete(PATH)
    @tag(["messages"])
    @document_headers(PostHeaders)
    @document_request(schemas.DeleteBody)
    @document_response(schemas.ChangeModel)
    @refusals(*COMMAND, *CHANGE, Code.LEGAL_HOLD)
    async def delete(conversation_id: str, message_id: str) -> Response:
        """Delete one's own message, or as a moderator somebody's: its content and former revisions are gone, its place stays."""
        identity = parts.caller()
        wanted = await body(
            schemas.DeleteBody, depth=parts.settings.limits.json_depth, optional=True
        )
        key = _key(parts, wanted.client_message_id)
        return await _answer(
            parts,
            DeleteMessage(conversation_id, identity.participant, message_id, wanted.reason, key),
        )


def _add_react(routes: Blueprint, parts: Parts) -> None:
    @routes.put(f"{PATH}/reactions/<emoji>")
    @tag(["messages"])
    @document_headers(PostHeaders)
    @document_response(schemas.ChangeModel)
    @refusals(*COMMAND, *CHANGE, Code.MESSAGE_DELETED, Code.MUTED, Code.TOO_MANY_REACTIONS)
    async def react(conversation_id: str, message_id: str, emoji: str) -> Response:
        """React to a message; one of a kind a person. A reaction that is there already changes nothing."""
        identity = parts.caller()
        kind = _emoji(parts, emoji)
        return await _answer(
            parts,
            AddReaction(conversation_id, identity.participant, message_id, kind, _key(parts)),
        )


def _add_unreact(routes: Blueprint, parts: Parts) -> None:
    @routes.delete(f"{PATH}/reactions/<emoji>")
    @tag(["messages"])
    @document_headers(PostHeaders)
    @document_response(schemas.ChangeModel)
    @refusals(*COMMAND, *CHANGE)
    async def unreact(conversation_id: str, message_id: str, emoji: str) -> Response:
        """Take one's own reaction back."""
        identity = parts.caller()
        kind = _emoji(parts, emoji)
        return await _answer(
            parts,
            RemoveReaction(conversation_id, identity.participant, message_id, kind, _key(parts)),
        )


def _add_pin(routes: Blueprint, parts: Parts) -> None:
    @routes.put(f"{PATH}/pin")
    @tag(["messages"])
    @document_headers(PostHeaders)
    @document_response(schemas.ChangeModel)
    @refusals(*COMMAND, *CHANGE, Code.MESSAGE_DELETED, Code.TOO_MANY_PINNED)
    async def pin(conversation_id: str, message_id: str) -> Response:
        """Pin a message, as a moderator."""
        identity = parts.caller()
        return await _answer(
            parts, PinMessage(conversation_id, identity.participant, message_id, _key(parts))
        )


def _add_unpin(routes: Blueprint, parts: Parts) -> None:
    @routes.delete(f"{PATH}/pin")
    @tag(["messages"])
    @document_headers(PostHeaders)
    @document_response(schemas.ChangeModel)
    @refusals(*COMMAND, *CHANGE)
    async def unpin(conversation_id: str, message_id: str) -> Response:
        """Take a message out of the pinned ones, as a moderator."""
        identity = parts.caller()
        return await _answer(
            parts, UnpinMessage(conversation_id, identity.participant, message_id, _key(parts))
        )


def _add_thread(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/<conversation_id>/threads/<message_id>")
    @tag(["messages"])
    @document_querystring(EventQuery)
    @document_response(schemas.ThreadPage)
    @refusals(Code.MALFORMED_REQUEST, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def thread(conversation_id: str, message_id: str) -> Response:
        """Get a message with a page of the replies in its thread, in ascending order, and what the caller has read of them."""
        identity = parts.caller()
        asked = event_query(parts)
        snapshot = await seen(parts, identity, conversation_id)
        number, store = snapshot.state.number, parts.directory.store
        root = named_sequence(conversation_id, message_id) or 0
        found = await store.targets(number, (root,)).wait()
        if root not in found or root < readable_from(identity, snapshot.state):
            raise parts.refusal(Code.NOT_FOUND)
        page = await store.thread(number, root, **page_of(asked, snapshot.state.head)).wait()
        read = await store.thread_read(number, root, identity.participant.id).wait()
        unread = await store.thread_unread(number, root, identity.participant.id).wait()
        return raw(
            b'{"root":%b,"replies":[%b],"read_sequence_id":%d,"unread_count":%d,"has_more":%b}'
            % (
                message_of(found[root].record.body),
                b",".join(message_of(record.body) for record in page.records),
                read,
                unread,
                b"true" if page.has_more else b"false",
            )
        )


async def _answer(parts: Parts, command: ChangeCommand) -> Response:
    identity = parts.caller()
    outcome: Changed | Held = await parts.ask(identity, command)
    if isinstance(outcome, Held):
        return answer(held_fields(outcome), 202)
    response = raw(changed_json(outcome))
    response.headers["ETag"] = f'"{outcome.revision}"'
    return response


def _key(parts: Parts, named: str | None = None) -> str | None:
    return key_of(parts, named, request.headers.get("Idempotency-Key"))


def _revision(parts: Parts, named: int | None) -> int | None:
    """The revision that an edit is based on, from `If-Match` or the body."""
    in_header = request.headers.get("If-Match")
    if in_header is None or in_header.strip() == "*":
        return named
    match = _REVISION.fullmatch(in_header.strip())
    if match is None:
        raise parts.malformed('If-Match has to be a revision, such as "3"')
    if named not in (None, int(match[2])):
        raise parts.malformed("If-Match and revision name different revisions")
    return int(match[2])


def _emoji(parts: Parts, text: str) -> str:
    try:
        return _EMOJI.validate_python(text)
    except ValidationError as error:
        raise parts.malformed(f"emoji: {problem_of(error.errors())}") from None
