"""The calls about members: roles, removal, bans, mutes, invites, requests to join, and direct conversations."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote, urlencode

from .rules import Frame, given


class Requester(Protocol):
    """What these calls are made with."""

    async def request(self, method: str, path: str, body: Frame | None = None) -> Frame: ...


class MemberCalls:
    """What people do to people, as methods of `Client`. Nobody acts on an equal or a higher rank.

    `until` is ISO 8601 with a time zone; without it a ban or a mute lasts until somebody ends it. The answer to most calls is
    `{participant_id, sequence_id}`, with null for the sequence where it was so already.
    """

    async def direct(self: Requester, user_id: str, name: str | None = None) -> Frame:
        """The one conversation with another person, made if it is not there: as `create` answers."""
        body = {"user_id": user_id, **given(name=name)}
        return await self.request("POST", "/chat/direct", body)

    async def delete_conversation(self: Requester, conversation_id: str) -> Frame:
        """Delete a conversation with everything in it, for everybody and for good: for owners."""
        return await self.request("DELETE", _of(conversation_id))

    async def set_preferences(
        self: Requester,
        conversation_id: str,
        *,
        archived: bool | None = None,
        muted: bool | str | None = None,
        pinned: bool | None = None,
    ) -> Frame:
        """Archive, mute or pin a conversation for oneself. `muted` is true, false, or a time: ISO 8601 with a time zone."""
        body = given(archived=archived, muted=muted, pinned=pinned)
        return await self.request("PATCH", _of(conversation_id, "me"), body)

    async def held(
        self: Requester, conversation_id: str, state: str = "open", before: int | None = None
    ) -> Frame:
        """A page of the messages that wait for a decision, or that are closed: one's own, or for moderators all."""
        query = urlencode({"state": state, **given(before=before)})
        return await self.request("GET", f"{_of(conversation_id, 'held')}?{query}")

    async def approve_held(self: Requester, conversation_id: str, held_id: int) -> Frame:
        """Post a held message of somebody else, as its sender."""
        path = _of(conversation_id, "held", str(held_id), "approve")
        return await self.request("POST", path)

    async def deny_held(
        self: Requester, conversation_id: str, held_id: int, reason: str | None = None
    ) -> Frame:
        """Drop a held message of somebody else."""
        path = _of(conversation_id, "held", str(held_id), "deny")
        return await self.request("POST", path, given(reason=reason))

    async def set_role(
        self: Requester,
        conversation_id: str,
        participant_id: str,
        role: str,
        reason: str | None = None,
    ) -> Frame:
        """Give a member another role: owner, moderator, member or observer."""
        path = _of(conversation_id, "participants", participant_id, "role")
        return await self.request("POST", path, {"role": role, **given(reason=reason)})

    async def remove(
        self: Requester, conversation_id: str, participant_id: str, reason: str | None = None
    ) -> Frame:
        """Remove a member."""
        path = _of(conversation_id, "participants", participant_id)
        return await self.request("DELETE", _why(path, reason))

    async def ban(
        self: Requester,
        conversation_id: str,
        participant_id: str,
        until: str | None = None,
        reason: str | None = None,
    ) -> Frame:
        """Keep somebody out; a member is removed."""
        path = _of(conversation_id, "participants", participant_id, "ban")
        return await self.request("PUT", path, given(until=until, reason=reason))

    async def unban(
        self: Requester, conversation_id: str, participant_id: str, reason: str | None = None
    ) -> Frame:
        """Let somebody in again who was kept out."""
        path = _of(conversation_id, "participants", participant_id, "ban")
        return await self.request("DELETE", _why(path, reason))

    async def mute(
        self: Requester,
        conversation_id: str,
        participant_id: str,
        until: str | None = None,
        reason: str | None = None,
    ) -> Frame:
        """Refuse what a member says."""
        path = _of(conversation_id, "participants", participant_id, "mute")
        return await self.request("PUT", path, given(until=until, reason=reason))

    async def unmute(
        self: Requester, conversation_id: str, participant_id: str, reason: str | None = None
    ) -> Frame:
        """Let a member speak again."""
        path = _of(conversation_id, "participants", participant_id, "mute")
        return await self.request("DELETE", _why(path, reason))

    async def members(
        self: Requester, conversation_id: str, after: str | None = None, limit: int = 100
    ) -> Frame:
        """A page of the members, in the order of joining; its `after` asks for the next one."""
        query = urlencode(given(after=after, limit=limit))
        return await self.request("GET", f"{_of(conversation_id, 'participants')}?{query}")

    async def bans(self: Requester, conversation_id: str) -> Frame:
        """Who is kept out, for those who may ban: `{bans}`, each with `participant`, `by`, `until` and `reason`."""
        return await self.request("GET", _of(conversation_id, "bans"))

    async def mutes(self: Requester, conversation_id: str) -> Frame:
        """Who is muted, for those who may mute: `{mutes}`, as `bans` gives them."""
        return await self.request("GET", _of(conversation_id, "mutes"))

    async def create_invite(
        self: Requester,
        conversation_id: str,
        *,
        expires_in: int | None = 604_800,
        max_uses: int | None = None,
        role: str = "member",
    ) -> Frame:
        """A link to come in by, `{code, url, invite_id, ...}`; the code is shown only now. `expires_in` is in seconds."""
        body = {"expires_in": expires_in, "role": role, **given(max_uses=max_uses)}
        return await self.request("POST", _of(conversation_id, "invites"), body)

    async def invites(self: Requester, conversation_id: str) -> Frame:
        """The invites that may still be used: `{invites}`. All for those who may remove members, else the caller's own."""
        return await self.request("GET", _of(conversation_id, "invites"))

    async def revoke_invite(self: Requester, conversation_id: str, code: str) -> Frame:
        """End an invite, named by its code or its id."""
        return await self.request("DELETE", _of(conversation_id, "invites", code))

    async def accept_invite(self: Requester, code: str) -> Frame:
        """Come in by an invite; `{conversation}`. Refused with INVITE_EXPIRED where it is used up, expired or revoked."""
        return await self.request("POST", f"/invites/{quote(code, safe='')}")

    async def request_join(
        self: Requester, conversation_id: str, reason: str | None = None
    ) -> Frame:
        """Ask to be let in where one comes in by invitation."""
        path = _of(conversation_id, "join-requests")
        return await self.request("POST", path, given(reason=reason))

    async def join_requests(self: Requester, conversation_id: str) -> Frame:
        """Who asks to be let in, the first first: `{join_requests}`, each with `participant`, `requested_at` and `reason`."""
        return await self.request("GET", _of(conversation_id, "join-requests"))

    async def approve_join(self: Requester, conversation_id: str, participant_id: str) -> Frame:
        """Let somebody in who has asked to be."""
        path = _of(conversation_id, "join-requests", participant_id, "approve")
        return await self.request("POST", path)

    async def deny_join(
        self: Requester, conversation_id: str, participant_id: str, reason: str | None = None
    ) -> Frame:
        """Refuse to let somebody in who has asked to be."""
        path = _of(conversation_id, "join-requests", participant_id, "deny")
        return await self.request("POST", path, given(reason=reason))

    async def report(self: Requester, conversation_id: str, message_id: str, reason: str) -> Frame:
        """Report a message to the operators; other members are not told."""
        path = _of(conversation_id, "messages", message_id, "report")
        return await self.request("POST", path, {"reason": reason})


def _of(conversation_id: str, *parts: str) -> str:
    return "/".join(("/chat", *(quote(part, safe="") for part in (conversation_id, *parts))))


def _why(path: str, reason: str | None) -> str:
    return path if reason is None else f"{path}?{urlencode({'reason': reason})}"
