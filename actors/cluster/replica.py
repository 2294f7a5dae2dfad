"""A conversation at a node that has sockets of it and does not own it: delivers what the owner commits, sends commands there.

What is lost on the way from the owner costs time and no event: another view and a silent owner make it read the log, too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from zlib import crc32

import trio

from salon.actors.attendance import REPLAY_EVENTS, Attendance, is_there
from salon.actors.audience import BREATH, BREATH_EVERY
from salon.actors.messages import Attach, Detach, Drained, Look, Replay, Sync, Tick
from salon.actors.runtime import ActorDied, TrioActor
from salon.actors.store import StoreError

from .asking import Asking
from .following import Following
from .told_presence import ToldPresence
from .wire import Batch, Head, Pushed, Told, Watch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from salon.actors.future import Future
    from salon.actors.host import Host
    from salon.actors.mailbox import Letter
    from salon.actors.messages import Timer
    from salon.actors.model import Participant, State
    from salon.actors.presence import PresenceBoard
    from salon.actors.signals import RunRequested, Signal
    from salon.actors.store import Page
    from salon.actors.subscriber import Subscriber

    from .host import ClusterHost
    from .wire import FromOwner

SILENT = 2.0  # seconds without a word of the owner after which the log is read
WATCH = 15.0  # seconds, and up to a third more, between two words to an owner who knows all: in case it does not


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of the owner."""

    is_command: ClassVar[bool] = False

    message: FromOwner


@dataclass(frozen=True, slots=True)
class Reread:
    """Read the log: something may be missing."""

    is_command: ClassVar[bool] = False


OWN = Arrived | Reread | Replay | Tick  # its own controls, which a successor does without


class ReplicaAttendance(Attendance):
    """Who is here; who is online, the owner says."""

    presence: ToldPresence

    def _board(self, host: Host) -> PresenceBoard:
        return ToldPresence(partial(is_there, host, self.audience))

    def _page_after(self, state: State, after: int) -> Future[Page]:
        """What has not been delivered here yet comes live, though the log may have it by now."""
        limit = min(REPLAY_EVENTS, self.audience.head - after)
        return self._host.store.read(state.number, after=after, limit=limit)


class ReplicaActor(TrioActor):
    """Serves the sockets of one conversation at one node, and sends the commands of its people to the owner."""

    kind: ClassVar[str] = "replica"

    def __init__(self, host: ClusterHost, conversation_id: str) -> None:
        limits = host.limits
        super().__init__(
            host.system, conversation_id, limit=limits.queue_size, share=limits.queue_share
        )
        self._host = host
        self._cluster = host.cluster
        self.attendance = ReplicaAttendance(
            conversation_id,
            host,
            state=self._known_state,
            so_far=self._so_far,
            tell=self._page_read,
            schedule=self._schedule,
        )
        self.audience = self.attendance.audience
        self.asking = Asking(conversation_id, host, self.audience)
        self.following = Following(conversation_id, host, self.attendance, self.watch)
        self._timers: dict[str, float] = {}
        self.workers: Collection[Participant] = ()  # the hosted agents that are at work for it here
        self._people: tuple[str, ...] = ()
        self._count = 0  # of sockets, when the people were last counted
        self._version = host.cluster.next_number()  # of the list of people
        self._known_version = self._online = 0  # as the owner has it; of its list of who is online
        self._requests: dict[str, tuple[RunRequested, ...]] = {}
        self._asked: dict[str, set[str]] = {}  # what each socket of an agent was asked
        self.heard_at = trio.current_time()
        # Whether the owner knows who is here, and nothing was missed since it has said so.
        self._settled = False
        self._watch_at = 0.0
        self.heard = trio.Event()  # the owner has answered, for whoever waits for that
        self._todo: deque[Letter] = deque()

    # --- the turn ---------------------------------------------------------------------------------------------------------

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        """Send commands to the owner; then do what is about the sockets here."""
        self._todo = deque(each for each in batch if not each.message.is_command)
        for letter in batch:
            if letter.message.is_command:
                self.asking.ask(letter)
        number = 0
        while self._todo:
            number += 1
            try:
                await self._control(self._todo[0])
            except StoreError as error:
                self._lost(self._todo[0], error)
            self._todo.popleft()
            if not number % BREATH_EVERY:
                await BREATH
        self.attendance.tell_presence(trio.current_time())
        if self._count != len(self.audience) or any(
            isinstance(each.message, Attach | Detach) for each in batch
        ):
            self._tell_people()
        if not self.audience:
            self.following.state = None  # nobody follows the events any more

    async def _control(self, letter: Letter) -> None:
        match letter.message:
            case Arrived(message):
                await self._arrived(message)
            case Attach(_, subscriber, last_sequence):
                await self._attach(subscriber, last_sequence)
            case Sync(_, subscriber, last_sequence):
                state = await self.following.loaded()
                self.attendance.resync(state, subscriber, last_sequence)
            case Detach(_, subscriber):
                self._asked.pop(subscriber.connection_id, None)
                self.attendance.detach(subscriber, trio.current_time())
            case Drained(subscriber):
                await self.following.loaded()
                self.audience.catch_up(subscriber)
            case Replay() as replay:
                if not self.attendance.replay(replay):
                    await self.following.reread()  # the conversation was deleted
            case Reread():
                await self.following.reread()
            case Look():
                letter.fail(ActorDied(f"another node owns {self.key} now"))
            case Tick(what, at):
                if self._timers.get(what) == at:
                    del self._timers[what]
                if what == "typing":
                    self.attendance.end_typing(trio.current_time())
            case _:
                pass  # a new name, texts to be stored: the owner's

    def _lost(self, letter: Letter, error: StoreError) -> None:
        """The log cannot be read: sockets that need it connect anew, all else is tried again in a second."""
        self._host.report(error)
        self.following.state = None
        if isinstance(letter.message, Attach | Sync | Drained):
            letter.message.subscriber.close(4002, "the store cannot be read now")

    async def _attach(self, subscriber: Subscriber, last_sequence: int | None) -> None:
        state = await self.following.loaded()
        unheard = not self.following.life or self._is_silent()
        behind = unheard or state.head < self.following.head
        if behind or subscriber.participant.id not in state.members:
            state = await self.following.reread()  # they may have joined a moment ago
        self.attendance.attach(state, subscriber, last_sequence, trio.current_time())

    def note_head(self, head: int) -> None:
        """Learn from the store how long the log is: whoever connects next must get all of it."""
        self.following.head = max(self.following.head, head)

    def _is_silent(self) -> bool:
        at = self.heard_at
        if self._settled:
            at = max(at, self._cluster.heard(self.asking.owner).at)
        return trio.current_time() - at > SILENT

    # --- what the owner says ----------------------------------------------------------------------------------------------

    def heard_as_before(self, head: Head) -> bool:
        """Take that nothing has changed since a second ago, without a turn. False where that takes one."""
        following = self.following
        if not self.idle or not following.is_at(head):
            return False
        if head.online is not None or head.requests or head.texts or head.statuses:
            return False
        self.heard_at, self._known_version, self._requests = trio.current_time(), head.people, {}
        self._settle(head)
        self.heard.set()
        return True

    def _settle(self, head: Head) -> None:
        if head.people != self._version:
            self.missed()
        elif head.is_answer:
            self._settled = True

    async def _arrived(self, message: FromOwner) -> None:
        if isinstance(message, Pushed | Told) and self.audience:
            await self.following.catch_up_to(message.life, message.number)
        if isinstance(message, Pushed):
            self._pushed(message)
            return
        self.heard_at = trio.current_time()
        match message:
            case Head():
                self._known_version = message.people
                self._settle(message)
                await self.following.take_head(message)
                self._take_people(message)
            case Batch() if self.audience:
                await self.following.take_batch(message)
            case Told() if self.audience and self.following.state is not None:
                self.following.take_signal(message)

    def _take_people(self, head: Head) -> None:
        """Take who is online, and what the agents here are asked."""
        if head.online is not None:
            self._online = head.online_number
            self.attendance.presence.tell(head.online)
        self._requests = dict(head.requests)
        for subscriber in tuple(self.audience.live) if self._requests else ():
            requests = self._unasked(subscriber)
            if requests:
                subscriber.push(self.audience.encode(*requests))
        self.heard.set()

    def _unasked(self, subscriber: Subscriber) -> list[RunRequested]:
        requests = self._requests.get(subscriber.participant.id, ())
        if not requests:
            return []
        asked = self._asked.setdefault(subscriber.connection_id, set())
        new = [each for each in requests if each.run_id not in asked]
        asked.update(each.run_id for each in new)
        return new

    def _pushed(self, pushed: Pushed) -> None:
        id = pushed.participant_id
        for subscriber in tuple(self.audience.live) if id is None else self.audience.of(id):
            if subscriber.connection_id != pushed.but:
                subscriber.push(pushed.payload)

    def work(self, workers: Collection[Participant]) -> None:
        """Learn which hosted agents are at work for the conversation here; the next beat tells the owner."""
        if workers or self.workers:
            self.workers, self._count = workers, -1

    def _tell_people(self) -> None:
        """Tell the owner who is here, if that has changed."""
        if self._have_changed():
            self.missed()
            self.watch()

    def _have_changed(self) -> bool:
        """Whether other people are here than the owner was told of last."""
        self._count = len(self.audience)
        people = tuple(sorted(self._there()))
        if people == self._people:
            return False
        self._people, self._version = people, self._cluster.next_number()
        return True

    def _there(self) -> dict[str, Participant]:
        """Who is here, or at work here."""
        return {
            who.id: who for who in (*(each.participant for each in self.audience), *self.workers)
        }

    # --- once a second ----------------------------------------------------------------------------------------------------

    def beat(self, now: float) -> None:
        """Send again what has no answer, say who is here, and read the log where the owner is silent."""
        self.asking.send_due(now)
        if self._count != len(self.audience):
            self._tell_people()
        if self._people and (not self._settled or now >= self._watch_at):
            self.watch()
        if self.audience and self._is_silent():
            self._host.counted.silences += 1
            self.actor_ref.tell(Reread())  # type: ignore[arg-type]

    def moved(self) -> None:
        """Another view: whoever owns the conversation now learns what waits and who is here."""
        self.missed()
        now = trio.current_time()
        if not self.asking.moved(self._said_again):
            # The answer of the owner to the next beat shows what it has committed meanwhile.
            self.asking.send_due(now)
            return
        self._known_version = 0
        self.beat(now)
        if self.audience:
            self.actor_ref.tell(Reread())  # type: ignore[arg-type]

    def _said_again(self) -> list[Letter]:
        state = self.following.state
        return [] if state is None else self.following.texts.said_again(state)

    def missed(self) -> None:
        """Something of the owner has not come, or the owner does not know who is here: the next beat asks it."""
        if self._settled:
            self._settled = False
            self.heard_at = max(self.heard_at, self._cluster.heard(self.asking.owner).at)

    def watch(self) -> None:
        """Tell the owner who is here."""
        self._watch_at = trio.current_time() + WATCH * (1 + crc32(self.key.encode()) % 100 / 300)
        people = None
        if self._known_version != self._version or not self._people:
            people = tuple(self._there().values())
        watch = Watch(
            self.key,
            self._version,
            people,
            self.attendance.presence.announced if people else (),  # without sockets nobody is shown
            self._online,
            self.following.texts.lengths(),
        )
        self._cluster.send(self.asking.owner, watch)

    # --- hand-over --------------------------------------------------------------------------------------------------------

    def adopt(self, positions: Sequence[tuple[Subscriber, int]], shown: Sequence[str]) -> None:
        """Serve subscribers whom another actor has served up to these positions, who are shown these people as online."""
        self.audience.adopt(positions)
        self.attendance.presence.take_over(shown, trio.current_time())
        self.actor_ref.tell(Reread())  # type: ignore[arg-type]

    def letters(self) -> list[Letter]:
        """All that waits, in its order, for another actor; to be called before this one is stopped."""
        todo, self._todo = self._todo, deque()
        waiting = [*self.asking.outgoing.take_all(), *todo, *self.actor_inbox.take()]
        return self._said_again() + [each for each in waiting if not isinstance(each.message, OWN)]

    @property
    def passive(self) -> bool:
        """Whether there are no sockets here, no command waits for an answer, and no hosted agent is at work."""
        return self.idle and not self.audience and not self.asking and not self.workers

    @property
    def lags(self) -> bool:
        """Whether the owner has said that there are events which this node has not."""
        state = self.following.state
        return state is not None and state.head < self.following.head

    def owes(self, subscriber: Subscriber) -> bool:
        """Whether committed events may still be undelivered to a subscriber, or its person's commands unanswered."""
        state = self.following.state
        behind = state is None or state.head < self.following.head
        waits = behind or subscriber in self.audience.behind or not self.idle
        return waits or self.asking.has(subscriber.participant.id)

    def on_stop(self) -> None:
        """Close all subscribers so that they reconnect, and fail the commands that wait."""
        for subscriber in tuple(self.audience):
            subscriber.close(4002, "the conversation was restarted")
        self.asking.fail_all(f"{self.actor_urn} has stopped")

    def stop(self) -> None:
        """Stop now, and release references."""
        if self.actor_ref.is_alive():
            super().stop()
            self.attendance.release()
            self.following.release()

    def on_failure(self, *_: Any) -> None:
        """Report the crash, so that another actor takes over."""
        self._host.crashed(self)
        self.on_stop()

    def _known_state(self) -> State | None:
        return self.following.state

    def _page_read(self, replay: Replay) -> None:
        if self.actor_ref.is_alive():
            self.actor_ref.tell(replay)

    def _so_far(self, subscriber: Subscriber) -> Iterator[Signal]:
        yield from self.following.texts.so_far(subscriber.participant.id)
        yield from self._unasked(subscriber)

    def _schedule(self, what: Timer, at: float | None) -> None:
        if at is not None and at < self._timers.get(what, float("inf")):
            self._timers[what] = at
            self.system.later(at - trio.current_time(), self.actor_ref, Tick(what, at))
