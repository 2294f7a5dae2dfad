"""The view: a number and the nodes that are in. Which node owns a conversation follows from it alone."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

OWNERS = 100_000  # conversations whose owner is remembered: more than a node has sockets


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
    return owner_among(conversation_id, [node.id for node in view.nodes])


def owner_among(conversation_id: str, node_ids: Iterable[str]) -> str:
    """The same of these nodes. Who owns it among some, and is among others, too, owns it unless one of the others' own does."""
    key = conversation_id.encode()
    return max(
        node_ids,
        key=lambda node_id: blake2b(key, key=node_id.encode()[:64], digest_size=8).digest(),
    )


class Owners:
    """The owners of the conversations that were asked for, in the present view. To hash costs a microsecond a node.

    After a change of view a conversation whose owner is still in is compared with the nodes that have come, and with no others.
    """

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._former: dict[str, str] = {}
        self._ids: tuple[str, ...] = ()
        self._new: tuple[str, ...] = ()

    def of(self, conversation_id: str) -> str:
        """The id of a conversation's owner; "" while there is none."""
        owner = self._owners.get(conversation_id)
        if owner is None:
            if len(self._owners) >= OWNERS:
                self._owners.clear()
            former = self._former.get(conversation_id, "")
            among = (former, *self._new) if former in self._ids else self._ids
            owner = self._owners[conversation_id] = (
                owner_among(conversation_id, among) if among else ""
            )
        return owner

    def moved(self, view: View) -> None:
        """Take another view."""
        ids = tuple(node.id for node in view.nodes)
        self._new = tuple(id for id in ids if id not in self._ids)
        self._ids = ids
        self._former, self._owners = self._owners, {}
