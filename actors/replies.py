"""Finds the messages of the log that a turn's replies name, and who sent them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from .change_messages import CHANGE_COMMANDS
from .messages import MarkRead, Post
from .rules import named_sequence
from .run_messages import StartRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Set

    from .mailbox import Letter
    from .model import State
    from .store import Record, Store, Target
    from .subscriber import Codec

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


def targets_of(letters: Sequence[Letter], state: State) -> Set[int]:
    """The sequences up to the state's head of the messages that these commands change, or reply to in a thread."""
    names = []
    for letter in letters:
        command = letter.message
        if type(command) is Post or type(command) is MarkRead:
            if command.thread_id is not None:
                names.append(command.thread_id)
        elif type(command) in CHANGE_COMMANDS:
            names.append(command.message_id)
    if not names:
        return NO_SEQUENCES
    sequences = (named_sequence(state.id, name) for name in names)
    return {each for each in sequences if each is not None and each <= state.head}


async def targets_in(
    letters: Sequence[Letter], state: State, store: Store, codec: Codec
) -> Mapping[int, Target]:
    """The messages of the log that these commands change or reply to, and the roots of replies among them."""
    named = targets_of(letters, state)
    if not named:
        return NO_TARGETS
    found = dict(await store.targets(state.number, sorted(named)))
    threads = {codec.decode_message(each.record).posted.thread_id for each in found.values()}
    roots = {named_sequence(state.id, thread) for thread in threads if thread is not None}
    missing = {each for each in roots if each is not None} - found.keys()
    if missing:
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
