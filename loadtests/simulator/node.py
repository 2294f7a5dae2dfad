"""One node of a simulated cluster: a server process with a directory of its own over the common disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from salon.actors.cluster.directory import ClusterDirectory
from salon.actors.cluster.node import ClusterNode
from salon.actors.cluster.view import owner_of
from salon.actors.future import Future
from salon.actors.store import Appended, StoreError
from salon.web.cluster.housekeeping import ViewWatch

from .disk import value_of
from .disk_operators import OperatorsPort
from .server import Process
from .serving import Operators

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.cluster.view import Node, View
    from salon.actors.store import Changes, KeysTaken, StaleView

    from .disk import Fault
    from .fabric import Fabric

REFUSED = 0.5  # seconds after which a database that is not to be reached says so


def _save_for_all(name: str) -> Callable[..., Future[Any]]:
    """A write of that name, of what one node does for all: the store refuses it to any other."""

    def save(self: NodePort, *arguments: Any) -> Future[Any]:
        fault = self.saves.popleft() if self.saves else None

        def work() -> Future[Any]:
            if self.keeps_house():
                found: Future[Any] = getattr(self.disk, name)(*arguments)
                return found
            refused: Future[Any] = Future()
            refused.set_exception(StoreError("another node does now what one does for all"))
            return refused

        return self._do(work, fault, 1.0)

    return save


class NodePort(OperatorsPort):
    """A node's store, which it may be cut off from; a node that stands still asks nothing and hears nothing."""

    cut_until = 0.0
    still_until = 0.0
    owns: Callable[
        [str], bool
    ]  # whether the view, as the store has it now, makes this node the owner
    tell: Callable[[str], object]  # what it has stored without being the owner
    keeps_house: Callable[[], bool]  # whether the view makes it the node that works for all

    save_webhook, move_webhook = _save_for_all("save_webhook"), _save_for_all("move_webhook")
    delete_webhook = _save_for_all("delete_webhook")
    save_webhook_lag = _save_for_all("save_webhook_lag")
    end_webhook_lag = _save_for_all("end_webhook_lag")

    def append(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        """Store the changes, and look whether this node may."""
        fault = self.appends.popleft() if self.appends else None
        return self._do(lambda: self._commit(changes), fault, 1.0)

    def _commit(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        outcome = self.disk.commit(changes)
        # The second belt, the sequence, refuses what another has overtaken: that tells nobody anything wrong.
        if isinstance(value_of(outcome), Appended) and not self.owns(changes.conversation_id):
            self.tell(f"{changes.conversation_id} was written by a node that does not own it")
        self._log_has_grown()
        return outcome

    def join(self, node: Node) -> Future[View]:
        """Install a view with the node in it."""
        return self._do(lambda: self.disk.join(node), None, 0.25)

    def leave(self, node_id: str) -> Future[View]:
        """Install a view without the node."""
        return self._do(lambda: self.disk.leave(node_id), None, 0.25)

    def beat(self, node_id: str, timeout: float) -> Future[View]:
        """Give a sign of life."""

        def work() -> Future[View]:
            self._log_has_grown()  # by others, of whose commits it is not told
            return self.disk.beat(node_id, timeout)

        return self._do(work, None, 0.25)

    def _do(
        self, work: Callable[[], Future[Any]], fault: Fault | None, share: float
    ) -> Future[Any]:
        now = trio.current_time()
        if now < self.still_until:
            future: Future[Any] = Future()

            def go_on() -> None:
                if not self.dead:
                    done = self._do(work, fault, share)
                    done.when_done(lambda: self._finish(done, future))

            self._agenda.at(self.still_until, go_on)
            return future
        if now < self.cut_until:
            future = Future()
            self._agenda.after(REFUSED, lambda: self._refuse(future))
            return future
        return super()._do(work, fault, share)

    def _refuse(self, future: Future[Any]) -> None:
        if not self.dead:
            future.set_exception(StoreError("the database is not to be reached"))

    def _finish(self, outcome: Future[Any], future: Future[Any]) -> None:
        if trio.current_time() < self.still_until:
            self._agenda.at(self.still_until, lambda: self._finish(outcome, future))
        elif trio.current_time() < self.cut_until and not self.dead:
            # It may have taken effect: nobody can say.
            future.set_exception(StoreError("the connection to the database is lost"))
        else:
            super()._finish(outcome, future)


class NodeProcess(Process):
    """A server that is a node. `fabric`, `slot` and `tell`, for what must not happen, are set before it runs."""

    directory_type = ClusterDirectory
    port_type = operated_port_type = NodePort
    directory: ClusterDirectory
    store: NodePort
    fabric: Fabric
    tell: Callable[[str], object]
    node: ClusterNode
    slot = 0

    async def prepare(self, nursery: trio.Nursery) -> None:
        """Join the others."""
        self.store.owns, self.store.tell = self._may_write, self.tell
        self.store.keeps_house = lambda: self.keeps_house
        self.name = f"node-{self.slot}"
        self.views = ViewWatch(self.store)
        self.keep = self.views.keep
        self.node = ClusterNode(
            self.directory, self.views, self._connect, name=self.name, version="1"
        )
        self._ids: list[str] = []
        if self.services is not None:
            self.services.erasures.shared = True
            self.parts.webhooks_here = lambda: self.views.keeps_house  # type: ignore[attr-defined]
        operators = Operators(self.parts, self.node)
        self.parts.share = operators.share  # type: ignore[attr-defined]  # as in `AdminParts`
        await operators.run(nursery)
        await nursery.start(self.node.run)

    def _connect(self, node_id: str) -> Any:
        for former in self._ids:
            self.fabric.forget(former)
        self._ids.append(node_id)
        return self.fabric.connect(node_id)

    def _may_write(self, conversation_id: str) -> bool:
        return owner_of(self.store.disk.view(), conversation_id) == self.id

    @property
    def id(self) -> str:
        """The id under which it takes part now."""
        return self.node.node.id

    @property
    def serves(self) -> bool:
        """Whether a balancer sends it requests: it is in the view, and does not drain."""
        return self.node.ready and self.directory.draining is None

    @property
    def hears(self) -> bool:
        """Whether it learns now what others have stored."""
        store, now = self.store, trio.current_time()
        return not store.reads and now >= max(store.still_until, store.cut_until, store.slow_until)

    @property
    def keeps_house(self) -> bool:
        """Whether the store takes it for the node that does what one does for all."""
        nodes = self.store.disk.view().nodes
        return bool(nodes) and nodes[0].id == self.id

    def kill(self) -> None:
        """Die at once."""
        super().kill()
        if hasattr(self, "node"):
            self.fabric.forget(self.id)

    def pause(self, seconds: float) -> None:
        """Stand still, as by SIGSTOP: what comes in and goes out waits."""
        until = trio.current_time() + seconds
        self.store.still_until = until
        self.fabric.stand_still(self.id, until)

    async def _drain(self) -> None:
        while not self.node.leaving or self.id in {each.id for each in self.node.view.nodes}:
            try:
                await self.node.leave()
            except StoreError as error:
                self.directory.report(error)
                await trio.sleep(1)
        await super()._drain()
