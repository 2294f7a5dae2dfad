"""What one node does for all: the one that is first in the view. Another goes on when that one is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from salon.actors.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from salon.actors.cluster.membership import Membership
    from salon.actors.cluster.view import Node, View
    from salon.actors.future import Future


RETRY = 1.0  # seconds until a service that the store has failed is begun again


class ViewWatch:
    """The membership, of which this process hears every view. Implements `Membership`.

    `keeps_house` says whether this node is the first, which does what one node does for all.
    """

    def __init__(self, membership: Membership) -> None:
        self.view: View | None = None
        self.keeps_house = False
        self._term = 0  # another one with each time that it begins or ends to keep house
        self.changed = trio.Event()  # replaced with each other view
        self.views = 0  # that this process has heard of since its start
        self.beat_seconds = 0.0  # that the store took for the last sign of life
        self._membership = membership

    def join(self, node: Node) -> Future[View]:
        """Install a view with the node in it."""
        return self._seen(self._membership.join(node), node.id)

    def leave(self, node_id: str) -> Future[View]:
        """Install a view without the node."""
        return self._seen(self._membership.leave(node_id), node_id)

    def beat(self, node_id: str, timeout: float) -> Future[View]:
        """Give a sign of life; the view now."""
        began, future = trio.current_time(), self._membership.beat(node_id, timeout)

        def measure() -> None:
            self.beat_seconds = trio.current_time() - began

        future.when_done(measure)
        return self._seen(future, node_id)

    def _seen(self, future: Future[View], node_id: str) -> Future[View]:
        def look() -> None:
            try:
                view = future.get()
            except Exception:  # whoever asked hears of it
                return
            keeps = bool(view.nodes) and view.nodes[0].id == node_id
            if self.view is None or view.number > self.view.number:
                self.views += 1
            self._term += keeps != self.keeps_house
            if view != self.view or keeps != self.keeps_house:
                self.view, self.keeps_house = view, keeps
                self.changed.set()
                self.changed = trio.Event()

        future.when_done(look)
        return future

    async def keep(
        self,
        service: Callable[..., Awaitable[Any]],
        report: Callable[[StoreError], None],
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run a service, which is started with a task status, whenever this node keeps house; again where the store failed."""
        task_status.started()
        while True:
            changed, term = self.changed, self._term
            if not self.keeps_house:
                await changed.wait()
                continue
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._end_with, term, nursery.cancel_scope)
                    await nursery.start(service)
            except* StoreError as errors:
                for error in errors.exceptions:
                    if isinstance(error, StoreError):
                        report(error)
                await trio.sleep(RETRY)

    async def _end_with(self, term: int, scope: trio.CancelScope) -> None:
        """Cancel a service once another node keeps house, or has kept it meanwhile."""
        while True:
            changed = self.changed
            if self._term != term:
                scope.cancel()
                return
            await changed.wait()
