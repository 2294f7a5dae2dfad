"""Who is in the cluster, as the store keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from salon.actors.future import Future

    from .view import Node, View


class Membership(Protocol):
    """The store's side. Every call returns a future at once, which fails with `StoreError` where the store cannot answer."""

    def join(self, node: Node) -> Future[View]:
        """Install a view with the node in it."""

    def leave(self, node_id: str) -> Future[View]:
        """Install a view without the node."""

    def beat(self, node_id: str, timeout: float) -> Future[View]:
        """Give a sign of life, and give up every node whose last one is older than `timeout` seconds; the view now.

        A caller that is not in it was given up.
        """
