"""The view: a number and the nodes that are in. Which node owns a conversation follows from it alone."""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple


class Node(NamedTuple):
    """One run of one server process. A node that was given up joins again under a new id."""

    id: str
    name: str
    version: str


class View(NamedTuple):
    """Which nodes are in, in the order of joining. Number 0 is no cluster."""

    number: int
    nodes: tuple[Node, ...]


def owner_of(view: View, conversation_id: str) -> str:
    """The id of the node that owns a conversation in a view."""
    key = conversation_id.encode()
    return max(
        (node.id for node in view.nodes),
        key=lambda node_id: blake2b(key, key=node_id.encode()[:64], digest_size=8).digest(),
    )
