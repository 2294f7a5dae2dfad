"""The commands about a conversation as a whole: its end, and how a member keeps it for themselves.

Times are whole milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from .model import Participant, Preferences


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


@dataclass(frozen=True, slots=True)
class SetPreferences:
    """Archive, mute or pin the conversation for oneself. None leaves it as it is; `muted` as in `Preferences`."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    archived: bool | None = None
    muted: int | None = None
    pinned: bool | None = None


class PreferencesSet(NamedTuple):
    """How the sender keeps the conversation now."""

    preferences: Preferences


KeepingCommand = DeleteConversation | SetPreferences
KEEPING_COMMANDS = frozenset({DeleteConversation, SetPreferences})
