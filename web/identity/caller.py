"""An authenticated caller: who they are, what they may reach, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from salon.actors.model import Participant

Via = Literal["bearer", "cookie", "ticket"]


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller. Times are in milliseconds since the epoch; `expires_at` None never expires.

    `token_id` names the token or session, for revoking it. A static token has no `token_id` and is valid while it is configured.
    `conversations` are the ids of the only conversations that the token is for; None for all of the person's.
    """

    participant: Participant
    admin: bool = False
    token_id: str | None = None
    expires_at: int | None = None
    via: Via = "bearer"
    conversations: frozenset[str] | None = None
    issued_at: int = 0

    def reaches(self, conversation_id: str) -> bool:
        """Whether the token is for this conversation. Whether the person may see it is another matter."""
        return self.conversations is None or conversation_id in self.conversations
