"""Finds the events of the log that a turn's replies name, and whether they are messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .messages import Post
from .rules import named_sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set

    from .mailbox import Letter
    from .model import State
    from .store import Record, Store

# Messages that are replied to stay in memory, so that a thread about an old one asks the log once. About 60 KB
KNOWN_MESSAGES = 1000
NOTHING: frozenset[int] = frozenset()


class Replies:
    """Looks up replied-to messages: in the newest events, which `at_hand` gives, or in the log.

    The log never changes, so a known message needs no second lookup; events that are no messages are not remembered.
    """

    __slots__ = ("_at_hand", "_known", "_store")

    def __init__(self, store: Store, at_hand: Callable[[int], Record | None]) -> None:
        self._store = store
        self._at_hand = at_hand
        self._known: set[int] = set()

    async def messages_among(self, named: Set[int], number: int) -> Set[int]:
        """Those of the named events that are messages; the log must have them all. Raises `StoreError`."""
        messages = set(named & self._known)
        unknown = []
        for sequence in named - messages:
            record = self._at_hand(sequence)
            if record is None:
                unknown.append(sequence)
            elif record.sender_id is not None:
                messages.add(sequence)
        if unknown:
            found = await self._store.messages_among(number, sorted(unknown))
            messages |= found
            self._know(found)
        return messages

    def _know(self, messages: Set[int]) -> None:
        if len(self._known) + len(messages) > KNOWN_MESSAGES:
            self._known.clear()
        self._known.update(sorted(messages)[-KNOWN_MESSAGES:])


def replied_to(letters: Sequence[Letter], state: State) -> Set[int]:
    """The sequences up to the state's head that these commands reply to."""
    names = [
        name
        for letter in letters
        if type(post := letter.message) is Post and (name := post.reply_to) is not None
    ]
    if not names:
        return NOTHING
    sequences = (named_sequence(state.id, name) for name in names)
    return {each for each in sequences if each is not None and each <= state.head}
