"""The routes of what members do to members: roles, removal, bans, mutes."""

from __future__ import annotations

from datetime import UTC
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.member_events import lasting
from salon.actors.member_messages import Ban, Mute, Remove, SetRole, Unban, Unmute
from salon.actors.messages import Unchanged
from salon.actors.refusals import Code

from ..http import COMMAND, Refused, answer, body, query, refusals
from ..socket import member_fields, participant_fields, timestamp
from . import member_schemas as schemas
from .view import is_allowed, seen

if TYPE_CHECKING:
    from datetime import datetime

    from salon.actors.member_messages import MemberCommand
    from salon.actors.messages import Command
    from salon.actors.model import Action, Sanction, State

    from ..http import Parts
    from ..identity import Identity

OF_MEMBERS = (*COMMAND, Code.RATE_LIMITED, Code.FORBIDDEN, Code.NOT_FOUND)
PARTICIPANT = "/<path:participant_id>"  # an id may have slashes
# quart-schema finds a converter only where each parameter before it has one, too.
CONVERSATION = "/chat/<string:conversation_id>"


def member_routes(parts: Parts) -> Blueprint:
    """The routes of the members of one conversation."""
    routes = Blueprint("members", __name__, url_prefix=CONVERSATION)
    _add_role(routes, parts)
    _add_remove(routes, parts)
    _add_ban(routes, parts)
    _add_mute(routes, parts)
    _add_lists(routes, parts)
    return routes


def _add_role(routes: Blueprint, parts: Parts) -> None:
    @routes.post(f"/participants{PARTICIPANT}/role")
    @tag(["members"])
    @document_request(schemas.RoleBody)
    @document_response(schemas.MemberAnswer)
    @refusals(*OF_MEMBERS, Code.LAST_OWNER, Code.DIRECT_CONVERSATION)
    async def set_role(conversation_id: str, participant_id: str) -> Response:
        """Give a member another role, not above the caller's; or take a lower one oneself."""
        identity = parts.caller()
        wanted = await body(schemas.RoleBody, depth=parts.settings.limits.json_depth)
        place = conversation_id, identity.participant, participant_id
        return await done(parts, identity, SetRole(*place, wanted.role, wanted.reason))


def _add_remove(routes: Blueprint, parts: Parts) -> None:
    @routes.delete(f"/participants{PARTICIPANT}")
    @tag(["members"])
    @document_querystring(schemas.ReasonQuery)
    @document_response(schemas.MemberAnswer)
    @refusals(*OF_MEMBERS)
    async def remove(conversation_id: str, participant_id: str) -> Response:
        """Remove a member of a lower rank. Their sockets are closed with 4503. They may come back, if it is open."""
        identity = parts.caller()
        place = conversation_id, identity.participant, participant_id
        return await done(parts, identity, Remove(*place, await _reason(parts)))


def _add_ban(routes: Blueprint, parts: Parts) -> None:
    @routes.put(f"/participants{PARTICIPANT}/ban")
    @tag(["members"])
    @document_request(schemas.SanctionBody)
    @document_response(schemas.MemberAnswer)
    @refusals(*OF_MEMBERS, Code.LIMIT_REACHED, Code.DIRECT_CONVERSATION)
    async def ban(conversation_id: str, participant_id: str) -> Response:
        """Keep somebody out; a member, of a lower rank, is removed. The same again changes nothing."""
        identity = parts.caller()
        until, reason = await sanction_terms(parts)
        place = conversation_id, identity.participant, participant_id
        return await done(parts, identity, Ban(*place, until, reason))

    @routes.delete(f"/participants{PARTICIPANT}/ban")
    @tag(["members"])
    @document_querystring(schemas.ReasonQuery)
    @document_response(schemas.MemberAnswer)
    @refusals(*OF_MEMBERS)
    async def unban(conversation_id: str, participant_id: str) -> Response:
        """Let somebody come in again. It makes nobody a member."""
        identity = parts.caller()
        place = conversation_id, identity.participant, participant_id
        return await done(parts, identity, Unban(*place, await _reason(parts)))


def _add_mute(routes: Blueprint, parts: Parts) -> None:
    @routes.put(f"/participants{PARTICIPANT}/mute")
    @tag(["members"])
    @document_request(schemas.SanctionBody)
    @document_response(schemas.MemberAnswer)
    @refusals(*OF_MEMBERS, Code.LIMIT_REACHED)
    async def mute(conversation_id: str, participant_id: str) -> Response:
        """Refuse what a member of a lower rank says. It stays if they leave and come back."""
        identity = parts.caller()
        until, reason = await sanction_terms(parts)
        place = conversation_id, identity.participant, participant_id
        return await done(parts, identity, Mute(*place, until, reason))

    @routes.delete(f"/participants{PARTICIPANT}/mute")
    @tag(["members"])
    @document_querystring(schemas.ReasonQuery)
    @document_response(schemas.MemberAnswer)
    @refusals(*OF_MEMBERS)
    async def unmute(conversation_id: str, participant_id: str) -> Response:
        """Let somebody speak again."""
        identity = parts.caller()
        place = conversation_id, identity.participant, participant_id
        return await done(parts, identity, Unmute(*place, await _reason(parts)))


def _add_lists(routes: Blueprint, parts: Parts) -> None:
    @routes.get("/participants")
    @tag(["members"])
    @document_querystring(schemas.MemberQuery)
    @document_response(schemas.Members)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def participants(conversation_id: str) -> Response:
        """List the members page by page, for those who may read them. Who comes or goes meanwhile makes none appear twice."""
        identity, asked = parts.caller(), query(schemas.MemberQuery)
        await entitled(parts, identity, conversation_id, "read_members")
        snapshot = await seen(parts, identity, conversation_id)
        since = {id: member.since for id, member in snapshot.state.members.items()}
        places = [
            ((since[each.participant.id], each.participant.id), each) for each in snapshot.members
        ]
        places.sort(key=itemgetter(0))
        start = _place(parts, asked.after)
        left = [each for each in places if start is None or each[0] > start]
        page = left[: asked.limit]
        return answer(
            {
                "participants": [member_fields(member) for _, member in page],
                "participant_count": len(since),
                "after": "{}.{}".format(*page[-1][0]) if len(left) > asked.limit else None,
            }
        )

    @routes.get("/bans")
    @tag(["members"])
    @document_response(schemas.Bans)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def bans(conversation_id: str) -> Response:
        """List who is banned, for those who may ban."""
        state = await entitled(parts, parts.caller(), conversation_id, "ban")
        return answer({"bans": _sanctions(parts, state.bans)})

    @routes.get("/mutes")
    @tag(["members"])
    @document_response(schemas.Mutes)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def mutes(conversation_id: str) -> Response:
        """List who is muted, for those who may mute."""
        state = await entitled(parts, parts.caller(), conversation_id, "mute")
        return answer({"mutes": _sanctions(parts, state.mutes)})


def _place(parts: Parts, after: str | None) -> tuple[int, str] | None:
    """The place in the order of joining, and then of the ids, that a page before gave."""
    if after is None:
        return None
    sequence, _, id = after.partition(".")
    if not (sequence.isascii() and sequence.isdecimal() and len(sequence) < 17):
        raise parts.malformed("after: is none that a page before gave")
    return int(sequence), id


async def entitled(parts: Parts, identity: Identity, conversation_id: str, action: Action) -> State:
    """The state of a conversation where the caller may do something, or is an admin. Raises the refusal if they may not."""
    state = (await seen(parts, identity, conversation_id)).state
    if not is_allowed(identity, state, action):
        raise parts.refusal(Code.FORBIDDEN)
    return state


async def done(parts: Parts, identity: Identity, command: MemberCommand) -> Response:
    """The answer to a command about another member, which the audit keeps."""
    target = command.participant_id  # type: ignore[union-attr]  # of the commands of this module
    event = await noted(parts, identity, command, target)
    return answer(
        {
            "success": True,
            "conversation_id": command.conversation_id,
            "participant_id": target,
            "sequence_id": None if isinstance(event, Unchanged) else event.sequence,
        }
    )


async def noted(parts: Parts, identity: Identity, command: MemberCommand, target: str) -> Any:
    """The outcome of a command that the audit keeps, refused or not. Raises the refusal."""
    place = f"{target} in {command.conversation_id}"
    return await noted_at(parts, identity, command, place)


async def noted_at(parts: Parts, identity: Identity, command: Command, place: str) -> Any:
    """The outcome of a command, with the audit's words for what it acts on. Raises the refusal."""
    outcome = "done"
    try:
        event = await parts.ask(identity, command)
        if isinstance(event, Unchanged):
            outcome = "was so already"
    except Refused as refused:
        outcome = refused.refusal.code
        raise
    finally:
        parts.note(identity, type(command).__name__, place, outcome)
    return event


async def sanction_terms(parts: Parts) -> tuple[int | None, str | None]:
    """Until when, and why. Raises the refusal for a time that has passed."""
    depth = parts.settings.limits.json_depth
    wanted = await body(schemas.SanctionBody, depth=depth, optional=True)
    if wanted.until is None:
        return None, wanted.reason
    return time_of(parts, wanted.until, "until"), wanted.reason


def time_of(parts: Parts, given: datetime, name: str) -> int:
    """A time of a request in milliseconds. Raises the refusal for one that has passed."""
    at = int(given.astimezone(UTC).timestamp() * 1000)
    if at <= parts.directory.sources.now():
        raise parts.malformed(f"{name}: has passed already")
    return at


async def _reason(parts: Parts) -> str | None:
    """Why, from the query or the body."""
    asked = query(schemas.ReasonQuery)
    depth = parts.settings.limits.json_depth
    return (await body(schemas.ReasonBody, depth=depth, optional=True)).reason or asked.reason


def _sanctions(parts: Parts, sanctions: dict[str, Sanction]) -> list[dict[str, Any]]:
    return [
        {
            "participant": participant_fields(each.participant),
            "by": each.by,
            "at": timestamp(each.at),
            "until": None if each.until is None else timestamp(each.until),
            "reason": each.reason,
        }
        for each in lasting(sanctions, parts.directory.sources.now()).values()
    ]
