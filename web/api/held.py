"""The queue of held messages: the routes of a conversation's moderators, and what operators share with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.change_messages import Changed
from salon.actors.messages import Receipt
from salon.actors.refusals import Code, Refusal
from salon.actors.signals import HeldDecided

from ..http import COMMAND, Refused, answer, body, query, refusals
from ..socket import LAST_SEQUENCE, participant_fields, timestamp
from . import held_schemas as schemas
from .held_commands import command_again, key_of
from .members import CONVERSATION
from .view import is_allowed, seen

if TYPE_CHECKING:
    from trio import CancelScope

    from salon.actors.held import HeldMessage, HeldOutcome

    from ..http import Parts
    from ..identity import Identity

DECIDING = (*COMMAND, Code.FORBIDDEN, Code.NOT_FOUND, Code.ALREADY_DECIDED)
APPROVING = (*DECIDING, Code.SLOW_MODE)  # of its sender

DECIDED_WITHIN = 30.0  # seconds: a conversation that does not answer until then is being restarted


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
    @refusals(*APPROVING)
    async def post_held(conversation_id: str, held_id: int) -> Response:
        """Post a held message of somebody else, as its sender, as one who may delete any message."""
        identity = parts.caller()
        await _may_decide(parts, identity, conversation_id, held_id)
        return answer(held_view(await approved(parts, identity, held_id)))

    @routes.post("/<int:held_id>/deny")
    @tag(["moderation"])
    @document_request(schemas.DenyBody)
    @document_response(schemas.HeldView)
    @refusals(*DECIDING)
    async def drop_held(conversation_id: str, held_id: int) -> Response:
        """Drop a held message of somebody else; its sender is told the reason."""
        identity = parts.caller()
        wanted = await body(schemas.DenyBody, depth=parts.settings.limits.json_depth, optional=True)
        await _may_decide(parts, identity, conversation_id, held_id)
        return answer(held_view(await denied(parts, identity, held_id, wanted.reason)))

    return routes


async def _may_decide(parts: Parts, identity: Identity, conversation_id: str, held_id: int) -> None:
    """Raise the refusal unless the caller may decide about the held message: nobody does about their own."""
    state = (await seen(parts, identity, conversation_id)).state
    _check(parts, held_id)
    found = await parts.directory.store.held(held_id).wait()
    if found is None or found.conversation_id != conversation_id:
        raise parts.refusal(Code.NOT_FOUND)
    if found.sender.id == identity.participant.id and not identity.admin:
        raise parts.refusal(Code.FORBIDDEN)
    if not is_allowed(identity, state, "delete_any"):
        raise parts.refusal(Code.NOT_FOUND)


def _check(parts: Parts, held_id: int) -> None:
    """Raise the refusal of a number that no store can have."""
    if held_id > LAST_SEQUENCE:
        raise parts.refusal(Code.NOT_FOUND)


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


async def approved(parts: Parts, by: Identity, held_id: int) -> HeldMessage:
    """Post a held message as its sender. One that is refused for good by now is closed so.

    Raises a temporary refusal, and what `_undecided` raises.
    """
    _check(parts, held_id)
    with _to_its_end():
        claim = parts.directory.sources.new_id()
        await parts.directory.store.claim_held(held_id, claim).wait()
        held = await _undecided(parts, held_id, ("approved", "refused"))
        if held.closed_at is not None:
            return held
        try:
            return await _posted(parts, by, held)
        except Refused:
            await parts.directory.store.release_held(held_id, claim).wait()
            raise
    raise _late()


async def denied(parts: Parts, by: Identity, held_id: int, reason: str | None) -> HeldMessage:
    """Drop a held message. Raises what `_undecided` raises, and a temporary refusal where it is being posted."""
    with _to_its_end():
        held = await _undecided(parts, held_id, ("denied",))
        if held.closed_at is not None:
            return held
        name = (held.sender.id, key_of(held))
        if not await parts.directory.store.keys_among(held.number, [name]).wait():
            held = await _closed(parts, by, held, "denied", reason)
            if held.closed_at is not None:
                return held
        # Somebody posts it, or had done so when the server fell. Whoever posts it again finishes that: its key makes it once.
        await _posted(parts, by, held)
        return await _undecided(parts, held_id, ("denied",))
    raise _late()


def _to_its_end() -> CancelScope:
    """A decision is not left half-way where who asked for it has gone, but neither is a conversation waited for for ever."""
    return trio.move_on_after(DECIDED_WITHIN, shield=True)


def _late() -> Refused:
    return Refused(Refusal(Code.INTERNAL_ERROR, retry_after=DECIDED_WITHIN, scope="server"))


async def _undecided(parts: Parts, held_id: int, same: tuple[HeldOutcome, ...]) -> HeldMessage:
    """The held message as it is now, undecided or with one of these outcomes. Raises the refusal of another decision."""
    _check(parts, held_id)
    held = await parts.directory.store.held(held_id).wait()
    if held is None:
        raise parts.refusal(Code.NOT_FOUND)
    return _agreed(parts, held, same)


def _agreed(parts: Parts, held: HeldMessage, same: tuple[HeldOutcome, ...]) -> HeldMessage:
    outcome = None if held.closed_at is None else held.outcome
    if outcome is not None and outcome not in same:
        raise parts.refusal(Code.ALREADY_DECIDED, outcome=outcome)
    return held


async def _posted(parts: Parts, by: Identity, held: HeldMessage) -> HeldMessage:
    outcome = await parts.directory.ask_conversation(command_again(held))
    if isinstance(outcome, Refusal):
        if outcome.reason.temporary:
            raise Refused(outcome)
        return await _closed(parts, by, held, "refused", outcome.text)
    assert isinstance(outcome, Receipt | Changed)
    return await _closed(parts, by, held, "approved", None, outcome.message_id)


async def _closed(
    parts: Parts,
    by: Identity,
    held: HeldMessage,
    outcome: HeldOutcome,
    why: str | None,
    message_id: str | None = None,
) -> HeldMessage:
    """Note what was decided, and tell the sender; as it is then, which is open where it may not be denied now."""
    store, now = parts.directory.store, parts.directory.sources.now()
    after = await store.close_held(
        held.position, by=by.participant.id, outcome=outcome, why=why, at=now
    ).wait()
    if after is None:
        raise parts.refusal(Code.NOT_FOUND)
    same: tuple[HeldOutcome, ...] = ("denied",) if outcome == "denied" else ("approved", "refused")
    _agreed(parts, after, same)
    if (after.closed_by, after.closed_at) == (by.participant.id, now):  # else somebody else has
        parts.note(by, "DecideHeld", f"{held.position} in {held.conversation_id}", outcome)
        signal = HeldDecided(held.position, outcome, why, held.key, message_id)
        parts.directory.tell_participant(held.sender.id, held.conversation_id, signal)
    return after


def held_view(held: HeldMessage) -> dict[str, Any]:
    """A held message as an answer has it. A claim is no decision."""
    is_closed = held.closed_at is not None
    return {
        "held_id": held.position,
        "conversation_id": held.conversation_id,
        "sender": participant_fields(held.sender),
        "kind": held.kind,
        "content": None if is_closed else held.content,
        "client_message_id": held.key,
        "reason": held.reason,
        "held_at": timestamp(held.at),
        "closed_at": None if held.closed_at is None else timestamp(held.closed_at),
        "closed_by": held.closed_by if is_closed else None,
        "outcome": held.outcome if is_closed else None,
        "why": held.why,
    }
