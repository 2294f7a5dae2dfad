"""The parts of the simulator: plans that can be cut down, failures made small, links that keep the order, a disk that fails."""

from __future__ import annotations

from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from salon.actors.store import RunAccount, RunTotals, StoreError
from salon.loadtests.checker import Recorder
from salon.loadtests.simulator.agenda import Agenda
from salon.loadtests.simulator.cluster_plan import CLUSTER_FAULTS, KINDS, with_nodes
from salon.loadtests.simulator.disk import Disk, DiskPort
from salon.loadtests.simulator.frequencies import (
    CHANGES,
    DEEDS,
    FAULTS,
    IN_ROOMS,
    OPERATED,
    WITH_AGENT,
)
from salon.loadtests.simulator.link import Link
from salon.loadtests.simulator.plan import Plan, parse_ranges, ranges
from salon.loadtests.simulator.shrink import shrunk
from salon.loadtests.simulator.step import STEPS
from salon.loadtests.simulator.trial import Trial
from salon.web.client.wire import next_bytes
from tests.unit.engine import seeded_sources


def test_everything_that_can_be_drawn_can_happen_and_the_other_way_round() -> None:
    assert set(STEPS) == {*DEEDS, *FAULTS, *WITH_AGENT, *CHANGES, *IN_ROOMS, *OPERATED}
    drawn = {step.kind for seed in range(1, 30) for step in Plan.of(seed).steps}
    assert drawn == set(STEPS)


def test_a_plan_is_drawn_from_its_seed_alone_and_cut_down_without_changing_what_is_left() -> None:
    plan = Plan.of(5)
    assert plan == Plan.of(5)
    assert plan != Plan.of(6)
    some = plan.only({2, 7, 9})
    by_number = {step.number: step for step in plan.steps}
    assert set(some.steps) == {by_number[number] for number in (2, 7, 9)}
    assert some.setting == plan.setting


@given(st.sets(st.integers(0, 200)))
def test_steps_are_named_on_a_command_line(numbers: set[int]) -> None:
    assert parse_ranges(ranges(tuple(numbers))) == numbers


@given(st.sets(st.integers(0, 60), min_size=1, max_size=4), st.integers(61, 90))
def test_what_fails_is_shrunk_to_what_it_takes(culprits: set[int], size: int) -> None:
    left = shrunk(tuple(range(size)), culprits.issubset, runs=10_000)
    assert set(left) == culprits


def test_shrinking_ends_after_so_many_runs() -> None:
    tried = []

    def fails(only: set[int]) -> bool:
        tried.append(only)
        return False

    assert shrunk(tuple(range(100)), fails, runs=20) == tuple(range(100))
    assert len(tried) == 20


@given(st.integers(0, 1000), st.lists(st.binary(min_size=1, max_size=300), max_size=20))
def test_a_link_keeps_the_order_whatever_it_cuts_and_delays(seed: int, sent: list[bytes]) -> None:
    async def main() -> bytes:
        agenda, got = Agenda(), b""
        link = Link(agenda, Random(seed), capacity=10_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agenda.run)
            for data in sent:
                assert link.server.send(data) == len(data)
                if len(data) % 7 == 0:
                    link.stand_still(3)
                if len(data) % 5 == 0:
                    await trio.sleep(0.1)
            link.carry("out", b"", link.arrived)
            while data := await next_bytes(link):
                got += data
            nursery.cancel_scope.cancel()
        return got

    assert trio.run(main, clock=MockClock(autojump_threshold=0)) == b"".join(sent)


def test_a_link_takes_no_more_than_its_buffer_holds() -> None:
    async def main() -> None:
        agenda = Agenda()
        link = Link(agenda, Random(1), capacity=10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agenda.run)
            assert link.server.send(b"0123456789abc") == 10
            assert link.server.send(b"abc") == 0
            got = await next_bytes(link)
            assert link.server.send(b"abcdefghijkl") == len(got)
            link.cut()
            assert link.server.send(b"abc") == -1
            assert await next_bytes(link) == b""
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_trial_repeats_itself_and_leaves_trio_and_the_engine_as_they_were() -> None:
    from salon.actors import audience

    before = audience.RECENT_EVENTS
    first, second = Trial(Plan.of(4)).play(), Trial(Plan.of(4)).play()
    assert first == second
    assert first.anomalies == ()
    assert before == audience.RECENT_EVENTS


def test_fewer_steps_are_another_run() -> None:
    plan = Plan.of(4)
    quiet = Trial(plan.only(set())).play()
    assert quiet.anomalies == ()
    assert quiet.digest != Trial(plan).play().digest


def test_the_disk_fails_to_save_and_to_answer_as_it_was_planned() -> None:
    account = RunAccount(
        "bot", "talk", "r", 5, "ada", "alone", "complete", None, 1, 2, 3, 4, cost=6
    )

    async def main() -> None:
        disk = Disk(seeded_sources(), Recorder([].append))
        agenda, killed = Agenda(), []
        port = DiskPort(disk, agenda, Random(0), lambda: killed.append(True))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agenda.run)
            port.saves.extend(["before", "after"])
            with pytest.raises(StoreError):
                await port.save_account(account).wait()
            assert disk.accounts().get().accounts == ()
            with pytest.raises(StoreError):
                await port.save_agent("bot", "{}").wait()
            assert disk.agents().get() == {"bot": "{}"}
            await port.save_account(account).wait()
            port.reads.extend(["before"] * 3)
            for ask in (port.accounts, port.agents, lambda: port.run_totals("bot", since=5)):
                with pytest.raises(StoreError):
                    await ask().wait()
            assert (await port.accounts(agent_id="bot").wait()).accounts == (account,)
            assert await port.run_totals("bot", since=5).wait() == RunTotals(1, 7, 6, 2)
            assert await port.agents().wait() == {"bot": "{}"}
            port.saves.append("kill before")
            port.save_account(account._replace(run_id="s"))
            await trio.sleep(1)
            assert killed
            assert len(disk.accounts().get().accounts) == 1
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_everything_that_can_happen_to_several_nodes_is_drawn_and_the_rest_stays_as_it_is() -> None:
    plans = {seed: with_nodes(Plan.of(seed), 3) for seed in range(1, 90)}
    assert {step.kind for plan in plans.values() for step in plan.steps} == KINDS | set(
        CLUSTER_FAULTS
    )
    for seed, plan in plans.items():
        assert plan == with_nodes(Plan.of(seed), 3)
        kept = [step for step in plan.steps if step.kind not in CLUSTER_FAULTS]
        alone = {step.number: step for step in Plan.of(seed).steps}
        assert all(step.more == alone[step.number].more for step in kept)
