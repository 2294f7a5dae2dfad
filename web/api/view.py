"""The view that a member has of a conversation: the permission, the number of unread messages, and the whole object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from salon.actors.model import FOR_EVER, Preferences
from salon.actors.posted import sequence_of
from salon.actors.refusals import Code
from salon.actors.rights import allowed_here, first_readable, least, may, table

from ..socket import member_fields, message_of, preference_fields, timestamp
from . import schemas

if TYPE_CHECKING:
    from salon.actors.directory import Snapshot
    from salon.actors.model import Action, Member, State

    from ..http import Parts
    from ..identity import Identity

MESSAGES_SHOWN = 100  # in the conversation object
PAGES_SEARCHED = 10  # of a hundred events, for that many messages: more joins and leaves are rare


async def seen(parts: Parts, identity: Identity, conversation_id: str) -> Snapshot:
    """The conversation, if the caller may see it. The refusal is the same for an unknown and a forbidden conversation."""
    snapshot = await parts.directory.look(conversation_id)
    if snapshot is None or not (
        identity.admin or identity.participant.id in snapshot.state.members
    ):
        raise parts.refusal(Code.NOT_FOUND)
    return snapshot


def is_allowed(identity: Identity, state: State, action: Action) -> bool:
    """Whether the caller may do something here; an admin may do everything."""
    member = state.members.get(identity.participant.id)
    return identity.admin or (member is not None and may(state, member, action))


def readable_from(identity: Identity, state: State) -> int:
    """The first sequence that the caller may read; an admin reads everything."""
    member = state.members.get(identity.participant.id)
    return 1 if identity.admin or member is None else first_readable(state, member)


class Unread(NamedTuple):
    """The number of messages that somebody has not read, and of those that mention them."""

    messages: int = 0
    mentions: int = 0


async def unread_of(parts: Parts, snapshot: Snapshot, reader: str, sequence: int) -> Unread:
    """What is unread for a participant who has read up to a sequence."""
    if sequence >= snapshot.state.head:
        return Unread()
    number, store = snapshot.state.number, parts.directory.store
    messages = store.messages_after(number, sequence)
    mentions = store.mentions_after(number, reader, sequence)
    return Unread(await messages.wait(), await mentions.wait())


async def conversation_json(parts: Parts, snapshot: Snapshot, identity: Identity) -> bytes:
    """The conversation object. Its messages are copied from the log without parsing."""
    state = snapshot.state
    reader = identity.participant.id
    unread = (
        await unread_of(parts, snapshot, reader, state.reads.get(reader, 0))
        if reader in state.members
        else Unread()
    )
    fields = _fields(snapshot, unread, identity, parts.directory.sources.now())
    messages = await _last_messages(parts, snapshot, fields["oldest_sequence_id"])
    head = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return head[:-1] + b',"messages":[' + b",".join(messages) + b"]}"


def _fields(snapshot: Snapshot, unread: Unread, identity: Identity, now: int) -> dict[str, Any]:
    """The conversation object without its messages, as the caller may see it."""
    state = snapshot.state
    oldest = readable_from(identity, state)
    member = state.members.get(identity.participant.id)
    shown = snapshot.members
    if not is_allowed(identity, state, "read_members"):
        shown = tuple(each for each in shown if each.participant.id == identity.participant.id)
    return {
        "id": state.id,
        "title": state.title,
        "mode": state.mode,
        "sites": list(state.sites),
        "enable_ai": state.enable_ai,
        "join": state.join,
        "members_invite": least(state, "invite") in ("member", "observer"),
        "share_reads": state.share_reads,
        "metadata": None if state.metadata is None else json.loads(state.metadata),
        "pinned": [each for each in state.pinned if sequence_of(each) >= oldest],
        "participants": [member_fields(each) for each in shown],
        "head_sequence_id": state.head,
        "created_at": timestamp(state.created_at),
        "updated_at": timestamp(state.updated_at),
        "ended_at": None if state.ended_at is None else timestamp(state.ended_at),
        "participant_count": len(state.members),
        "message_count": state.messages,
        "unread_count": unread.messages,
        "mention_count": unread.mentions,
        "status": "active" if state.ended_at is None else "inactive",
        "permissions": table(state),
        "may": [] if member is None else allowed_here(state, member),
        "history": state.history,
        "oldest_sequence_id": oldest,
        "slow_mode": state.slow_mode,
        "retention": {"days": state.retention},
        "direct": state.direct,
        "me": None if member is None else kept_fields(_kept(state, member), now),
    }


def _kept(state: State, member: Member) -> Preferences:
    return state.preferences.get(member.participant.id, Preferences())


def kept_fields(kept: Preferences, now: int) -> dict[str, Any]:
    """How somebody keeps a conversation; a mute that is over is none."""
    return preference_fields(kept._replace(muted=0) if FOR_EVER < kept.muted <= now else kept)


async def _last_messages(parts: Parts, snapshot: Snapshot, oldest: int) -> list[bytes]:
    found: list[bytes] = []
    before = snapshot.state.head + 1
    for _ in range(PAGES_SEARCHED):
        page = await parts.directory.store.read(
            snapshot.state.number, before=before, limit=schemas.PAGE
        ).wait()
        if not page.records:
            raise parts.refusal(Code.NOT_FOUND)  # it was deleted since it was looked at
        readable = (each for each in page.records if each.sequence >= oldest)
        shown = (r for r in readable if r.is_message and r.relation is None)
        found = [message_of(record.body) for record in shown] + found
        if not page.has_more or len(found) >= MESSAGES_SHOWN:
            break
        before = page.records[0].sequence
        if before <= oldest:
            break
    return found[-MESSAGES_SHOWN:]
