"""Deliberate bugs in what is done to messages: edits, deletions, reactions, threads, and what is read of them later."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from salon.actors import change_rules, change_turn
from salon.actors.audience import Audience
from salon.actors.change_messages import AddReaction, EditMessage
from salon.actors.change_turn import ChangeTurn
from salon.actors.turn import Turn
from salon.persistence import memory
from salon.persistence.memory import MemoryStore
from salon.persistence.memory_conversation import Conversation
from salon.web.agents import prompt

from .server import Process

if TYPE_CHECKING:
    from salon.actors.message import Message
    from salon.actors.posted import Posted
    from salon.actors.store import Changes, Record, Rewrite

Change = tuple[Any, str, Callable[[Any], Any]]


def lose_an_edit_at_a_restart() -> Change:
    """A restart finds the message that was edited last as it was before."""

    def change(real: Any) -> Any:
        def run(self: Any, **options: Any) -> Any:
            for conversation in self.store.disk._conversations:
                edited = [e for e in conversation.records if e.is_message and _is_edited(e.body)]
                for record in edited[-1:]:
                    frame = json.loads(record.body)
                    for name in ("revision", "edited_at"):
                        del frame["message"][name]
                    frame["message"]["content"] = "as it was before"
                    body = json.dumps(frame, separators=(",", ":")).encode()
                    conversation.records[record.sequence - 1] = record._replace(body=body)
            return real(self, **options)

        return run

    return Process, "run", change


def _is_edited(body: bytes) -> bool:
    message = json.loads(body)["message"]
    return "revision" in message and "deleted" not in message


def former_revisions_stay() -> Change:
    """The edits of a message that is deleted keep their contents."""
    return ChangeTurn, "_forget_edit", lambda real: lambda self, sequence: None


def count_replies_that_are_deleted() -> Change:
    return change_turn, "reply_deleted", lambda real: lambda root: root


def react_twice() -> Change:
    """Who has reacted and does it again counts twice."""

    def change(real: Any) -> Any:
        def decide(state: Any, message: Message | None, command: Any, *more: Any) -> Any:
            if isinstance(command, AddReaction) and message is not None:
                message = message._replace(reactions=())
            return real(state, message, command, *more)

        return decide

    return change_rules, "change", change


def lose_an_update() -> Change:
    """An edit takes effect although the message has another revision than the one it is based on."""

    def change(real: Any) -> Any:
        def decide(state: Any, message: Any, command: Any, *more: Any) -> Any:
            if isinstance(command, EditMessage):
                command = replace(command, revision=None)
            return real(state, message, command, *more)

        return decide

    return change_rules, "change", change


def show_the_first_content() -> Change:
    """The log keeps an edited message as it was sent first: a page has the old content."""

    def change(real: Any) -> Any:
        def rewrite(self: Any, rewrite: Rewrite) -> None:
            record = self.records[rewrite.sequence - 1]
            if record.is_message and _is_edited(rewrite.body):
                rewrite = rewrite._replace(body=record.body)
            real(self, rewrite)

        return rewrite

    return Conversation, "rewrite", change


def deleted_in_the_store_only() -> Change:
    """The newest events, which are in memory, keep the text of what is deleted."""
    return Audience, "rewrite", lambda real: lambda self, rewrites: None


def forget_how_new_a_message_is() -> Change:
    """A message does not say which events it includes: a reader applies them a second time."""

    def change(real: Any) -> Any:
        def write(self: Any, message: Message) -> None:
            real(self, message._replace(as_of=0))

        return write

    return ChangeTurn, "_write", change


def another_hash_after_a_change() -> Change:
    """The hash of an event that is written again is that of its new form."""

    def change(real: Any) -> Any:
        def event_hash(record: Record) -> str:
            hashed: str = real(record)
            return sha256(record.body).hexdigest() if record.is_message else hashed

        return event_hash

    return change_turn, "event_hash", change


def changes_without_their_keys() -> Change:
    """The key of a change is not stored: the same key may change something else later."""

    def change(real: Any) -> Any:
        def record(self: Any, event: Any) -> Record:
            made: Record = real(self, event)
            if made.relation in ("edit", "change"):
                made = self.records[-1] = made._replace(key=None)
            return made

        return record

    return Turn, "record", change


def unread_counts_what_is_deleted() -> Change:
    def change(real: Any) -> Any:
        def messages_after(conversation: Conversation, sequence: int) -> int:
            counted: int = real(conversation, sequence)
            return counted + sum(each > sequence for each in conversation.deletions)

        return messages_after

    return memory, "messages_after", change


def marked_as_unread_until_a_restart() -> Change:
    """A read position that is moved back is not stored."""

    def change(real: Any) -> Any:
        def keep(self: Any, conversation: Any, changes: Changes) -> None:
            real(self, conversation, replace(changes, forced=None))

        return keep

    return MemoryStore, "_keep", change


def tell_a_model_what_was_erased() -> Change:
    """What was read once for a model is told again, although it was deleted since."""

    def change(real: Any) -> Any:
        known: dict[str, dict[int, Posted]] = {}

        async def read(
            directory: Any, state: Any, before: int, limit: int, *more: Any
        ) -> list[Posted]:
            posts: list[Posted] = await real(directory, state, before, limit, *more)
            there = known.setdefault(state.id, {})
            for post in posts:
                there.setdefault(post.sequence, post)
            return [there[n] for n in sorted(there) if before - limit <= n < before]

        return read

    return prompt, "_read", change
