"""An actor's mailbox: bounded for commands, in all and per sender."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import trio

from .messages import Tick
from .rates import Drain
from .reservations import Reservations
from .run_messages import ExtendRun

if TYPE_CHECKING:
    from .subscriber import Caller


TEXT_TIMERS = frozenset({"deltas", "runs"})  # the times to send, and to store, what runs have said


def is_text(message: Any) -> bool:
    """Whether a message is more text of a run, or a timer of such text.

    It lets all others pass: it comes so often that people's messages would wait for it.
    """
    kind = type(message)
    return kind is ExtendRun or (kind is Tick and message.what in TEXT_TIMERS)


class MailboxFull(Exception):
    """A command found no room.

    `shared` is true where the sender's own share is used up, not the whole mailbox. `retry_after` is in seconds, computed from
    `rate`, the measured commands a second at which the mailbox drains. `waiting` counts waiting commands and reserved places.
    """

    def __init__(
        self, waiting: int, limit: int, *, shared: bool, retry_after: float, rate: float
    ) -> None:
        super().__init__(f"{waiting} of {limit} places are taken")
        self.waiting = waiting
        self.limit = limit
        self.shared = shared
        self.retry_after = retry_after
        self.rate = rate


class Owner(Protocol):
    """The actor that owns the mailbox."""

    def wake(self) -> None:
        """Schedule a turn, because a letter has arrived."""

    def wake_later(self) -> None:
        """Schedule a turn that lets all others pass."""

    def next_turn_in(self, now: float) -> float:
        """Seconds until the mailbox is next emptied."""


class Letter:
    """What pykka calls an envelope, with its arrival time (seconds of trio's clock); it is answered at most once."""

    __slots__ = ("answered", "enqueued_at", "message", "reply_to")

    def __init__(self, message: Any, reply_to: Caller | None, enqueued_at: float) -> None:
        self.message = message
        self.reply_to = reply_to
        self.enqueued_at = enqueued_at
        self.answered = False

    def answer(self, outcome: Any) -> None:
        """Give the sender the outcome; only the first one counts."""
        if self.reply_to is not None and not self.answered:
            self.answered = True
            self.reply_to.set(outcome)

    def renewed(self) -> Letter:
        """The letter as a new one, for another actor. Nobody waits for the old one: stopping an actor fails those of its turn."""
        reply_to, self.reply_to = self.reply_to, None
        return Letter(self.message, reply_to, self.enqueued_at)

    def fail(self, error: Exception) -> None:
        """Tell the sender by an exception that there will be no outcome."""
        if self.reply_to is not None and not self.answered:
            self.answered = True
            self.reply_to.set_exception((type(error), error, None))


class Mailbox:
    """An actor's inbox. Commands, which have a sender, are bounded in all and per sender; controls are never refused.

    `reservations` holds places for senders that were refused. Other commands leave these places free.
    """

    __slots__ = (
        "_actor",
        "_letters",
        "_shares",
        "commands",
        "drain",
        "limit",
        "reservations",
        "share",
        "urgent",
    )

    def __init__(self, actor: Owner, limit: int = 0, share: int = 0) -> None:
        self._actor = actor  # pykka's refs are weak: the mailbox is what keeps the actor alive
        self._letters: list[Letter] = []
        self._shares: dict[str, int] = {}
        self.commands = 0
        self.urgent = False  # whether a letter waits that is not text of runs
        self.drain = Drain()
        self.limit = limit
        # Made at the first refusal: few mailboxes are ever full.
        self.reservations: Reservations | None = None
        self.share = share

    def __len__(self) -> int:
        return len(self._letters)

    def put(self, letter: Letter, /) -> None:
        """Add a letter, or raise `MailboxFull`. Never blocks."""
        message = letter.message
        if message.is_command:
            sender_id = message.sender.id
            if self.limit and not (
                self.commands < self.limit if self.reservations is None else self._admits(message)
            ):
                kept = self.reservations.kept if self.reservations else 0
                waiting = max(self.commands, min(self.commands + kept, self.limit))
                raise self._full(message, waiting, self.limit, shared=False)
            taken = self._shares.get(sender_id, 0)
            if self.share and taken >= self.share:
                raise self._full(message, taken, self.share, shared=True)
            self._shares[sender_id] = taken + 1
            self.commands += 1
        self._letters.append(letter)
        if is_text(message):
            self._actor.wake_later()
        else:
            self.urgent = True
            self._actor.wake()

    def _admits(self, command: Any) -> bool:
        if not self.reservations:
            return self.commands < self.limit
        now = trio.current_time()
        # A reserved place stays valid for a sender that returns while a turn takes longer than usual.
        ahead = self._actor.next_turn_in(now) + self.drain.swing
        return self.reservations.admits(command.sender.id, _key(command), self.commands, now, ahead)

    def _full(self, command: Any, waiting: int, limit: int, *, shared: bool) -> MailboxFull:
        if self.reservations is None:
            self.reservations = Reservations(self.limit, self.share)
        sender_id, rate, now = command.sender.id, self.drain.rate, trio.current_time()
        if shared and not self.reservations:
            retry_after = self.reservations.share_after(sender_id, self.commands, rate, now)
        else:
            promised = self.drain.promised(self.limit)
            retry_after = self.reservations.retry_after(
                sender_id, _key(command), self.commands, promised, now
            )
        return MailboxFull(waiting, limit, shared=shared, retry_after=retry_after, rate=rate)

    def release(self) -> None:
        """Release a stopped actor's references, so that its memory is freed without the garbage collector."""
        del self._actor

    def senders(self) -> list[tuple[str, int]]:
        """How many commands wait, by sender id; for inspection."""
        return list(self._shares.items())

    def empty(self) -> bool:
        """Whether the mailbox is empty."""
        return not self._letters

    def take(self) -> list[Letter]:
        """Remove and return all waiting letters."""
        letters, self._letters = self._letters, []
        self._shares.clear()
        self.commands = 0
        self.urgent = False
        return letters


def _key(command: Any) -> str | None:
    """The sender's key of a message, which identifies a repeat; None for most commands."""
    key: str | None = getattr(command, "key", None)
    return key
