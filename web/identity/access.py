"""Who has been shut out: revoked tokens, people whose tokens were all revoked, and blocked people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salon.actors.future import Future
    from salon.actors.tokens import IssuedToken, TokenPage

    from .caller import Identity


class AccessStore(Protocol):
    """The part of the store that access uses. Times are in milliseconds since the epoch. Futures fail with `StoreError`."""

    def revoke_token(self, token_id: str, expires_at: int) -> Future[None]:
        """Store, until `expires_at`, that this token was revoked."""

    def revoked_tokens(self, now: int) -> Future[tuple[str, ...]]:
        """The revoked tokens that would otherwise be valid at `now`; issued ones that ended `LISTED_FOR` ago are forgotten."""

    def save_token(self, token: IssuedToken) -> Future[None]:
        """Store a token that an operator issued, at the next position. Its id is new.

        Tokens of the same person that ended `LISTED_FOR` before are forgotten.
        """

    def tokens(
        self, *, participant_id: str | None = None, before: int | None = None, limit: int = 100
    ) -> Future[TokenPage]:
        """Up to `limit` issued tokens of a person or of all, the newest first, also those that have ended."""

    def revoke_issued(self, token_id: str, at: int) -> Future[IssuedToken | None]:
        """Note that an issued token was revoked, in its row and among the revoked tokens; None where there is none.

        One that was revoked stays as it was.
        """

    def set_blocked(self, participant_id: str, blocked_at: int | None) -> Future[None]:
        """Store since when a person is blocked; None for not."""

    def set_revoked(self, participant_id: str, revoked_at: int) -> Future[None]:
        """Store until when a person's tokens were revoked: the latest time stays. The issued ones that had not ended are, too."""

    def all_access(self) -> Future[tuple[tuple[str, int | None, int | None], ...]]:
        """Of everybody with such an entry: the id, since when they are blocked, until when their tokens were revoked."""


class ShutOut(NamedTuple):
    """Who is shut out since the last look: the ids of tokens, blocked people, and people whose tokens were all revoked."""

    tokens: frozenset[str]
    blocked: frozenset[str]
    revoked: frozenset[str]


class Access:
    """Decides whether an authenticated caller is still let in. A change holds at once; it is permanent when its call returns."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store
        self._tokens: set[str] = set()  # size: those revoked within the life of a token
        self._blocked: dict[str, int] = {}
        self._revoked: dict[str, int] = {}
        self._newest = 0  # when the newest token was issued that is known
        self._decisions = 0  # about people, here

    async def load(self, now: int) -> ShutOut:
        """Load what was decided before, or at other nodes since; who was not shut out yet. Raises `StoreError`."""
        latest = await self._store.tokens().wait()
        self.note_issue(max((each.issued_at for each in latest.tokens), default=0))
        tokens = frozenset(await self._store.revoked_tokens(now).wait()) - self._tokens
        self._tokens |= tokens
        while True:
            decisions = self._decisions
            rows = await self._store.all_access().wait()
            if decisions == self._decisions:  # else what was just decided may be missing
                break
        blocked = {who: at for who, at, _ in rows if at is not None}
        revoked = {who: at for who, _, at in rows if at is not None}
        found = ShutOut(
            tokens,
            frozenset(blocked.keys() - self._blocked.keys()),
            frozenset(who for who, at in revoked.items() if self._revoked.get(who) != at),
        )
        self._blocked, self._revoked = blocked, revoked
        return found

    def holds(self, identity: Identity) -> bool:
        """Whether an identity is neither revoked nor a blocked person's."""
        if identity.token_id in self._tokens:
            return False
        if not self._blocked and not self._revoked:
            return True
        who = identity.participant.id
        if who in self._blocked:
            return False
        return identity.token_id is None or identity.issued_at > self._revoked.get(who, -1)

    def note_issue(self, at: int) -> None:
        """Note when a token was issued by this server, whose clock may have been set back since."""
        self._newest = max(self._newest, at)

    def until(self, now: int) -> int:
        """The time up to which a token was issued that exists `now`: later than that by the clock, if it was set back."""
        return max(now, self._newest)

    @property
    def blocked(self) -> Iterable[tuple[str, int]]:
        """The ids of the blocked people, and since when."""
        return self._blocked.items()

    def is_blocked(self, participant_id: str) -> bool:
        """Whether a person is blocked."""
        return participant_id in self._blocked

    def earliest(self, participant_id: str, now: int) -> int:
        """The time of issue of a token for this person that is to hold: a whole second, mostly the current one."""
        second = now // 1000 * 1000
        return max(second, self._revoked.get(participant_id, -1000) // 1000 * 1000 + 1000)

    async def revoke_token(self, token_id: str, expires_at: int) -> None:
        """Revoke one token, which would end at `expires_at`."""
        self._tokens.add(token_id)
        await self._store.revoke_token(token_id, expires_at).wait()

    async def save_token(self, token: IssuedToken) -> None:
        """Store a token that an operator issued, before anybody gets it: it can be found and revoked then."""
        await self._store.save_token(token).wait()

    async def tokens(
        self, participant_id: str | None, *, before: int | None, limit: int
    ) -> TokenPage:
        """A page of the tokens that operators issued, of one person or of all."""
        found = self._store.tokens(participant_id=participant_id, before=before, limit=limit)
        return await found.wait()

    async def revoke_issued(self, token_id: str, now: int) -> IssuedToken | None:
        """Revoke a token that an operator issued; None where there is none."""
        token = await self._store.revoke_issued(token_id, now).wait()
        if token is not None:
            self._tokens.add(token_id)
        return token

    async def revoke_all(self, participant_id: str, now: int) -> None:
        """Revoke all tokens of a person that were issued until now. Static tokens are the configuration's and stay."""
        until = self._revoked[participant_id] = self.until(now)
        await self._save(self._store.set_revoked(participant_id, until))

    async def block(self, participant_id: str, now: int) -> None:
        """Refuse a person whatever token they have. One who is blocked stays so since the first time."""
        since = self._blocked.setdefault(participant_id, now)
        await self._save(self._store.set_blocked(participant_id, since))

    async def unblock(self, participant_id: str) -> bool:
        """Let a person in again; False if they were not blocked."""
        if self._blocked.pop(participant_id, None) is None:
            # Another node may have blocked them a moment ago.
            rows = await self._store.all_access().wait()
            if all(who != participant_id or at is None for who, at, _ in rows):
                return False
        await self._save(self._store.set_blocked(participant_id, None))
        return True

    async def _save(self, stored: Future[None]) -> None:
        self._decisions += 1
        await stored.wait()
        self._decisions += 1
