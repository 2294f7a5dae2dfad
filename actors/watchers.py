"""Who wants to know that something has changed in any conversation of a person; nothing is kept for those who do not ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class Watcher(Protocol):
    """Somebody who shows a person's list of conversations."""

    def note(self, conversation_id: str) -> None:
        """Learn that a line of the list may have changed: look later. Never waits."""


class Watchers:
    """The watchers by the id of the person whose list they show."""

    def __init__(self) -> None:
        self._watchers: dict[str, dict[Watcher, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._watchers)

    def add(self, participant_id: str, watcher: Watcher) -> None:
        """Tell a watcher from now on."""
        self._watchers.setdefault(participant_id, {})[watcher] = None

    def remove(self, participant_id: str, watcher: Watcher) -> None:
        """Tell a watcher no more."""
        watchers = self._watchers.get(participant_id, {})
        watchers.pop(watcher, None)
        if not watchers:
            self._watchers.pop(participant_id, None)

    def tell(self, conversation_id: str, participant_ids: Iterable[str]) -> None:
        """Tell whoever watches one of these people."""
        for participant_id in participant_ids:
            for watcher in self._watchers.get(participant_id, ()):
                watcher.note(conversation_id)
