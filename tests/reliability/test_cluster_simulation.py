"""Several nodes in virtual time, as CI plays them: a run that must be well and the same everywhere, bugs that must be caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from salon.loadtests.simulator.campaign import run
from salon.loadtests.simulator.mutant import CLUSTER_MUTANTS
from tests import processes
from tests.reliability import caught
from tests.reliability.caught import NODES

pytestmark = pytest.mark.timeout(600)  # seconds: a bound for a machine with other work on it

SEED = 2  # with operators: `make prove` plays 100


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


def test_every_bug_of_several_nodes_is_caught(tell: Callable[[str], None]) -> None:
    known = caught.kept(NODES)
    found = {name: caught.catch(name, known.get(name), NODES) for name in CLUSTER_MUTANTS}
    assert [name for name, (is_caught, _) in found.items() if not is_caught] == []
    assert len(found) >= 8
    searched = [name for name, (_, was_known) in found.items() if not was_known]
    if searched:
        tell(f"whole seeds were played for {', '.join(searched)}: see {caught.__file__}")
