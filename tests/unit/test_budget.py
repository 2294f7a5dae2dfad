"""What hosted agents may use: periods of the calendar, sums that begin in the store, and limits that end an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.sources import Sources
from salon.actors.store import RunAccount
from salon.persistence.memory import MemoryStore
from salon.web.agents.budget import MILLION, Asker, Ledger, Tab, period, scope_of
from salon.web.settings import AgentSettings, PriceSettings

from .engine import seeded_sources

NOON = 1_780_488_000_000  # 2026-06-03, 12:00 UTC
HOUR, DAY = 3_600_000, 86_400_000
ADA, BEN = Asker("ada", "c1"), Asker("ben", "c1")


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sources(clock: Clock) -> Sources:
    return seeded_sources(now=clock)


@pytest.fixture
def store(sources: Sources) -> MemoryStore:
    return MemoryStore(sources)


@pytest.fixture
def ledger(store: MemoryStore, sources: Sources) -> Ledger:
    return Ledger(store, sources)


def agent(*budgets: dict[str, Any], **more: Any) -> AgentSettings:
    fields = {"id": "cook", "name": "Cook", "kind": "echo", "price": {"input": 1, "output": 2}}
    return AgentSettings.model_validate({**fields, "budgets": budgets, **more})


def account(tab: Tab, run_id: str, duration: int = 1000) -> RunAccount:
    return RunAccount(
        agent_id=tab.agent.id,
        conversation_id=tab.asker.conversation_id,
        run_id=run_id,
        started_at=tab.started_at,
        asked_by=tab.asker.person,
        why="alone",
        status="complete",
        reason=None,
        first_word=10,
        duration=duration,
        input_tokens=tab.told,
        output_tokens=tab.said,
        cost=tab.cost,
    )


async def use(ledger: Ledger, who: AgentSettings, asker: Asker, run_id: str, **used: int) -> Tab:
    """One answer, from its beginning to its end."""
    tab = await ledger.open(who, asker)
    tab.count(used.get("told", 0), used.get("said", 0))
    await ledger.close(tab, account(tab, run_id, used.get("duration", 1000)))
    return tab


# --- periods --------------------------------------------------------------------------------------------------------------


def test_periods_are_those_of_the_calendar_in_utc() -> None:
    assert period("hour", NOON + 1) == (NOON, NOON + HOUR)
    assert period("day", NOON) == (NOON - 12 * HOUR, NOON + 12 * HOUR)
    start, end = period("month", NOON)
    assert (start, end - start) == (NOON - 12 * HOUR - 2 * DAY, 30 * DAY)


@given(st.sampled_from(["hour", "day", "month"]), st.integers(0, 4_000_000_000_000))
def test_a_time_is_in_its_period_and_the_next_period_begins_where_it_ends(
    every: str, now: int
) -> None:
    start, end = period(every, now)
    assert start <= now < end
    assert period(every, start) == period(every, end - 1) == (start, end)
    assert period(every, end)[0] == end


# --- prices ---------------------------------------------------------------------------------------------------------------


def test_a_price_is_that_of_a_million_tokens_and_is_rounded_up() -> None:
    price = PriceSettings(input=0.15, output=0.6)
    assert price.cost(MILLION, MILLION) == 750_000
    assert price.cost(1, 0) == 1
    assert price.cost(0, 0) == 0


# --- limits ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "used"),
    [
        ({"tokens": 100}, {"told": 60, "said": 40}),
        ({"money": 0.0001}, {"told": 100}),
        ({"seconds": 2}, {"duration": 2000}),
        ({"runs": 1}, {}),
    ],
)
async def test_what_is_used_up_may_be_used_again_after_the_period(
    ledger: Ledger, clock: Clock, limit: dict[str, Any], used: dict[str, int]
) -> None:
    who = agent({"per": "person", "every": "hour", **limit})
    await use(ledger, who, ADA, "r1", **used)
    tab = await ledger.open(who, ADA)
    assert ledger.exceeded(tab) == 3600
    assert ledger.exceeded(await ledger.open(who, BEN)) is None, "each person has their own"
    clock.now += HOUR
    assert ledger.exceeded(await ledger.open(who, ADA)) is None


async def test_a_conversation_and_an_agent_have_budgets_of_their_own(ledger: Ledger) -> None:
    elsewhere = Asker("ada", "c2")
    one = agent({"per": "conversation", "runs": 1})
    await use(ledger, one, ADA, "r1")
    assert ledger.exceeded(await ledger.open(one, BEN)) is not None
    assert ledger.exceeded(await ledger.open(one, elsewhere)) is None
    all_ = agent({"per": "agent", "runs": 1}, id="other")
    await use(ledger, all_, ADA, "r2")
    assert ledger.exceeded(await ledger.open(all_, Asker("cleo", "c3"))) is not None


async def test_of_several_budgets_the_last_to_open_says_when(ledger: Ledger) -> None:
    who = agent(
        {"per": "person", "every": "hour", "runs": 1}, {"per": "agent", "every": "day", "runs": 1}
    )
    await use(ledger, who, ADA, "r1")
    assert ledger.exceeded(await ledger.open(who, ADA)) == 12 * 3600
    assert ledger.exceeded(await ledger.open(who, BEN)) == 12 * 3600


@pytest.mark.parametrize("every", ["day", "hour"])
async def test_two_budgets_of_the_same_period_count_once(
    ledger: Ledger, clock: Clock, every: str
) -> None:
    clock.now = NOON - 12 * HOUR  # when the day begins, and the hour with it
    who = agent(
        {"per": "agent", "every": "day", "tokens": 100},
        {"per": "agent", "every": every, "tokens": 50},
    )
    await use(ledger, who, ADA, "r1", told=20, said=10)
    used = await ledger.sum(scope_of("cook", who.budgets[0], clock.now))
    assert (used.tokens, used.cost, used.runs) == (30, 40, 1)


async def test_who_is_refused_uses_up_nothing_of_what_others_may(
    ledger: Ledger, store: MemoryStore, sources: Sources
) -> None:
    who = agent(
        {"per": "person", "every": "hour", "runs": 1}, {"per": "agent", "every": "month", "runs": 5}
    )
    await use(ledger, who, ADA, "r1", told=1)
    for number in range(10):
        tab = await ledger.open(who, ADA)
        tab.guess(told=100)
        assert ledger.exceeded(tab) is not None
        ledger.refuse(tab)
        await ledger.close(tab, account(tab, f"refused {number}", duration=0))
    for each in (ledger, Ledger(store, sources)):
        assert each.exceeded(await each.open(who, BEN)) is None
        used = await each.sum(scope_of("cook", who.budgets[1], NOON))
        assert (used.runs, used.tokens) == (2, 1)


async def test_answers_at_the_same_time_share_what_is_left(ledger: Ledger) -> None:
    who = agent({"per": "agent", "tokens": 100, "runs": 2})
    first, second = await ledger.open(who, ADA), await ledger.open(who, BEN)
    assert ledger.exceeded(await ledger.open(who, ADA)) is not None, "a third is one too many"
    first.guess(said=60)
    second.guess(told=39)
    second.sums[0].runs = 2
    assert ledger.exceeded(first) is None
    second.guess(said=1)
    assert ledger.exceeded(first) is not None


async def test_the_upstreams_own_count_takes_the_place_of_the_estimate(ledger: Ledger) -> None:
    who = agent({"per": "agent", "tokens": 100})
    tab = await ledger.open(who, ADA)
    tab.guess(told=90, said=20)
    assert ledger.exceeded(tab) is not None
    tab.count(10, 5)
    assert ledger.exceeded(tab) is None
    assert (tab.told, tab.said, tab.sums[0].tokens, tab.cost) == (10, 5, 15, 20)
    tab.guess(said=7)
    assert (tab.said, tab.sums[0].cost) == (12, 34), "a second request is estimated anew"


async def test_the_time_of_an_answer_counts_while_it_goes_on(ledger: Ledger, clock: Clock) -> None:
    tab = await ledger.open(agent({"per": "agent", "seconds": 5}), ADA)
    clock.now += 4999
    assert ledger.exceeded(tab) is None
    clock.now += 1
    assert ledger.exceeded(tab) is not None


async def test_after_a_restart_the_sums_are_those_of_the_store(
    ledger: Ledger, store: MemoryStore, sources: Sources
) -> None:
    who = agent({"per": "person", "every": "month", "tokens": 100, "runs": 5})
    await use(ledger, who, ADA, "r1", told=60, said=40, duration=7)
    known = await ledger.sum(scope_of("cook", who.budgets[0], NOON, ADA))
    fresh = await Ledger(store, sources).sum(scope_of("cook", who.budgets[0], NOON, ADA))
    assert (known.runs, known.tokens, known.cost, known.duration) == (1, 100, 140, 7)
    assert vars(fresh) == vars(known)


async def test_of_many_people_the_sums_of_some_are_asked_of_the_store_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salon.web.agents.budget.SUMS_KEPT", 3)
    who = agent({"per": "person", "runs": 2})
    for number in range(10):
        await use(ledger, who, Asker(f"person {number}", "c"), f"r{number}", told=1)
    await use(ledger, who, Asker("person 0", "c"), "again", told=1)
    assert ledger.exceeded(await ledger.open(who, Asker("person 0", "c"))) is not None


async def test_what_other_nodes_have_spent_counts_once_the_ledger_looks_again(
    store: MemoryStore, sources: Sources
) -> None:
    here, there = Ledger(store, sources), Ledger(store, sources)
    who = agent({"per": "agent", "every": "day", "runs": 2})
    await use(here, who, ADA, "r1", told=1)
    going_on = await here.open(who, ADA)
    await use(there, who, BEN, "r2", told=1)
    here.forget_idle()
    assert here.exceeded(going_on) is None, "its sum is counted here until it ends"
    await here.close(going_on, account(going_on, "r3"))
    here.forget_idle()
    assert here.exceeded(await here.open(who, ADA)) is not None
