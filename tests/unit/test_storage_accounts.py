"""What every store keeps of hosted agents: what their runs have used, and the agents that operators made."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salon.actors.store import (
    AccountPage,
    Appended,
    KeysTaken,
    RunAccount,
    RunTotals,
    Store,
    StoreError,
)
from salon.persistence import MemoryStore, file, writer
from salon.persistence.file import File
from salon.persistence.keys import Keys
from salon.persistence.ledger import Ledger
from tests.examples import examples
from tests.unit.history import ADA, BEN, History, sources
from tests.unit.stores import AnyStore, begin, open_store

FULL = RunAccount(
    agent_id="bot",
    conversation_id="talk",
    run_id="r",
    started_at=1_700_000_000_000,
    asked_by=ADA.id,
    why="mention",
    status="failed",
    reason="Ünïcode \x00 'quoted'",
    first_word=350,
    duration=4_200,
    input_tokens=1_000,
    output_tokens=250,
    cost=123_456,
    tool_calls=2,
)
EMPTY = FULL._replace(
    run_id="e",
    asked_by=None,
    why=None,
    reason=None,
    first_word=None,
    duration=0,
    input_tokens=0,
    output_tokens=0,
    cost=0,
    tool_calls=0,
)


async def save(store: Store, *accounts: RunAccount) -> None:
    """Store them in this order."""
    for account in accounts:
        await store.save_account(account).wait()


async def paged(store: Store, limit: int, **wanted: str) -> list[RunAccount]:
    """All of them, page by page; every page but the last is full."""
    found: list[RunAccount] = []
    before = None
    while True:
        page = await store.accounts(before=before, limit=limit, **wanted).wait()
        found += page.accounts
        before = page.before
        if before is None:
            return found
        assert len(page.accounts) == limit


# --- accounts -----------------------------------------------------------------------------------------------------------


async def test_an_account_comes_back_as_it_was(store: Store) -> None:
    await save(store, EMPTY, FULL)
    assert await store.accounts().wait() == AccountPage((FULL, EMPTY), None)


async def test_a_run_is_counted_once_and_its_first_account_stands(store: Store) -> None:
    again = FULL._replace(cost=1, status="complete", agent_id="other", started_at=1)
    elsewhere = FULL._replace(conversation_id="elsewhere")
    await save(store, FULL, FULL, again, elsewhere)
    assert await store.accounts().wait() == AccountPage((elsewhere, FULL), None)
    totals = await store.run_totals("bot", since=0).wait()
    assert totals == RunTotals(2, 2 * 1_250, 2 * 123_456, 2 * 4_200)


async def test_a_run_that_is_saved_twice_at_once_is_counted_once(store: Store) -> None:
    for future in [store.save_account(FULL) for _ in range(10)]:
        await future.wait()
    assert (await store.accounts().wait()).accounts == (FULL,)


async def test_the_run_that_started_last_comes_first_whichever_ended_first(store: Store) -> None:
    runs = [FULL._replace(run_id=f"r{start}", started_at=start) for start in (20, 40, 10, 30)]
    await save(store, *runs)
    starts = [each.started_at for each in (await store.accounts().wait()).accounts]
    assert starts == [40, 30, 20, 10]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 9])
async def test_pages_of_runs_that_started_at_the_same_time_show_each_once(
    store: Store, limit: int
) -> None:
    runs = [FULL._replace(run_id=f"r{n}", started_at=n // 6) for n in range(8)]
    await save(store, *runs)
    assert await paged(store, limit) == runs[::-1]


async def test_what_is_stored_between_two_pages_changes_nothing_that_was_there(
    store: Store,
) -> None:
    runs = [FULL._replace(run_id=f"r{n}", started_at=100) for n in range(4)]
    await save(store, *runs)
    first = await store.accounts(limit=2).wait()
    new = FULL._replace(run_id="new", started_at=200)
    same = FULL._replace(run_id="same", started_at=100)
    older = FULL._replace(run_id="older", started_at=50)
    await save(store, new, same, older)
    second = await store.accounts(before=first.before, limit=10).wait()
    assert first.accounts == (runs[3], runs[2])
    assert second == AccountPage((runs[1], runs[0], older), None)


async def test_accounts_are_those_of_an_agent_a_conversation_or_both(store: Store) -> None:
    runs = [
        FULL._replace(agent_id=agent, conversation_id=talk, run_id=f"{agent} {n}", started_at=n)
        for n, agent, talk in product(range(3), ("bot", "other"), ("talk", "elsewhere"))
    ]
    await save(store, *runs)
    runs.reverse()
    assert await paged(store, 2, agent_id="bot") == [
        each for each in runs if each.agent_id == "bot"
    ]
    assert await paged(store, 2, conversation_id="talk") == [
        each for each in runs if each.conversation_id == "talk"
    ]
    assert await paged(store, 2, agent_id="bot", conversation_id="talk") == [
        each for each in runs if each.agent_id == "bot" and each.conversation_id == "talk"
    ]
    assert await paged(store, 2, agent_id="nobody") == []


async def test_before_a_place_that_no_page_gave_there_is_nothing(store: Store) -> None:
    await save(store, FULL)
    for before in (-1, 0, 2, 2**53):
        assert await store.accounts(before=before).wait() == AccountPage((), None)


# --- totals -------------------------------------------------------------------------------------------------------------


async def test_a_run_that_was_refused_before_anybody_was_told_anything_is_none_of_the_runs(
    store: Store,
) -> None:
    refused = FULL._replace(run_id="refused", input_tokens=0, output_tokens=0, cost=0)
    told = FULL._replace(run_id="told", output_tokens=0)
    await save(store, FULL, refused, told)
    assert (await store.run_totals("bot", since=0).wait()).runs == 2


async def test_totals_are_those_of_an_agent_since_a_time(store: Store) -> None:
    runs = [FULL._replace(run_id=f"r{n}", started_at=n, cost=10**n) for n in range(5)]
    await save(store, *runs, FULL._replace(run_id="x", agent_id="other", started_at=3))
    assert await store.run_totals("bot", since=3).wait() == RunTotals(2, 2_500, 11_000, 8_400)
    assert (await store.run_totals("bot", since=4).wait()).cost == 10_000
    assert (await store.run_totals("bot", since=0).wait()).cost == 11_111
    assert await store.run_totals("bot", since=5).wait() == RunTotals(0, 0, 0, 0)
    assert await store.run_totals("nobody", since=0).wait() == RunTotals(0, 0, 0, 0)


async def test_totals_are_narrowed_to_a_person_a_conversation_or_both(store: Store) -> None:
    drawn = product(("bot", "other"), (ADA.id, BEN.id, None), ("talk", "elsewhere"), (1, 2))
    for n, (agent, person, talk, at) in enumerate(drawn):
        account = FULL._replace(agent_id=agent, asked_by=person, conversation_id=talk)
        await save(store, account._replace(run_id=f"r{n}", started_at=at, cost=2**n))

    async def cost(**wanted: str) -> tuple[int, int]:
        totals = await store.run_totals("bot", since=2, **wanted).wait()
        return totals.runs, totals.cost

    # of "bot", those with an odd number started at 2: two of each person, the first in "talk"
    assert await cost() == (6, sum(2**n for n in (1, 3, 5, 7, 9, 11)))
    assert await cost(asked_by=ADA.id) == (2, 2**1 + 2**3)
    assert await cost(conversation_id="talk") == (3, 2**1 + 2**5 + 2**9)
    assert await cost(asked_by=BEN.id, conversation_id="talk") == (1, 2**5)
    assert await cost(asked_by="nobody") == (0, 0)
    assert await cost(conversation_id="nowhere") == (0, 0)


async def test_absurd_figures_of_a_provider_stop_no_sum(store: Store) -> None:
    most = 2**63 - 1
    runs = [FULL._replace(run_id=f"r{n}", input_tokens=most, cost=most) for n in range(3)]
    await save(store, *runs)
    totals = await store.run_totals("bot", since=0).wait()
    assert totals.runs == 3
    assert min(totals.tokens, totals.cost) >= most
    assert totals.duration == 3 * FULL.duration


run = st.builds(
    FULL._replace,
    agent_id=st.sampled_from(["bot", "other"]),
    conversation_id=st.sampled_from(["talk", "elsewhere"]),
    run_id=st.integers(0, 12).map(str),
    started_at=st.integers(0, 4),
    asked_by=st.sampled_from([ADA.id, BEN.id, None]),
    cost=st.integers(0, 9),
)


@settings(
    max_examples=examples(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(runs=st.lists(run, max_size=30), limit=st.integers(1, 5), since=st.integers(0, 5))
def test_both_stores_answer_alike(
    tmp_path_factory: pytest.TempPathFactory, runs: list[RunAccount], limit: int, since: int
) -> None:
    async def play() -> None:
        memory = MemoryStore(sources())
        on_disk = open_store(tmp_path_factory.mktemp("alike") / "salon.db")
        try:
            for store in (memory, on_disk):
                await save(store, *runs)
            for agent, talk in product((None, "bot"), (None, "talk")):
                wanted = {"agent_id": agent, "conversation_id": talk}
                narrowed = {name: value for name, value in wanted.items() if value is not None}
                assert await paged(memory, limit, **narrowed) == await paged(
                    on_disk, limit, **narrowed
                )
            for person, talk in product((None, ADA.id), (None, "talk")):
                asked = [
                    await store.run_totals(
                        "bot", since=since, asked_by=person, conversation_id=talk
                    ).wait()
                    for store in (memory, on_disk)
                ]
                assert asked[0] == asked[1]
        finally:
            on_disk.close()

    trio.run(play)


# --- agents -------------------------------------------------------------------------------------------------------------


async def test_agents_are_stored_replaced_and_deleted(store: Store) -> None:
    assert await store.agents().wait() == {}
    await store.save_agent("b", '{"model": "ünï"}').wait()
    await store.save_agent("a", "{}").wait()
    await store.save_agent("b", '{"model": "new"}').wait()
    await store.save_agent("nobody", None).wait()
    assert list((await store.agents().wait()).items()) == [("a", "{}"), ("b", '{"model": "new"}')]
    await store.save_agent("a", None).wait()
    assert await store.agents().wait() == {"b": '{"model": "new"}'}


async def test_what_was_answered_about_agents_does_not_change_with_what_comes_after(
    store: Store,
) -> None:
    await store.save_agent("a", "{}").wait()
    before = await store.agents().wait()
    await store.save_agent("a", None).wait()
    assert before == {"a": "{}"}


# --- beside the log -----------------------------------------------------------------------------------------------------


async def test_accounts_are_no_records_of_the_log(store: AnyStore) -> None:
    history = await begin(store)
    await save(store, FULL, FULL._replace(run_id="s", conversation_id=history.id))
    assert await store.load(history.id).wait() == history.state
    statistics = store.statistics()
    assert (statistics.records, statistics.waiting) == (1, 0)


async def test_an_account_is_stored_though_no_turn_follows(store: AnyStore) -> None:
    store.gather(nullcontext())  # appends now wait until the turns of a round are over
    with trio.fail_after(60):
        await save(store, FULL)


# --- in a file ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    opened = File(path)
    connection = opened.open(sources())
    yield connection
    connection.close()
    opened.release()


@pytest.fixture
def ledger(connection: sqlite3.Connection) -> Ledger:
    return Ledger(connection, "salon.db", Keys(connection))


def begun(ledger: Ledger) -> History:
    history = History()
    (outcome,) = ledger.append([history.begin()])
    assert isinstance(outcome, Appended)
    history.state.number = outcome.number
    return history


def stored(connection: sqlite3.Connection) -> list[str]:
    """The runs that have an account, in the order of storing."""
    rows = connection.execute("SELECT run_id FROM run_accounts ORDER BY position")
    return [row[0] for row in rows]


async def test_accounts_and_agents_are_there_after_a_restart(path: Path) -> None:
    store = open_store(path)
    waiting = store.save_account(FULL), store.save_account(EMPTY)
    await store.save_agent("a", "{}").wait()
    await trio.to_thread.run_sync(store.close)
    for future in waiting:
        await future.wait()
    store = open_store(path)
    assert await store.accounts().wait() == AccountPage((EMPTY, FULL), None)
    assert await store.agents().wait() == {"a": "{}"}
    await save(store, FULL._replace(cost=1))
    assert await store.run_totals("bot", since=0).wait() == RunTotals(1, 1_250, 123_456, 4_200)
    store.close()


async def test_an_account_joins_the_commit_of_the_appends_that_wait(path: Path) -> None:
    store = open_store(path)
    histories = [await begin(store) for _ in range(3)]
    before = store.statistics()
    store.gather(nullcontext())
    futures = [store.append(history.say("k")) for history in histories]
    await save(store, FULL)
    for history, future in zip(histories, futures, strict=True):
        assert await future.wait() == Appended(history.state.number)
    after = store.statistics()
    assert (after.commits - before.commits, after.records - before.records) == (1, 3)
    store.close()


@pytest.mark.parametrize(
    "fault", [{"reason": "lone surrogate \ud800"}, {"status": None}, {"cost": 2**63}]
)
def test_an_account_that_cannot_be_stored_fails_alone(
    connection: sqlite3.Connection, ledger: Ledger, fault: dict[str, object]
) -> None:
    first, second = begun(ledger), begun(ledger)
    outcomes = ledger.append(
        [
            FULL._replace(run_id="before"),
            first.say("k"),
            FULL._replace(**fault),  # type: ignore[arg-type]
            second.say("k"),
            FULL._replace(run_id="after"),
        ]
    )
    assert outcomes[0] is outcomes[4] is None
    assert outcomes[1] == Appended(first.state.number)
    assert isinstance(outcomes[2], StoreError)
    assert outcomes[3] == Appended(second.state.number)
    assert stored(connection) == ["before", "after"]


def test_an_append_that_is_refused_harms_no_account(
    connection: sqlite3.Connection, ledger: Ledger
) -> None:
    history = begun(ledger)
    ledger.append([history.say("k")])
    late = history.fork()
    late.state.head -= 1
    group = [FULL, late.say("new"), history.fork().say("k"), EMPTY, FULL]
    outcomes = ledger.append(group)
    assert outcomes[0] is outcomes[3] is outcomes[4] is None
    assert "has a sequence 2 already" in str(outcomes[1])
    assert outcomes[2] == KeysTaken({(ADA.id, "k"): history.records[1]})
    assert stored(connection) == ["r", "e"]


def test_a_full_group_of_accounts_is_stored_in_one_statement_of_the_smallest_sqlite(
    connection: sqlite3.Connection, ledger: Ledger
) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
    runs = [FULL._replace(run_id=f"r{n}") for n in range(writer.GROUP)]
    assert ledger.append(runs) == [None] * writer.GROUP
    assert stored(connection) == [each.run_id for each in runs]


async def test_more_accounts_than_a_group_takes_are_stored_in_several(path: Path) -> None:
    store = open_store(path)
    many = 2 * writer.GROUP + 1
    futures = [store.save_account(FULL._replace(run_id=f"r{n}")) for n in range(many)]
    for future in futures:
        await future.wait()
    assert (await store.run_totals("bot", since=0).wait()).runs == many
    store.close()


async def test_what_fails_while_the_file_is_locked_is_stored_when_it_is_saved_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "BUSY", 0.0)
    store = open_store(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for future in (store.save_account(FULL), store.save_agent("a", "{}")):
        with pytest.raises(StoreError, match="another program holds it locked"):
            await future.wait()
    other.execute("ROLLBACK")
    other.close()
    assert await store.accounts().wait() == AccountPage((), None)
    await save(store, FULL)
    await store.save_agent("a", "{}").wait()
    assert await store.accounts().wait() == AccountPage((FULL,), None)
    assert await store.agents().wait() == {"a": "{}"}
    store.close()


async def test_a_closed_store_says_so(path: Path) -> None:
    store = open_store(path)
    store.close()
    for future in (
        store.save_account(FULL),
        store.accounts(),
        store.run_totals("bot", since=0),
        store.save_agent("a", "{}"),
        store.agents(),
    ):
        with pytest.raises(StoreError, match="closed"):
            await future.wait()
