"""What a client makes of the frames it has got, written as a client would: on JSON, without the engine's own code."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Frame = dict[str, Any]
SHOWN = 20  # participants of a reaction that a message shows


def fold(bodies: Iterable[bytes], messages: dict[str, Frame] | None = None) -> dict[str, Frame]:
    """The messages by id, after these frames. An event changes a message only where it is later than what the message has."""
    messages = {} if messages is None else messages
    for body in bodies:
        frame = json.loads(body)
        sequence = frame["sequence_id"]
        if frame["type"] == "message":
            _take(messages, frame["message"], sequence)
        elif frame["type"] in CHANGES:
            message = messages.get(frame["message_id"])
            if message is not None and sequence > message.get("as_of", message["sequence_id"]):
                CHANGES[frame["type"]](message, frame)
                message["as_of"] = sequence
            if frame["type"] == "message_deleted" and "thread_id" in frame:
                _count(messages.get(frame["thread_id"]), frame, -1)
    return messages


def _take(messages: dict[str, Frame], message: Frame, sequence: int) -> None:
    known = messages.get(message["message_id"])
    if known is None or message.get("as_of", sequence) > known.get("as_of", sequence):
        messages[message["message_id"]] = message
    if "thread_id" in message:
        _count(messages.get(message["thread_id"]), message, 1)


def _count(root: Frame | None, event: Frame, step: int) -> None:
    if root is None or event["sequence_id"] <= root.get("as_of", root["sequence_id"]):
        return
    thread = root.setdefault("thread", {"replies": 0, "last_at": ""})
    thread["replies"] += step
    if step > 0:
        thread["last_at"] = event["timestamp"]
    root["as_of"] = event["sequence_id"]


def _edit(message: Frame, event: Frame) -> None:
    message["revision"] = event["revision"]
    if "content" not in event:  # a later edit or a deletion follows
        return
    message.update(content=event["content"], edited_at=event["timestamp"])
    for name in ("mentions", "metadata"):
        if name in event:
            message[name] = event[name]
        else:
            message.pop(name, None)


def _delete(message: Frame, event: Frame) -> None:
    for name in ("mentions", "metadata", "usage", "results", "reactions", "pinned", "edited_at"):
        message.pop(name, None)
    message.update(content="", deleted=True)


def _react(message: Frame, event: Frame) -> None:
    reactions = message.setdefault("reactions", {})
    kind = reactions.setdefault(event["emoji"], {"count": 0, "participants": []})
    kind["count"] += 1
    if len(kind["participants"]) < SHOWN:
        kind["participants"].append(event["by"])


def _unreact(message: Frame, event: Frame) -> None:
    kind = message["reactions"][event["emoji"]]
    kind["count"] -= 1
    if event["by"] in kind["participants"]:
        kind["participants"].remove(event["by"])
    if "next" in event:
        kind["participants"].append(event["next"])
    if not kind["count"]:
        del message["reactions"][event["emoji"]]
    if not message["reactions"]:
        del message["reactions"]


def _pin(message: Frame, event: Frame) -> None:
    message["pinned"] = True


def _unpin(message: Frame, event: Frame) -> None:
    message.pop("pinned", None)


CHANGES = {
    "message_edited": _edit,
    "message_deleted": _delete,
    "reaction_added": _react,
    "reaction_removed": _unreact,
    "message_pinned": _pin,
    "message_unpinned": _unpin,
}
