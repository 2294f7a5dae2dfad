"""What the Python client makes of changes: which go out when, and how a message looks after them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.change_events import (
    Deleted,
    Edited,
    Pinned,
    ReactionAdded,
    ReactionRemoved,
    Unpinned,
)
from salon.actors.events import Posted
from salon.actors.message import Message, Reaction, replied, reply_deleted
from salon.actors.model import Participant
from salon.web.client import ChangeReceipt, Frame, Messages, Receipt, Refused
from salon.web.client.fold import changed, foreseen
from salon.web.client.rules import Outbox, Pending
from salon.web.socket.event_json import event_fields, message_fields

ADA = Participant("ada", "Ada", "human")
EDIT = {"type": "message_edited", "content": "hi"}


def receipt(key: str, message_id: str = "m1", number: int = 1) -> Receipt:
    return Receipt("c", message_id, number, "t", key, "committed", "h")


def change_receipt(key: str, message_id: str = "m1", number: int | None = 2) -> ChangeReceipt:
    return ChangeReceipt("c", message_id, number, "t", key, 2, "committed", None)


def written(outbox: Outbox, now: float = 0) -> list[str]:
    return [pending.key for pending in outbox.due(now, 9)]


def nothing() -> None:
    """Nobody waits."""


def changes_of(outbox: Outbox, message: str, *keys: str) -> list[Pending]:
    return [
        outbox.add_change(key, {**EDIT, "client_message_id": key}, message, nothing) for key in keys
    ]


def test_the_changes_of_one_message_go_one_after_another_and_those_of_others_beside_them() -> None:
    outbox = Outbox(9)
    changes_of(outbox, "m1", "a", "b")
    changes_of(outbox, "m2", "c")
    assert written(outbox) == ["a", "c"]
    outbox.acknowledge(change_receipt("a"))
    assert written(outbox) == ["b"]


def test_a_change_of_a_message_that_is_being_sent_follows_its_receipt() -> None:
    outbox = Outbox(9)
    outbox.add("k", "text", nothing)
    (edit,) = changes_of(outbox, "k", "e")
    outbox.add("later", "text", nothing)
    assert written(outbox) == ["k", "later"]
    outbox.rewind()
    assert written(outbox) == ["k", "later"]
    outbox.acknowledge(receipt("k", "m7"))
    assert written(outbox) == ["e"]
    assert json.loads(edit.text) == {**EDIT, "client_message_id": "e", "message_id": "m7"}


def test_after_a_refusal_for_load_and_after_a_drop_the_order_is_the_same() -> None:
    outbox = Outbox(9)
    changes_of(outbox, "m1", "a", "b")
    written(outbox)
    outbox.refuse("a", Refused({"code": "QUEUE_FULL", "temporary": True}), 0, 1)
    assert written(outbox, 0.5) == []
    assert written(outbox, 1) == ["a"]
    outbox.rewind()
    assert written(outbox, 2) == ["a"]
    outbox.acknowledge(change_receipt("a"))
    assert written(outbox, 2) == ["b"]
    outbox.acknowledge(change_receipt("b", number=None))
    assert len(outbox) == 0


def test_a_change_fails_with_its_message_and_the_next_one_goes_on_without_it() -> None:
    outbox = Outbox(9)
    first = outbox.add("k", "text", nothing)
    (edit,) = changes_of(outbox, "k", "e")
    written(outbox)
    outbox.refuse("k", Refused({"code": "FORBIDDEN", "temporary": False}), 0, 0)
    assert edit.error is first.error is not None
    second = outbox.add("l", "text", nothing)
    (other,) = changes_of(outbox, "l", "f")
    outbox.withdraw(second)
    assert isinstance(other.error, Refused)
    one, two = changes_of(outbox, "m1", "a", "b")
    outbox.withdraw(one)
    assert (written(outbox), two.error, len(outbox)) == (["b"], None, 1)


def test_what_a_person_has_done_shows_until_it_is_part_of_the_message() -> None:
    message: Frame = {
        "message_id": "m1",
        "sequence_id": 1,
        "content": "hello",
        "metadata": {"a": 1},
    }
    shown = foreseen(message, [EDIT, {"type": "reaction_added", "emoji": "👍"}], "ada")
    assert (shown["content"], shown["revision"], shown["metadata"]) == ("hi", 2, {"a": 1})
    assert shown["reactions"] == {"👍": {"count": 1, "participants": ["ada"]}}
    assert "metadata" not in foreseen(message, [{**EDIT, "metadata": None}], "ada")
    assert foreseen(message, [], "ada") is message


def test_a_page_may_come_after_the_changes_of_its_messages() -> None:
    messages = Messages()
    late = {**EDIT, "sequence_id": 9, "message_id": "m1", "by": "ada", "revision": 3}
    messages.take([{**late, "sequence_id": 7, "content": "old"}, late])
    assert messages.get("m1") is None
    message = {"message_id": "m1", "sequence_id": 1, "content": "older", "as_of": 8}
    messages.take([{"type": "message", "sequence_id": 1, "message": message}])
    now = messages.get("m1")
    assert now is not None
    assert (now["content"], now["as_of"]) == ("hi", 9)
    assert changed(now, late) is now


def test_with_a_bound_the_oldest_are_forgotten_and_another_log_has_none_of_them() -> None:
    messages = Messages(2)
    messages.take(
        {
            "type": "message",
            "sequence_id": it,
            "message": {"message_id": f"m{it}", "sequence_id": it},
        }
        for it in (1, 2, 3)
    )
    assert [messages.get(f"m{it}") is not None for it in (1, 2, 3)] == [False, True, True]
    messages.clear()
    assert messages.get("m3") is None


def told(fields: Frame) -> Frame:
    """Fields as they come over the wire."""
    read: Frame = json.loads(json.dumps(fields))
    return read


def posted(sequence: int, **more: Any) -> Posted:
    return Posted("c", sequence, sequence * 1000, ADA, f"text {sequence}", **more)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_the_fold_of_any_history_is_what_the_server_stores(data: st.DataObject) -> None:
    first = posted(1, mentions=("bob",), metadata='{"a":1}')
    # Near the number of those who are named.
    root = Message(first, reactions=(Reaction("👍", tuple(f"p{it}" for it in range(19))),))
    messages = Messages()
    whole = {"type": "message", "sequence_id": 1, "message": told(message_fields(root))}
    begins = data.draw(st.integers(1, 20), label="the page begins as of")
    for sequence in range(2, data.draw(st.integers(2, 40)) + 1):
        kind = data.draw(
            st.sampled_from(
                ["edit", "react", "unreact", "pin", "unpin", "reply", "unreply", "delete"]
            )
        )
        by = data.draw(st.sampled_from([f"p{it}" for it in range(24)]))
        emoji = data.draw(st.sampled_from(["👍", "🎉"]))
        place = "c", sequence, sequence * 1000, first.message_id
        there = root.reacted(emoji) or ()
        event: Any = None
        if root.is_deleted and kind not in ("reply", "unreply"):
            continue
        match kind:
            case "edit":
                event = Edited(*place, root.revision + 1, "ada", f"edit {sequence}", None, None)
            case "react" if by not in there:
                event = ReactionAdded(*place, emoji, by)
            case "unreact" if by in there:
                successor = there[20] if by in there[:20] and len(there) > 20 else None
                event = ReactionRemoved(*place, emoji, by, None, successor)
            case "pin" if not root.is_pinned:
                event = Pinned(*place, "bob")
            case "unpin" if root.is_pinned:
                event = Unpinned(*place, "bob")
            case "delete":
                event = Deleted(*place, "ada")
            case "reply":
                event = posted(sequence, thread_id=first.message_id)
                root = replied(root, event.at)
            case "unreply" if root.replies:
                event = Deleted(
                    "c", sequence, sequence * 1000, f"c-{sequence}", "ada", None, first.message_id
                )
                root = reply_deleted(root)
        if event is None:
            continue
        if kind not in ("reply", "unreply"):
            root = event.change(root)
        root = root._replace(as_of=sequence)
        messages.take([told(event_fields(event))])
        if sequence == begins:
            whole = {**whole, "message": told(message_fields(root))}
    messages.take([whole])
    assert messages.get(first.message_id) == told(message_fields(root))


@pytest.mark.parametrize("number", [19, 20, 23])
def test_of_a_reaction_the_first_twenty_are_named(number: int) -> None:
    message: Frame = {"message_id": "m1", "sequence_id": 1}
    for it in range(number):
        deed = {"type": "reaction_added", "sequence_id": it + 2, "message_id": "m1", "emoji": "👍"}
        message = changed(message, {**deed, "by": f"p{it}"})
    named = message["reactions"]["👍"]["participants"]
    assert message["reactions"]["👍"]["count"] == number
    assert named == [f"p{it}" for it in range(min(number, 20))]
