"""Tokens that end: revoked, expired, or of people who are blocked. Their ends are recorded as those learn of them who ask."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from salon.web.client import Refused, Unreachable

from . import operator_routes as routes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salon.actors.model import Participant
    from salon.actors.sources import Sources

    from ..checker import Recorder
    from .agenda import Agenda
    from .person import Person

LIFE = 7 * 86_400  # seconds of a token that is to last
AFTER_A_JUMP = 40.0  # seconds until each heartbeat has found the tokens that the clock has ended
TOLD = (
    0.01  # seconds from the end of a token to its record: the server's clock has whole milliseconds
)
# Seconds after a revocation of all tokens of somebody in which a new one of another node may end with them: tokens are issued in
# whole seconds, and that node may not have heard of it.
SECOND = 1.0


@dataclass(slots=True)
class Token:
    """A token of somebody. `name` is its id; `expired` follows the wall clock."""

    name: str
    text: str
    person: str
    expires_at: int
    expired: bool = False


class Tokens:
    """All tokens of a run. `root` is an operator."""

    def __init__(
        self,
        root: Person,
        recorder: Recorder,
        agenda: Agenda,
        sources: Sources,
        once_known: Callable[[Callable[[], object]], None],
    ) -> None:
        self.all: list[Token] = []
        self.blocked: set[str] = set()
        self._root = root
        self._once_known = once_known
        self._lifted: Counter[str] = Counter()
        self._revoking: Counter[str] = Counter()  # revocations of all that somebody has, under way
        self._revoked_at: dict[str, float] = {}  # when the last of them has ended
        self._recorder, self._agenda, self._sources = recorder, agenda, sources

    def of(self, person: str) -> list[Token]:
        """The tokens that somebody has had."""
        return [each for each in self.all if each.person == person]

    async def issue(self, who: Participant, seconds: int = LIFE) -> Token:
        """Issue one. Raises `Refused` or `Unreachable`."""
        began = trio.current_time()
        text, name, expires_at = await self._root.call(routes.issue, who, seconds)
        token = Token(name, text, who.id, expires_at)
        self.all.append(token)
        if self._revoking[who.id] or began <= self._revoked_at.get(who.id, -SECOND) + SECOND:
            self._recorder.ending(who.id, name, "asked")  # nobody can say which was first
        self._watch(token)
        return token

    async def revoke(self, token: Token) -> None:
        """Revoke one."""
        if await self._end(token.person, [token.name], routes.revoke, token.name):
            self.tell(token.person, token.name)

    async def revoke_all(self, person: str) -> None:
        """Revoke all that somebody has."""
        names = [each.name for each in self.of(person)]
        self._revoking[person] += 1
        try:
            is_done = await self._end(person, names, routes.revoke, None)
        finally:
            self._revoking[person] -= 1
            self._revoked_at[person] = trio.current_time()
        for name in names if is_done else ():
            self.tell(person, name)

    async def block(self, person: str) -> None:
        """Shut somebody out."""
        self.blocked.add(person)
        if await self._end(person, [None], routes.block):
            self.tell(person, None)

    def tell(self, person: str, token: str | None) -> None:
        """Note that from now on a token may do nothing, or with None nothing that this person has."""
        before = self._lifted[person]

        def note() -> None:
            if token is not None or self._lifted[person] == before:
                self._recorder.ending(person, token, "told")

        self._once_known(note)

    async def unblock(self, person: str) -> bool:
        """Let somebody in again; whether it was told that it is so."""
        self._recorder.ending(person, None, "lifted")
        self._lifted[person] += 1
        try:
            await self._root.call(routes.unblock, person)
        except Unreachable:
            return False
        except Refused as refused:
            if refused.temporary:
                return False
        self.blocked.discard(person)
        return True

    async def _end(
        self, person: str, names: Sequence[str | None], route: Callable[..., object], *more: object
    ) -> bool:
        for name in names:
            self._recorder.ending(person, name, "asked")
        try:
            await self._root.call(route, person, *more)  # type: ignore[arg-type]
        except (Refused, Unreachable):
            return False
        return True

    # --- the wall clock -----------------------------------------------------------------------------------------------

    def look_at_clock(self) -> None:
        """Note which tokens the wall clock has ended, or let hold again, after it was set."""
        for token in self.all:
            over = self._sources.now() >= token.expires_at
            if over and not token.expired:
                self._expire(token, AFTER_A_JUMP)
            elif not over:
                if token.expired:
                    token.expired = False
                    self._recorder.ending(token.person, token.name, "lifted")
                self._watch(token)

    def _watch(self, token: Token) -> None:
        left = (token.expires_at - self._sources.now()) / 1000
        if left < LIFE / 2:
            self._agenda.after(max(0.0, left - TOLD), lambda: self._near(token))

    def _near(self, token: Token) -> None:
        """Note that a token is about to end, if the clock was not set meanwhile."""
        left = (token.expires_at - self._sources.now()) / 1000
        if not token.expired and left <= 2 * TOLD:
            self._expire(token, 2 * TOLD)

    def _expire(self, token: Token, until_told: float) -> None:
        token.expired = True
        self._recorder.ending(token.person, token.name, "asked")

        def tell() -> None:
            if token.expired:
                self._recorder.ending(token.person, token.name, "told")

        self._agenda.after(until_told, tell)
