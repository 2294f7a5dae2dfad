"""Tokens that operators issue, as the store keeps them: who has which. The tokens themselves are kept nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .model import Participant

# Milliseconds for which a token that has ended is still listed: operators ask within days
LISTED_FOR = 30 * 86_400_000


class IssuedToken(NamedTuple):
    """A token. Times are in milliseconds since the epoch. `position` is its place in the order of issue; the store sets it.

    `conversations` are the ids of the only ones that it is for, None for all. `revoked_at` is None while it holds.
    """

    position: int
    token_id: str
    participant: Participant
    admin: bool
    conversations: tuple[str, ...] | None
    issued_at: int
    expires_at: int
    issued_by: str
    revoked_at: int | None = None


class TokenPage(NamedTuple):
    """Tokens, the newest first. `before` asks for the next page; None where this is the last."""

    tokens: tuple[IssuedToken, ...]
    before: int | None
