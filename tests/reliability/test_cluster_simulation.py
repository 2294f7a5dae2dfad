"""Several nodes in virtual time, as CI plays them: runs that must be well and the same everywhere, bugs that must be caught."""

from __future__ import annotations

import json
from typing import Any

import pytest

from salon.loadtests.simulator.campaign import hunt, plan_of, play, run
from salon.loadtests.simulator.mutant import CLUSTER_MUTANTS
from tests import processes
from tests.reliability.caught import catches

pytestmark = pytest.mark.timeout(600)  # seconds: a bound for a machine with other work on it

NODES = 3
SEEDS = 30  # within which a bug has to be caught
SEED = 2  # most are caught in it by these steps alone, in a third of the time
KINDS = {
    "say",
    "burst",
    "post",
    "join",
    "move in a burst",
    "kill the owner",
    "pause the owner",
    "cut a node off",
    "cut off the store",
    "cut off everything",
    "lose half",
}
STEPS = 30


def simulated(*words: object) -> dict[str, Any]:
    """The figures of a command that must find nothing wrong."""
    result = processes.run(("simulate", "--nodes", NODES, *words, "--json"), timeout=580)
    assert result.returncode == 0, result.stdout + result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_whatever_happens_to_the_nodes_nothing_is_lost_and_everybody_ends_equal() -> None:
    found = simulated("--seed", SEED)
    assert found["anomalies"] == 0
    assert found["operations"] > 500
    # Another process, with another order of sets: the same run to the last frame.
    assert run(SEED, 1, nodes=NODES).digest == found["digest"]


def test_every_bug_of_several_nodes_is_caught() -> None:
    plan = plan_of(SEED, NODES)
    few = set([step.number for step in plan.steps if step.kind in KINDS][:STEPS])
    missed = [
        name
        for name in CLUSTER_MUTANTS
        if not catches(play(SEED, name, few, NODES)) and hunt(name, SEEDS, NODES) is None
    ]
    assert missed == []
    assert len(CLUSTER_MUTANTS) >= 8
