"""Few steps by which each bug on purpose is caught, so that the tests need not play whole seeds: `caught.json` keeps them.

Those of the bugs of several nodes are in `caught_nodes.json`.

    .venv-test/bin/python -m tests.reliability.caught

writes it anew, in some minutes: for bugs that have come, or where the simulator's plans have changed and what is kept
catches nothing any more. `salon simulate --mutants`, which `make prove` runs, plays whole seeds and needs none of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from salon.loadtests.simulator.campaign import hunt, play
from salon.loadtests.simulator.mutant import CLUSTER_MUTANTS, MUTANTS
from salon.loadtests.simulator.trial import Outcome

NODES = 3  # of a cluster
KEPT = {
    1: Path(__file__).with_name("caught.json"),
    NODES: Path(__file__).with_name("caught_nodes.json"),
}
SEEDS = 100  # within which a bug has to be caught, as in the command
PLAYS = 8  # that are spent on leaving out steps: what one more saves is soon less than it costs

Catch = tuple[int, list[int]]  # a seed, and the numbers of those of its steps that are enough


def kept(nodes: int = 1) -> dict[str, Catch]:
    """What is known for each bug of one server, or of several nodes."""
    known: dict[str, Catch] = {
        name: (seed, steps) for name, (seed, steps) in json.loads(KEPT[nodes].read_text()).items()
    }
    return known


def catches(outcome: Outcome) -> bool:
    """Whether the bug was seen, and not an error of its own."""
    return bool(outcome.anomalies) and all(each.kind != "fault" for each in outcome.anomalies)


def catch(mutant: str, known: Catch | None, nodes: int = 1) -> tuple[bool, bool]:
    """Whether the bug is caught at all, and whether it is by what was known."""
    if known is not None and catches(play(known[0], mutant, set(known[1]), nodes)):
        return True, True
    return hunt(mutant, SEEDS, nodes) is not None, False


def fewer(steps: list[int], enough: Callable[[list[int]], bool]) -> list[int]:
    """Some of the steps that are enough, too: the shortest beginning, then without one part after the other."""
    low, high = -1, len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        if enough(steps[:middle]):
            high = middle
        else:
            low = middle
    steps, plays = steps[:high], PLAYS
    size = len(steps) // 2
    while size and plays:
        for start in range(0, len(steps), size):
            without = steps[:start] + steps[start + size :]
            plays -= 1
            if enough(without):
                steps = without
                break
            if not plays:
                break
        else:
            size //= 2
        size = min(size, len(steps))
    return steps


def main() -> None:
    """Write what is kept anew, but for what still catches its bug."""
    for nodes, names in (1, MUTANTS), (NODES, CLUSTER_MUTANTS):
        before = kept(nodes) if KEPT[nodes].exists() else {}
        found: dict[str, Catch] = {}
        for name in names:
            if name in before and catch(name, before[name], nodes)[1]:
                found[name] = before[name]
            elif (outcome := hunt(name, SEEDS, nodes)) is not None:
                seed = outcome.seed
                enough = partial(_enough, name, seed, nodes)
                found[name] = seed, fewer(list(outcome.steps), enough)
            lines = (f'  "{name}": {json.dumps(catch)}' for name, catch in sorted(found.items()))
            KEPT[nodes].write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _enough(mutant: str, seed: int, nodes: int, steps: list[int]) -> bool:
    return catches(play(seed, mutant, set(steps), nodes))


if __name__ == "__main__":
    main()
