"""The nodes of a cluster, of which each is in this process: what tests and the simulator have instead of a database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import trio

from salon.actors.future import Future

if TYPE_CHECKING:
    from salon.actors.cluster.view import Node, View


class MemoryNodes:
    """Implements `Membership`. Its clock is trio's, whatever the clocks of the nodes say."""

    view_number: int
    _nodes: tuple[Node, ...]
    _beats: dict[str, float]

    def begin_nodes(self) -> None:
        """Begin without a node."""
        self.view_number, self._nodes = 0, ()
        self._beats = {}

    @property
    def membership(self) -> Self:
        """Who is in, as stores of several nodes name it."""
        return self

    def view(self) -> View:
        """The view now; number 0 before the first node has joined."""
        from salon.actors.cluster.view import View  # noqa: PLC0415  # nobody without a cluster loads it

        return View(self.view_number, self._nodes)

    def join(self, node: Node) -> Future[View]:
        """Install a view with the node in it."""
        self._beats[node.id] = trio.current_time()
        self._install((*(each for each in self._nodes if each.id != node.id), node))
        return Future.of(self.view())

    def leave(self, node_id: str) -> Future[View]:
        """Install a view without the node; one that is not in changes nothing."""
        if self._beats.pop(node_id, None) is not None:
            self._install(tuple(each for each in self._nodes if each.id != node_id))
        return Future.of(self.view())

    def beat(self, node_id: str, timeout: float) -> Future[View]:
        """Note a sign of life, and give up the nodes that gave none for so long."""
        now = trio.current_time()
        if node_id in self._beats:
            self._beats[node_id] = now
        silent = {id for id, at in self._beats.items() if now - at > timeout}
        if silent:
            self._beats = {id: at for id, at in self._beats.items() if id not in silent}
            self._install(tuple(each for each in self._nodes if each.id not in silent))
        return Future.of(self.view())

    def _install(self, nodes: tuple[Node, ...]) -> None:
        """Every commit of an earlier view is refused from now on."""
        self.view_number, self._nodes = self.view_number + 1, nodes
