"""What a reader makes of the frames it has got: the messages as they are now, by the rule of `as_of`.

Written on JSON and without the engine's own code, as a client would write it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Frame = dict[str, Any]
SHOWN = 20  # participants of a kind of reaction that a message shows
ERASED = (
    "mentions",
    "metadata",
    "usage",
    "results",
    "reactions",
    "pinned",
    "edited_at",
    "files",
)


class Fold:
    """The messages by their ids, after all events taken. Frames that were taken are left as they are."""

    def __init__(self, events: Iterable[Frame] = ()) -> None:
        self.messages: dict[str, Frame] = {}
        for event in events:
            self.take(event)

    def copy(self) -> Fold:
        """Another one, which goes on by itself."""
        other = Fold()
        other.messages = dict(self.messages)
        return other

    def take(self, event: Frame) -> None:
        """Take the next event. It changes a message only where it is later than what the message includes."""
        kind = event["type"]
        if kind == "message":
            self._message(event["message"])
        elif kind in CHANGES:
            self._change(event["message_id"], event, CHANGES[kind])
            if kind == "message_deleted" and "thread_id" in event:
                self._change(event["thread_id"], event, _reply_deleted)

    def _message(self, message: Frame) -> None:
        known = self.messages.get(message["message_id"])
        if known is None or as_of(message) > as_of(known):
            self.messages[message["message_id"]] = message
        if "thread_id" in message:
            self._change(message["thread_id"], message, _replied)

    def _change(
        self, message_id: str, event: Frame, change: Callable[[Frame, Frame], Frame]
    ) -> None:
        known = self.messages.get(message_id)
        sequence = event["sequence_id"]
        if known is not None and sequence > as_of(known):
            self.messages[message_id] = {**change(known, event), "as_of": sequence}


def as_of(message: Frame) -> int:
    """The sequence of the last event that a message includes."""
    return int(message["as_of"] if "as_of" in message else message["sequence_id"])


def _edited(message: Frame, event: Frame) -> Frame:
    now = {**message, "revision": event["revision"]}
    if "content" not in event:  # the message has been deleted since: that event follows
        return now
    now |= {"content": event["content"], "edited_at": event["timestamp"]}
    for name in ("mentions", "metadata"):
        now.pop(name, None)
        if name in event:
            now[name] = event[name]
    return now


def _deleted(message: Frame, event: Frame) -> Frame:
    left = {name: value for name, value in message.items() if name not in ERASED}
    return {**left, "content": "", "deleted": True}


def _reacted(message: Frame, event: Frame) -> Frame:
    reactions = message.get("reactions", {})
    count, shown = _kind(reactions, event["emoji"])
    if len(shown) < SHOWN:
        shown = [*shown, event["by"]]
    kind = {"count": count + 1, "participants": shown}
    return {**message, "reactions": {**reactions, event["emoji"]: kind}}


def _unreacted(message: Frame, event: Frame) -> Frame:
    reactions = dict(message.get("reactions", {}))
    count, shown = _kind(reactions, event["emoji"])
    shown = [each for each in shown if each != event["by"]]
    if "next" in event:
        shown.append(event["next"])
    reactions[event["emoji"]] = {"count": count - 1, "participants": shown}
    if count <= 1:
        del reactions[event["emoji"]]
    now = {name: value for name, value in message.items() if name != "reactions"}
    return {**now, "reactions": reactions} if reactions else now


def _kind(reactions: Frame, emoji: str) -> tuple[int, list[str]]:
    kind = reactions.get(emoji, {})
    return kind.get("count", 0), kind.get("participants", [])


def _pinned(message: Frame, event: Frame) -> Frame:
    return {**message, "pinned": True}


def _unpinned(message: Frame, event: Frame) -> Frame:
    return {name: value for name, value in message.items() if name != "pinned"}


def _replied(root: Frame, reply: Frame) -> Frame:
    replies = root.get("thread", {}).get("replies", 0) + 1
    return {**root, "thread": {"replies": replies, "last_at": reply["timestamp"]}}


def _reply_deleted(root: Frame, event: Frame) -> Frame:
    thread = root.get("thread", {"replies": 0, "last_at": ""})
    return {**root, "thread": {**thread, "replies": thread["replies"] - 1}}


CHANGES: dict[str, Callable[[Frame, Frame], Frame]] = {
    "message_edited": _edited,
    "message_deleted": _deleted,
    "reaction_added": _reacted,
    "reaction_removed": _unreacted,
    "message_pinned": _pinned,
    "message_unpinned": _unpinned,
}
