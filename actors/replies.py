"""Finds the messages of the log that a turn's replies name, and who sent them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from .change_messages import CHANGE_COMMANDS
from .messages import MarkRead, Post
from .person_erasure import ErasePerson
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


def named_by(letters: Sequence[Letter]) -> list[tuple[str, bool]]:
    """The ids of messages that these commands need as they are now: to change them, or to reply to them in a thread.

    The second of each pair is true where only the thread is asked for.
    """
    named = []
    for letter in letters:
        command = letter.message
        kind = type(command)
        if kind is Post:
            if command.thread_id is not None:
                named.append((command.thread_id, False))
        elif kind in CHANGE_COMMANDS:
            named.append((command.message_id, False))
        elif kind is MarkRead and command.thread_id is not None:
            named.append((command.thread_id, False))
        elif kind is StartRun and command.reply_to is not None:
            named.append((command.reply_to, True))
        elif kind is ErasePerson:
            id = command.conversation_id
            named += [(f"{id}-{sequence}", False) for sequence in command.sequences]
    return named


def keys_in(letters: Sequence[Letter]) -> list[tuple[str, str]]:
    """The (sender, key) pairs of these commands, each once."""
    keys = ((each.message.sender.id, getattr(each.message, "key", None)) for each in letters)
    return list(dict.fromkeys((sender_id, key) for sender_id, key in keys if key is not None))


async def targets_in(
    named: Sequence[tuple[str, bool]],
    state: State,
    store: Store,
    at_hand: Callable[[int], Record | None],
) -> Mapping[int, Target]:
    """The named messages of the log as they are now, and the roots of replies among them. Raises `StoreError`."""
    found: dict[int, Target] = {}
    sought: set[int] = set()
    for name, only_thread in named:
        sequence = named_sequence(state.id, name)
        if sequence is None or sequence > state.head:
            continue
        record = at_hand(sequence) if only_thread else None
        if record is None:
            sought.add(sequence)
        elif record.is_message:
            found[sequence] = Target(record)
    sought |= {sequence_of(run.thread_id) for run in state.runs.values() if run.thread_id}
    if sought:
        found |= await store.targets(state.number, sorted(sought))
    roots = {each.record.target for each in found.values() if each.record.target is not None}
    # A root that is only at hand lacks its reactions, and is written again when a run ends in its thread.
    if missing := roots - sought:
        found |= await store.targets(state.number, sorted(missing))
    return found


async def events_in(
    letters: Sequence[Letter], state: State, store: Store, targets: Mapping[int, Target]
) -> tuple[Mapping[int, Record], Mapping[int, Target]]:
    """The events besides messages from which these commands erase somebody, and all targets with the messages that these change.

    Raises `StoreError`.
    """
    commands = [each.message for each in letters if type(each.message) is ErasePerson]
    if not commands:
        return {}, targets
    named = {
        sequence
        for each in commands
        for sequence in each.sequences
        if sequence not in targets and 0 < sequence <= state.head
    }
    events: dict[int, Record] = {}
    for sequence in sorted(named):
        page = await store.read(state.number, after=sequence - 1, limit=1)
        events |= {record.sequence: record for record in page.records}
    changed = {each.target for each in events.values() if each.target is not None} - targets.keys()
    if changed:
        targets = {**targets, **await store.targets(state.number, sorted(changed))}
    return events, targets


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
