"""The hook before a message is stored: what judges messages and edits.

Judging is between a sender's own actor and the conversation, so that nobody else waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .change_messages import EditMessage
from .messages import Post

if TYPE_CHECKING:
    from collections.abc import Callable

    from .held import Held
    from .messages import Command
    from .posted import Posted
    from .refusals import Refusal

MODERATED = frozenset({Post, EditMessage})  # what is judged before it is stored


class Moderator(Protocol):
    """What judges the commands in `MODERATED`, and what agents have said in runs."""

    def review(self, said: Posted) -> None:
        """Judge what was said in a run that has ended. Everybody has seen it: what may not be said is deleted."""

    def judge(
        self, command: Command, done: Callable[[Command | Refusal | Held], None]
    ) -> Command | None:
        """The command, where it may pass at once. Else None, and `done` is called later, once."""
