"""Faults of a cluster: nodes that die, stand still, are cut off, come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio

from .step import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from .cluster_world import ClusterWorld
    from .node import NodeProcess
    from .plan import Step
    from .world import World

PAUSE = 12.0  # seconds, at most: several times what makes the others give a node up
CUT = 15.0
VISIT = 20.0  # seconds that one more node stays, at most


def _of(world: World) -> ClusterWorld:
    return cast("ClusterWorld", world)


def _any(world: ClusterWorld, step: Step) -> NodeProcess | None:
    nodes = world.nodes
    return nodes[step.who % len(nodes)] if nodes else None


def _owner(world: ClusterWorld, step: Step) -> NodeProcess | None:
    return world.owner(world.conversation_id(step))


def _kill_the_owner(world: World, step: Step) -> None:
    node = _owner(_of(world), step)
    if node is not None:
        node.kill()


def _kill_all_but_one(world: World, step: Step) -> None:
    for node in _of(world).nodes[1:]:
        node.kill()


def _pause(node: NodeProcess | None, step: Step) -> None:
    if node is not None:
        node.pause(0.2 + step.more * PAUSE)


def _pause_a_node(world: World, step: Step) -> None:
    _pause(_any(_of(world), step), step)


def _pause_the_owner(world: World, step: Step) -> None:
    _pause(_owner(_of(world), step), step)


def _cut_from_nodes(world: ClusterWorld, node: NodeProcess, step: Step) -> None:
    until = trio.current_time() + step.more * CUT
    for other in world.nodes:
        if other is not node:
            world.fabric.cut(node.id, other.id, until)


def _cut_a_node_off(world: World, step: Step) -> None:
    node = _any(_of(world), step)
    if node is not None:
        _cut_from_nodes(_of(world), node, step)


def _cut_two(world: World, step: Step) -> None:
    nodes = _of(world).nodes
    one, other = step.who % len(nodes) if nodes else 0, step.conversation % max(1, len(nodes))
    if one != other:
        until = trio.current_time() + step.more * CUT
        _of(world).fabric.cut(nodes[one].id, nodes[other].id, until)


def _cut_off_the_store(world: World, step: Step) -> None:
    node = _any(_of(world), step)
    if node is not None:
        node.store.cut_until = trio.current_time() + step.more * CUT


def _cut_off_everything(world: World, step: Step) -> None:
    node = _owner(_of(world), step)
    if node is not None:
        _cut_from_nodes(_of(world), node, step)
        node.store.cut_until = trio.current_time() + step.more * CUT


def _lose_half(world: World, step: Step) -> None:
    _of(world).fabric.lossy_until = trio.current_time() + 10 * step.more


def _join(world: World, step: Step) -> None:
    _of(world).join(step.more * VISIT)


def _move_in_a_burst(world: World, step: Step) -> None:
    STEPS["burst"](world, step)
    _join(world, step)
    STEPS["burst"](world, step)


CLUSTER_STEPS: dict[str, Callable[[World, Step], None]] = {
    **STEPS,
    "kill the owner": _kill_the_owner,
    "kill all but one": _kill_all_but_one,
    "pause a node": _pause_a_node,
    "pause the owner": _pause_the_owner,
    "cut a node off": _cut_a_node_off,
    "cut two nodes off from each other": _cut_two,
    "cut off the store": _cut_off_the_store,
    "cut off everything": _cut_off_everything,
    "lose half": _lose_half,
    "join": _join,
    "move in a burst": _move_in_a_burst,
}
