"""A conversation at the node that owns it: the same actor, whose commits name the view, and which tells the other nodes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar
from zlib import crc32

import trio

from salon.actors.attendance import Attendance
from salon.actors.audience import Audience
from salon.actors.conversation import ConversationActor, Superseded
from salon.actors.events import Created
from salon.actors.mailbox import Letter, MailboxFull
from salon.actors.messages import Create
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied
from salon.actors.signals import Delta, Presence, ReadMoved, RunStatus
from salon.actors.store import StoreError

from .branches import Branches
from .channel import Incoming
from .encoding import UnreadableError, named, value_of
from .wire import Answer, Head, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from salon.actors.future import Future
    from salon.actors.messages import ReadMarked
    from salon.actors.model import Participant, State
    from salon.actors.signals import Signal
    from salon.actors.store import Appended, Changes, KeysTaken, Record, Rewrite, StaleView
    from salon.actors.subscriber import Subscriber
    from salon.actors.turn import Turn

    from .host import ClusterHost
    from .wire import Ask

logger = logging.getLogger(__name__)

FORGOTTEN = 60.0  # seconds after a node's last command in which its outcomes are kept


@dataclass(frozen=True, slots=True)
class Watched:
    """A node says which sockets it has."""

    is_command: ClassVar[bool] = False

    node_id: str
    watch: Watch


@dataclass(frozen=True, slots=True)
class TakenOver:
    """There are subscribers whom another actor has served, to be sent what they lack."""

    is_command: ClassVar[bool] = False


class OwnedAudience(Audience):
    """The subscribers here, and those at other nodes."""

    branches: Branches
    tell_presence: Callable[[], None]

    def connected(self, participant_id: str) -> bool:
        """Whether a participant has a connection at any node."""
        return super().connected(participant_id) or self.branches.has(participant_id)

    def participants(self) -> Iterator[str]:
        """The ids of all connected participants."""
        return iter(dict.fromkeys((*super().participants(), *self.branches.people())))

    def of(self, participant_id: str) -> list[Subscriber]:
        """All connections of a participant; those at another node are one."""
        there: list[Any] = self.branches.persons(participant_id)
        return [*super().of(participant_id), *there]

    def here(self, participant_id: str) -> list[Subscriber]:
        """The connections of a participant at this node."""
        return super().of(participant_id)

    def rewrite(self, rewrites: Mapping[int, Rewrite]) -> None:
        """Replace remembered events, at the other nodes, too."""
        super().rewrite(rewrites)
        self.branches.rewrite(rewrites)

    async def deliver(self, records: Sequence[Record]) -> int:
        """Deliver committed events: to the other nodes first, which have the longer way."""
        self.branches.batch(records)
        return await super().deliver(records)

    def signal(self, signal: Signal, *, but: str | None = None) -> None:
        """Send a signal to all live subscribers; presence goes to other nodes as the list of those who are online."""
        if isinstance(signal, Presence):
            self.tell_presence()
        else:
            self.branches.signal(signal, but)
        super().signal(signal, but=but)

    def release(self) -> None:
        """Release the references of a stopped conversation."""
        super().release()
        del self.tell_presence


class OwnedAttendance(Attendance):
    """Who is here, and at other nodes."""

    audience_type = OwnedAudience
    audience: OwnedAudience

    def see_off(self, participant_id: str, *, removed: bool = False) -> None:
        """Close the connections of a participant who is no longer a member."""
        self.audience.branches.see_off(participant_id)
        super().see_off(participant_id, removed=removed)

    def see_all_off(self) -> None:
        """Close all connections: the conversation was deleted."""
        self.audience.branches.batch((), erased=True)
        super().see_all_off()

    def tell_read(self, state: State, marks: Iterable[tuple[Letter, ReadMarked]]) -> None:
        """Tell moved read positions to the readers' other connections, or to all, at every node."""
        for letter, mark in marks:
            self._tell_mark(state, letter, mark)

    def _tell_mark(self, state: State, letter: Letter, mark: ReadMarked) -> None:
        reader, branches = letter.message.sender.id, self.audience.branches
        share = state.share_reads and mark.root is None and not mark.forced
        thread_id = None if mark.root is None else f"{self._key}-{mark.root}"
        payload = self.audience.encode(ReadMoved(reader, mark.sequence, thread_id))
        told = tuple(self.audience.live) if share else self.audience.here(reader)
        for subscriber in told:
            if subscriber is not letter.reply_to:
                subscriber.deliver(payload)
        there = branches.of if share else [each.node_id for each in branches.persons(reader)]
        if there:
            branches.push([*there], None if share else reader, payload, _socket_of(letter))

    def tell_own(self, letter: Letter, signal: Signal) -> None:
        """Tell a signal to the sender's other connections."""
        payload, sender = self.audience.encode(signal), letter.message.sender.id
        for subscriber in self.audience.here(sender):
            if subscriber is not letter.reply_to:
                subscriber.deliver(payload)
        for person in self.audience.branches.persons(sender):
            person.push(payload, _socket_of(letter))


def _socket_of(letter: Letter) -> str:
    return getattr(letter.reply_to, "connection_id", "")


class RemoteCaller:
    """Takes the outcome of a command that came from another node."""

    __slots__ = ("_actor", "_channel", "_node_id", "_number", "connection_id")

    def __init__(self, actor: OwnedConversation, node_id: str, ask: Ask) -> None:
        self._actor = actor
        self._node_id = node_id
        self._channel, self._number = ask.channel, ask.number
        self.connection_id = ask.connection_id

    def set(self, value: Any = None) -> None:
        """Send the outcome."""
        self._actor.answer(self._node_id, self._channel, self._number, value)

    def set_exception(self, exc_info: Any = None) -> None:
        """Say that there will be none."""
        self._actor.answer(self._node_id, self._channel, self._number, None)

    def flush(self) -> None:
        """Do nothing: the transport sends what waits."""


class OwnedConversation(ConversationActor):
    """Owns one conversation for the cluster, as long as the view says so.

    `in_view` is the number of the view; every commit names the one in which its turn began.
    `leaving` is true once another node owns the conversation: at the end of
    the turn it is let go. `reload` is true where another node may have owned it meanwhile.
    """

    attendance_type = OwnedAttendance
    attendance: OwnedAttendance
    audience: OwnedAudience

    def __init__(self, host: ClusterHost, conversation_id: str, *, begun: bool = False) -> None:
        super().__init__(host, conversation_id, begun=begun)
        self._cluster_host = host
        self.cluster = host.cluster
        self._append = self._append_in_view
        self.branches = Branches(conversation_id, host.cluster, host.sources.new_id())
        self.audience.branches = self.branches
        self.audience.tell_presence = self._tell_heads
        self.in_view = self._decided_in = host.cluster.view.number
        self.leaving = self.reload = False
        self._incoming: dict[str, Incoming] = {}
        self._stored = 0  # the length of the log, as the store has said outside of a turn

    # --- the turn ---------------------------------------------------------------------------------------------------------

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        """A turn as of every conversation. One whose commit was refused is taken again, here or by the new owner."""
        left: Sequence[Letter] = ()
        for letter in batch:
            if type(letter.message) is Create:
                await self._answer_again(letter)
        while True:
            self._decided_in = self.in_view
            try:
                await super().on_batch(batch)
            except Superseded as stale:
                self.agents.keep(self.state)
                self.state = None
                await self.cluster.reached(stale.number)
                if self.leaving:
                    left = [each for each in batch if not each.answered]
                    break
                self.reload = False
            else:
                break
        if self.leaving and self.actor_ref.is_alive():
            self._cluster_host.let_go(self, left)
        elif self.reload:
            self.forget_state()

    async def _answer_again(self, letter: Letter) -> None:
        """Answer a command to create that a former owner has carried out: ids are new, so it is the same command."""
        try:
            state = await self._store.load(self.key)
            if state is None:
                return
            page = await self._store.read(state.number, limit=1)
        except StoreError:
            return  # the turn finds the same, and says so
        event = self._host.codec.decode(page.records[0])
        if (
            isinstance(event, Created)
            and event.entrants[0].participant.id == letter.message.sender.id
        ):
            letter.answer(event)

    def forget_state(self) -> None:
        """Have the next turn load the state: another node may have changed it since."""
        self.reload = False
        self.agents.keep(self.state)
        self.state = None
        if self.audience or self.agents.runs or self.branches:
            self._schedule("reload", trio.current_time())

    def _append_in_view(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        return self._store.append(replace(changes, view=self._decided_in))

    async def _deliver(self, turn: Turn) -> None:
        await super()._deliver(turn)
        self.branches.flush()
        if turn.runs is not None and turn.runs.requests:
            self._tell_heads()
        self.cluster.concern(self.key, turn)

    # --- commands of other nodes ------------------------------------------------------------------------------------------

    def take(self, node_id: str, ask: Ask) -> None:
        """Take a command of another node, in its order; one that has an outcome is given that again."""
        now = trio.current_time()
        incoming = self._incoming.get(node_id)
        if incoming is None:
            incoming = self._incoming[node_id] = Incoming(now)
        known = incoming.outcome(ask)
        if known is not None:
            answer = Answer(self.key, ask.channel, ask.number, known.named)
            self.cluster.send(node_id, answer)
        for each in incoming.take(ask, now):
            self._admit(node_id, each)

    def _admit(self, node_id: str, ask: Ask) -> None:
        caller = RemoteCaller(self, node_id, ask)
        try:
            command = value_of(ask.command)
        except UnreadableError as error:
            logger.warning("a command of node %s cannot be read: %s", node_id, error)
            caller.set_exception()
            return
        refusal = self._cluster_host.rate(command)
        try:
            if refusal is None:
                self.actor_ref.tell(command, caller)
                return
        except MailboxFull as full:
            facts = {"queue_size": full.waiting, "limit": full.limit}
            refusal = Refusal(
                Code.QUEUE_FULL,
                facts,
                retry_after=full.retry_after,
                scope="participant" if full.shared else "conversation",
                key=getattr(command, "key", None),
            )
        except ActorDied:
            caller.set_exception()
            return
        caller.set(self._named(refusal, Letter(command, caller, trio.current_time())))

    def answer(self, node_id: str, channel: int, number: int, outcome: Any) -> None:
        """Send an outcome to the node that its command came from, and keep it in case it is lost."""
        body = None if outcome is None else named(outcome)
        if node_id in self._incoming:
            self._incoming[node_id].answered(channel, number, body)
        self.cluster.send(node_id, Answer(self.key, channel, number, body))

    # --- other nodes' sockets ---------------------------------------------------------------------------------------------

    @staticmethod
    def _people(batch: Sequence[Letter], state: State) -> list[tuple[Participant, bool]]:
        people = ConversationActor._people(batch, state)
        for letter in batch:
            if isinstance(letter.message, Watched):
                for who in letter.message.watch.people or ():
                    member = state.members.get(who.id)
                    if member and not (member.introduced and member.participant.type == who.type):
                        people.append((who, False))
        return people

    def _control(self, letter: Letter, state: State) -> None:
        match letter.message:
            case Watched(node_id, watch):
                if state.head:
                    self._watched(state, node_id, watch)
            case TakenOver():
                self._serve(state)
            case _:
                super()._control(letter, state)

    def note_head(self, head: int) -> None:
        """Learn from the store how long the log is: whoever connects next must get all of it."""
        self._stored = max(self._stored, head)

    def _attach(self, state: State, subscriber: Subscriber, last_sequence: int | None) -> None:
        if (
            state.head < self._stored
        ):  # another node owns the conversation, and this one is about to learn it
            self.cluster.doubt()
            subscriber.close(4002, "another node owns the conversation now")
        else:
            super()._attach(state, subscriber, last_sequence)

    def watched_as_before(self, node_id: str, watch: Watch) -> bool:
        """Answer a node that says the same as a second ago, without a turn: mostly it does. False where that takes one."""
        branch, state = self.branches.of.get(node_id), self.state
        if branch is None or watch.people is not None or watch.version != branch.version:
            return False
        if state is None or self.agents.runs or not self.idle:
            return False
        branch.heard_at, branch.online = trio.current_time(), watch.online
        self._tell_head(state, node_id, watch)
        return True

    def _watched(self, state: State, node_id: str, watch: Watch) -> None:
        now, presence = trio.current_time(), self.attendance.presence
        is_new = node_id not in self.branches.of
        changed = self.branches.watched(node_id, watch, state.members, now)
        for participant_id in watch.shown if is_new else ():
            if participant_id in state.members and not presence.online(participant_id):
                presence.touch(participant_id, now)  # all are shown them, until their grace is over
        self._touch(changed, state)
        if watch.people is not None and not watch.people:
            self.branches.drop(node_id)
        self._tell_head(state, node_id, watch)

    def _touch(self, participant_ids: set[str], state: State | None) -> None:
        now = trio.current_time()
        for participant_id in sorted(participant_ids):
            self.attendance.presence.touch(participant_id, now)
            self.agents.connected(participant_id, state)

    def expire(self, in_view: set[str], now: float, *, moved: bool) -> None:
        """Forget the nodes that say nothing any more; after a change of view at once those that are not in it."""
        if not self.branches and not self._incoming:
            return
        gone = [id for id in self.branches.of if id not in in_view] if moved else []
        for node_id in (*gone, *self.branches.silent(now)):
            self._touch(self.branches.drop(node_id), self.state)
        for node_id, incoming in list(self._incoming.items()):
            if now - incoming.heard_at > FORGOTTEN:
                del self._incoming[node_id]
        if self.state is not None:
            self.attendance.tell_presence(now)

    def _tell_heads(self) -> None:
        if self.state is not None:
            for node_id in self.branches.of:
                self._tell_head(self.state, node_id)

    def _tell_head(self, state: State, node_id: str, watch: Watch | None = None) -> None:
        branch = self.branches.of.get(node_id)
        people = {} if branch is None else branch.people
        known = {} if watch is None else dict(watch.texts)
        texts: list[Delta] = []
        statuses: list[RunStatus] = []
        for signal in self.agents.runs.so_far(state, "") if watch is not None else ():
            if isinstance(signal, Delta):
                texts += _lacking(signal, known.get(signal.run_id))
            else:
                statuses.append(signal)
        online = self.attendance.presence.announced
        number = hash_of(online)
        asked = tuple((id, tuple(self.agents.requests.of(id))) for id in people)
        head = Head(
            self.key,
            self.branches.life,
            self.branches.number,
            self.audience.head,
            0 if branch is None else branch.version,
            number,
            None if branch is not None and branch.online == number else online,
            tuple((id, requests) for id, requests in asked if requests),
            tuple(texts),
            tuple(statuses),
        )
        self.cluster.send(node_id, head)

    # --- hand-over --------------------------------------------------------------------------------------------------------

    def adopt(self, positions: Sequence[tuple[Subscriber, int]], shown: Sequence[str]) -> None:
        """Serve subscribers whom another actor has served up to these positions, who are shown these people as online."""
        self.audience.adopt(positions)
        self.attendance.presence.take_over(shown, trio.current_time())
        self.actor_ref.tell(TakenOver())  # type: ignore[arg-type]

    def _serve(self, state: State) -> None:
        for subscriber in tuple(self.audience.behind):
            if subscriber.participant.id not in state.members:
                self.attendance.see_off(subscriber.participant.id)
            else:
                self.audience.catch_up(subscriber)
                self.attendance.presence.touch(subscriber.participant.id, trio.current_time())
                self.agents.connected(subscriber.participant.id, state)

    @property
    def passive(self) -> bool:
        """Whether no node has sockets, and no work waits."""
        return super().passive and not self.branches

    def stop(self) -> None:
        """Stop now, and release references."""
        super().stop()
        self._append = self._store.append


def hash_of(online: Sequence[str]) -> int:
    """A number for a list of people, the same at every node."""
    return crc32("\n".join(sorted(online)).encode()) + 1


def _lacking(delta: Delta, length: int | None) -> list[Delta]:
    """What a node lacks of a text of which it has so many code points; all of it where it has other text."""
    if length == len(delta.text):
        return []
    if length is not None and 0 < length < len(delta.text):
        return [replace(delta, offset=length, text=delta.text[length:])]
    return [delta]
