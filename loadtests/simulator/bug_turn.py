"""Deliberate bugs in a turn's decisions, commits and answers, and in the mailbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from salon.actors.conversation import ConversationActor
from salon.actors.mailbox import Mailbox, MailboxFull
from salon.actors.participant import ParticipantActor
from salon.actors.refusals import Code, Refusal
from salon.actors.replies import Replies, replied_to
from salon.actors.runtime import TrioActor
from salon.actors.store import Appended, StoreError
from salon.actors.turn import Turn

if TYPE_CHECKING:
    pass

Change = tuple[Any, str, Callable[[Any], Any]]


def deliver_before_commit() -> Change:
    def change(real: Any) -> Any:
        async def decide(self: Any, commands: Any, state: Any, people: Any) -> Turn:
            turn = await _decided(self, commands, state, people)
            if turn.records:
                await self.audience.deliver(tuple(turn.records))
            found = await _commit(self, turn, lambda: real(self, commands, state, people))
            if found is turn:
                found.records = []
            return found

        return decide

    return ConversationActor, "_decide_and_commit", change


def receipt_before_commit() -> Change:
    def change(real: Any) -> Any:
        async def decide(self: Any, commands: Any, state: Any, people: Any) -> Turn:
            turn = await _decided(self, commands, state, people)
            self._answer(turn)
            for letter, _ in turn.answers:
                if letter.reply_to is not None:
                    letter.reply_to.flush()
            return await _commit(self, turn, lambda: real(self, commands, state, people))

        return decide

    return ConversationActor, "_decide_and_commit", change


async def _decided(actor: Any, commands: Any, state: Any, people: Any) -> Turn:
    """The turn as the real engine decides it, before its commit."""
    named = replied_to(commands, state)
    senders = await actor._replies.senders_among(named, state.number)
    return Turn(
        state,
        commands,
        known={},
        parts=actor._host,
        replied_to=senders,
        people=people,
        ended=await actor.agents.ended_among(commands, state),
        overdue=actor.agents.overdue(),
        unsaved=actor.agents.runs.unsaved,
    )


async def _commit(actor: Any, turn: Turn, otherwise: Callable[[], Any]) -> Turn:
    """Commit a turn that was answered or delivered before; if that fails, return the real engine's turn from `otherwise`."""
    changes = turn.changes
    outcome = None if changes is None else await actor._store.append(changes)
    if not isinstance(outcome, Appended):
        found: Turn = await otherwise()
        return found
    turn.state.number, actor.state = outcome.number, turn.state
    return turn


def lost_wake_up() -> Change:
    """Messages that arrive while a turn waits for the store are handled when the next message arrives, not after the turn."""

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


def ignore_a_failed_commit() -> Change:
    """A store error is taken for a success: the receipts are sent and the state advances."""

    def change(real: Any) -> Any:
        async def decide(self: Any, commands: Any, state: Any, people: Any) -> Turn:
            try:
                found: Turn = await real(self, commands, state, people)
            except StoreError:
                found = await _decided(self, commands, state, people)
                self.state = found.state
            return found

        return decide

    return ConversationActor, "_decide_and_commit", change


def clock_goes_back() -> Change:
    """An event gets the wall clock's timestamp, even if that is before the timestamps of earlier events."""

    def change(real: Any) -> Any:
        def init(self: Any, state: Any, letters: Any, **more: Any) -> None:
            at, state = state.updated_at, state.draft()
            state.updated_at = 0
            real(self, state, letters, **more)
            self.state.updated_at = self.state.updated_at or at

        return init

    return Turn, "__init__", change


def refuse_and_keep() -> Change:
    """A full mailbox refuses a command and takes it all the same."""

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


def full_mailbox_says_nothing() -> Change:
    """A command refused by a full mailbox gets no answer."""

    def change(real: Any) -> Any:
        def refuse(self: Any, letter: Any, refusal: Refusal, **figures: Any) -> None:
            if refusal.code is not Code.QUEUE_FULL:
                real(self, letter, refusal, **figures)

        return refuse

    return ParticipantActor, "_refuse", change


def receipt_of_the_wrong_message() -> Change:
    """A retry is answered with the sequence that the message would have now."""

    def change(real: Any) -> Any:
        def repeat(self: Turn, event: Any, before: Any, record: Any) -> Any:
            answer = real(self, event, before, record)
            if isinstance(answer, Refusal):
                return answer
            return answer._replace(sequence=event.sequence)

        return repeat

    return Turn, "_repeat", change


def last_of_a_batch_is_not_answered() -> Change:
    def change(real: Any) -> Any:
        def answer(self: Any, turn: Turn) -> int:
            if len(turn.answers) > 1:
                turn.answers.pop()
            refused: int = real(self, turn)
            return refused

        return answer

    return ConversationActor, "_answer", change


def places_in_the_mailbox_leak() -> Change:
    """The count of a sender's waiting messages is never reduced."""

    def change(real: Any) -> Any:
        def take(self: Mailbox) -> Any:
            shares = dict(self._shares)
            letters = real(self)
            self._shares.update(shares)
            return letters

        return take

    return Mailbox, "take", change


def refused_with_the_wrong_key() -> Change:
    """A refusal carries no key, so that its sender waits for ever."""

    def change(real: Any) -> Any:
        def refuse(self: Any, letter: Any, refusal: Refusal, **figures: Any) -> None:
            real(self, letter, replace(refusal, key=None), **figures)

        return refuse

    return ParticipantActor, "_refuse", change


def reply_to_anything() -> Change:
    """A reply may name any event, not only a message."""

    def change(real: Any) -> Any:
        return lambda self, sequence: real(self, sequence) or self.state.id

    return Turn, "sender_of", change


def old_messages_forgotten() -> Change:
    """Only messages that are still in memory may be replied to."""

    def change(real: Any) -> Any:
        async def senders_among(self: Any, named: Any, number: int) -> Any:
            there = [record for each in named if (record := self._at_hand(each)) is not None]
            return {each.sequence: each.sender_id for each in there if each.sender_id is not None}

        return senders_among

    return Replies, "senders_among", change
