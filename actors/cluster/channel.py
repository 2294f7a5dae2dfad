"""Commands on their way to the owner: in order, each carried out once, over a transport that may lose, repeat and reorder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from salon.actors.mailbox import Letter
    from salon.actors.subscriber import Caller

    from .wire import Ask, Named

HELD = 1000  # commands of a node that came before one that is missing: as many as a mailbox holds
RESEND = 1.0  # seconds without an outcome after which a command is sent again


def with_key(command: Any, new_key: Callable[[], str]) -> Any:
    """The command with a key of its own, if it can have one: so it can be sent again, and is stored once."""
    if getattr(command, "key", "") is not None:
        return command
    if is_dataclass(command):
        return replace(command, key=new_key())  # type: ignore[type-var]
    return command._replace(key=new_key())


def unkeyed(outcome: Any) -> Any:
    """The outcome as one who has sent no key is told it."""
    if getattr(outcome, "key", None) is None:
        return outcome
    if is_dataclass(outcome):
        return replace(outcome, key=None)  # type: ignore[type-var]
    return outcome._replace(key=None)


class Passed:
    """Takes the outcome of a command that a former owner was asked for, on its sender's behalf.

    `again` is true where that one may have carried it out; `given` where the key is not the sender's own.
    """

    __slots__ = ("_caller", "_given", "again", "connection_id")

    def __init__(self, caller: Caller, *, given: bool, again: bool) -> None:
        self._caller = caller
        self._given = given
        self.again = again
        self.connection_id: str = getattr(caller, "connection_id", "")

    def set(self, value: Any = None) -> None:
        """Take the outcome."""
        self._caller.set(unkeyed(value) if self._given else value)

    def set_exception(self, exc_info: Any = None) -> None:
        """Learn that there will be none."""
        self._caller.set_exception(exc_info)

    def flush(self) -> None:
        """Send the outcomes set so far."""
        self._caller.flush()


class Pending:
    """A command without an outcome. `given` is true where the key is not its sender's own."""

    __slots__ = ("again", "given", "letter", "sent_at")

    def __init__(self, letter: Letter, *, given: bool) -> None:
        self.letter = letter
        self.given = given
        self.again: bool = getattr(
            letter.reply_to, "again", False
        )  # whether a former owner may have carried it out
        self.sent_at = float("-inf")

    @property
    def was_sent(self) -> bool:
        """Whether a former owner may have carried it out, were the owner another."""
        return self.again or self.sent_at != float("-inf")

    def passed(self) -> Letter:
        """The letter, for whoever sees to it from now on."""
        caller = self.letter.reply_to
        if caller is not None and (self.given or self.was_sent):
            self.letter.reply_to = Passed(caller, given=self.given, again=self.was_sent)
        return self.letter


class Outgoing:
    """A node's commands of one conversation that the owner has not answered, by number."""

    __slots__ = ("channel", "newest", "pending")

    def __init__(self, channel: int) -> None:
        self.channel = channel
        self.newest = 0
        self.pending: dict[int, Pending] = {}

    def __len__(self) -> int:
        return len(self.pending)

    @property
    def base(self) -> int:
        """The first number without an outcome."""
        return next(iter(self.pending), self.newest + 1)

    def add(self, letter: Letter, new_key: Callable[[], str]) -> int:
        """Take a command; its number."""
        command = with_key(letter.message, new_key)
        pending = Pending(letter, given=command is not letter.message)
        letter.message = command
        self.newest += 1
        self.pending[self.newest] = pending
        return self.newest

    def begin(self, channel: int, first: Sequence[Letter] = ()) -> None:
        """Begin again with another owner, in the same order, after commands that are to come before."""
        self.channel = channel
        for each in self.pending.values():
            each.again = each.was_sent
        before = [Pending(letter, given=False) for letter in first]
        self.pending = dict(enumerate((*before, *self.pending.values()), 1))
        self.newest = len(self.pending)

    def hurry(self) -> None:
        """Have all commands sent again: the owner may have dropped them."""
        for each in self.pending.values():
            each.sent_at = float("-inf")

    def due(self, now: float) -> list[int]:
        """The numbers to send, or to send again."""
        return [number for number, each in self.pending.items() if now - each.sent_at >= RESEND]

    def answered(self, channel: int, number: int) -> Pending | None:
        """The command that an outcome is for; None where it has one, or belongs to a former owner."""
        return self.pending.pop(number, None) if channel == self.channel else None

    def take_all(self) -> list[Letter]:
        """All commands without an outcome, which others see to from now on."""
        pending, self.pending = self.pending, {}
        return [each.passed() for each in pending.values()]


class Incoming:
    """One node's commands at the owner: what is next, what came too early, and the outcomes that may have been lost."""

    __slots__ = ("_answered", "_channel", "_held", "_next", "heard_at")

    def __init__(self, now: float) -> None:
        self.heard_at = now
        self._channel = 0
        self._next = 0
        self._held: dict[int, Ask] = {}
        self._answered: dict[int, Named | None] = {}

    def take(self, ask: Ask, now: float) -> list[Ask]:
        """The commands to carry out now; none where it comes too early, again, or from a former channel."""
        self.heard_at = now
        if ask.channel < self._channel:
            return []
        if ask.channel > self._channel:
            self._channel, self._next = ask.channel, ask.base
            self._held.clear()
            self._answered.clear()
        self._next = max(self._next, ask.base)
        self._held = {number: each for number, each in self._held.items() if number >= self._next}
        self._answered = {n: each for n, each in self._answered.items() if n >= ask.base}
        if ask.number < self._next or len(self._held) >= HELD:
            return []
        self._held[ask.number] = ask
        ready = []
        while (following := self._held.pop(self._next, None)) is not None:
            ready.append(following)
            self._next += 1
        return ready

    def answered(self, channel: int, number: int, outcome: Named | None) -> None:
        """Keep an outcome until the node has it."""
        if channel == self._channel:
            self._answered[number] = outcome

    def outcome(self, ask: Ask) -> Outcome | None:
        """The outcome of a command that came again; None while it has none."""
        if ask.channel != self._channel or ask.number not in self._answered:
            return None
        return Outcome(self._answered[ask.number])


class Outcome(NamedTuple):
    """An outcome that was told already. None: the actor died before it could tell."""

    named: Named | None
