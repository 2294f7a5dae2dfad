"""What can be done to messages over HTTP, as methods of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from .rules import MessageHeld, given

if TYPE_CHECKING:
    from .rules import Frame
    from .wire import Headers


class Requester(Protocol):
    """The client, as its calls use it."""

    async def request(
        self, method: str, path: str, body: Frame | None = None, more: Headers = ()
    ) -> Frame: ...

    def new_key(self) -> str: ...


class ChangeCalls:
    """The calls of a client that change messages, see docs/changes.md.

    Each is asked once, with a `key` of its own: after Unreachable, ask again with the same one. It returns the receipt, with the
    `message` as it is now, and may raise Refused and Unreachable; an edit that waits for a moderator raises MessageHeld.
    """

    async def edit(
        self: Requester,
        /,
        conversation_id: str,
        message_id: str,
        content: str,
        key: str | None = None,
        **options: Any,
    ) -> Frame:
        """Give one's own message another content; `options` are `metadata`, `mentions` and `revision`."""
        body = {"content": content, **options}
        return await _change(self, "PATCH", conversation_id, message_id, key, body=body)

    async def delete(
        self: Requester,
        conversation_id: str,
        message_id: str,
        reason: str | None = None,
        key: str | None = None,
    ) -> Frame:
        """Delete one's own message, or as a moderator somebody's; its place stays."""
        body = given(reason=reason)
        return await _change(self, "DELETE", conversation_id, message_id, key, body=body)

    async def react(
        self: Requester, conversation_id: str, message_id: str, emoji: str, key: str | None = None
    ) -> Frame:
        """React with one grapheme cluster, or a name in colons such as `:tada:`."""
        what = f"/reactions/{_quoted(emoji)}"
        return await _change(self, "PUT", conversation_id, message_id, key, what)

    async def unreact(
        self: Requester, conversation_id: str, message_id: str, emoji: str, key: str | None = None
    ) -> Frame:
        """Take one's own reaction back."""
        what = f"/reactions/{_quoted(emoji)}"
        return await _change(self, "DELETE", conversation_id, message_id, key, what)

    async def pin(
        self: Requester, conversation_id: str, message_id: str, key: str | None = None
    ) -> Frame:
        """Pin a message, as a moderator."""
        return await _change(self, "PUT", conversation_id, message_id, key, "/pin")

    async def unpin(
        self: Requester, conversation_id: str, message_id: str, key: str | None = None
    ) -> Frame:
        """Take a message out of the pinned ones, as a moderator."""
        return await _change(self, "DELETE", conversation_id, message_id, key, "/pin")

    async def thread(
        self: Requester,
        conversation_id: str,
        message_id: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Frame:
        """A message with a page of the replies in its thread, `{root, replies, read_sequence_id, unread_count, has_more}`."""
        query = urlencode(given(after=after, before=before, limit=limit))
        path = f"/chat/{_quoted(conversation_id)}/threads/{_quoted(message_id)}"
        return await self.request("GET", f"{path}?{query}")


async def _change(
    client: Requester,
    method: str,
    conversation_id: str,
    message_id: str,
    key: str | None,
    what: str = "",
    body: Frame | None = None,
) -> Frame:
    path = f"/chat/{_quoted(conversation_id)}/messages/{_quoted(message_id)}{what}"
    answer = await client.request(
        method, path, body, [("Idempotency-Key", key or client.new_key())]
    )
    if "held_id" in answer:
        raise MessageHeld(answer)
    return answer


def _quoted(text: str) -> str:
    return quote(text, safe="")
