"""Checks the changes of messages in a whole log: each was possible and counts once, and the messages show them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .fold import CHANGES
from .run_log import Fault
from .version import has_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Event = dict[str, Any]
REACTIONS = ("reaction_added", "reaction_removed")
PINS = ("message_pinned", "message_unpinned")


@dataclass(slots=True)
class _Message:
    """A message as the log's events have made it so far, without its text."""

    event: Event
    revision: int = 1
    edited_at: str | None = None
    text: Event | None = None  # of the last edit
    deleted: bool = False
    pinned: bool = False
    reactions: dict[str, list[str]] = field(default_factory=dict)
    replies: int = 0
    last_reply_at: str | None = None
    as_of: int | None = None


def faults(events: Sequence[Event]) -> Iterator[Fault]:
    """What is wrong with the changes of a whole log."""
    messages: dict[str, _Message] = {}
    for event in events:
        if event["type"] == "message":
            message = event["message"]
            messages[message["message_id"]] = _Message(message)
            root = messages.get(message.get("thread_id", ""))
            if root is not None:
                root.replies, root.last_reply_at = root.replies + 1, message["timestamp"]
                root.as_of = event["sequence_id"]
            elif "thread_id" in message:
                yield Fault("change", "a reply is in the thread of no message", _at(event))
        elif event["type"] in CHANGES:
            known = messages.get(event["message_id"])
            if known is None:
                text = f"{event['type']} names {event['message_id']}, which is no message before it"
                yield Fault("change", text, _at(event))
                continue
            problem = _change(known, event)
            if problem:
                yield Fault("change", f"{event['message_id']} {problem}", _at(event))
            _count(known, event, messages)
    for known in messages.values():
        yield from _shown(known)
    yield from _left(events, messages)


def _change(message: _Message, event: Event) -> str:
    """Apply an event; return what is wrong with it."""
    kind, by = event["type"], event["by"]
    gone = message.deleted and kind not in ("reaction_removed", "message_unpinned")
    message.as_of = event["sequence_id"]
    problem = "is changed after it was deleted" if gone else ""
    if kind == "message_edited":
        expected, message.revision = message.revision + 1, event["revision"]
        message.edited_at, message.text = event["timestamp"], event
        if message.revision != expected:
            problem = f"has revision {message.revision} where {expected} follows"
        if by != message.event["sender_id"]:
            problem = f"is edited by {by}, who did not send it"
    elif kind == "message_deleted":
        message.deleted, message.pinned = True, False
        message.reactions.clear()
    elif kind in REACTIONS:
        given = message.reactions.setdefault(event["emoji"], [])
        if (by in given) == (kind == "reaction_added"):
            problem = f"has {kind} of {event['emoji']} by {by}, and nothing changes"
        if kind == "reaction_added":
            given.append(by)
        elif by in given:
            given.remove(by)
    elif kind in PINS:
        pinned = kind == "message_pinned"
        if message.pinned == pinned:
            problem = f"has {kind}, and nothing changes"
        message.pinned = pinned
    return problem


def _count(message: _Message, event: Event, messages: dict[str, _Message]) -> None:
    """Take a deleted reply out of its root's count."""
    root = messages.get(message.event.get("thread_id", ""))
    if event["type"] == "message_deleted" and root is not None:
        root.replies -= 1
        root.as_of = event["sequence_id"]


def _shown(message: _Message) -> Iterator[Fault]:
    """A fault where the log shows a message otherwise than its events make it."""
    there = message.event
    reactions = {emoji: sorted(who) for emoji, who in message.reactions.items() if who}
    shown = there.get("reactions", {})
    thread = there.get("thread", {})
    pairs: dict[str, tuple[Any, Any]] = {
        "revision": (there.get("revision", 1), message.revision),
        "deleted": (there.get("deleted", False), message.deleted),
        "pinned": (there.get("pinned", False), message.pinned),
        "as_of": (there.get("as_of"), message.as_of),
        "thread.replies": (thread.get("replies", 0), message.replies),
        "thread.last_at": (thread.get("last_at"), message.last_reply_at),
        "reactions": (
            {emoji: each["count"] for emoji, each in shown.items()},
            {emoji: len(who) for emoji, who in reactions.items()},
        ),
    }
    if all(
        len(who) <= len(shown.get(emoji, {}).get("participants", ()))
        for emoji, who in reactions.items()
    ):
        pairs["participants"] = (
            {emoji: sorted(each["participants"]) for emoji, each in shown.items()},
            reactions,
        )
    if message.text is not None and not message.deleted:
        for name in ("content", "mentions", "metadata"):
            pairs[name] = there.get(name), message.text.get(name)
        pairs["edited_at"] = there.get("edited_at"), message.edited_at
    for name, (found, expected) in pairs.items():
        if found != expected:
            text = f"{there['message_id']} has {name} {found!r}, its events make {expected!r}"
            yield Fault("fold", text, there["sequence_id"])


def _left(events: Sequence[Event], messages: dict[str, _Message]) -> Iterator[Fault]:
    """A fault for each text of a deleted message that the log still has."""
    for event in events:
        if event["type"] == "message":
            message_id = event["message"]["message_id"]
        elif event["type"] == "message_edited":
            message_id = event["message_id"]
        else:
            continue
        known = messages.get(message_id)
        if known is not None and known.deleted and has_text(event):
            text = f"{message_id} was deleted, and the log has something of it"
            yield Fault("erased", text, _at(event))


def _at(event: Event) -> int:
    return int(event["sequence_id"])
