"""Deliberate bugs of several nodes: the fence, who owns what, replicas, commands on their way, hand-over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from salon.actors.cluster.branches import Branches
from salon.actors.cluster.channel import Incoming, Outgoing
from salon.actors.cluster.directory import ClusterDirectory
from salon.actors.cluster.following import Following
from salon.actors.cluster.node import ClusterNode
from salon.actors.cluster.owned import OwnedConversation
from salon.actors.future import Future
from salon.actors.store import Appended
from salon.web.cluster.housekeeping import ViewWatch
from salon.web.refresh import Refresh

if TYPE_CHECKING:
    from salon.actors.store import Changes

Change = tuple[Any, str, Callable[[Any], Any]]


def commit_without_the_view_check() -> Change:
    """A commit names no view: a node that was given up goes on to write."""

    def change(real: Any) -> Any:
        return lambda self, changes: self._store.append(changes)

    return OwnedConversation, "_append_in_view", change


def two_owners_in_a_view() -> Change:
    """The node that joined first takes itself for the owner of everything; the others go by the view."""

    def change(real: Any) -> Any:
        def owner(self: ClusterNode, conversation_id: str) -> str:
            first = bool(self.view.nodes) and self.view.nodes[0].id == self.node.id
            return self.node.id if first else real(self, conversation_id)

        return owner

    return ClusterNode, "owner", change


def replica_that_skips_a_gap() -> Change:
    """A replica takes the next batch for the one that it expects."""

    def change(real: Any) -> Any:
        async def take(self: Any, batch: Any) -> None:
            follows = batch.life != self.life or batch.number > self.number
            if self.state is not None and self.life and follows and batch.records:
                self.life, self.number = batch.life, batch.number
                if batch.records[0].sequence > self.state.head:
                    await self.deliver(self.state.draft(), batch.records)
            else:
                await real(self, batch)

        return take

    return Following, "take_batch", change


def receipt_before_commit_over_the_wire() -> Change:
    """Another node's command is answered while its commit is still under way."""

    def change(real: Any) -> Any:
        def append(self: OwnedConversation, changes: Changes) -> Future[Any]:
            remote = self._batch and all(
                type(each.reply_to).__name__ == "RemoteCaller" for each in self._batch
            )
            outcome: Future[Any] = real(self, changes)
            if remote and changes.number and not outcome.done:
                return Future.of(Appended(changes.number))
            return outcome

        return append

    return OwnedConversation, "_append_in_view", change


def retry_without_a_key() -> Change:
    """A command that is sent again to another owner has another key."""

    def change(real: Any) -> Any:
        def begin(self: Outgoing, channel: int, first: Any = ()) -> None:
            real(self, channel, first)
            for pending in self.pending.values():
                if pending.again and hasattr(pending.letter.message, "_replace"):
                    again = pending.letter.message._replace(key=f"again-{channel}")
                    pending.letter.message = again

        return begin

    return Outgoing, "begin", change


def presence_of_a_dead_node_kept() -> Change:
    """The people of a node that is gone stay online."""
    return Branches, "drop", lambda real: lambda self, node_id: set()


def hand_over_that_forgets_a_waiting_command() -> Change:
    """A command that waits while its conversation gets another owner is dropped, and never answered."""

    def change(real: Any) -> Any:
        def begin(self: Outgoing, channel: int, first: Any = ()) -> None:
            self.pending.clear()
            real(self, channel, first)

        return begin

    return Outgoing, "begin", change


def stale_view_used_for_routing() -> Change:
    """Who was found to own a conversation stays its owner, whatever the view."""
    known: dict[tuple[int, str], str] = {}

    def change(real: Any) -> Any:
        def owner(self: ClusterNode, conversation_id: str) -> str:
            found: str = real(self, conversation_id)
            if found == self.node.id or not found:
                return found
            return known.setdefault((id(self), conversation_id), found)

        return owner

    return ClusterNode, "owner", change


def hand_over_that_forgets_a_socket() -> Change:
    """Sockets of a conversation that gets another owner are served by nobody."""

    def change(real: Any) -> Any:
        def let_go(self: Any, actor: Any, letters: Any) -> None:
            actor.audience.let_go()
            real(self, actor, letters)

        return let_go

    return ClusterDirectory, "let_go", change


def out_of_order_over_the_wire() -> Change:
    """Commands of a node are carried out in the order in which they arrive."""

    def change(real: Any) -> Any:
        def take(self: Incoming, ask: Any, now: float) -> list[Any]:
            ready: list[Any] = real(self, ask, now)
            if ask.number in self._held:
                early = self._held.pop(ask.number)
                self._next = max(self._next, ask.number + 1)
                return [*ready, early]
            return ready

        return take

    return Incoming, "take", change


def every_node_tells_backends() -> Change:
    """What one node does for all is done by each of them."""

    def change(real: Any) -> Any:
        async def keep(self: ViewWatch, service: Any, report: Any, **more: Any) -> None:
            await service(**more)

        return keep

    return ViewWatch, "keep", change


def nobody_takes_the_webhooks_over() -> Change:
    """What one node does for all ends with it."""

    def change(real: Any) -> Any:
        async def keep(self: ViewWatch, service: Any, report: Any, **more: Any) -> None:
            if self.keeps_house and self.view is not None and self.view.number == 1:
                await real(self, service, report, **more)
            else:
                more["task_status"].started()

        return keep

    return ViewWatch, "keep", change


def a_token_is_revoked_at_one_node_only() -> Change:
    """A node takes nothing of what others have decided about people."""

    def change(real: Any) -> Any:
        async def look(self: Any) -> None:
            return

        return look

    return Refresh, "_look", change
