"""Finds the messages of the log that a turn's replies name, and who sent them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .change_messages import CHANGE_COMMANDS
from .messages import MarkRead, Post
from .posted import sequence_of
from .rules import named_sequence
from .run_messages import StartRun
from .store import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    from .mailbox import Letter
    from .model import State
    from .store import Record, Store

_REPLYING = frozenset({Post, StartRun})
# Messages that are replied to stay in memory, so that a thread about an old one asks the log once. About 60 KB
KNOWN_MESSAGES = 1000
NOTHING: Mapping[int, str] = MappingProxyType({})
NO_TARGETS: Mapping[int, Target] = MappingProxyType({})
NO_SEQUENCES: frozenset[int] = frozenset()


class Replies:
    """Looks up replied-to messages: in the newest events, which `at_hand` gives, or in the log.

    The log never changes, so a known message needs no second lookup; events that are no messages are not remembered.
    """

    __slots__ = ("_at_hand", "_known", "_store")

    def __init__(self, store: Store, at_hand: Callable[[int], Record | None]) -> None:
        self._store = store
        self._at_hand = at_hand
        self._known: dict[int, str] = {}

    async def senders_among(self, named: Set[int], number: int) -> Mapping[int, str]:
        """The senders of those of the named events that are messages; the log must have them all. Raises `StoreError`."""
        senders: dict[int, str] = {}
        unknown = []
        for sequence in named:
            if (known := self._known.get(sequence)) is not None:
                senders[sequence] = known
                continue
            record = self._at_hand(sequence)
            if record is None:
                unknown.append(sequence)
            elif record.is_message:
                senders[sequence] = record.sender_id or ""
        if unknown:
            found = await self._store.senders_among(number, sorted(unknown))
            senders |= found
            self._know(found)
        return senders

    def _know(self, senders: Mapping[int, str]) -> None:
        if len(self._known) + len(senders) > KNOWN_MESSAGES:
            self._known.clear()
        self._known.update(sorted(senders.items())[-KNOWN_MESSAGES:])


def _named_by(command: Any) -> str | None:
    """The message whose present form a command needs: it changes it, replies to it in a thread, or reads that."""
    kind = type(command)
    if kind is Post or kind is MarkRead:
        return command.thread_id  # type: ignore[no-any-return]
    if kind is StartRun:
        return command.reply_to  # type: ignore[no-any-return]
    return command.message_id if kind in CHANGE_COMMANDS else None


async def targets_in(
    letters: Sequence[Letter],
    state: State,
    store: Store,
    at_hand: Callable[[int], Record | None],
) -> Mapping[int, Target]:
    """The messages of the log that these commands need as they are now, and the roots of replies among them.

    Raises `StoreError`.
    """
    found: dict[int, Target] = {}
    named: set[int] = set()
    for letter in letters:
        name = _named_by(letter.message)
        sequence = None if name is None else named_sequence(state.id, name)
        if sequence is None or sequence > state.head:
            continue
        record = at_hand(sequence) if type(letter.message) is StartRun else None
        if record is None:
            named.add(sequence)
        else:  # only asked whether it is in a thread
            found[sequence] = Target(record)
    named |= {sequence_of(run.thread_id) for run in state.runs.values() if run.thread_id}
    if not named:
        return found or NO_TARGETS
    found |= await store.targets(state.number, sorted(named))
    roots = {each.record.target for each in found.values() if each.record.target is not None}
    if missing := roots - found.keys():
        found |= await store.targets(state.number, sorted(missing))
    return found


def replied_to(letters: Sequence[Letter], state: State) -> Set[int]:
    """The sequences up to the state's head that these commands reply to."""
    names = [
        name
        for letter in letters
        if type(command := letter.message) in _REPLYING and (name := command.reply_to) is not None
    ]
    if not names:
        return NO_SEQUENCES
    sequences = (named_sequence(state.id, name) for name in names)
    return {each for each in sequences if each is not None and each <= state.head}
