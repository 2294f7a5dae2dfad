"""The queue of held messages: the routes of a conversation's moderators, and what operators share with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.change_messages import Changed
from salon.actors.messages import Receipt
from salon.actors.refusals import Code, Refusal
from salon.actors.signals import HeldDecided

from ..http import COMMAND, Refused, answer, body, query, refusals
from ..socket import participant_fields, timestamp
from . import held_schemas as schemas
from .held_commands import command_again
from .members import CONVERSATION
from .view import is_allowed, seen

if TYPE_CHECKING:
    from salon.actors.held import HeldMessage, HeldOutcome

    from ..http import Parts
    from ..identity import Identity

DECIDING = (*COMMAND, Code.FORBIDDEN, Code.NOT_FOUND)


def held_routes(parts: Parts) -> Blueprint:
    """The routes of the held messages of one conversation."""
    routes = Blueprint("held", __name__, url_prefix=f"{CONVERSATION}/held")

    @routes.get("")
    @tag(["moderation"])
    @document_querystring(schemas.HeldQuery)
    @document_response(schemas.HeldMessages)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def held(conversation_id: str) -> Response:
        """List what is held here: for those who may delete any message all of it, for others their own."""
        identity, asked = parts.caller(), query(schemas.HeldQuery)
        state = (await seen(parts, identity, conversation_id)).state
        own = None if is_allowed(identity, state, "delete_any") else identity.participant.id
        return answer(await held_page(parts, asked, state.number, own))

    @routes.post("/<int:held_id>/approve")
    @tag(["moderation"])
    @document_response(schemas.HeldView)
    @refusals(*DECIDING)
    async def post_held(conversation_id: str, held_id: int) -> Response:
        """Post a held message of somebody else, as its sender, as one who may delete any message."""
        identity = parts.caller()
        found = await _found(parts, identity, conversation_id, held_id)
        return answer(held_view(await approved(parts, identity, found)))

    @routes.post("/<int:held_id>/deny")
    @tag(["moderation"])
    @document_request(schemas.DenyBody)
    @document_response(schemas.HeldView)
    @refusals(*DECIDING)
    async def drop_held(conversation_id: str, held_id: int) -> Response:
        """Drop a held message of somebody else; its sender is told the reason."""
        identity = parts.caller()
        wanted = await body(schemas.DenyBody, depth=parts.settings.limits.json_depth, optional=True)
        found = await _found(parts, identity, conversation_id, held_id)
        return answer(held_view(await dropped(parts, identity, found, wanted.reason)))

    return routes


async def _found(
    parts: Parts, identity: Identity, conversation_id: str, held_id: int
) -> HeldMessage:
    """The held message, if the caller may decide about it: nobody does about their own."""
    state = (await seen(parts, identity, conversation_id)).state
    found = await parts.directory.store.held(held_id).wait()
    if found is None or found.conversation_id != conversation_id:
        raise parts.refusal(Code.NOT_FOUND)
    if found.sender.id == identity.participant.id and not identity.admin:
        raise parts.refusal(Code.FORBIDDEN)
    if not is_allowed(identity, state, "delete_any"):
        raise parts.refusal(Code.NOT_FOUND)
    return found


async def held_page(
    parts: Parts, asked: schemas.HeldQuery, number: int | None = None, sender: str | None = None
) -> dict[str, Any]:
    """A page of held messages, as an answer has it."""
    page = await parts.directory.store.held_messages(
        is_open=asked.state == "open",
        number=number,
        sender_id=sender,
        before=asked.before,
        limit=asked.limit,
    ).wait()
    return {"held": [held_view(each) for each in page.messages], "before": page.before}


async def approved(parts: Parts, by: Identity, held: HeldMessage) -> HeldMessage:
    """Post a held message as its sender. One that is refused for good by now is closed so. Raises a temporary refusal."""
    if held.closed_at is not None:
        return held
    outcome = await parts.directory.ask_conversation(command_again(held))
    if isinstance(outcome, Refusal):
        if outcome.reason.temporary:
            raise Refused(outcome)
        return await closed(parts, by, held, "refused", outcome.text)
    assert isinstance(outcome, Receipt | Changed)
    return await closed(parts, by, held, "approved", None, outcome.message_id)


async def dropped(parts: Parts, by: Identity, held: HeldMessage, why: str | None) -> HeldMessage:
    """Drop a held message. One that was judged otherwise when it came again is there by now, and counts as approved."""
    if held.closed_at is None and held.key is not None:
        name = held.sender.id, held.key
        if name in await parts.directory.store.keys_among(held.number, [name]).wait():
            return await closed(parts, by, held, "approved", None)
    return await closed(parts, by, held, "denied", why)


async def closed(
    parts: Parts,
    by: Identity,
    held: HeldMessage,
    outcome: HeldOutcome,
    why: str | None,
    message_id: str | None = None,
) -> HeldMessage:
    """Note what was decided, and tell the sender. One that is decided stays as it was."""
    store, now = parts.directory.store, parts.directory.sources.now()
    after = await store.close_held(
        held.position, by=by.participant.id, outcome=outcome, why=why, at=now
    ).wait()
    if after is None:
        raise parts.refusal(Code.NOT_FOUND)
    mine = (after.closed_by, after.closed_at, after.outcome) == (by.participant.id, now, outcome)
    if held.closed_at is None and mine:
        parts.note(by, "DecideHeld", f"{held.position} in {held.conversation_id}", outcome)
        signal = HeldDecided(held.position, outcome, why, held.key, message_id)
        parts.directory.tell_participant(held.sender.id, held.conversation_id, signal)
    return after


def held_view(held: HeldMessage) -> dict[str, Any]:
    """A held message as an answer has it."""
    return {
        "held_id": held.position,
        "conversation_id": held.conversation_id,
        "sender": participant_fields(held.sender),
        "kind": held.kind,
        "content": held.content if held.closed_at is None else None,
        "client_message_id": held.key,
        "reason": held.reason,
        "held_at": timestamp(held.at),
        "closed_at": None if held.closed_at is None else timestamp(held.closed_at),
        "closed_by": held.closed_by,
        "outcome": held.outcome,
        "why": held.why,
    }
