"""What a client sends next: the rules, without a loop."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.web.client import Refused
from salon.web.client.rules import Outbox, Pending, Receipt
from tests.scripted import (
    receipt,
)


def outbox_of(*keys: str, limit: int = 1000) -> tuple[Outbox, dict[str, Pending]]:
    outbox = Outbox(limit)
    return outbox, {key: outbox.add(key, f"text of {key}", lambda: None) for key in keys}


def keys(batch: list[Pending]) -> list[str]:
    return [pending.key for pending in batch]


def test_what_has_no_receipt_goes_out_again_in_order_and_before_what_is_newer() -> None:
    outbox, _ = outbox_of("a", "b", "c")
    assert keys(outbox.due(0, 2)) == ["a", "b"]
    outbox.acknowledge(Receipt.of(receipt(1, "a")))
    outbox.rewind()
    outbox.add("d", "text", lambda: None)
    assert keys(outbox.due(0, 9)) == ["b", "c", "d"]
    assert outbox.resent == 1


def test_after_a_temporary_refusal_everything_waits_and_then_begins_with_one() -> None:
    outbox, _ = outbox_of("a", "b", "c")
    outbox.due(0, 9)
    full = Refused({"code": "QUEUE_FULL", "temporary": True})
    for key, delay in (("a", 2), ("b", 2), ("c", 0.5)):
        outbox.refuse(key, full, now=0, delay=delay)
    assert outbox.due(1, 9) == []
    assert outbox.delay(1) == 1
    assert keys(outbox.due(2, 9)) == ["a"]
    assert outbox.due(2, 9) == []
    outbox.acknowledge(Receipt.of(receipt(1, "a")))
    assert keys(outbox.due(2, 9)) == ["b", "c"]


def test_a_final_refusal_fails_its_message_alone() -> None:
    outbox, pending = outbox_of("a", "b")
    outbox.due(0, 9)
    outbox.refuse("a", Refused({"code": "KEY_REUSED", "temporary": False}), 0, 1)
    assert isinstance(pending["a"].error, Refused)
    assert pending["b"].error is None
    assert outbox.delay(0) == math.inf


def test_a_withdrawn_message_is_not_written() -> None:
    outbox, pending = outbox_of("a", "b")
    outbox.withdraw(pending["a"])
    outbox.withdraw(pending["a"])
    assert keys(outbox.due(0, 9)) == ["b"]
    outbox.acknowledge(Receipt.of(receipt(1, "a")))
    assert len(outbox) == 1


def test_a_key_under_way_is_not_taken_twice() -> None:
    outbox, _ = outbox_of("a")
    with pytest.raises(ValueError, match="under way"):
        outbox.add("a", "text", lambda: None)


@settings(deadline=None)
@given(st.data())
def test_no_message_is_forgotten_and_none_settles_twice_whatever_happens(
    data: st.DataObject,
) -> None:
    outbox, settled = Outbox(50), Counter[str]()
    added: list[str] = []
    in_flight: set[str] = set()
    full = Refused({"temporary": True})
    for now in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["add", "write", "ack", "refuse", "drop"])):
            case "add":
                key = str(len(added))
                added.append(key)
                outbox.add(key, "", lambda key=key: settled.update([key]))  # type: ignore[misc]
            case "write":
                batch = keys(outbox.due(now, 3))
                assert not in_flight & set(batch)
                assert batch == sorted(batch, key=int)
                in_flight |= set(batch)
            case "ack" if in_flight:
                key = data.draw(st.sampled_from(sorted(in_flight)))
                in_flight.remove(key)
                outbox.acknowledge(Receipt.of(receipt(1, key)))
            case "refuse" if in_flight:
                key = data.draw(st.sampled_from(sorted(in_flight)))
                in_flight.remove(key)
                outbox.refuse(key, full, now, 2)
            case "drop":
                outbox.rewind()
                in_flight.clear()
    outbox.rewind()
    for now in itertools.count(1000):
        batch = keys(outbox.due(now, 3))
        if not batch:
            break
        for key in batch:
            outbox.acknowledge(Receipt.of(receipt(1, key)))
    assert settled == Counter(added)
