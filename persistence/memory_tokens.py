"""Tokens that operators issued, and who is shut out, as the memory store keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.person_erasure import ERASED_NAME
from salon.actors.tokens import LISTED_FOR, TokenPage

if TYPE_CHECKING:
    from salon.actors.tokens import IssuedToken


class MemoryTokens:
    """The tokens in the order of issue, and the people who are shut out."""

    def __init__(self) -> None:
        self._tokens: dict[str, IssuedToken] = {}
        self._newest = 0
        self._access: dict[str, tuple[int | None, int | None]] = {}

    def save(self, token: IssuedToken) -> None:
        """Keep a new token, and forget those of the same person that ended long ago."""
        self.forget(token.issued_at, token.participant.id)
        self._newest += 1
        self._tokens[token.token_id] = token._replace(position=self._newest)

    def forget(self, now: int, participant_id: str | None = None) -> None:
        """Forget the tokens that ended long ago, of a person or of all."""
        self._tokens = {
            id: token
            for id, token in self._tokens.items()
            if token.expires_at > now - LISTED_FOR
            or participant_id not in (None, token.participant.id)
        }

    def revoke(self, token_id: str, at: int) -> IssuedToken | None:
        """Note that a token was revoked, unless it was."""
        token = self._tokens.get(token_id)
        if token is not None and token.revoked_at is None:
            token = self._tokens[token_id] = token._replace(revoked_at=at)
        return token

    def forget_name(self, participant_id: str) -> None:
        """Forget a person's name."""
        for each in list(self._tokens.values()):
            if each.participant.id == participant_id:
                who = each.participant._replace(name=ERASED_NAME)
                self._tokens[each.token_id] = each._replace(participant=who)

    def page(self, participant_id: str | None, before: int | None, limit: int) -> TokenPage:
        """A page, as `Store.tokens` describes it."""
        found = [
            each
            for each in reversed(self._tokens.values())
            if participant_id in (None, each.participant.id)
            and (before is None or each.position < before)
        ]
        rest = found[limit - 1].position if len(found) > limit else None
        return TokenPage(tuple(found[:limit]), rest)

    def set_blocked(self, participant_id: str, blocked_at: int | None) -> None:
        """Keep who is blocked."""
        _, revoked_at = self._access.get(participant_id, (None, None))
        self._access[participant_id] = (blocked_at, revoked_at)
        if blocked_at is None and revoked_at is None:
            del self._access[participant_id]

    def set_revoked(self, participant_id: str, revoked_at: int) -> None:
        """Keep whose tokens were all revoked."""
        blocked_at, before = self._access.get(participant_id, (None, None))
        self._access[participant_id] = (blocked_at, max(before or 0, revoked_at))
        for id, token in self._tokens.items():
            holds = token.revoked_at is None and token.expires_at > revoked_at
            if holds and token.participant.id == participant_id:
                self._tokens[id] = token._replace(revoked_at=revoked_at)

    def all_access(self) -> tuple[tuple[str, int | None, int | None], ...]:
        """Everybody who has an entry."""
        return tuple((id, *times) for id, times in sorted(self._access.items()))
