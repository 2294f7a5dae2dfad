"""The commands that change an earlier message, and their outcome.

`key` is the client's own key of the change: the same key from the same sender is the same change, for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, get_args

if TYPE_CHECKING:
    from .message import Message
    from .model import Durability, Participant


@dataclass(frozen=True, slots=True)
class EditMessage:
    """Give a message another content.

    `metadata` is JSON text; None leaves it as it is, the text `null` removes it. With `revision` the edit is refused where the
    message has another one by now. `mentions` are the ids that the client named; names in the text are added.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    message_id: str
    content: str
    metadata: str | None = None
    revision: int | None = None
    mentions: tuple[str, ...] = ()
    key: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteMessage:
    """Delete a message for everybody and for ever; its place stays.

    `by_operator` is true for an operator of the server, who need not be a member and has no rank.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    message_id: str
    reason: str | None = None
    key: str | None = None
    by_operator: bool = False


@dataclass(frozen=True, slots=True)
class AddReaction:
    """React to a message. `emoji` is one grapheme cluster, or a name in colons."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    message_id: str
    emoji: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveReaction:
    """Take the sender's own reaction back."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    message_id: str
    emoji: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class PinMessage:
    """Pin a message."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    message_id: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class UnpinMessage:
    """Take a message out of the pinned ones."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    message_id: str
    key: str | None = None


ChangeCommand = (
    EditMessage | DeleteMessage | AddReaction | RemoveReaction | PinMessage | UnpinMessage
)
CHANGE_COMMANDS = frozenset(get_args(ChangeCommand))


class Changed(NamedTuple):
    """The promise that a message is as a command wants it.

    `sequence` is that of the event that changed it, 0 where it was so already. `message` is what it is then.
    `duplicate` is true where the key had been used before, for the same change.
    """

    conversation_id: str
    message_id: str
    sequence: int
    at: int
    key: str | None
    durability: Durability
    event_hash: str | None
    revision: int
    message: Message
    duplicate: bool = False
