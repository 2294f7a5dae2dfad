"""What hosted agents have used and may use: tokens, money, time and answers, for a person, a conversation or an agent."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from salon.actors.sources import Sources
    from salon.actors.store import RunAccount, RunTotals, Store

    from ..settings import AgentSettings, BudgetSettings

SUMS_KEPT = 10_000  # of persons and conversations: the sums of others are asked of the store again
MILLION = 1_000_000


class Asker(NamedTuple):
    """Whose answer it is, and where."""

    person: str
    conversation_id: str


class Scope(NamedTuple):
    """What a sum is about: an agent, in a period, perhaps for one person or conversation."""

    agent_id: str
    since: int
    person: str | None = None
    conversation_id: str | None = None


def period(every: str, now: int) -> tuple[int, int]:
    """The beginning and the end of the hour, the day or the month in UTC around a time, in milliseconds."""
    at = datetime.fromtimestamp(now / 1000, UTC).replace(minute=0, second=0, microsecond=0)
    if every == "hour":
        start, end = at, at + timedelta(hours=1)
    elif every == "day":
        start = at.replace(hour=0)
        end = start + timedelta(days=1)
    else:
        start = at.replace(day=1, hour=0)
        end = (start + timedelta(days=31)).replace(day=1)
    return round(start.timestamp() * 1000), round(end.timestamp() * 1000)


class Sum:
    """What the finished answers of a scope have used, and those that go on so far; their time counts at their end."""

    def __init__(self, totals: RunTotals) -> None:
        self.runs, self.tokens, self.cost, self.duration = totals
        self.open = 0  # answers that go on


class Tab:
    """What one answer has used so far. Made by `Ledger.open`."""

    def __init__(self, agent: AgentSettings, asker: Asker, now: int) -> None:
        self.agent = agent
        self.asker = asker
        self.started_at = now
        self.paused = 0  # milliseconds in which it has waited for people
        self.told = 0  # tokens that the model was told
        self.said = 0  # tokens that it said
        self.estimated = True  # whether the upstream has not counted them
        self.sums: list[Sum] = []  # of its budgets, in their order
        self._guess = (0, 0)  # of the request that goes on, until the upstream counts

    @property
    def cost(self) -> int:
        """In millionths of the currency."""
        price = self.agent.price
        return 0 if price is None else price.cost(self.told, self.said)

    def guess(self, told: int = 0, said: int = 0) -> None:
        """Count more tokens as estimated."""
        self._guess = self._guess[0] + told, self._guess[1] + said
        self._add(told, said)

    def count(self, told: int, said: int) -> None:
        """Take the upstream's own count of a request in place of the estimate."""
        self.estimated = False
        self._add(told - self._guess[0], said - self._guess[1])
        self._guess = 0, 0

    def _add(self, told: int, said: int) -> None:
        before = self.cost
        self.told += told
        self.said += said
        for each in set(self.sums):  # of two budgets it may be the same
            each.tokens += told + said
            each.cost += self.cost - before


class Ledger:
    """The sums of all budgets: asked of the store once, and kept up to date here."""

    def __init__(self, store: Store, sources: Sources) -> None:
        self._store = store
        self._sources = sources
        self._sums: OrderedDict[Scope, Sum] = OrderedDict()

    async def open(self, agent: AgentSettings, asker: Asker, started_at: int | None = None) -> Tab:
        """Begin to count an answer, now or from a time on; `close` has to follow. Raises `StoreError` if sums cannot be read."""
        now = self._sources.now() if started_at is None else started_at
        tab = Tab(agent, asker, now)
        sums = [await self.sum(scope_of(agent.id, each, now, asker)) for each in agent.budgets]
        for each in set(sums):
            each.runs += 1
            each.open += 1
        tab.sums = sums
        return tab

    def exceeded(self, tab: Tab) -> float | None:
        """Seconds until all budgets of an answer may be used anew; None while there is room in all of them."""
        now = self._sources.now()
        waits = [
            (period(budget.every, tab.started_at)[1] - now) / 1000
            for budget, used in zip(tab.agent.budgets, tab.sums, strict=True)
            if _is_over(budget, used, now - tab.started_at - tab.paused)
        ]
        return max(0.0, *waits) if waits else None

    def refuse(self, tab: Tab) -> None:
        """Take back an answer that has begun with nothing: else who asks in vain uses up what others may."""
        tab.count(0, 0)
        for each in set(tab.sums):
            each.runs -= 1

    async def close(self, tab: Tab | None, account: RunAccount) -> None:
        """Keep what an answer has used, for ever. Raises `StoreError` where that fails: it counts until a restart."""
        sums: set[Sum] = set() if tab is None else set(tab.sums)
        for each in sums:
            each.duration += account.duration
        try:
            await self._store.save_account(account).wait()
        finally:  # not before: a sum that is read from the store meanwhile would lack it
            for each in sums:
                each.open -= 1
            if tab is not None:
                tab.sums = []

    def forget_idle(self) -> None:
        """Read the sums anew that no answer adds to now: other nodes of a cluster have spent meanwhile."""
        self._sums = OrderedDict((scope, each) for scope, each in self._sums.items() if each.open)

    async def sum(self, scope: Scope) -> Sum:
        """What a scope has used. Raises `StoreError`."""
        known = self._sums.get(scope)
        if known is None:
            totals = await self._store.run_totals(
                scope.agent_id,
                since=scope.since,
                asked_by=scope.person,
                conversation_id=scope.conversation_id,
            ).wait()
            known = self._sums.setdefault(scope, Sum(totals))
            self._forget_some()
        self._sums.move_to_end(scope)
        return known

    def _forget_some(self) -> None:
        while len(self._sums) > SUMS_KEPT:
            scope, oldest = next(iter(self._sums.items()))
            if oldest.open:
                return  # its answer goes on
            del self._sums[scope]


def scope_of(agent_id: str, budget: BudgetSettings, now: int, asker: Asker | None = None) -> Scope:
    """What a budget sums up for somebody who asks now; without `asker` for the whole agent."""
    since, _ = period(budget.every, now)
    if asker is None or budget.per == "agent":
        return Scope(agent_id, since)
    if budget.per == "person":
        return Scope(agent_id, since, person=asker.person)
    return Scope(agent_id, since, conversation_id=asker.conversation_id)


def _is_over(budget: BudgetSettings, used: Sum, elapsed: int) -> bool:
    """Whether an answer that goes on for so many milliseconds is one too many, or has to end."""
    return (
        (budget.runs is not None and used.runs > budget.runs)
        or (budget.tokens is not None and used.tokens >= budget.tokens)
        or (budget.money is not None and used.cost >= budget.money * MILLION)
        or (budget.seconds is not None and used.duration + elapsed >= budget.seconds * 1000)
    )
