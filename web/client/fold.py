"""Messages as they are now: what was sent, and what was done to it since. Plain code without I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .rules import Frame

SHOWN = 20  # participants of a reaction that a message names
CHANGES = frozenset(
    {
        "message_edited",
        "message_deleted",
        "reaction_added",
        "reaction_removed",
        "message_pinned",
        "message_unpinned",
    }
)
_LOST = ("mentions", "metadata", "usage", "results", "files", "edited_at", "reactions", "pinned")


class Messages:
    """Messages by their ids, as the events say that were taken.

    Events of the sequence and of pages of the log may be taken in any order, as long as none between two of them is missing.
    With a `bound` the oldest messages are forgotten. The messages are those of the server: do not change them.
    """

    def __init__(self, bound: float = math.inf) -> None:
        self._bound = bound
        self._known: dict[str, Frame] = {}
        self._early: dict[str, list[Frame]] = {}  # what was done to messages that are not known yet

    def get(self, message_id: str) -> Frame | None:
        """The message as it is now; None where it was not taken, or is forgotten."""
        return self._known.get(message_id)

    def take(self, events: Iterable[Frame]) -> None:
        """Take events in, in any order; others than messages and their changes are passed over."""
        for event in events:
            if event.get("type") == "message":
                self._add(event["message"])
            for message_id in _targets(event):
                self._change(message_id, event)

    def clear(self) -> None:
        """Forget all of them: the log is another one."""
        self._known.clear()
        self._early.clear()

    def _add(self, message: Frame) -> None:
        message_id = message.get("message_id", "")
        known = self._known.get(message_id)
        if known is not None and _as_of(known) >= _as_of(message):
            return
        for event in sorted(self._early.pop(message_id, ()), key=lambda each: each["sequence_id"]):
            message = changed(message, event)
        self._put(self._known, message_id, message)

    def _change(self, message_id: str, event: Frame) -> None:
        known = self._known.get(message_id)
        if known is not None:
            self._known[message_id] = changed(known, event)
        else:
            early = [*self._early.get(message_id, ()), event]
            self._put(self._early, message_id, early)

    def _put(self, kept: dict[str, Any], message_id: str, value: Any) -> None:
        kept[message_id] = value
        if len(kept) > self._bound:
            del kept[next(iter(kept))]


def changed(message: Frame, event: Frame) -> Frame:
    """The message after an event; the same where that is part of it already, or changes another."""
    if event["sequence_id"] <= _as_of(message) or message["message_id"] not in _targets(event):
        return message
    as_of = {"as_of": event["sequence_id"]}
    if event["type"] == "message":
        return {**_replied(message, event["message"]["timestamp"]), **as_of}
    if event["message_id"] != message["message_id"]:
        return {**_replied(message, None), **as_of}
    return {**_done(message, event, event["by"]), **as_of}


def foreseen(message: Frame, frames: Iterable[Frame], me: str) -> Frame:
    """The message as it will be once the frames that this person has sent about it are stored."""
    for frame in frames:
        if frame["type"] == "message_edited":
            frame = {**frame, "revision": message.get("revision", 1) + 1}
            if "metadata" not in frame and "metadata" in message:
                frame["metadata"] = message["metadata"]
        message = _done(message, frame, me)
    return message


def _targets(event: Mapping[str, object]) -> list[str]:
    """The ids of the messages that an event changes: one, and for a reply the root of its thread."""
    kind, fields = event.get("type"), event
    if kind == "message":
        fields = event["message"]  # type: ignore[assignment]
        return [str(fields["thread_id"])] if fields.get("thread_id") is not None else []
    if kind not in CHANGES:
        return []
    root = event.get("thread_id")
    return [str(event["message_id"])] + ([] if root is None else [str(root)])


def _as_of(message: Frame) -> int:
    """The last event that is part of a message."""
    as_of: int = message["as_of"] if "as_of" in message else message["sequence_id"]
    return as_of


def _done(message: Frame, deed: Frame, by: str) -> Frame:
    match deed["type"]:
        case "message_edited":
            return _edited(message, deed)
        case "message_deleted":
            left = {name: value for name, value in message.items() if name not in _LOST}
            return {**left, "content": "", "deleted": True}
        case "message_pinned":
            return {**message, "pinned": True}
        case "message_unpinned":
            return {name: value for name, value in message.items() if name != "pinned"}
    reactions = dict(message.get("reactions", {}))
    if deed["type"] == "reaction_added":
        _react(reactions, deed["emoji"], by)
    else:
        _unreact(reactions, deed["emoji"], by, deed.get("next"))
    rest = {name: value for name, value in message.items() if name != "reactions"}
    return {**rest, "reactions": reactions} if reactions else rest


def _edited(message: Frame, edit: Frame) -> Frame:
    if edit.get("content") is None:
        return {**message, "revision": edit["revision"]}  # a later event deletes it
    rest = {name: it for name, it in message.items() if name not in ("mentions", "metadata")}
    more = {name: edit[name] for name in ("mentions", "metadata") if edit.get(name)}
    edited_at = {"edited_at": edit["timestamp"]} if "timestamp" in edit else {}
    return {**rest, "content": edit["content"], "revision": edit["revision"], **edited_at, **more}


def _react(reactions: dict[str, Frame], emoji: str, who: str) -> None:
    there = reactions.get(emoji, {"count": 0, "participants": []})
    if who in there["participants"]:
        return
    count, named = there["count"], there["participants"]
    # Where some have fallen out of those named, nobody here knows who comes next.
    if len(named) == count < SHOWN:
        named = [*named, who]
    reactions[emoji] = {"count": count + 1, "participants": named}


def _unreact(reactions: dict[str, Frame], emoji: str, who: str, next_one: str | None) -> None:
    """`next_one` is who is named from now on in the place of somebody who was."""
    there = reactions.get(emoji)
    if there is None:
        return
    named = [each for each in there["participants"] if each != who]
    if next_one is not None:
        named.append(next_one)
    reactions[emoji] = {"count": there["count"] - 1, "participants": named}
    if there["count"] <= 1:
        del reactions[emoji]


def _replied(root: Frame, at: str | None) -> Frame:
    """The root of a thread with one reply more, or without a time with one less."""
    thread = root.get("thread", {"replies": 0, "last_at": at})
    if at is None:
        return {**root, "thread": {**thread, "replies": max(0, thread["replies"] - 1)}}
    return {**root, "thread": {"replies": thread["replies"] + 1, "last_at": at}}
