"""Bugs on purpose: each changes one behaviour of the real engine, and the simulator has to catch it.

They are the bugs that engines of this kind have had. One that is not caught would say that the simulator looks away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from salon.actors.audience import Audience
from salon.actors.conversation import ConversationActor
from salon.actors.mailbox import Mailbox, MailboxFull
from salon.actors.participant import ParticipantActor
from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import TrioActor
from salon.actors.store import Appended, StoreError
from salon.actors.turn import Turn
from salon.persistence.memory import MemoryStore
from salon.web.connection import Connection

from .disk import DiskPort
from .server import Process

if TYPE_CHECKING:
    from salon.actors.store import Changes, Record

Change = tuple[Any, str, Callable[[Any], Any]]


def _deliver_before_commit() -> Change:
    def change(real: Any) -> Any:
        async def decide(self: Any, commands: Any, state: Any) -> Turn:
            turn = Turn(state, commands, known={}, parts=self._directory)
            if turn.records:
                await self.audience.deliver(tuple(turn.records))
            found = await _commit(self, turn, lambda: real(self, commands, state))
            if found is turn:
                found.records = []
            return found

        return decide

    return ConversationActor, "_decide_and_commit", change


def _receipt_before_commit() -> Change:
    def change(real: Any) -> Any:
        async def decide(self: Any, commands: Any, state: Any) -> Turn:
            turn = Turn(state, commands, known={}, parts=self._directory)
            self._answer(turn)
            for letter, _ in turn.answers:
                if letter.reply_to is not None:
                    letter.reply_to.flush()
            return await _commit(self, turn, lambda: real(self, commands, state))

        return decide

    return ConversationActor, "_decide_and_commit", change


async def _commit(actor: Any, turn: Turn, otherwise: Callable[[], Any]) -> Turn:
    """Commit what is told already; `otherwise` is what the real engine does, for a turn that cannot be committed as it is."""
    changes = turn.changes
    outcome = None if changes is None else await actor._store.append(changes)
    if not isinstance(outcome, Appended):
        found: Turn = await otherwise()
        return found
    turn.state.number, actor.state = outcome.number, turn.state
    return turn


def _skip_dedup() -> Change:
    def change(real: Any) -> Any:
        def keep(self: Any, conversation: Any, changes: Changes) -> None:
            real(self, conversation, changes)
            conversation.keys.clear()

        return keep

    return MemoryStore, "_keep", change


def _key_forgotten_on_passivation() -> Change:
    """Keys are remembered by the actor alone: whoever comes after it knows none."""

    def change(real: Any) -> Any:
        async def load(self: Any) -> Any:
            number = self._store.disk._numbers.get(self.key)
            if number is not None:
                self._store.disk._conversations[number - 1].keys.clear()
            return await real(self)

        return load

    return ConversationActor, "_load", change


def _duplicate_on_retry_after_crash() -> Change:
    """A key is stored with the commit after its message: what was last said before a crash has none."""

    def change(real: Any) -> Any:
        def run(self: Any, **options: Any) -> Any:
            for conversation in self.store.disk._conversations:
                last = conversation.records[-1]
                conversation.keys.pop((last.sender_id, last.key), None)
            return real(self, **options)

        return run

    return Process, "run", change


def _resume_one_late() -> Change:
    def change(real: Any) -> Any:
        def place(self: Any, subscriber: Any, sequence: int) -> None:
            real(self, subscriber, sequence + (0 < sequence < self.head))

        return place

    return Audience, "place", change


def _resume_one_early() -> Change:
    def change(real: Any) -> Any:
        def place(self: Any, subscriber: Any, sequence: int) -> None:
            real(self, subscriber, max(0, sequence - 1))

        return place

    return Audience, "place", change


def _lost_wake_up() -> Change:
    """What comes while a turn waits for the store is looked at when the next message comes, not after the turn."""

    def change(real: Any) -> Any:
        def end_turn(self: Any) -> None:
            wake = self.wake
            self.wake = lambda: None
            try:
                real(self)
            finally:
                self.wake = wake

        return end_turn

    return TrioActor, "_end_turn", change


def _reorder_within_a_batch() -> Change:
    def change(real: Any) -> Any:
        async def deliver(self: Any, records: list[Record]) -> int:
            recent = list(records)
            payload = self._codec.payload
            self._codec.payload = lambda bodies: payload(list(bodies)[::-1])
            try:
                taken: int = await real(self, recent)
            finally:
                del self._codec.payload
            return taken

        return deliver

    return Audience, "deliver", change


def _drop_on_lagging() -> Change:
    """A reader whose outbox is full misses what was for it, and stays live."""
    return Audience, "_fall_behind", lambda real: lambda self, subscriber, sequence: None


def _gap_after_restart() -> Change:
    """An actor that has loaded its state does not know that there are events which newcomers have not."""
    return Audience, "recall", lambda real: lambda self, records: None


def _ignore_a_failed_commit() -> Change:
    """An error of the store is taken for a success: the receipts go out, and the state goes on."""

    def change(real: Any) -> Any:
        async def decide(self: Any, commands: Any, state: Any) -> Turn:
            try:
                found: Turn = await real(self, commands, state)
            except StoreError:
                found = Turn(state, commands, known={}, parts=self._directory)
                self.state = found.state
            return found

        return decide

    return ConversationActor, "_decide_and_commit", change


def _forget_who_waited_for_a_failed_commit() -> Change:
    """A commit that failed and took effect after all is told to nobody who was live meanwhile."""
    return Audience, "fall_back", lambda real: lambda self, sequence: None


def _live_too_early() -> Change:
    """A newcomer hears live while it is still being replayed to."""

    def change(real: Any) -> Any:
        def place(self: Any, subscriber: Any, sequence: int) -> None:
            real(self, subscriber, sequence)
            self.live[subscriber] = None

        return place

    return Audience, "place", change


def _lose_what_is_drained() -> Change:
    """Who had no room is not told that there is some again."""
    return Connection, "_drained", lambda real: lambda self: None


def _clock_goes_back() -> Change:
    """An event is stamped with the wall clock, whatever the events before it have."""

    def change(real: Any) -> Any:
        def init(self: Any, state: Any, letters: Any, *, known: Any, parts: Any) -> None:
            at, state = state.updated_at, state.draft()
            state.updated_at = 0
            real(self, state, letters, known=known, parts=parts)
            self.state.updated_at = self.state.updated_at or at

        return init

    return Turn, "__init__", change


def _refuse_and_keep() -> Change:
    """A full mailbox says no, and takes the command all the same."""

    def change(real: Any) -> Any:
        def put(self: Mailbox, letter: Any) -> None:
            try:
                real(self, letter)
            except MailboxFull:
                letter.reply_to, reply_to = None, letter.reply_to
                self._letters.append(type(letter)(letter.message, None, letter.enqueued_at))
                self._actor.wake()
                letter.reply_to = reply_to
                raise

        return put

    return Mailbox, "put", change


def _full_mailbox_says_nothing() -> Change:
    """A command that finds no room is dropped without a word."""

    def change(real: Any) -> Any:
        def refuse(self: Any, letter: Any, refusal: Refusal, **figures: Any) -> None:
            if refusal.code is not Code.QUEUE_FULL:
                real(self, letter, refusal, **figures)

        return refuse

    return ParticipantActor, "_refuse", change


def _receipt_of_the_wrong_message() -> Change:
    """A retry is answered with the place that the message would have had now."""

    def change(real: Any) -> Any:
        def repeat(event: Any, before: Any, receipt: Any) -> Any:
            answer = real(event, before, receipt)
            if isinstance(answer, Refusal):
                return answer
            return answer._replace(sequence=event.sequence)

        return staticmethod(repeat)

    return Turn, "_repeat", change


def _new_epoch_on_restart() -> Change:
    """Each start of the server names the log anew, so that clients throw away what they have."""

    def change(real: Any) -> Any:
        def init(self: Any, disk: Any, *arguments: Any) -> None:
            real(self, disk, *arguments)
            self.epoch = f"epoch {self._chance.random()}"

        return init

    return DiskPort, "__init__", change


def _old_copy_under_the_same_epoch() -> Change:
    """A restart finds the log without its last event, and does not say so."""

    def change(real: Any) -> Any:
        def run(self: Any, **options: Any) -> Any:
            for conversation in self.store.disk._conversations:
                if len(conversation.records) > 2:
                    record = conversation.records.pop()
                    conversation.keys.pop((record.sender_id, record.key), None)
                    last = conversation.records[-1]
                    conversation.state.head = last.sequence
                    conversation.state.messages = last.messages
            return real(self, **options)

        return run

    return Process, "run", change


def _tell_those_who_left() -> Change:
    def change(real: Any) -> Any:
        return lambda self, participant_id: self.presence.forget(participant_id)

    return ConversationActor, "_see_off", change


def _crash_forgets_its_readers() -> Change:
    """Those who were connected to an actor that crashed are not sent to fresh sockets."""
    return ConversationActor, "on_stop", lambda real: lambda self: None


def _last_of_a_batch_is_not_answered() -> Change:
    def change(real: Any) -> Any:
        def answer(self: Any, turn: Turn) -> int:
            if len(turn.answers) > 1:
                turn.answers.pop()
            refused: int = real(self, turn)
            return refused

        return answer

    return ConversationActor, "_answer", change


def _places_in_the_mailbox_leak() -> Change:
    """What a sender has waiting is counted and never taken off again."""

    def change(real: Any) -> Any:
        def take(self: Mailbox) -> Any:
            shares = dict(self._shares)
            letters = real(self)
            self._shares.update(shares)
            return letters

        return take

    return Mailbox, "take", change


def _old_socket_takes_the_new_one_along() -> Change:
    """When one connection of a person ends, the others hear nothing more."""

    def change(real: Any) -> Any:
        def remove(self: Audience, subscriber: Any) -> bool:
            there: bool = real(self, subscriber)
            for other in self.of(subscriber.participant.id) if there else ():
                real(self, other)
            return there

        return remove

    return Audience, "remove", change


def _refused_with_the_wrong_key() -> Change:
    """A refusal names no message, so that its sender waits for ever."""

    def change(real: Any) -> Any:
        def refuse(self: Any, letter: Any, refusal: Refusal, **figures: Any) -> None:
            real(self, letter, replace(refusal, key=None), **figures)

        return refuse

    return ParticipantActor, "_refuse", change


MUTANTS: dict[str, Callable[[], Change]] = {
    name.removeprefix("_").replace("_", "-"): make
    for name, make in list(globals().items())
    if name.startswith("_")
    and callable(make)
    and getattr(make, "__annotations__", {}).get("return") == "Change"
}


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """The engine with that bug inside the block; with None as it is."""
    if name is None:
        yield
        return
    target, attribute, change = MUTANTS[name]()
    real = target.__dict__[attribute]
    plain = real.__func__ if isinstance(real, staticmethod) else real
    setattr(target, attribute, change(plain))
    try:
        yield
    finally:
        setattr(target, attribute, real)
