"""The schemas of requests and answers about what is done to messages."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ..http import PostHeaders
from ..socket import Content, Key, Mentions, NewMetadata, Reason, Revision
from .schemas import Body, Message


class EditHeaders(PostHeaders):
    """The key that makes a retry safe, and the revision that the edit is based on."""

    if_match: str | None = Field(
        default=None, description="Another name for `revision`: a number, in quotes or without."
    )


class EditBody(Body):
    """The new content of a message. The header `Idempotency-Key` is another name for `client_message_id`."""

    content: Content
    metadata: NewMetadata = None
    revision: Revision = None
    mentions: Mentions = None
    client_message_id: Key = None


class DeleteBody(Body):
    """Why a message is deleted; the body may be left out."""

    reason: Reason = None
    client_message_id: Key = None


class ChangeModel(BaseModel):
    """What became of a change: the event that made it, if one was needed, and the message as it is now."""

    conversation_id: str
    message_id: str
    sequence_id: int | None = Field(
        default=None, description="Of the event; left out where the message was so already."
    )
    timestamp: str
    client_message_id: str | None = None
    revision: int
    durability: str
    event_hash: str | None = None
    message: Message | None = Field(
        default=None, description="The message as it is now; only over HTTP."
    )


class ThreadPage(BaseModel):
    """A message and a page of the replies to it. `unread_count` counts those that came after `read_sequence_id`."""

    root: Message
    replies: list[Message]
    read_sequence_id: int
    unread_count: int
    has_more: bool
