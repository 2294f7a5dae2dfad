"""The forms in which one event of the log is read over time: a message is changed, a deletion takes texts away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container

Event = dict[str, Any]
# What changes of a message, and what a deletion takes from it.
CHANGING = frozenset(
    {
        "content",
        "mentions",
        "metadata",
        "usage",
        "results",
        "revision",
        "edited_at",
        "reactions",
        "thread",
        "pinned",
        "deleted",
        "files",
        "as_of",
    }
)
TEXTS = (
    "content",
    "mentions",
    "metadata",
    "first_mentions",
)  # of an edit, until its message is deleted


def agree(one: Event, other: Event) -> bool:
    """Whether two readings of one sequence can both be right."""
    if one == other:
        return True
    kinds = one.get("type"), other.get("type")
    if kinds == ("message", "message"):
        first, second = one["message"], other["message"]
        # Of the same age they would have to be the same.
        older = first.get("as_of") != second.get("as_of")
        return older and constant(one) == constant(other)
    if kinds == ("message_edited", "message_edited"):
        gone = ("content" in one) != ("content" in other)
        return gone and constant(one) == constant(other)
    return False


def constant(event: Event) -> Event:
    """What an event has for ever."""
    if event.get("type") == "message":
        return {**event, "message": _without(event["message"], CHANGING)}
    return _without(event, TEXTS) if event.get("type") == "message_edited" else event


def is_whole(event: Event) -> bool:
    """Whether an event has the text that it was sent with."""
    message = event.get("message", event)
    return message.get("revision", 1) == 1 and not message.get("deleted")


def has_text(event: Event) -> bool:
    """Whether an event tells something that the deletion of its message takes away."""
    message = event.get("message", event)
    return bool(message.get("content")) or any(
        name in message
        for name in ("mentions", "metadata", "reactions", "usage", "results", "files")
    )


def _without(fields: Event, names: Container[str]) -> Event:
    return {name: value for name, value in fields.items() if name not in names}
