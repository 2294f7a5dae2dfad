"""What one node asks of another apart from conversations: sent again until there is a reply, and carried out once."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import trio

from .wire import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .host import Cluster

AGAIN = 0.5  # seconds without a reply after which a call is sent again
AT_ONCE = 64  # calls of other nodes that are carried out at once: operators ask them, and few do
KEPT = 256  # calls of one node that are remembered, so that none is carried out twice
KEPT_BYTES = 4_000_000  # of replies that may have been lost; of one that is forgotten the caller hears nothing
CALLERS = 64  # nodes whose calls are remembered

logger = logging.getLogger(__name__)


class _Caller:
    """The calls of one node. What is older than all that are remembered is not carried out: it has been, or is too late."""

    def __init__(self) -> None:
        self.replies: OrderedDict[int, bytes | None] = OrderedDict()
        self.forgotten = 0
        self._size = 0

    def begin(self, number: int) -> bool:
        """Whether a call is new; it is remembered."""
        if number <= self.forgotten or number in self.replies:
            return False
        self.replies[number] = None
        return True

    def end(self, number: int, reply: bytes) -> None:
        """Keep the reply until it is surely there, or too much is kept."""
        self.replies[number] = reply
        self._size += len(reply)
        while len(self.replies) > KEPT or self._size > KEPT_BYTES:
            oldest, kept = self.replies.popitem(last=False)
            self.forgotten = max(self.forgotten, oldest)
            self._size -= len(kept or b"")


class Calls:
    """The calls of this node and to it. `run` has to run.

    `carry_out` is given the caller's node id, the number of the call among the caller's, and its body; it returns the reply's.
    """

    def __init__(
        self, cluster: Cluster, carry_out: Callable[[str, int, bytes], Awaitable[bytes]]
    ) -> None:
        self._cluster = cluster
        self._carry_out = carry_out
        self._callers: OrderedDict[str, _Caller] = OrderedDict()
        self._waiting: dict[int, tuple[str, trio.Event, list[bytes]]] = {}
        self._running = 0
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out the calls of others until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def start(self, call: Callable[..., Awaitable[Any]], *words: Any) -> None:
        """Have a call made for which nobody waits, while this node runs."""
        if self._nursery is not None:
            self._nursery.start_soon(call, *words)

    async def ask(
        self, node_id: str, body_of: Callable[[int], bytes], patience: float
    ) -> bytes | None:
        """The reply of another node; None where it has not replied within `patience` seconds, or is no longer in the view.

        It may have carried out the call even so. `body_of` makes the body for the call's number.
        """
        number = self._cluster.next_number()
        call, replied, reply = Call(number, body_of(number)), trio.Event(), list[bytes]()
        self._waiting[number] = node_id, replied, reply
        try:
            with trio.move_on_after(patience):
                while not reply and self._is_in(node_id):
                    self._cluster.send(node_id, call)
                    with trio.move_on_after(AGAIN):
                        await replied.wait()
        finally:
            del self._waiting[number]
        return reply[0] if reply else None

    def _is_in(self, node_id: str) -> bool:
        return any(node.id == node_id for node in self._cluster.view.nodes)

    def take(self, sender: str, message: Call | Reply) -> None:
        """Take what another node has sent."""
        if isinstance(message, Reply):
            asked, replied, reply = self._waiting.get(message.number, ("", None, []))
            if replied is not None and asked == sender and not reply:
                reply.append(message.body)
                replied.set()
            return
        caller = self._caller(sender)
        if caller.begin(message.number):
            if self._nursery is None or self._running >= AT_ONCE:
                del caller.replies[message.number]  # it comes again
                return
            self._running += 1
            self._nursery.start_soon(self._answer, sender, caller, message)
            return
        kept = caller.replies.get(message.number)
        if kept is not None:
            self._cluster.send(sender, Reply(message.number, kept))

    async def _answer(self, sender: str, caller: _Caller, call: Call) -> None:
        try:
            body = await self._carry_out(sender, call.number, call.body)
        except Exception:  # one call must not end the node; its caller gives up after its patience
            logger.exception("a call of node %s has failed", sender)
        else:
            caller.end(call.number, body)
            self._cluster.send(sender, Reply(call.number, body))
        finally:
            self._running -= 1

    def _caller(self, node_id: str) -> _Caller:
        caller = self._callers.get(node_id)
        if caller is None:
            if len(self._callers) >= CALLERS:
                self._callers.popitem(last=False)
            caller = self._callers[node_id] = _Caller()
        return caller
