"""What the nodes of a cluster ask each other for operators, each of all others at once, with a deadline.

Every call is signed with the key of the sessions, which all nodes have: whoever can publish to NATS is no operator by that.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import trio

from salon.actors.refusals import Code, Refusal
from salon.actors.store import StoreError

from ..http import Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from salon.actors.cluster.view import Node

    from ..cluster import ServingNode
    from ..identity import Signer

PATIENCE = (
    1.0  # seconds that others have to say what they have; who takes longer is shown as silent
)
# Seconds for what has to hold at all nodes before it is answered: one that stands still is given up within, and one that NATS
# does not reach has looked by itself.
SHARED = 5.0
RETRY = 1.0  # seconds until a node that did not answer is tried again: within, it answers or is given up
MAC = 32  # bytes of a signature
WRONG = b"{}"  # the reply to a call that nobody of the cluster has signed

Answer = Any  # what JSON can say

logger = logging.getLogger(__name__)


class Said(NamedTuple):
    """What other nodes have said, by their ids in the order of the view, and the names of those who did not."""

    by_node: dict[str, Answer]
    silent: list[str]


class Relay:
    """Asks other nodes, and answers them. `handlers` are added before the node runs."""

    def __init__(
        self, node: ServingNode, signer: Signer, report: Callable[[StoreError], None]
    ) -> None:
        self.node = node
        self.handlers: dict[str, Callable[[dict[str, Any]], Awaitable[Answer]]] = {}
        self._signer = signer
        self._report = report
        node.answers(self._carry_out)

    @property
    def name(self) -> str:
        """This node's name."""
        return self.node.node.node.name

    @property
    def id(self) -> str:
        """This node's id."""
        return self.node.node.node.id

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of the view, in their order."""
        return self.node.node.view.nodes

    def name_of(self, node_id: str) -> str:
        """The name of a node of the view; its id if it is gone."""
        return next((node.name for node in self.nodes if node.id == node_id), node_id)

    def unavailable(self, node_id: str) -> Refused:
        """The refusal for a node that does not answer."""
        facts = {"node": self.name_of(node_id)}
        return Refused(Refusal(Code.NODE_UNAVAILABLE, facts, retry_after=RETRY, scope="server"))

    async def ask(
        self, node_id: str, kind: str, fields: Mapping[str, Any], patience: float = PATIENCE
    ) -> Answer:
        """What a node answers; None where it does not within `patience` seconds."""

        def body_of(number: int) -> bytes:
            text = json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode()
            return self._signer.mac(_place(self.id, node_id, number) + text) + text

        reply = await self.node.calls.ask(node_id, body_of, patience)
        if reply is None or reply == WRONG:
            return None
        return json.loads(reply)["answer"]

    async def ask_all(
        self, kind: str, fields: Mapping[str, Any], patience: float = PATIENCE
    ) -> Said:
        """What all other nodes answer."""
        answers: dict[str, Answer] = {}

        async def ask(node_id: str) -> None:
            answers[node_id] = await self.ask(node_id, kind, fields, patience)

        others = [node for node in self.nodes if node.id != self.id]
        async with trio.open_nursery() as nursery:
            for node in others:
                nursery.start_soon(ask, node.id)
        return Said(
            {node.id: answers[node.id] for node in others if answers[node.id] is not None},
            [node.name for node in others if answers[node.id] is None],
        )

    def tell_all(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Tell all other nodes, without a wait for them."""
        self.node.calls.start(self.ask_all, kind, fields)

    async def share(self) -> None:
        """Have all other nodes look at what was decided here, and wait for them: then it holds at all that are in the view."""
        await self.ask_all("look", {}, SHARED)

    async def _carry_out(self, sender: str, number: int, body: bytes) -> bytes:
        mac, text = body[:MAC], body[MAC:]
        if not self._signer.has_made(mac, _place(sender, self.id, number) + text):
            logger.warning("a call of node %s is not signed with the key of this one", sender)
            return WRONG
        fields = json.loads(text)
        handler = self.handlers.get(fields.pop("kind"))
        try:
            answer = None if handler is None else await handler(fields)
        except StoreError as error:
            self._report(error)
            answer = None
        return json.dumps({"answer": answer}, separators=(",", ":")).encode()


def _place(sender: str, receiver: str, number: int) -> bytes:
    """Where a call belongs, so that it is good for nothing elsewhere."""
    return f"{sender}\0{receiver}\0{number}\0".encode()
