"""What an actor of a node uses: the services of its process, and the way to other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from salon.actors.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from salon.actors.conversation import ConversationActor
    from salon.actors.future import Future
    from salon.actors.mailbox import Letter
    from salon.actors.messages import Command
    from salon.actors.refusals import Refusal

    from .figures import ClusterFigures
    from .pulses import Hearing
    from .view import Node, View
    from .wire import Message


class Concerning(Protocol):
    """What a turn has done."""

    @property
    def concerned(self) -> set[str]:
        """The ids of those in whose lists of conversations it may have changed a line."""


class Cluster(Protocol):
    """This node among the others. No method waits."""

    node: Node
    view: View

    @property
    def has_left(self) -> bool:
        """Whether it was told to leave, and others own all conversations."""

    def send(self, node_id: str, message: Message) -> None:
        """Send a message to a node; it may be lost."""

    def send_all(self, node_ids: Iterable[str], message: Message) -> None:
        """Send a message, encoded once, to several nodes."""

    def tell_all(self, message: Message) -> None:
        """Send a message to all other nodes."""

    def owner(self, conversation_id: str) -> str:
        """The id of the node that owns a conversation now."""

    def heard(self, node_id: str) -> Hearing:
        """How another node is heard."""

    def next_number(self) -> int:
        """A number that this node has not used before, higher than all that it has."""

    def concern(self, conversation_id: str, turn: Concerning) -> None:
        """Tell the nodes at which somebody watches their list of conversations whose lists a turn may have changed."""

    def doubt(self) -> None:
        """Ask the store for the view soon: it seems to be another."""

    def reached(self, number: int) -> Future[None]:
        """Done once this node knows the view of this number, or a newer one."""


class ClusterHost(Host, Protocol):
    """The directory of a node as its actors see it."""

    cluster: Cluster
    counted: ClusterFigures

    def let_go(self, actor: ConversationActor, letters: Sequence[Letter]) -> None:
        """Replace the actor of a conversation that another node owns now; it has not carried out the letters."""

    def rate(self, command: Command) -> Refusal | None:
        """Why a command of another node may not be carried out: its sender's rate is counted where the conversation is."""
