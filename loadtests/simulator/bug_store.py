"""Deliberate bugs in stored state over passivation and restarts: keys, the log, its epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from salon.actors.audience import Audience
from salon.actors.conversation import ConversationActor
from salon.persistence.memory import MemoryStore

from .disk import DiskPort
from .server import Process

if TYPE_CHECKING:
    from salon.actors.store import Changes

Change = tuple[Any, str, Callable[[Any], Any]]


def skip_dedup() -> Change:
    def change(real: Any) -> Any:
        def keep(self: Any, conversation: Any, changes: Changes) -> None:
            real(self, conversation, changes)
            conversation.keys.clear()

        return keep

    return MemoryStore, "_keep", change


def key_forgotten_on_passivation() -> Change:
    """Only the actor remembers keys: an actor that is loaded later knows none."""

    def change(real: Any) -> Any:
        async def load(self: Any) -> Any:
            number = self._store.disk._numbers.get(self.key)
            if number is not None:
                self._store.disk._conversations[number - 1].keys.clear()
            return await real(self)

        return load

    return ConversationActor, "_load", change


def duplicate_on_retry_after_crash() -> Change:
    """A key is stored with the commit after its message: the last message before a crash has none."""

    def change(real: Any) -> Any:
        def run(self: Any, **options: Any) -> Any:
            for conversation in self.store.disk._conversations:
                last = conversation.records[-1]
                conversation.keys.pop((last.sender_id, last.key), None)
            return real(self, **options)

        return run

    return Process, "run", change


def gap_after_restart() -> Change:
    """An actor that has loaded its state does not know that newcomers lack events of the log."""
    return Audience, "recall", lambda real: lambda self, records: None


def new_epoch_on_restart() -> Change:
    """Each start of the server gives the log a new epoch, so that clients drop their events."""

    def change(real: Any) -> Any:
        def init(self: Any, disk: Any, *arguments: Any) -> None:
            real(self, disk, *arguments)
            self.epoch = f"epoch {self._chance.random()}"

        return init

    return DiskPort, "__init__", change


def old_copy_under_the_same_epoch() -> Change:
    """A restart finds the log without its last event and keeps the epoch."""

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
