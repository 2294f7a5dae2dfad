"""This node among the others: keeps the view, and carries messages between the actors here and those at other nodes."""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.future import Future
from salon.actors.messages import Create, Inform, Revoke
from salon.actors.runtime import ActorDied
from salon.actors.signals import ApprovalDecided, Cancel
from salon.actors.store import StoreError

from .branches import LEASE
from .encoding import UnreadableError, decode, encode, value_of
from .lasting import LASTS, LastingIn, LastingOut
from .owned import Watched
from .pulses import Pulses, digest_of
from .replica import Arrived
from .view import Node, Owners, View
from .wire import (
    Again,
    Answer,
    Ask,
    Batch,
    Call,
    Concerned,
    Head,
    Heard,
    Hint,
    Informed,
    Lasting,
    Pulse,
    Pushed,
    Renamed,
    Reply,
    Revoked,
    ToAll,
    Told,
    Watch,
    Watching,
    Work,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .calls import Calls
    from .directory import ClusterDirectory
    from .host import Concerning
    from .membership import Membership
    from .pulses import Hearing
    from .transport import Transport
    from .wire import Message

BEAT = 1.0  # seconds between two signs of life, to the store and to the other nodes
TIMEOUT = 3.0  # seconds without one after which a node is given up
EARLY = 1000  # messages kept that came from a view which this node is about to learn
# True in whatever view they were said.
ALWAYS = Answer | ToAll | Pushed | Again | Call | Reply

logger = logging.getLogger(__name__)


class ClusterNode:
    """One node. `connect` gives a transport for each id that this process takes part under; `run` has to run.

    `joined` is set while the node is in the view. `name` is for operators, `version` that of the program.
    """

    def __init__(
        self,
        directory: ClusterDirectory,
        membership: Membership,
        connect: Callable[[str], Transport],
        *,
        name: str,
        version: str,
        timeout: float = TIMEOUT,
    ) -> None:
        directory.cluster = self
        self.directory = directory
        self.node = Node("", name, version)
        self.view = View(0, ())
        self.joined = trio.Event()
        self.leaving = False
        self.calls: Calls | None = None  # who takes what operators at other nodes want
        self._membership = membership
        self._connect = connect
        self._timeout = timeout
        self._transport: Transport
        self._numbers = count(1)
        self._owners = Owners()
        self._watching: dict[str, float] = {}  # nodes where lists are watched -> when they said so
        self._waiting: list[tuple[int, Future[None]]] = []
        self._early: list[tuple[int, str, Message]] = []
        self._said, self._heard = LastingOut(), LastingIn()
        self._pulses = Pulses()
        self._missed = trio.Event()  # something that another node has sent has not come
        self._newer = trio.Event()  # somebody has spoken of a newer view
        self._went_on = False  # the same, since this node has learned one
        self._beaten_at = trio.current_time()  # when the last sign of life was given that was taken

    # --- the view ---------------------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Join, and take part until cancelled. Started once the node is in."""
        async with trio.open_nursery() as nursery:
            await self._join()
            nursery.start_soon(self._say_who_is_here)
            nursery.start_soon(self._resume_runs)
            nursery.start_soon(self._say_again)
            nursery.start_soon(self._give_pulses)
            task_status.started()
            while True:
                with trio.move_on_after(BEAT):
                    await self._newer.wait()
                await self._look()

    async def leave(self) -> None:
        """Have others own all conversations. The sockets here stay, and are served by replicas. Raises `StoreError`."""
        with self.directory.system:
            self.directory.save_runs()
        with trio.move_on_after(BEAT):
            while any(actor.busy for actor in self.directory.conversations.values()):  # noqa: ASYNC110  # once per process
                await trio.sleep(BEAT / 100)
        self.leaving = True
        self._adopt(await self._membership.leave(self.node.id).wait(), hint=True)

    @property
    def has_left(self) -> bool:
        """Whether it was told to leave, and others own all conversations."""
        nodes = self.view.nodes
        return self.leaving and bool(nodes) and all(each.id != self.node.id for each in nodes)

    async def _join(self) -> None:
        told = ""
        while True:
            self.node = self.node._replace(id=self.directory.sources.new_id())
            self._transport = self._connect(self.node.id)
            self._transport.receive(self._take)
            try:
                view = await self._membership.join(self.node).wait()
            except StoreError as error:
                if str(error) != told:  # it may wait for long until the others agree with it
                    told = str(error)
                    self.directory.report(error)
                await trio.sleep(BEAT)
            else:
                self._adopt(view, hint=True)
                return

    async def _look(self) -> None:
        """Give a sign of life and learn the view. A node that was given up joins again."""
        self._newer = trio.Event()
        began = trio.current_time()
        try:
            view = await self._membership.beat(self.node.id, self._timeout).wait()
        except StoreError as error:
            self.directory.report(error)
            if self._went_on and self._is_lost():
                self._went_on = False
                with self.directory.system:
                    self.directory.send_away()  # the others have gone on without it
            await trio.sleep(BEAT)
            return
        self._beaten_at = began
        if self.leaving or any(node.id == self.node.id for node in view.nodes):
            self._adopt(view, hint=True)
            return
        logger.warning(
            "this node was given up by the others: its sockets are sent away, and it joins again"
        )
        self.joined = trio.Event()
        with self.directory.system:
            self.directory.send_away()
        await self._join()

    def _adopt(self, view: View, *, hint: bool) -> None:
        if view.number <= self.view.number:
            return
        skipped = self.view.number and view.number > self.view.number + 1
        self.view, self._went_on = view, False
        self._beaten_at = trio.current_time()
        self._owners.moved(view)
        ids = {node.id for node in view.nodes}
        for each in (self._said, self._heard):
            each.keep(ids, self._beaten_at)
        self._pulses.keep(ids)
        if hint:
            self.tell_all(Hint())
        with self.directory.system:
            self.directory.moved(skipped=bool(skipped))
            self._missed.set()
            due = [future for number, future in self._waiting if number <= view.number]
            self._waiting = [each for each in self._waiting if each[0] > view.number]
            for future in due:
                future.set(None)
            early, self._early = self._early, []
            for number, sender, message in early:
                self._route(number, sender, message)
        self.directory.wake_runs()
        if not self.leaving:
            self.joined.set()

    def owner(self, conversation_id: str) -> str:
        """The id of the node that owns a conversation now; "" while there is none."""
        return self._owners.of(conversation_id)

    @property
    def ready(self) -> bool:
        """Whether it is in the view, as far as it can know: a node that does not reach the store may have been given up."""
        return self.joined.is_set() and not self._is_lost()

    def _is_lost(self) -> bool:
        return self.silent_seconds > self._timeout + BEAT

    @property
    def silent_seconds(self) -> float:
        """Since the last sign of life of this node that the store has taken."""
        return trio.current_time() - self._beaten_at

    def doubt(self) -> None:
        """Ask the store for the view soon."""
        self._newer.set()

    def reached(self, number: int) -> Future[None]:
        """Done once this node knows the view of this number, or a newer one."""
        future: Future[None] = Future()
        if number <= self.view.number:
            future.set(None)
        else:
            self._waiting.append((number, future))
            self.doubt()
        return future

    def heard(self, node_id: str) -> Hearing:
        """How another node is heard."""
        return self._pulses.heard(node_id)

    def next_number(self) -> int:
        """A number that this node has not used before, higher than all that it has."""
        return next(self._numbers)

    async def _say_who_is_here(self) -> None:
        while True:
            with trio.move_on_after(BEAT):
                await self._missed.wait()
            self._missed = trio.Event()
            await self.directory.beat()

    async def _give_pulses(self) -> None:
        """Once a second: tell the others how much was sent to them."""
        while True:
            await trio.sleep(BEAT)
            if self.directory.watchers:
                self.tell_all(Watching())
            others = [node.id for node in self.view.nodes if node.id != self.node.id]
            for node_id, pulse in self._pulses.due(others):
                self._transport.send(node_id, (encode(self.view.number, pulse),))

    async def _say_again(self) -> None:
        """Once a second: confirm what has come, and send again what others have not confirmed."""
        while True:
            await trio.sleep(BEAT)
            for node_id, heard in self._heard.news():
                self.send(node_id, heard)
            for node_id, lasting in self._said.due(trio.current_time()):
                self.send(node_id, lasting)

    async def _resume_runs(self) -> None:
        """After each change of view, go on with the open runs of conversations that this node owns now."""
        while True:
            await self.directory.runs_moved.wait()
            self.directory.runs_moved = trio.Event()
            try:
                await self.directory.resume_runs()
            except StoreError as error:
                self.directory.report(error)
                await trio.sleep(BEAT)
                self.directory.runs_moved.set()

    # --- out --------------------------------------------------------------------------------------------------------------

    def send(self, node_id: str, message: Message) -> None:
        """Send a message to a node; it may be lost, unless it is one of those that are sent again."""
        if isinstance(message, LASTS):
            self.send_all((node_id,), message)
        elif node_id and node_id != self.node.id:
            part = encode(self.view.number, message)
            self._pulses.sent(node_id, digest_of(part))
            self._transport.send(node_id, (part,))

    def send_all(self, node_ids: Iterable[str], message: Message) -> None:
        """Send a message, encoded once where it may be lost, to several nodes."""
        if isinstance(message, LASTS):
            now = trio.current_time()
            for node_id in node_ids:
                if node_id and node_id != self.node.id:
                    self.send(node_id, self._said.add(node_id, message, now))
            return
        part = encode(self.view.number, message)
        digest = digest_of(part)
        for node_id in node_ids:
            if node_id != self.node.id:
                self._pulses.sent(node_id, digest)
                self._transport.send(node_id, (part,))

    def tell_all(self, message: Message) -> None:
        """Send a message to all other nodes."""
        self.send_all([node.id for node in self.view.nodes], message)

    def concern(self, conversation_id: str, turn: Concerning) -> None:
        """Tell the nodes at which somebody watches their list of conversations whose lists a turn may have changed."""
        if self._watching:
            now = trio.current_time()
            self._watching = {id: at for id, at in self._watching.items() if now - at < LEASE}
            concerned = Concerned(conversation_id, tuple(sorted(turn.concerned)))
            self.send_all(self._watching, concerned)

    # --- in ---------------------------------------------------------------------------------------------------------------

    def _take(self, sender: str, parts: Sequence[bytes]) -> None:
        with self.directory.system:
            for part in parts:
                try:
                    number, message = decode(part)
                    if type(message) is Pulse:
                        self._take_pulse(sender, message)
                        continue
                    self._pulses.received(sender, digest_of(part))
                    self._route(number, sender, message)
                except UnreadableError as error:
                    logger.warning("a message of node %s cannot be read: %s", sender, error)

    def _take_pulse(self, sender: str, pulse: Pulse) -> None:
        """Have all said again, both ways, where something has not come."""
        if not self._pulses.take(sender, pulse, trio.current_time()):
            self._say_all_again(sender, "")
            self.send(sender, Again(""))

    def _say_all_again(self, owner: str, conversation_id: str) -> None:
        self.directory.missed(owner, conversation_id)
        self._missed.set()

    def _route(self, number: int, sender: str, message: Message) -> None:
        """Take a message that was said in the view of this node; one of another view may have been said to another owner."""
        if number > self.view.number:
            self._went_on = True
            self._newer.set()
        if isinstance(message, ALWAYS):
            self._always(sender, message)
        elif number == self.view.number:
            self._deliver(sender, message)
        elif number > self.view.number:
            if len(self._early) < EARLY:
                self._early.append((number, sender, message))
        else:
            self.send(sender, Hint())

    def _always(self, sender: str, message: Message) -> None:
        directory = self.directory
        match message:
            case Answer():
                replica = directory.replicas.get(message.conversation_id)
                if replica is not None:
                    replica.asking.answered(message)
            case Informed(conversation_id, participant_id, signal):
                actor = directory.participants.get(participant_id)
                if actor is not None and actor.actor_ref.is_alive():
                    actor.actor_ref.tell(Inform(conversation_id, value_of(signal)))
            case Renamed(participant):
                directory.renamed(participant)
            case Revoked(participant_id, token_id, blocked):
                directory.revoked(participant_id, Revoke(token_id, blocked))
            case Watching():
                self._watching[sender] = trio.current_time()
            case Concerned(conversation_id, participant_ids):
                directory.watchers.tell(conversation_id, participant_ids)
            case Again(conversation_id):
                self._say_all_again(sender, conversation_id)
            case Pushed():
                directory.push(message)
            case Work(conversation_id, signal):
                match value_of(signal):
                    case Cancel(run_id):
                        directory.agent_host.cancel(conversation_id, run_id)
                    case ApprovalDecided() as decision:
                        directory.agent_host.decided(conversation_id, decision)
            case Lasting():
                ready, missing = self._heard.take(sender, message, trio.current_time())
                if missing is not None:
                    self.send(sender, missing)
                for each in ready:
                    self._always(sender, each)
            case Heard():
                for lacking in self._said.heard(sender, message, trio.current_time()):
                    self.send(sender, lacking)
            case Call() | Reply() if self.calls is not None:
                self.calls.take(sender, message)

    def _deliver(self, sender: str, message: Message) -> None:
        match message:
            case Ask() | Watch():
                self._to_owner(sender, message)
            case Batch() | Head() | Told():
                replica = self.directory.replicas.get(message.conversation_id)
                if replica is None or (
                    isinstance(message, Head) and replica.heard_as_before(message)
                ):
                    return
                if replica.actor_ref.is_alive():
                    replica.actor_ref.tell(Arrived(message))  # type: ignore[arg-type]

    def _to_owner(self, sender: str, message: Ask | Watch) -> None:
        directory, id = self.directory, message.conversation_id
        if not directory.owns(id):
            return  # it is not said to another owner by a node that knows the view
        active = directory.owned(id)
        if (
            active is not None
            and isinstance(message, Watch)
            and active.watched_as_before(sender, message)
        ):
            return
        try:
            is_new = isinstance(message, Ask) and message.command.name == Create.__name__
            if is_new and active is None:
                directory.begin(id)
            else:
                directory.conversation(id)
        except ActorDied:
            return  # it has crashed too often: the other node asks again
        owner = directory.owned(id)
        assert owner is not None, "this node owns it"
        if isinstance(message, Ask):
            owner.take(sender, message)
        else:
            told: Any = Watched(sender, message)
            owner.actor_ref.tell(told)
