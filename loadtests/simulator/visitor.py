"""People whose tokens end: they get new ones as long as they may, until they are erased."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import trio

from salon.web.client import Refused, Unreachable

from .tab import Tab

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from .person import Person
    from .tokens import Token, Tokens

LATER = 15.0  # seconds until somebody with an ended token gets another one, at most
LOOK = 3.0  # seconds between two looks whether the token still holds
PEACEFUL_PAUSE = 5.0


class VisitorTab(Tab):
    """A tab whose person may be shut out."""

    resends = False


class Visitor:
    """One of them. `names` has all names that they have had; `is_erased` is true once it was told that nothing is left."""

    def __init__(self, person: Person, tokens: Tokens, chance: Random) -> None:
        self.person = person
        self.tokens = tokens
        self.chance = chance
        self.tabs: list[VisitorTab] = []
        self.names = [person.identity.participant.name]
        self.peaceful = False
        self.erasure_id: str | None = None
        self.is_leaving = False  # the erasure was asked for, and may have begun
        self.is_erased = False

    @property
    def id(self) -> str:
        """The participant's id."""
        return self.person.person

    @property
    def token(self) -> Token | None:
        """The token in use."""
        mine = self.tokens.of(self.id)
        return next((each for each in mine if each.text == self.person.token), None)

    def take(self, token: Token) -> None:
        """Use a token from now on."""
        self.person.token, self.person.token_name = token.text, token.name

    async def keep_token(self) -> None:
        """Get a new token some time after the last one has ended, until the person is erased."""
        while not self.is_leaving:
            if not self.holds():
                if not self.peaceful:
                    await trio.sleep(LATER * self.chance.random())
                await self.renew()
            await trio.sleep(LOOK)

    def holds(self) -> bool:
        """Whether the server takes the token in use; it may be down."""
        process = self.person.network.process
        return (
            process is None or process.parts.identities.verify(self.person.token or "") is not None
        )

    async def renew(self) -> None:
        """Get a new token, if one is to be had now."""
        if self.id not in self.tokens.blocked and not self.is_leaving:
            with suppress(Refused, Unreachable):
                self.take(await self.tokens.issue(self.person.identity.participant))

    def open_tab(self, conversation_id: str, start: Callable[..., object], **sizes: int) -> None:
        """Follow a conversation until the person is erased."""
        tab = VisitorTab(self.person, conversation_id, **sizes)
        self.tabs.append(tab)
        start(partial(self._keep, tab))

    async def _keep(self, tab: Tab) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tab.run)
            while not self.is_leaving:  # noqa: ASYNC110  # no event is worth it
                await trio.sleep(LOOK)
            nursery.cancel_scope.cancel()

    def make_peace(self) -> None:
        """Have everything come soon."""
        self.peaceful = True
        for tab in self.tabs:
            tab.longest_pause = PEACEFUL_PAUSE
