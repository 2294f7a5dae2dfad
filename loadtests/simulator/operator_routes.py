"""Routes of operators, and of people about their own data, as functions of the server's parts: as `routes`."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal
from zipfile import ZipFile

from salon.actors.messages import Revoke
from salon.actors.model import Participant
from salon.actors.refusals import Code
from salon.actors.tokens import IssuedToken
from salon.web.privacy import export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from salon.web.http.request import Parts
    from salon.web.identity.identity import Identity
    from salon.web.webhooks import Webhooks

LIMIT = 100  # conversations of a list


async def issue(
    parts: Parts, root: Identity, who: Participant, seconds: int
) -> tuple[str, str, int]:
    """`POST /admin/tokens`; the token, its name and its end."""
    access = parts.identities.access
    if access.is_blocked(who.id):
        raise parts.malformed("this person is blocked")
    name = await parts.identities.name_of(who.id) or who.name
    token, identity = parts.identities.issue_limited(
        who._replace(name=name), seconds=seconds, admin=False, conversations=None
    )
    token_id, expires_at = identity.token_id, identity.expires_at
    assert token_id is not None
    assert expires_at is not None
    issued_at = identity.issued_at
    by, who = root.participant.id, identity.participant
    issued = IssuedToken(0, token_id, who, False, None, issued_at, expires_at, by)
    await access.save_token(issued)
    return token, token_id, expires_at


async def revoke(parts: Parts, root: Identity, person: str, token_id: str | None) -> None:
    """`DELETE /admin/tokens/{token_id}`, or without one `DELETE /admin/tokens`."""
    access, now = parts.identities.access, parts.directory.sources.now()
    if token_id is None:
        await access.revoke_all(person, now)
    elif await access.revoke_issued(token_id, now) is None:
        raise parts.refusal(Code.NOT_FOUND)
    parts.directory.revoke(person, Revoke(token_id))
    await parts.share()  # type: ignore[attr-defined]


async def block(parts: Parts, root: Identity, person: str) -> None:
    """`PUT /admin/people/{id}/block`."""
    await parts.identities.access.block(person, parts.directory.sources.now())
    parts.directory.revoke(person, Revoke(blocked=True))
    await parts.share()  # type: ignore[attr-defined]


async def unblock(parts: Parts, root: Identity, person: str) -> None:
    """`DELETE /admin/people/{id}/block`."""
    if not await parts.identities.access.unblock(person):
        raise parts.refusal(Code.NOT_FOUND)
    await parts.share()  # type: ignore[attr-defined]


async def erase(parts: Parts, who: Identity, person: str) -> str:
    """`POST /admin/people/{id}/erasure`, or `DELETE /me`; the erasure's id."""
    assert parts.erasures is not None
    asked = await parts.erasures.ask(person, who.participant.id)
    await parts.share()  # type: ignore[attr-defined]
    return asked.id


async def erasure(parts: Parts, who: Identity, erasure_id: str) -> str:
    """`GET /erasures/{id}`: how far it is."""
    assert parts.erasures is not None
    found = await parts.erasures.find(erasure_id)
    if found is None:
        raise parts.refusal(Code.NOT_FOUND)
    return parts.erasures.state_of(found)


async def hold(
    parts: Parts, root: Identity, kind: Literal["person", "conversation"], subject: str
) -> str:
    """`POST /admin/holds`; the hold's id."""
    assert parts.holds is not None
    by = root.participant.id
    placed = await parts.holds.place(kind, subject, reason="a case", by=by)
    await parts.share()  # type: ignore[attr-defined]
    return placed.id


async def release(parts: Parts, root: Identity, hold_id: str) -> None:
    """`DELETE /admin/holds/{id}`."""
    assert parts.holds is not None
    if await parts.holds.release(hold_id) is None:
        raise parts.refusal(Code.NOT_FOUND)
    await parts.share()  # type: ignore[attr-defined]


async def archive(parts: Parts, root: Identity, person: str) -> dict[str, list[dict[str, Any]]]:
    """`GET /admin/people/{id}/export`: the person's events by conversation."""
    shelf: Any = NoContents()
    who = type(root)(Participant(person, person))
    pieces = export(who, parts.directory, parts.people, parts.identities.access, shelf)
    data = b"".join([piece async for piece in pieces])
    found: dict[str, list[dict[str, Any]]] = {}
    for line in ZipFile(BytesIO(data)).read("events.ndjson").splitlines():
        event = json.loads(line)
        found.setdefault(event.get("message", event)["conversation_id"], []).append(event)
    return found


class NoContents:
    """A shelf without contents: in a simulation files have rows only."""

    async def read(self, file: object, start: int, end: int) -> AsyncIterator[bytes]:
        """Nothing."""
        for piece in list[bytes]():
            yield piece


async def conversations(parts: Parts, who: Identity) -> dict[str, int]:
    """`GET /chat/list`: the number of unread messages of each of the caller's conversations."""
    page = await parts.directory.store.listing(
        who.participant.id, limit=LIMIT, archived=None
    ).wait()
    return {each.conversation_id: each.unread_count for each in page.summaries}


async def retry(parts: Parts, root: Identity, url: str) -> None:
    """`POST /admin/webhooks/{id}/retry`."""
    webhooks = _webhooks(parts)
    for row in await webhooks.rows():
        if row.url == url:
            await webhooks.retry(row.webhook_id)


async def replay(
    parts: Parts, root: Identity, url: str, conversation_id: str, sequence: int
) -> None:
    """`POST /admin/webhooks/{id}/replay`."""
    webhooks = _webhooks(parts)
    snapshot = await parts.directory.look(conversation_id)
    assert snapshot is not None
    for row in await webhooks.rows():
        if row.url == url:
            number = snapshot.state.number
            await webhooks.replay(row.webhook_id, number, conversation_id, sequence)


def _webhooks(parts: Parts) -> Webhooks:
    """The webhooks; of several nodes only the one that keeps them answers."""
    if not parts.webhooks_here():  # type: ignore[attr-defined]
        raise parts.malformed("the webhooks are kept by another node: ask it")
    found: Webhooks = parts.webhooks  # type: ignore[attr-defined]  # as those of a server with operators
    return found
