"""Routes of the server that are more than one command, as functions of its parts: what `web/api` does without Quart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from salon.actors.files import StoredFile
from salon.actors.member_messages import AcceptInvite, OpenDirect
from salon.actors.member_rules import silenced
from salon.actors.model import Entrant, Participant
from salon.actors.refusals import Code
from salon.actors.rights import may
from salon.actors.rules import named_sequence
from salon.actors.search import Sought, parse
from salon.actors.store import Report
from salon.web.api import held as held_routes
from salon.web.api import invites
from salon.web.api.view import is_allowed, readable_from, seen
from salon.web.http.request import Refused

if TYPE_CHECKING:
    from salon.actors.held import HeldMessage
    from salon.web.http.request import Parts
    from salon.web.identity.identity import Identity

    from .disk import Disk

LIMIT = 50  # hits and held messages of a page


async def accept(parts: Parts, who: Identity, invite_id: str) -> str:
    """`POST /invites/{code}`; the conversation."""
    conversation_id = await parts.directory.store.conversation_of(invite_id).wait()
    if conversation_id is None:
        raise parts.refusal(Code.NOT_FOUND)
    await parts.ask(who, AcceptInvite(conversation_id, who.participant, invite_id))
    return conversation_id


async def direct(parts: Parts, who: Identity, other: Participant) -> str:
    """`POST /chat/direct`; the conversation."""
    id = invites.direct_id(who.participant.id, other.id)
    if await parts.directory.look(id) is None:
        await parts.ask(who, OpenDirect(id, who.participant, "Direct", Entrant(other)))
    await seen(parts, who, id)
    return id


async def search(
    parts: Parts, who: Identity, conversation_id: str, words: str
) -> list[dict[str, Any]]:
    """`GET /chat/search` in one conversation: the events of the hits and those beside them."""
    await seen(parts, who, conversation_id)
    sought = Sought(who.participant.id, parse(words), conversation_id, limit=LIMIT)
    found = await parts.directory.store.search(sought).wait()
    bodies = [body for hit in found.hits for body in (hit.body, hit.before, hit.after)]
    return [json.loads(body) for body in bodies if body is not None]


async def report(parts: Parts, who: Identity, conversation_id: str, message_id: str) -> int:
    """`POST /chat/{id}/messages/{message_id}/report`; the report's position."""
    state = (await seen(parts, who, conversation_id)).state
    sequence, store = named_sequence(conversation_id, message_id) or 0, parts.directory.store
    if sequence < readable_from(who, state):
        raise parts.refusal(Code.NOT_FOUND)
    if sequence not in await store.senders_among(state.number, (sequence,)).wait():
        raise parts.refusal(Code.NOT_FOUND)
    now, reporter = parts.directory.sources.now(), who.participant.id
    wanted = Report(0, conversation_id, sequence, reporter, "it is bad", now)
    return (await store.save_report(wanted).wait()).position


async def held(parts: Parts, who: Identity, conversation_id: str) -> list[int]:
    """`GET /chat/{id}/held`: the positions of what waits, for those who may decide."""
    state = (await seen(parts, who, conversation_id)).state
    if not is_allowed(who, state, "delete_any"):
        return []
    page = await parts.directory.store.held_messages(number=state.number, limit=LIMIT).wait()
    return [each.position for each in page.messages]


async def decide(
    parts: Parts, who: Identity, conversation_id: str, position: int, *, approve: bool
) -> HeldMessage:
    """`POST /chat/{id}/held/{held_id}/approve` or `/deny`."""
    await held_routes._may_decide(parts, who, conversation_id, position)
    if approve:
        return await held_routes.approved(parts, who, position)
    return await held_routes.denied(parts, who, position, "no")


async def upload(parts: Parts, who: Identity, disk: Disk, conversation_id: str) -> str:
    """`POST /chat/{id}/files`, without the content; the file's id."""
    state = (await seen(parts, who, conversation_id)).state
    uploader, now = who.participant.id, parts.directory.sources.now()
    if not may(state, state.members[uploader], "post"):
        raise parts.refusal(Code.FORBIDDEN)
    if (muted := silenced(state, uploader, now)) is not None:
        raise Refused(muted)
    file_id = parts.directory.sources.new_id()
    name = f"what {uploader} calls {file_id}"
    file = StoredFile(
        file_id, state.number, uploader, f"content of {file_id}", name, "text/plain", 9, now
    )
    await disk.announce_file(file).wait()
    await disk.add_file(file_id).wait()
    return file_id
