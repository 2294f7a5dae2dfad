"""The kinds of event that change an earlier message: edited, deleted, reactions, pins.

`change` folds the event into the message, `apply` into the conversation's state. The log keeps the message's stored frame as the
message is now, so that a page of the log is right wherever it begins. An event applies to a message only where it is later than
the message's `as_of`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from . import message as messages
from .fields import BY, CONVERSATION_ID, SEQUENCE_ID, TIMESTAMP, Field, Form

if TYPE_CHECKING:
    from .message import Message
    from .model import State

MESSAGE_ID = Field("message_id", Form.ID)
KEY = Field("client_message_id", Form.ID, "key", optional=True)


@dataclass(frozen=True, slots=True)
class Edited:
    """A message has another content. `content` is left out where it has been edited again or deleted since."""

    kind: ClassVar[str] = "message_edited"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        MESSAGE_ID,
        Field("content", Form.TEXT, optional=True),
        Field("revision", Form.COUNT, description="2 after the first edit."),
        Field("mentions", Form.TEXTS, optional=True),
        Field(
            "first_mentions",
            Form.TEXTS,
            optional=True,
            description="Whom the message mentioned when it was sent, where these are others than now: they were asked.",
        ),
        Field("metadata", Form.METADATA, optional=True, description="All of it, if there is any."),
        BY,
        KEY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    message_id: str
    revision: int
    by: str
    content: str | None = None
    mentions: tuple[str, ...] | None = None
    metadata: str | None = None
    key: str | None = None
    first_mentions: tuple[str, ...] | None = None

    def change(self, message: Message) -> Message:
        """The edited message. Where the content is gone, the deletion follows; the revision stays even then."""
        if self.content is None:
            return message._replace(revision=self.revision)
        return messages.edited(
            message, self.content, self.revision, self.mentions or (), self.metadata, self.at
        )

    def without_content(self) -> Edited:
        """The edit as it stands once its content is gone, and as those see it who may not read its message."""
        return replace(self, content=None, mentions=None, metadata=None, first_mentions=None)

    def apply(self, state: State) -> None:
        """The state of a conversation has no content."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message was deleted: its content, former revisions and reactions are gone, its place stays."""

    kind: ClassVar[str] = "message_deleted"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        MESSAGE_ID,
        Field("reason", Form.TEXT, optional=True),
        Field(
            "thread_id",
            Form.ID,
            optional=True,
            description="Where the message was a reply: the root of its thread, which has one reply less.",
        ),
        BY,
        KEY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    message_id: str
    by: str
    reason: str | None = None
    thread_id: str | None = None
    key: str | None = None

    def change(self, message: Message) -> Message:
        """What is left of the message."""
        return messages.deleted(message)

    def apply(self, state: State) -> None:
        """Take a deleted message out of the pinned ones."""
        _unpin(state, self.message_id)


@dataclass(frozen=True, slots=True)
class ReactionAdded:
    """A participant has reacted to a message: one of a kind each."""

    kind: ClassVar[str] = "reaction_added"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        MESSAGE_ID,
        Field("emoji", Form.TEXT),
        BY,
        KEY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    message_id: str
    emoji: str
    by: str
    key: str | None = None

    def change(self, message: Message) -> Message:
        """The message with the reaction."""
        return messages.reacted(message, self.emoji, self.by)

    def apply(self, state: State) -> None:
        """The state of a conversation has no reactions."""


@dataclass(frozen=True, slots=True)
class ReactionRemoved:
    """A participant has taken a reaction back."""

    kind: ClassVar[str] = "reaction_removed"
    frame: ClassVar[tuple[Field, ...]] = (
        *ReactionAdded.frame,
        Field(
            "next",
            Form.ID,
            "successor",
            optional=True,
            description="The participant who is now the last of those that the message shows.",
        ),
    )

    conversation_id: str
    sequence: int
    at: int
    message_id: str
    emoji: str
    by: str
    key: str | None = None
    successor: str | None = None

    def change(self, message: Message) -> Message:
        """The message without the reaction."""
        return messages.unreacted(message, self.emoji, self.by)

    def apply(self, state: State) -> None:
        """The state of a conversation has no reactions."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A message was pinned."""

    kind: ClassVar[str] = "message_pinned"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        MESSAGE_ID,
        BY,
        KEY,
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    message_id: str
    by: str
    key: str | None = None

    def change(self, message: Message) -> Message:
        """The message, pinned."""
        return message._replace(is_pinned=True)

    def apply(self, state: State) -> None:
        """Add the message to the pinned ones."""
        state.pinned = (*state.pinned, self.message_id)


@dataclass(frozen=True, slots=True)
class Unpinned:
    """A message is no longer pinned."""

    kind: ClassVar[str] = "message_unpinned"
    frame: ClassVar[tuple[Field, ...]] = Pinned.frame

    conversation_id: str
    sequence: int
    at: int
    message_id: str
    by: str
    key: str | None = None

    def change(self, message: Message) -> Message:
        """The message, no longer pinned."""
        return message._replace(is_pinned=False)

    def apply(self, state: State) -> None:
        """Take the message out of the pinned ones."""
        _unpin(state, self.message_id)


ChangeEvent = Edited | Deleted | ReactionAdded | ReactionRemoved | Pinned | Unpinned


def _unpin(state: State, message_id: str) -> None:
    if message_id in state.pinned:
        state.pinned = tuple(id for id in state.pinned if id != message_id)
