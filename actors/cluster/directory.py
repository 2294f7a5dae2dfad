"""The directory of a node: a conversation's actor is its owner here, or a replica of the one at another node."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.conversation import ConversationActor
from salon.actors.directory import Directory, Snapshot
from salon.actors.mailbox import Letter, MailboxFull
from salon.actors.messages import Create, Rename, Replay, Revoke, Tick
from salon.actors.participant import ParticipantActor
from salon.actors.runtime import ActorDied
from salon.actors.watchers import Watchers

from .encoding import named
from .figures import ClusterFigures
from .owned import OwnedConversation, RemoteCaller, TakenOver, Watched
from .replica import Arrived, ReplicaActor
from .wire import Informed, Renamed, Revoked, Watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from salon.actors.attendance import Attendance
    from salon.actors.host import Attended
    from salon.actors.model import Participant
    from salon.actors.refusals import Refusal
    from salon.actors.runtime import Ref, TrioActor
    from salon.actors.signals import Signal
    from salon.actors.watchers import Watcher

    from .host import Cluster
    from .wire import Pushed

OWN = (
    Watched | TakenOver | Replay | Tick
)  # an actor's own controls, which its successor does without
AT_ONCE = 100  # actors between two checkpoints: about a millisecond
PATIENCE = 1.0  # seconds that somebody who asks who is online waits for the owner


class ToldWatchers(Watchers):
    """The watchers of this node. `begin` is called when there is one again."""

    def __init__(self, begin: Callable[[], None]) -> None:
        super().__init__()
        self._begin = begin

    def add(self, participant_id: str, watcher: Watcher) -> None:
        """Tell a watcher from now on; other nodes are asked to tell this one."""
        was_empty = not self
        super().add(participant_id, watcher)
        if was_empty:
            self._begin()


class ClusterDirectory(Directory):
    """All actors of one node. `cluster` is set before anything is asked of it."""

    cluster: Cluster

    def __init__(self, **services: Any) -> None:
        super().__init__(**services)
        self.watchers = ToldWatchers(lambda: self.cluster.tell_all(Watching()))
        self.replicas: dict[str, ReplicaActor] = {}
        self.counted = ClusterFigures()
        self.runs_moved = trio.Event()
        # Another node has decided something about people, or given them another name.
        self.told = trio.Event()

    def owns(self, conversation_id: str) -> bool:
        """Whether this node owns a conversation now."""
        return self.cluster.owner(conversation_id) == self.cluster.node.id

    def conversation(self, conversation_id: str) -> Ref[Any]:
        """The conversation's actor: of the owner, if that is here, else of its replica. One that is about to go still counts."""
        if conversation_id in self.conversations or self.owns(conversation_id):
            return super().conversation(conversation_id)
        return self.replica(conversation_id).actor_ref

    def begin(self, conversation_id: str) -> Ref[Any]:
        """An actor for a conversation that does not exist yet, here or at its owner."""
        if self.owns(conversation_id):
            return super().begin(conversation_id)
        return self.replica(conversation_id).actor_ref

    @property
    def has_left(self) -> bool:
        """Whether others own all conversations: the people who are still here send them their commands through this node."""
        return self.cluster.has_left

    def replica(self, conversation_id: str) -> ReplicaActor:
        """The replica, activated if needed."""
        actor = self.replicas.get(conversation_id)
        if actor is None:
            actor = self.replicas[conversation_id] = ReplicaActor(self, conversation_id)
        return actor

    def owned(self, conversation_id: str) -> OwnedConversation | None:
        """The owner's actor, if it is active here."""
        actor = self.conversations.get(conversation_id)
        assert actor is None or isinstance(actor, OwnedConversation)
        return actor

    def attended(self, conversation_id: str) -> Attended | None:
        """The actor that serves the conversation's sockets of this node."""
        return self.conversations.get(conversation_id) or self.replicas.get(conversation_id)

    def rate(self, command: Any) -> Refusal | None:
        """Why a command of another node may not be carried out: its sender's rate is counted where the conversation is."""
        sender = self.participants.get(command.sender.id)
        if sender is None:
            sender = self.participants[command.sender.id] = ParticipantActor(
                self, command.sender.id
            )
        now = trio.current_time()
        return None if type(command) is Create else sender.refusal(command, now)

    async def look(self, conversation_id: str) -> Snapshot | None:
        """The conversation now, or None; who is online its owner says.

        The store is always asked: a node that does not know the newest view yet would take itself for the owner.
        """
        state = await self.store.load(conversation_id).wait()
        if state is None:
            return None
        if self.owns(conversation_id):
            try:
                snapshot = await super().look(conversation_id)
            except ActorDied:
                if self.owns(conversation_id):
                    raise
                return await self.look(conversation_id)  # it has moved meanwhile
            owner = self.owned(conversation_id)
            if owner is not None:
                owner.note_head(state.head)
            known = snapshot is not None and snapshot.state.head >= state.head
            return snapshot if known or snapshot is None else replace(snapshot, state=state)
        replica = self.replica(conversation_id)
        replica.note_head(state.head)
        if not replica.audience:
            if replica.heard.is_set():
                replica.heard = trio.Event()
            replica.watch()
            with trio.move_on_after(PATIENCE):
                await replica.heard.wait()
        return Snapshot(state, replica.attendance.view(state))

    # --- what is told to all nodes ----------------------------------------------------------------------------------------

    def tell_participant(self, participant_id: str, conversation_id: str, signal: Signal) -> None:
        """Send a signal to the connections that somebody has in a conversation, at every node."""
        super().tell_participant(participant_id, conversation_id, signal)
        self.cluster.tell_all(Informed(conversation_id, participant_id, named(signal)))

    async def rename(self, participant: Participant) -> None:
        """Tell a participant's new name to their active conversations, at every node."""
        self.cluster.tell_all(Renamed(participant))
        await super().rename(participant)

    def renamed(self, participant: Participant) -> None:
        """Take a new name that another node was told."""
        self.told.set()
        for actor in list(self.conversations.values()):
            concerned = actor.state is None or participant.id in actor.state.members
            if concerned and actor.actor_ref.is_alive():
                actor.actor_ref.tell(Rename(participant))

    def revoke(self, participant_id: str, revoke: Revoke) -> None:
        """Close the connections of somebody's revoked token, at every node."""
        self.revoked(participant_id, revoke)
        self.cluster.tell_all(Revoked(participant_id, revoke.token_id, revoke.blocked))

    def revoked(self, participant_id: str, revoke: Revoke) -> None:
        """The same, at this node."""
        self.told.set()
        actor = self.participants.get(participant_id)
        if actor is not None and actor.actor_ref.is_alive():
            actor.actor_ref.tell(revoke)

    def push(self, pushed: Pushed) -> None:
        """Give sockets of this node what the owner of their conversation has for them; this node may own it by now."""
        owner, replica = (
            self.owned(pushed.conversation_id),
            self.replicas.get(pushed.conversation_id),
        )
        if owner is not None:
            owner.audience.push(pushed)
        elif replica is not None and replica.actor_ref.is_alive():
            replica.actor_ref.tell(Arrived(pushed))  # type: ignore[arg-type]

    # --- a change of view -------------------------------------------------------------------------------------------------

    def moved(self, *, skipped: bool) -> None:
        """Act on another view: let go of what others own now, take over what is ours, and tell the owners who is here.

        `skipped` is true where there were views between that this node has not seen: others may have owned its conversations.
        """
        now, nodes = trio.current_time(), {node.id for node in self.cluster.view.nodes}
        for id, owner in list(self.conversations.items()):
            assert isinstance(owner, OwnedConversation)
            if not self.owns(id):
                owner.leaving = True
                if not owner.busy:
                    self.let_go(owner, owner.said_again())
                continue
            was_lost = skipped or owner.leaving
            owner.in_view, owner.leaving = self.cluster.view.number, False
            owner.expire(nodes, now, moved=True)
            if was_lost and owner.busy:
                owner.reload = True
            elif was_lost:
                owner.forget_state()
        self._note_workers()
        for id, replica in list(self.replicas.items()):
            if self.owns(id):
                self._take_over(replica)
            else:
                replica.moved()

    def let_go(self, actor: ConversationActor, letters: Sequence[Letter]) -> None:
        """Replace an owner's actor by a replica: the sockets stay open. Commands of other nodes are sent again by these."""
        assert isinstance(actor, OwnedConversation)
        waiting = [
            each
            for each in (old.renewed() for old in (*letters, *actor.actor_inbox.take()))
            if not (isinstance(each.message, OWN) or isinstance(each.reply_to, RemoteCaller))
        ]
        positions, shown = actor.audience.positions(), actor.attendance.presence.announced
        actor.audience.let_go()
        self.forget(actor)
        if not positions and not waiting:
            return
        if self.owns(actor.key):  # it came back while the turn went on
            successor: OwnedConversation | ReplicaActor = self._owner_of(actor.key)
        else:
            successor = self.replica(actor.key)
        if positions:
            successor.adopt(positions, shown)
        _pass_on(waiting, successor)

    def _take_over(self, replica: ReplicaActor) -> None:
        letters = [each.renewed() for each in replica.letters()]
        positions, shown = replica.audience.positions(), replica.attendance.presence.announced
        replica.audience.let_go()
        self.forget(replica)
        if positions or letters:
            owner = self._owner_of(replica.key)
            if positions:
                owner.adopt(positions, shown)
            _pass_on(letters, owner)

    def _owner_of(self, conversation_id: str) -> OwnedConversation:
        super().conversation(conversation_id)
        owner = self.owned(conversation_id)
        assert owner is not None, "it was just activated"
        return owner

    def send_away(self) -> None:
        """Close all sockets: this node was given up, and what it has shown since may be wrong."""
        audiences = [attendance.audience for _, attendance in self.attendances()]
        for subscriber in [each for audience in audiences for each in audience]:
            subscriber.close(4002, "this node was given up by the others")

    def attendances(self) -> Iterator[tuple[str, Attendance]]:
        """Who is at this node, by conversation."""
        for id, owner in self.conversations.items():
            yield id, owner.attendance
        for id, replica in self.replicas.items():
            yield id, replica.attendance

    async def beat(self) -> None:
        """Once a second: say who is here, and forget nodes that say nothing. Other tasks run in between."""
        self._note_workers()
        for number, owner in enumerate(list(self.conversations.values()), 1):
            assert isinstance(owner, OwnedConversation)
            if owner.actor_ref.is_alive():
                owner.expire(set(), trio.current_time(), moved=False)
            if not number % AT_ONCE:
                await trio.lowlevel.checkpoint()
        for number, replica in enumerate(list(self.replicas.values()), 1):
            if replica.actor_ref.is_alive():
                replica.beat(trio.current_time())
            if not number % AT_ONCE:
                await trio.lowlevel.checkpoint()

    def _note_workers(self) -> None:
        """Have the owners of other nodes told what hosted agents work on here."""
        at_work = self.agent_host.at_work()
        for id in at_work:
            if id not in self.conversations and not self.owns(id):
                self.replica(id)
        for id, replica in self.replicas.items():
            replica.work(at_work.get(id, ()))

    # --- the actors -------------------------------------------------------------------------------------------------------

    def missed(self, owner: str, conversation_id: str) -> None:
        """Tell an owner again who is here, of one of its conversations or with "" of all: with the next beat."""
        one = self.replicas.get(conversation_id)
        for replica in (one,) if one else () if conversation_id else self.replicas.values():
            if replica.asking.owner == owner:
                replica.missed()

    def _make(self, conversation_id: str, *, begun: bool) -> OwnedConversation:
        return OwnedConversation(self, conversation_id, begun=begun)

    async def resume_runs(self) -> None:
        """Activate the conversations of this node that have open runs. Raises `StoreError`."""
        found = await self.store.with_open_runs().wait()
        self._to_wake.update(each for each in found if self.owns(each))
        await self._wake()

    def wake_runs(self) -> None:
        """Have the open runs found again soon, after a change of view: those of a lost node have no actor."""
        self.runs_moved.set()

    async def _wake(self) -> None:
        self._to_wake = {each for each in self._to_wake if self.owns(each)}
        await super()._wake()

    def forget(self, actor: TrioActor) -> None:
        """Stop an actor and remove it."""
        if isinstance(actor, ReplicaActor):
            if self.replicas.get(actor.key) is actor:
                del self.replicas[actor.key]
            actor.stop()
        else:
            super().forget(actor)

    def passivate(self, actor: TrioActor) -> bool:
        """Remove an actor that is not needed now."""
        if not isinstance(actor, ReplicaActor):
            return super().passivate(actor)
        if not actor.passive or not actor.actor_ref.is_alive():
            return False
        self.forget(actor)
        return True

    def __iter__(self) -> Iterator[TrioActor]:
        yield from super().__iter__()
        yield from self.replicas.values()


def _pass_on(letters: Sequence[Letter], successor: OwnedConversation | ReplicaActor) -> None:
    """Give renewed letters to another actor."""
    for letter in letters:
        try:
            successor.actor_ref.forward(letter)
        except (MailboxFull, ActorDied) as error:
            letter.fail(error)
