"""The commands about a conversation as a whole: its end, and how a member keeps it for themselves.

Times are whole milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .model import Participant


@dataclass(frozen=True, slots=True)
class DeleteConversation:
    """Delete the conversation with all that was ever said in it, for everybody and for good."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant


@dataclass(frozen=True, slots=True)
class Erased:
    """The conversation is deleted: nobody can ask anything of it any more. The outcome of `DeleteConversation`."""

    at: int


KeepingCommand = DeleteConversation
KEEPING_COMMANDS = frozenset({DeleteConversation})
