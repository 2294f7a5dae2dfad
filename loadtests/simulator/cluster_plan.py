"""Plans of several nodes: the steps of a seed, closer together, and the faults that only a cluster has."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from .frequencies import CHANGES, DEEDS, FAULTS, IN_ROOMS, OPERATED, WITH_AGENT
from .plan import Plan, draw_steps

# What people do at any of several servers, and the faults of each.
KINDS = frozenset(DEEDS | FAULTS | CHANGES | WITH_AGENT | IN_ROOMS | OPERATED)
SECONDS = 240.0  # the steps are spread over this time: a fifth of that of a single node
CLUSTER_FAULTS = {
    "say": 8,
    "burst": 3,
    "kill": 4,
    "restart": 4,
    "kill the owner": 5,
    "kill all but one": 1,
    "pause a node": 5,
    "pause the owner": 4,
    "cut a node off": 4,
    "cut two nodes off from each other": 3,
    "cut off the store": 4,
    "cut off everything": 2,
    "slow store": 2,
    "lose half": 2,
    "join": 4,
    "move in a burst": 4,
    "kill before commit": 2,
    "kill after commit": 2,
}
FAULT_STEPS = (12, 30)


def with_nodes(plan: Plan, nodes: int) -> Plan:
    """The plan of the same seed for so many nodes."""
    chance = Random(f"cluster {plan.seed} {nodes}")
    factor = SECONDS / 1200.0
    steps = [replace(each, at=each.at * factor) for each in plan.steps if each.kind in KINDS]
    first = max((each.number for each in plan.steps), default=-1) + 1
    more = draw_steps(chance, CLUSTER_FAULTS, FAULT_STEPS, first=first)
    steps += [replace(each, at=each.at * factor) for each in more]
    setting = replace(plan.setting, nodes=nodes)
    return Plan(plan.seed, setting, tuple(sorted(steps, key=lambda step: step.at)))
