"""What a conversation can do to messages: each call waits for its receipt, across drops, as `send` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .rules import ChangeReceipt, Frame


class Changing:
    """The changes of a conversation's messages.

    Each method names a message by its id, or a message that is still being sent by its key: the change then waits for the
    message's receipt, and fails with it. The changes of one message go out one after another, in the order of the calls, and
    again with the same key after a drop or a temporary refusal. They return the receipt, whose `sequence_id` is None where the
    message was so already, and raise Refused for a final refusal, Closed or Refused when the conversation is over.
    """

    async def _change(self, message: str, frame: Frame, key: str | None) -> ChangeReceipt:
        raise NotImplementedError

    async def edit(
        self, /, message: str, content: str, key: str | None = None, **options: Any
    ) -> ChangeReceipt:
        """Give one's own message another content.

        `options` are `metadata` (all of it; None removes it, without it it stays), `mentions` (ids of members) and `revision`:
        if the message has another one by then, the edit is refused with REVISION_CONFLICT.
        """
        frame = {"type": "message_edited", "content": content, **options}
        if "mentions" in frame:
            frame["mentions"] = [*frame["mentions"]]
        return await self._change(message, frame, key)

    async def delete(
        self, message: str, reason: str | None = None, key: str | None = None
    ) -> ChangeReceipt:
        """Delete one's own message, or as a moderator somebody's; its place stays."""
        frame = {"type": "message_deleted"} | ({} if reason is None else {"reason": reason})
        return await self._change(message, frame, key)

    async def react(self, message: str, emoji: str, key: str | None = None) -> ChangeReceipt:
        """React with one grapheme cluster, or a name in colons such as `:tada:`.

        The server has one form of each emoji, which the event names: a client that shows its own reaction at once uses that.
        """
        return await self._change(message, {"type": "reaction_added", "emoji": emoji}, key)

    async def unreact(self, message: str, emoji: str, key: str | None = None) -> ChangeReceipt:
        """Take one's own reaction back."""
        return await self._change(message, {"type": "reaction_removed", "emoji": emoji}, key)

    async def pin(self, message: str, key: str | None = None) -> ChangeReceipt:
        """Pin a message, as a moderator."""
        return await self._change(message, {"type": "message_pinned"}, key)

    async def unpin(self, message: str, key: str | None = None) -> ChangeReceipt:
        """Take a message out of the pinned ones, as a moderator."""
        return await self._change(message, {"type": "message_unpinned"}, key)
