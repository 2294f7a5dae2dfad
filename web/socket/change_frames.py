"""The frames that change earlier messages: each has the name of the event that it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import regex
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from salon.actors.blank import is_blank
from salon.actors.change_messages import (
    AddReaction,
    DeleteMessage,
    EditMessage,
    PinMessage,
    RemoveReaction,
    UnpinMessage,
)
from salon.actors.events import REMOVED
from salon.actors.mentions import MENTIONS

from ..emoji import canonical_emoji
from ..names import ID_LENGTH
from .run_parts import KEY_LENGTH, LAST_SEQUENCE, metadata_text

if TYPE_CHECKING:
    from salon.actors.change_messages import ChangeCommand
    from salon.actors.model import Participant

EMOJI_LENGTH = 64  # code points: the longest emoji, a family with skin tones, has 11
REASON_LENGTH = 500  # code points: two sentences, which a log can show
_NAMED = regex.compile(r":[a-z0-9_+-]{1,62}:")
_CLUSTER = regex.compile(r"\X")


def emoji(text: str) -> str:
    """The kind of reaction: one grapheme cluster that shows something, in its one form, or a name in colons."""
    text = canonical_emoji(text)
    visible = _CLUSTER.fullmatch(text) is not None and not is_blank(text)
    if visible or _NAMED.fullmatch(text) is not None:
        return text
    raise ValueError(
        "an emoji is one character as people see it, or a name in colons such as :tada:"
    )


Emoji = Annotated[
    str,
    Field(
        min_length=1,
        max_length=EMOJI_LENGTH,
        description="One grapheme cluster, or a name in colons such as `:tada:`; stored in Unicode's form NFC, as the picture.",
    ),
    AfterValidator(emoji),
]
MessageName = Annotated[
    str, Field(min_length=1, max_length=KEY_LENGTH, description="The message's `message_id`.")
]
Key = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=KEY_LENGTH,
        description="The client's own key: the same key again is the same change, for ever.",
    ),
]
Reason = Annotated[str | None, Field(min_length=1, max_length=REASON_LENGTH)]
Revision = Annotated[
    int | None,
    Field(
        ge=1,
        le=LAST_SEQUENCE,
        description="The revision that the edit is based on: if the message has another, REVISION_CONFLICT is the answer.",
    ),
]
Named = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=ID_LENGTH)]] | None,
    Field(max_length=MENTIONS, description="Ids of members who are mentioned, as in a message."),
]
NewMetadata = Annotated[
    dict[str, Any] | None,
    Field(
        description="All of the message's metadata; null removes it, left out it stays as it is."
    ),
]


class ChangeFrame(BaseModel):
    """A frame that changes a message. The answer is `change_ack`, or `error` with the same `client_message_id`."""

    model_config = ConfigDict(strict=True, frozen=True)

    message_id: MessageName
    client_message_id: Key = None


class EditFrame(ChangeFrame):
    """Give one's own message another content. The answer is `change_ack`."""

    type: Literal["message_edited"] = "message_edited"
    content: str = Field(json_schema_extra={"minLength": 1}, description="Refused if blank.")
    metadata: NewMetadata = None
    revision: Revision = None
    mentions: Named = None


class DeleteFrame(ChangeFrame):
    """Delete one's own message, or as a moderator somebody's. The answer is `change_ack`."""

    type: Literal["message_deleted"] = "message_deleted"
    reason: Reason = None


class ReactFrame(ChangeFrame):
    """React to a message. The answer is `change_ack`, without a `sequence_id` if the reaction was there already."""

    type: Literal["reaction_added"] = "reaction_added"
    emoji: Emoji


class UnreactFrame(ChangeFrame):
    """Take one's own reaction back. The answer is `change_ack`."""

    type: Literal["reaction_removed"] = "reaction_removed"
    emoji: Emoji


class PinFrame(ChangeFrame):
    """Pin a message, as a moderator. The answer is `change_ack`."""

    type: Literal["message_pinned"] = "message_pinned"


class UnpinFrame(ChangeFrame):
    """Take a message out of the pinned ones, as a moderator. The answer is `change_ack`."""

    type: Literal["message_unpinned"] = "message_unpinned"


AnyChangeFrame = EditFrame | DeleteFrame | ReactFrame | UnreactFrame | PinFrame | UnpinFrame
CHANGE_FRAMES: frozenset[type[ChangeFrame]] = frozenset(get_args(AnyChangeFrame))


def change_command(
    frame: AnyChangeFrame,
    conversation_id: str,
    sender: Participant,
) -> ChangeCommand:
    """The command of a frame. Raises `ValueError` for metadata that is too large."""
    place = conversation_id, sender, frame.message_id
    key = frame.client_message_id
    match frame:
        case EditFrame():
            metadata = None
            if "metadata" in frame.model_fields_set:
                metadata = metadata_text(frame.metadata) or REMOVED
            mentions = tuple(frame.mentions or ())
            return EditMessage(*place, frame.content, metadata, frame.revision, mentions, key)
        case DeleteFrame():
            return DeleteMessage(*place, frame.reason, key)
        case ReactFrame():
            return AddReaction(*place, frame.emoji, key)
        case UnreactFrame():
            return RemoveReaction(*place, frame.emoji, key)
        case PinFrame():
            return PinMessage(*place, key)
        case UnpinFrame():
            return UnpinMessage(*place, key)
