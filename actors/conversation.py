"""The conversation: one mailbox, one owner of its state, one gap-free sequence.

A turn takes all waiting letters and has four steps: 1 decide, 2 commit, 3 answer, 4 deliver. Nothing is answered or delivered
before it is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import trio

from .agents import Agents
from .attendance import Attendance
from .audience import BREATH, BREATH_EVERY, RECENT_EVENTS
from .events import Left, Updated
from .lookup import NOTHING_NAMED, look_up, name_nothing
from .mailbox import is_text
from .member_events import Banned, Removed
from .messages import (
    Attach,
    Detach,
    Drained,
    Look,
    Rename,
    Replay,
    SaveRuns,
    Sync,
    Tick,
)
from .model import State
from .posted import Posted
from .recorder import Recorder
from .refusals import Refusal, about_run
from .replies import Replies, keys_in
from .run_messages import RUN_COMMANDS
from .run_text import extended
from .runtime import TrioActor
from .signals import PreferencesMoved
from .store import Appended, Changes, KeysTaken, StoreError
from .turn import Turn, known_from

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from .events import Event
    from .host import Host
    from .mailbox import Letter
    from .messages import Timer
    from .model import Participant
    from .moderation import Moderator
    from .signals import MemberView, Signal
    from .store import Record
    from .subscriber import Subscriber

RELOAD_AFTER = 2.0  # seconds after a failed commit: its sender mostly tries again before
# The second round knows every used key, the third also where the store was asked; another would mean that the store is faulty
KEY_ROUNDS = 3


class Superseded(Exception):
    """Ends a turn whose commit was refused, because the cluster's view is another by now: `number` or a newer one."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the view is {number}")
        self.number = number


class ConversationActor(TrioActor):
    """Owns one conversation. `begun` is true while it is being created: then the store is not asked for its state."""

    kind: ClassVar[str] = "conversation"
    attendance_type: ClassVar[type[Attendance]] = Attendance
    agents_type: ClassVar[type[Agents]] = Agents

    def __init__(self, host: Host, conversation_id: str, *, begun: bool = False) -> None:
        limits = host.limits
        super().__init__(
            host.system, conversation_id, limit=limits.queue_size, share=limits.queue_share
        )
        self._host = host
        self._store = host.store
        self._append = host.store.append
        self.state: State | None = State(conversation_id) if begun else None
        self.attendance = self.attendance_type(
            conversation_id,
            host,
            state=self._committed,
            so_far=self._so_far,
            tell=self._page_read,
            schedule=self._schedule,
        )
        self.audience = self.attendance.audience
        self._replies = Replies(self._store, self.audience.at_hand)
        self.agents = self.agents_type(
            conversation_id, host, self.audience, self._replies, self._schedule
        )
        self._timers: dict[str, float] = {}
        self.recorder = Recorder()

    # --- the turn ---------------------------------------------------------------------------------------------------------

    async def on_batch(self, batch: Sequence[Letter]) -> None:
        """Decide, commit, answer, deliver; then handle the controls, which must see what was committed."""
        if self._take_text(batch):
            if self.state is not None and (self.agents.due or "runs" not in self._timers):
                await self._save_text(self.state)
            return
        commands = [letter for letter in batch if letter.message.is_command]
        try:
            if self.state is None:
                self.state = await self._load()
            people = self._people(batch, self.state)
            if self.agents.runs and any(isinstance(each.message, SaveRuns) for each in batch):
                self.agents.save_now(self.state)
            if commands or people or self.state.renamed or self.agents.due:
                await self._take(commands, self.state, people)
        except StoreError as error:
            self._unload(batch, error)
            return
        controls = [letter for letter in batch if not letter.message.is_command]
        if controls:
            await self._control_all(controls, self.state)
        if not self.state.head and self.actor_inbox.empty():
            self._host.forget(self)  # the conversation does not exist and was not created

    def _take_text(self, batch: Sequence[Letter]) -> bool:
        """Take a batch that is nothing but more text of runs, and its timers; False where it needs a turn."""
        state = self.state
        for letter in batch:
            if not is_text(letter.message):
                return False
        if state is None or state.renamed or self.agents.overdue():
            return False
        said = extended(state, batch, self._host.limits, self._store.durability)
        if said is None:
            return False
        self.state, receipts = said
        for letter, receipt in receipts:
            letter.answer(receipt)
        if len(receipts) < len(batch):
            for letter in batch:
                self._timer_ended(letter.message)
        run_ids = [receipt.run_id for _, receipt in receipts]
        self.agents.said(self.state, run_ids, self.last_turn_at)
        for letter, _ in receipts:
            if letter.reply_to is not None:
                letter.reply_to.flush()
        return True

    def _timer_ended(self, message: Any) -> None:
        """Forget a timer that has run out; one that another has replaced is ignored."""
        if type(message) is Tick and self._timers.get(message.what) == message.at:
            del self._timers[message.what]

    async def _save_text(self, state: State) -> None:
        """Store what runs have said, if it is time, in changes of its own."""
        if self.agents.save_due(state):
            texts = self.agents.runs.unsaved(state)
            try:
                outcome = await self._append(Changes(state.id, state.number, (), texts=texts))
            except StoreError as error:
                self._unload((), error)
                return
            if not isinstance(outcome, Appended | KeysTaken):
                raise Superseded(outcome.number)
            self.agents.runs.saved(texts, trio.current_time())
        self.agents.schedule(state)

    def _unload(self, batch: Sequence[Letter], error: StoreError) -> None:
        """Have the next turn load the state from the log again."""
        self.agents.keep(self.state)
        self.state = None
        self._refuse(batch, error)

    async def _load(self) -> State:
        state = await self._store.load(self.key) or State(self.key)
        if state.head:
            page = await self._store.read(state.number, before=state.head + 1, limit=RECENT_EVENTS)
            self.state = state
            await self.agents.loaded(state, page.records)
            delivered = self.audience.head
            self.audience.recall(page.records)
            if state.slow_mode:
                state.spoke = {
                    each.sender_id or "": each.at for each in page.records if each.is_message
                }
            if delivered < state.head:
                # The store reported a failure, but the commit took effect: the log is the truth.
                for participant_id in self.attendance.departed(state):
                    self._see_off(participant_id)
                self.audience.fall_back(delivered)
            if self.agents.runs:
                self._schedule("deltas", self.agents.runs.news_due(state))
                self.agents.schedule(state)
        return state

    @staticmethod
    def _people(batch: Sequence[Letter], state: State) -> list[tuple[Participant, bool]]:
        """The participants who act themselves for the first time, and those with a new name (second of the pair: true)."""
        people = []
        for letter in batch:
            message = letter.message
            if isinstance(message, Attach):
                who = message.subscriber.participant
                member = state.members.get(who.id)
                if member and not (member.introduced and member.participant.type == who.type):
                    people.append((who, False))
            elif isinstance(message, Rename):
                people.append((message.participant, True))
        return people

    async def _take(
        self,
        commands: list[Letter],
        state: State,
        people: Sequence[tuple[Participant, bool]],
    ) -> None:
        now = self.system.now
        begun_at = now()
        turn = await self._decide_and_commit(commands, state, people)
        committed_at = now()
        refused = self._answer(turn)
        await self._deliver(turn)
        delivered_at = now()
        times = begun_at, committed_at, delivered_at
        if commands:
            self.recorder.note(turn.answers, refused, times, turn.records)
            self._host.meter.turn_seconds.append(delivered_at - commands[0].enqueued_at)

    async def _decide_and_commit(
        self,
        commands: list[Letter],
        state: State,
        people: Sequence[tuple[Participant, bool]],
    ) -> Turn:
        host, found = self._host, NOTHING_NAMED
        if state.runs or not name_nothing(commands):
            found = await look_up(
                commands,
                state,
                store=self._store,
                audience=self.audience,
                replies=self._replies,
                agents=self.agents,
            )
        overdue, save = self.agents.overdue(), self.agents.save_due(state)
        known: dict[tuple[str, str], tuple[Event, Record]] = {}
        asked = False
        # Most turns end in the first round. Where the log has keys that the turn took for new, the turn is decided again: with
        # all of them, since what one command repeats changes what the next one does.
        for _ in range(KEY_ROUNDS):
            turn = Turn(
                state,
                commands,
                known=dict(known),
                parts=host,
                replied_to=found.replied_to,
                targets=found.targets,
                files=found.files,
                events=found.events,
                people=people,
                ended=found.ended,
                overdue=overdue,
                unsaved=self.agents.runs.unsaved,
                save=save,
            )
            if turn.unsettled and not asked:
                asked = True
                if used := await self._used_keys(commands, state, known):
                    known |= used
                    continue
            changes = turn.changes
            if changes is None:
                if turn.state.runs is not state.runs:  # what a run has said is stored later
                    self.state = turn.state
                return turn
            outcome = await self._append(changes)
            if isinstance(outcome, Appended):
                turn.state.number = outcome.number
                self.state = turn.state
                return turn
            if not isinstance(outcome, KeysTaken):
                raise Superseded(outcome.number)
            known |= known_from(outcome.records, host.codec)
            if not asked:
                asked = True
                known |= await self._used_keys(commands, state, known)
        raise RuntimeError("the store named keys as taken that it had not named before")

    async def _used_keys(
        self, commands: Sequence[Letter], state: State, known: Container[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[Event, Record]]:
        """The logged events whose keys these commands use again, without known ones. Raises `StoreError`."""
        named = keys_in(commands)
        unknown = [name for name in named if name not in known]
        if not unknown:
            return {}
        return known_from(await self._store.keys_among(state.number, unknown), self._host.codec)

    def _answer(self, turn: Turn) -> dict[Letter, Refusal]:
        refused = {}
        for letter, outcome in turn.answers:
            if isinstance(outcome, Refusal):
                outcome = refused[letter] = self._named(outcome, letter)
            letter.answer(outcome)
        return refused

    async def _deliver(self, turn: Turn) -> None:
        for event in turn.state_events:
            if isinstance(event, Left):
                self._see_off(event.participant.id)
            elif isinstance(event, Removed | Banned):
                self._see_off(event.participant.id, removed=True)
            elif isinstance(event, Updated) and event.history == "since_join":
                self.attendance.shorten_replays(turn.state)
        if turn.gone_files or turn.erased is not None:
            self._host.file_host.gone()
        self.agents.before_events(turn)
        if turn.changed is not None:
            self.audience.rewrite(turn.changed.rewrites)
        if turn.records:
            taken = await self.audience.deliver(turn.records)
            speakers = [each.sender_id or "" for each in turn.records if each.is_message]
            self._host.meter.delivered(len(turn.records), len(speakers), taken)
            self.attendance.spoke(speakers)
            if self._host.moderator is not None:
                for record in turn.records:
                    if record.run_id is not None:
                        self._review(record, self._host.moderator)
        for typing in turn.typing.values():
            self.attendance.typing(typing, trio.current_time())
        self.attendance.tell_read(turn.state, (*turn.marks.values(), *turn.thread_marks))
        for letter, preferences in turn.preferences.values():
            self.attendance.tell_own(letter, PreferencesMoved(*preferences))
        self.agents.after_events(turn)
        if turn.erased is not None:
            self._close_all(turn.erased)
        if self._host.watchers:
            self._host.watchers.tell(self.key, turn.concerned)
        for letter, _ in turn.answers:
            if letter.reply_to is not None:
                letter.reply_to.flush()

    def _review(self, record: Record, moderator: Moderator) -> None:
        said = self._host.codec.decode(record)
        assert isinstance(said, Posted), "a run ends in a message"
        if said.content:
            moderator.review(said)

    # --- refusing ---------------------------------------------------------------------------------------------------------

    def _named(self, refusal: Refusal, letter: Letter) -> Refusal:
        if type(letter.message) in RUN_COMMANDS:
            refusal = about_run(refusal, letter.message.run_id)
        return self._host.refusals.name(
            refusal, participant_id=letter.message.sender.id, conversation_id=self.key
        )

    def _refuse(self, batch: Sequence[Letter], error: StoreError) -> None:
        """Refuse every command of the batch, because the store is unavailable."""
        self._host.report(error)
        refused: dict[Letter, Refusal] = {}
        for letter in batch:
            message = letter.message
            if message.is_command:
                key = getattr(message, "key", None)
                refused[letter] = self._named(self._host.store_refusal(key), letter)
                letter.answer(refused[letter])
                if letter.reply_to is not None:
                    letter.reply_to.flush()
            elif isinstance(message, Attach | Sync | Drained | Replay):
                message.subscriber.close(4002, "the store cannot be read now")
            elif isinstance(message, Look):
                letter.fail(error)
            else:
                self._control(letter, State(self.key))
        if refused:
            now = trio.current_time()
            self.recorder.note([*refused.items()], refused, (self.last_turn_at, now, now))
        self.attendance.tell_presence(trio.current_time())
        if self.audience or self.agents.runs:
            # The commit may have taken effect after all: a reload delivers it without waiting for another command.
            self._schedule("reload", trio.current_time() + RELOAD_AFTER)

    # --- controls ---------------------------------------------------------------------------------------------------------

    async def _control_all(self, controls: Sequence[Letter], state: State) -> None:
        for number, letter in enumerate(controls, 1):
            self._control(letter, state)
            if not number % BREATH_EVERY:
                await BREATH
        self.attendance.tell_presence(trio.current_time())

    def _control(self, letter: Letter, state: State) -> None:
        match letter.message:
            case Attach(_, subscriber, last_sequence):
                self._attach(state, subscriber, last_sequence)
            case Sync(_, subscriber, last_sequence):
                self.attendance.resync(state, subscriber, last_sequence)
            case Detach(_, subscriber):
                self._detach(subscriber)
            case Drained(subscriber):
                self.audience.catch_up(subscriber)
            case Replay() as replay:
                self.attendance.replay(replay)
            case Rename() | SaveRuns():
                pass  # the turn has done it
            case Look():
                letter.answer(state if state.head else None)
            case Tick(what):
                self._timer_ended(letter.message)
                # "presence", "reload" and "runs" need only the turn itself: presence is sent after all controls, the reload
                # and the ends of runs are done before them.
                match what:
                    case "typing":
                        self.attendance.end_typing(trio.current_time())
                    case "deltas" if self.state is not None:
                        self.agents.send_deltas(state, trio.current_time())
                    case "runs" if self.state is not None:
                        self.agents.schedule(state)
            case other:
                raise TypeError(f"a conversation does not take {type(other).__name__}")

    def _attach(self, state: State, subscriber: Subscriber, last_sequence: int | None) -> None:
        if self.attendance.attach(state, subscriber, last_sequence, trio.current_time()):
            self.agents.connected(subscriber.participant.id, state)

    def _detach(self, subscriber: Subscriber) -> None:
        if self.attendance.detach(subscriber, trio.current_time()):
            self.agents.connected(subscriber.participant.id, self.state)

    def _see_off(self, participant_id: str, *, removed: bool = False) -> None:
        """Clean up after a participant who is no longer a member."""
        self.attendance.see_off(participant_id, removed=removed)
        self.agents.left(participant_id)

    def _close_all(self, erased: State) -> None:
        """Clean up after the conversation was deleted."""
        self.attendance.see_all_off()
        for member in erased.members.values():
            if member.participant.type == "agent":
                self.agents.left(member.participant.id)

    def _page_read(self, replay: Replay) -> None:
        if self.actor_ref.is_alive():
            self.actor_ref.tell(replay)

    def _committed(self) -> State | None:
        return self.state

    def _so_far(self, subscriber: Subscriber) -> Iterator[Signal]:
        return self.agents.so_far(self.state, subscriber)

    def _schedule(self, what: Timer, at: float | None) -> None:
        if at is not None and at < self._timers.get(what, float("inf")):
            self._timers[what] = at
            self.system.later(at - trio.current_time(), self.actor_ref, Tick(what, at))

    def view(self, state: State) -> tuple[MemberView, ...]:
        """The members in the order of joining, as other members see them."""
        return self.attendance.view(state)

    # --- the end ----------------------------------------------------------------------------------------------------------

    @property
    def passive(self) -> bool:
        """Whether there are no subscribers and no waiting work, so that the actor can be passivated."""
        return self.idle and not self.audience and not self.agents.runs

    def owes(self, subscriber: Subscriber) -> bool:
        """Whether committed events may still be undelivered to a subscriber; true also while the log has yet to be read."""
        return not self.idle or self.state is None or subscriber in self.audience.behind

    def on_stop(self) -> None:
        """Close all subscribers so that they reconnect: the next actor rebuilds the state from the log."""
        for subscriber in tuple(self.audience):
            subscriber.close(4002, "the conversation was restarted")

    def stop(self) -> None:
        """Stop now, and release references, so that nothing is left for the garbage collector."""
        if self.actor_ref.is_alive():
            super().stop()
            self.attendance.release()
            self.agents.release()

    def on_failure(self, *_: Any) -> None:
        """Report the crash, so that another actor takes over."""
        self._host.crashed(self)
        self.on_stop()
