"""A conversation at a node that has sockets of it and does not own it: delivers what the owner commits, sends commands there.

It knows which event comes next. A gap, another view and a silent owner make it read the log: what is lost on the way costs time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from salon.actors.attendance import REPLAY_EVENTS, Attendance, is_there
from salon.actors.audience import BREATH, BREATH_EVERY, RECENT_EVENTS
from salon.actors.events import Left, Updated
from salon.actors.mailbox import Letter
from salon.actors.member_events import Banned, Removed
from salon.actors.messages import Attach, Detach, Drained, Look, Replay, Sync, Tick
from salon.actors.model import State
from salon.actors.posted import Posted
from salon.actors.refusals import Code, Refusal
from salon.actors.rules import apply
from salon.actors.runtime import ActorDied, TrioActor
from salon.actors.signals import Delta, RunStatus, Typing
from salon.actors.store import StoreError

from .channel import Outgoing, without_key
from .encoding import named, value_of
from .texts import Texts
from .told_presence import ToldPresence
from .wire import Answer, Ask, Batch, Head, Pushed, Told, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from salon.actors.future import Future
    from salon.actors.host import Host
    from salon.actors.messages import Timer
    from salon.actors.presence import PresenceBoard
    from salon.actors.signals import RunRequested, Signal
    from salon.actors.store import Page, Record
    from salon.actors.subscriber import Subscriber

    from .host import ClusterHost
    from .wire import FromOwner

SILENT = 2.0  # seconds without a word of the owner after which the log is read
FULL_RETRY = 1.0  # seconds: the owner answers within, or another takes its place


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
        self.state: State | None = None
        self.attendance = ReplicaAttendance(
            conversation_id,
            host,
            state=lambda: self.state,
            so_far=self._so_far,
            tell=self._page_read,
            schedule=self._schedule,
        )
        self.audience = self.attendance.audience
        self.outgoing = Outgoing(host.cluster.next_number())
        self._texts = Texts()
        self._timers: dict[str, float] = {}
        self._life, self._number = "", 0  # of the owner's actor, and of its last batch
        self._owner = host.cluster.owner(conversation_id)
        self._head = 0  # as the owner has said last
        self._people: tuple[str, ...] = ()
        self._version = host.cluster.next_number()
        self._known_version = self._online = 0
        self._requests: dict[str, tuple[RunRequested, ...]] = {}
        self._asked: dict[str, set[str]] = {}  # what each socket of an agent was asked
        self.heard_at = trio.current_time()
        self.heard = trio.Event()  # the owner has answered, for whoever waits for that
        self._todo: list[Letter] = []

    # --- the turn ---------------------------------------------------------------------------------------------------------

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        """Send commands to the owner; then do what is about the sockets here."""
        self._todo = [each for each in batch if not each.message.is_command]
        for letter in batch:
            if letter.message.is_command:
                self._ask(letter)
        number = 0
        while self._todo:
            number += 1
            try:
                await self._control(self._todo[0])
            except StoreError as error:
                self._lost(self._todo[0], error)
            self._todo.pop(0)
            if not number % BREATH_EVERY:
                await BREATH
        self.attendance.tell_presence(trio.current_time())
        people = tuple(sorted({each.participant.id for each in self.audience}))
        if people != self._people:
            self._people, self._version = people, self._cluster.next_number()
            self.watch()
        if not self.audience:
            self.state = None  # nobody follows the events any more

    async def _control(self, letter: Letter) -> None:
        match letter.message:
            case Arrived(message):
                await self._arrived(message)
            case Attach(_, subscriber, last_sequence):
                await self._attach(subscriber, last_sequence)
            case Sync(_, subscriber, last_sequence):
                self.attendance.resync(await self._loaded(), subscriber, last_sequence)
            case Detach(_, subscriber):
                self._asked.pop(subscriber.connection_id, None)
                self.attendance.detach(subscriber, trio.current_time())
            case Drained(subscriber):
                await self._loaded()
                self.audience.catch_up(subscriber)
            case Replay() as replay:
                self.attendance.replay(replay)
            case Reread():
                await self._reread()
            case Look():
                letter.answer(await self._loaded())
            case Tick(what):
                if self._timers.get(what) == letter.message.at:
                    del self._timers[what]
                if what == "typing":
                    self.attendance.end_typing(trio.current_time())
            case _:
                pass  # Rename, SaveRuns: the owner's

    def _lost(self, letter: Letter, error: StoreError) -> None:
        """The log cannot be read: sockets that need it connect anew, all else is tried again in a second."""
        self._host.report(error)
        self.state = None
        if isinstance(letter.message, Attach | Sync | Drained):
            letter.message.subscriber.close(4002, "the store cannot be read now")
        else:
            letter.fail(error)

    async def _attach(self, subscriber: Subscriber, last_sequence: int | None) -> None:
        state = await self._loaded()
        if subscriber.participant.id not in state.members or self._is_behind(state):
            state = await self._reread()  # they may have joined a moment ago
        self.attendance.attach(state, subscriber, last_sequence, trio.current_time())

    def note_head(self, head: int) -> None:
        """Learn from the store how long the log is: whoever connects next must get all of it."""
        self._head = max(self._head, head)

    def _is_behind(self, state: State) -> bool:
        return state.head < self._head or not self._life or self._is_silent()

    def _is_silent(self) -> bool:
        return trio.current_time() - self.heard_at > SILENT

    # --- commands ---------------------------------------------------------------------------------------------------------

    def _ask(self, letter: Letter) -> None:
        limit = self._host.limits.queue_size
        if limit and len(self.outgoing) >= limit:
            key = getattr(letter.message, "key", None)
            facts = {"queue_size": len(self.outgoing), "limit": limit}
            refusal = Refusal(
                Code.QUEUE_FULL, facts, retry_after=FULL_RETRY, scope="conversation", key=key
            )
            sender_id = letter.message.sender.id
            self._answer(
                letter,
                self._host.refusals.name(
                    refusal, participant_id=sender_id, conversation_id=self.key
                ),
            )
            return
        self._send(self.outgoing.add(letter, self._host.sources.new_id))

    def _send(self, number: int) -> None:
        pending = self.outgoing.pending[number]
        pending.sent_at = trio.current_time()
        letter = pending.letter
        ask = Ask(
            self.key,
            self.outgoing.channel,
            self.outgoing.base,
            number,
            named(letter.message),
            getattr(letter.reply_to, "connection_id", ""),
            pending.again,
        )
        self._cluster.send(self._cluster.owner(self.key), ask)

    def answered(self, answer: Answer) -> None:
        """Give a command's sender the outcome; one that has it is not told again."""
        pending = self.outgoing.answered(answer.channel, answer.number)
        if pending is None:
            return
        if answer.outcome is None:
            pending.letter.fail(ActorDied(f"the owner of {self.key} has stopped"))
            return
        outcome = value_of(answer.outcome)
        if pending.given and getattr(outcome, "key", None) is not None:
            outcome = without_key(outcome)
        self._answer(pending.letter, outcome)

    @staticmethod
    def _answer(letter: Letter, outcome: Any) -> None:
        letter.answer(outcome)
        if letter.reply_to is not None:
            letter.reply_to.flush()

    # --- what the owner says ----------------------------------------------------------------------------------------------

    async def _arrived(self, message: FromOwner) -> None:
        if isinstance(message, Pushed):
            self._pushed(message)
            return
        self.heard_at = trio.current_time()
        match message:
            case Head():
                await self._take_head(message)
            case Batch() if self.audience:
                await self._take_batch(message)
            case Told() if self.audience and self.state is not None:
                self._take_signal(message)

    async def _take_head(self, head: Head) -> None:
        self._head = max(self._head, head.head)
        self._known_version = head.people
        state = self.state
        if self.audience:
            newer = head.life != self._life or head.number > self._number
            if state is None or newer or head.head > state.head:
                self._life, self._number = head.life, head.number
                state = await self._reread()
        if head.online is not None:
            self._online = head.online_number
            self.attendance.presence.tell(head.online)
        self._requests = dict(head.requests)
        if state is not None:
            for delta in head.texts:
                self._said(delta, whole=True)
            for status in head.statuses:
                run = state.runs.get(status.run_id)
                if run is not None and self._texts.note(status):
                    self.audience.signal(status, but=run.participant_id)
            self._ask_agents()
        self.heard.set()

    def _ask_agents(self) -> None:
        for subscriber in tuple(self.audience.live) if self._requests else ():
            requests = self._unasked(subscriber)
            if requests:
                subscriber.push(self.audience.encode(*requests))

    def _unasked(self, subscriber: Subscriber) -> list[RunRequested]:
        requests = self._requests.get(subscriber.participant.id, ())
        if not requests:
            return []
        asked = self._asked.setdefault(subscriber.connection_id, set())
        new = [each for each in requests if each.run_id not in asked]
        asked.update(each.run_id for each in new)
        return new

    async def _take_batch(self, batch: Batch) -> None:
        state = self.state
        if batch.life == self._life and batch.number <= self._number:
            return  # it has come before
        follows = batch.life == self._life and batch.number == self._number + 1
        self._life, self._number = batch.life, batch.number
        if state is None or not follows or self._skips(state, batch):
            await self._reread()
            return
        if batch.erased:
            self._all_off()
            return
        self.audience.rewrite({each.sequence: each for each in batch.rewrites})
        if batch.records and batch.records[-1].sequence > state.head:
            await self._deliver(state.draft(), batch.records)

    @staticmethod
    def _skips(state: State, batch: Batch) -> bool:
        """Whether events are missing before these; a log that was just read may have all of these already."""
        if not batch.records or batch.records[-1].sequence <= state.head:
            return False
        return batch.records[0].sequence != state.head + 1

    async def _deliver(self, state: State, records: Sequence[Record]) -> None:
        for record in records:
            self._apply(state, record)
        self.state = state
        self._head = max(self._head, state.head)
        self._texts.follow(state.runs)
        taken = await self.audience.deliver(records)
        self._host.meter.delivered(records, taken)
        for record in records:
            if record.sender_id is not None and record.is_message:
                self.attendance.spoke(record.sender_id)

    def _apply(self, state: State, record: Record) -> None:
        """Fold an event into a draft, and do what it means for the sockets here."""
        if record.is_message and record.run_id is None:
            state.head, state.updated_at, state.messages = (
                record.sequence,
                record.at,
                record.messages,
            )
            return
        event: Any = self._host.codec.decode(record)
        if isinstance(event, Posted) and event.run_id is not None:
            self._tell_rest(event)
        apply(state, event)
        if isinstance(event, Left):
            self.attendance.see_off(event.participant.id)
        elif isinstance(event, Removed | Banned):
            self.attendance.see_off(event.participant.id, removed=True)
        elif isinstance(event, Updated) and event.history == "since_join":
            self.attendance.shorten_replays(state)

    def _take_signal(self, told: Told) -> None:
        signal: Signal = value_of(told.signal)
        match signal:
            case Delta():
                self._said(signal)
            case RunStatus():
                self._texts.note(signal)
                self.audience.signal(signal, but=told.but)
            case Typing():
                self.attendance.typing(signal, trio.current_time())
            case _:
                self.audience.signal(signal, but=told.but)

    def _said(self, delta: Delta, *, whole: bool = False) -> None:
        try:
            news = self._texts.take(delta, whole=whole)
        except LookupError:
            if self.state is not None and delta.run_id in self.state.runs:
                self.watch()  # the owner answers with what is missing
            return
        if news is not None:
            self.audience.signal(news, but=delta.participant_id)

    def _pushed(self, pushed: Pushed) -> None:
        id = pushed.participant_id
        for subscriber in tuple(self.audience.live) if id is None else self.audience.of(id):
            if subscriber.connection_id != pushed.but:
                subscriber.push(pushed.payload)

    # --- the log ----------------------------------------------------------------------------------------------------------

    async def _loaded(self) -> State:
        return await self._reread() if self.state is None else self.state

    async def _reread(self) -> State:
        """Read the state and the newest events, and send all readers what they lack. Raises `StoreError`."""
        store = self._host.store
        state = await store.load(self.key)
        if state is None:
            self._all_off()
            return State(self.key)
        page = await store.read(state.number, before=state.head + 1, limit=RECENT_EVENTS)
        await self._tell_ends(state)
        delivered, is_new = self.audience.head, self.state is None
        self.state = state
        self._texts.follow(state.runs)
        self.audience.recall(page.records)
        for participant_id in list(self.audience.participants()):
            if participant_id not in state.members:
                self.attendance.see_off(participant_id)
        if delivered < state.head:
            self.audience.fall_back(delivered)
        if is_new:
            for subscriber in tuple(self.audience.behind):
                self.audience.catch_up(subscriber)
        return state

    async def _tell_ends(self, state: State) -> None:
        """Tell the live readers the rest of runs that have ended unseen, before they get the message."""
        ended = sorted(id for id, _ in self._texts.lengths() if id not in state.runs)
        if not ended:
            return
        for stored in (await self._host.store.runs_among(state.number, ended)).values():
            event = None if stored.end is None else self._host.codec.decode(stored.end)
            if isinstance(event, Posted):
                self._tell_rest(event)

    def _tell_rest(self, event: Posted) -> None:
        rest = self._texts.rest(event.run_id or "", event.content)
        if rest is not None:
            self.audience.signal(rest, but=event.sender.id)

    def _all_off(self) -> None:
        """There is no such conversation any more."""
        self.state = None
        self.attendance.see_all_off()

    # --- once a second ----------------------------------------------------------------------------------------------------

    def beat(self, now: float) -> None:
        """Send again what has no answer, say who is here, and read the log where the owner is silent."""
        for number in self.outgoing.due(now):
            self._send(number)
        if self.audience:
            self.watch()
            if self._is_silent():
                self.actor_ref.tell(Reread())  # type: ignore[arg-type]

    def moved(self) -> None:
        """Another view: whoever owns the conversation now learns what waits and who is here."""
        owner = self._cluster.owner(self.key)
        if owner != self._owner:
            self._owner, self._known_version = owner, 0
            self.outgoing.begin(self._cluster.next_number())
        self.outgoing.hurry()
        self.beat(trio.current_time())
        if self.audience:
            self.actor_ref.tell(Reread())  # type: ignore[arg-type]

    def watch(self) -> None:
        """Tell the owner who is here."""
        people = None
        if self._known_version != self._version or not self._people:
            people = tuple(
                {each.participant.id: each.participant for each in self.audience}.values()
            )
        watch = Watch(
            self.key,
            self._version,
            people,
            self.attendance.presence.announced,
            self._online,
            self._texts.lengths(),
        )
        self._cluster.send(self._cluster.owner(self.key), watch)

    # --- hand-over --------------------------------------------------------------------------------------------------------

    def adopt(self, positions: Sequence[tuple[Subscriber, int]], shown: Sequence[str]) -> None:
        """Serve subscribers whom another actor has served up to these positions, who are shown these people as online."""
        self.audience.adopt(positions)
        self.attendance.presence.take_over(shown, trio.current_time())
        self.actor_ref.tell(Reread())  # type: ignore[arg-type]

    def letters(self) -> list[Letter]:
        """All that waits, in its order, for another actor; to be called before this one is stopped."""
        commands = self.outgoing.take_all()
        todo, self._todo = self._todo, []
        waiting = [*commands, *todo, *self.actor_inbox.take()]
        return [each for each in waiting if not isinstance(each.message, OWN)]

    @property
    def passive(self) -> bool:
        """Whether there are no sockets here and no command waits for an answer."""
        return self.idle and not self.audience and not self.outgoing

    def owes(self, subscriber: Subscriber) -> bool:
        """Whether committed events may still be undelivered to a subscriber."""
        state = self.state
        behind = state is None or state.head < self._head or subscriber in self.audience.behind
        return behind or not self.idle

    def on_stop(self) -> None:
        """Close all subscribers so that they reconnect, and fail the commands that wait."""
        for subscriber in tuple(self.audience):
            subscriber.close(4002, "the conversation was restarted")
        died = ActorDied(f"{self.actor_urn} has stopped")
        for letter in self.outgoing.take_all():
            letter.fail(died)

    def stop(self) -> None:
        """Stop now, and release references."""
        if self.actor_ref.is_alive():
            super().stop()
            self.attendance.release()

    def on_failure(self, *_: Any) -> None:
        """Report the crash, so that another actor takes over."""
        self._host.crashed(self)
        self.on_stop()

    def _page_read(self, replay: Replay) -> None:
        if self.actor_ref.is_alive():
            self.actor_ref.tell(replay)

    def _so_far(self, subscriber: Subscriber) -> Iterator[Signal]:
        yield from self._texts.so_far(subscriber.participant.id)
        yield from self._unasked(subscriber)

    def _schedule(self, what: Timer, at: float | None) -> None:
        if at is not None and at < self._timers.get(what, float("inf")):
            self._timers[what] = at
            self.system.later(at - trio.current_time(), self.actor_ref, Tick(what, at))
