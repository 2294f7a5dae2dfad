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
ERASED = "[erased]"  # in place of a name
# Who is named in an event, and how.
NAMED = (("id", "name"), ("sender_id", "sender_name"), ("participantId", "displayName"))
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
    erased = erased_in(one) | erased_in(other)
    if erased:
        return agree(without_names(one, erased), without_names(other, erased))
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


def erased_in(value: Any) -> set[str]:
    """The ids of those whose name was taken out of an event or message."""
    if isinstance(value, list):
        return set[str]().union(*map(erased_in, value))
    if not isinstance(value, dict):
        return set()
    found = set[str]().union(*map(erased_in, value.values()))
    for id, name in NAMED:
        if value.get(name) == ERASED:
            found.add(value[id])
    return found


def without_names(value: Any, people: Container[str]) -> Any:
    """An event or message without the names of these people, and without the reasons that they gave."""
    if isinstance(value, list):
        return [without_names(each, people) for each in value]
    if not isinstance(value, dict):
        return value
    without = {
        name
        for id, name in (*NAMED, ("by", "reason"), ("by", "title"))
        if value.get(id) in people and name in value
    }
    return {n: without_names(each, people) for n, each in value.items() if n not in without}


def constant(event: Event) -> Event:
    """What an event has for ever."""
    if event.get("type") == "message":
        return {**event, "message": _without(event["message"], CHANGING)}
    return _without(event, TEXTS) if event.get("type") == "message_edited" else event


def same(one: Event, other: Event) -> bool:
    """Whether two messages, or two events of one kind, say the same but for names that were taken out."""
    erased = erased_in(one) | erased_in(other) if one != other else set()
    return one == other or (
        bool(erased) and without_names(one, erased) == without_names(other, erased)
    )


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
