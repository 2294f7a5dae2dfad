"""The commands of a node's people that the owner of their conversation has not answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from salon.actors.refusals import Code, Refusal
from salon.actors.runtime import ActorDied

from .channel import Outgoing, unkeyed
from .encoding import named, value_of
from .wire import Ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salon.actors.audience import Audience
    from salon.actors.mailbox import Letter

    from .host import ClusterHost
    from .wire import Answer

FULL_RETRY = 1.0  # seconds: the owner answers within, or another takes its place


class Asking:
    """Sends the commands of the conversation `key` to its owner, again as long as there is no outcome, and in their order."""

    __slots__ = ("_audience", "_host", "_key", "outgoing", "owner")

    def __init__(self, key: str, host: ClusterHost, audience: Audience) -> None:
        self._key = key
        self._audience = audience
        self._host = host
        self.outgoing = Outgoing(host.cluster.next_number())
        self.owner = host.cluster.owner(key)

    def __len__(self) -> int:
        return len(self.outgoing)

    def has(self, participant_id: str) -> bool:
        """Whether a command of this person has no outcome yet."""
        pending = self.outgoing.pending.values()
        return any(each.letter.message.sender.id == participant_id for each in pending)

    def ask(self, letter: Letter) -> None:
        """Send a command; one too many is refused."""
        limit, waiting = self._host.limits.queue_size, len(self.outgoing)
        if not limit or waiting < limit:
            self._send(self.outgoing.add(letter, self._host.sources.new_id))
            return
        refusal = Refusal(
            Code.QUEUE_FULL,
            {"queue_size": waiting, "limit": limit},
            retry_after=FULL_RETRY,
            scope="conversation",
            key=getattr(letter.message, "key", None),
        )
        sender_id = letter.message.sender.id
        _tell(
            letter,
            self._host.refusals.name(refusal, participant_id=sender_id, conversation_id=self._key),
        )

    def _send(self, number: int) -> None:
        pending = self.outgoing.pending[number]
        self._host.counted.sent_again += pending.sent_before
        pending.sent_at, pending.sent_before = trio.current_time(), True
        letter = pending.letter
        ask = Ask(
            self._key,
            self.outgoing.channel,
            self.outgoing.base,
            number,
            named(letter.message),
            getattr(letter.reply_to, "connection_id", ""),
            pending.again,
            self._audience.of(letter.message.sender.id) == [letter.reply_to],
        )
        self._host.cluster.send(self.owner, ask)

    def answered(self, answer: Answer) -> None:
        """Give a command's sender the outcome; one that has it is not told again."""
        pending = self.outgoing.answered(answer.channel, answer.number)
        if pending is None:
            return
        if answer.outcome is None:
            pending.letter.fail(ActorDied(f"the owner of {self._key} has stopped"))
            return
        outcome = value_of(answer.outcome)
        _tell(pending.letter, unkeyed(outcome) if pending.given else outcome)

    def send_due(self, now: float) -> None:
        """Send again what has had no outcome for a while."""
        for number in self.outgoing.due(now):
            self._send(number)

    def moved(self, said: Callable[[], Sequence[Letter]]) -> bool:
        """Have everything sent again after a change of view; whether the owner is another.

        Then what agents have `said` goes first, which it may lack.
        """
        owner = self._host.cluster.owner(self._key)
        is_new = owner != self.owner
        if is_new:
            self.owner = owner
            self.outgoing.begin(self._host.cluster.next_number(), said())
        self.outgoing.hurry()
        return is_new

    def fail_all(self, why: str) -> None:
        """Tell all senders that there will be no outcome."""
        for letter in self.outgoing.take_all():
            letter.fail(ActorDied(why))


def _tell(letter: Letter, outcome: Any) -> None:
    letter.answer(outcome)
    if letter.reply_to is not None:
        letter.reply_to.flush()
