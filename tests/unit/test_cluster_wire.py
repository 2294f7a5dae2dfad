"""What nodes tell each other survives the way as bytes, and comes in order whatever the way does."""

from __future__ import annotations

import subprocess
import sys
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.cluster import wire
from salon.actors.cluster.channel import Incoming, Outgoing
from salon.actors.cluster.encoding import (
    UnreadableError,
    decode,
    decoders,
    encode,
    named,
    value_of,
)
from salon.actors.cluster.wire import Answer, Ask, Batch, Hint
from salon.actors.events import Created, Posted
from salon.actors.held import Held
from salon.actors.keeping_messages import Erased, PreferencesSet
from salon.actors.mailbox import Letter
from salon.actors.messages import Command, Create, Post, ReadMarked, Receipt, Unchanged
from salon.actors.model import Entrant, Participant
from salon.actors.person_erasure import ErasePerson, PersonErased
from salon.actors.refusals import Code, Refusal
from salon.actors.run_messages import RunExtended, RunReceipt
from salon.actors.signals import Delta, Signal, Typing
from salon.actors.store import Record, Rewrite
from tests.unit.stores import environment

ADA = Participant("ada", "Ada")
OUTCOMES = (Receipt, Unchanged, ReadMarked, RunReceipt, RunExtended, Erased, PreferencesSet)
OTHERS = (*OUTCOMES, PersonErased, Refusal, Held, Created, Posted, Typing, ErasePerson)


@pytest.mark.parametrize(
    "kind", [*get_args(Command), *get_args(Signal), *get_args(wire.Message), *OTHERS]
)
def test_everything_that_nodes_say_can_be_read(kind: type) -> None:
    assert decoders()[kind.__name__].type is kind


def test_the_types_stay_as_they_are_written() -> None:
    decoders()
    kept = [*Posted.__mro__[1].__annotations__.values(), *Created.__annotations__.values()]
    assert not any(isinstance(each, type) for each in kept)


def test_a_message_comes_as_it_was_sent() -> None:
    record = Record(3, 1_700_000_000_000, b'{"type":"message"}', b"salt", 2, "ada", "k1")
    batch = Batch("talk", "life", 7, (record,), (Rewrite(1, b"{}", "hash"),), False)
    assert decode(encode(5, batch)) == (5, batch)
    assert decode(encode(0, Hint())) == (0, Hint())


@pytest.mark.parametrize(
    "value",
    [
        Post("talk", ADA, "hello 😀", "k1", mentions=("ben",)),
        Create("talk", ADA, "Talk", (Entrant(ADA, "owner"),), permissions={"post": "member"}),
        Refusal(Code.RATE_LIMITED, {"limit": 2.5}, retry_after=0.5, scope="participant", id="r1"),
        Delta("run", "bot", 3, "text"),
        Created("talk", 1, 5, "Talk", (Entrant(ADA, "owner"),), "list"),
    ],
)
def test_a_value_of_any_type_comes_as_what_it_was(value: Any) -> None:
    ask = Ask("talk", 1, 1, 1, named(value), "", False)
    message = decode(encode(1, ask))[1]
    assert isinstance(message, Ask)
    assert value_of(message.command) == value
    assert type(value_of(message.command)) is type(value)


@given(st.binary(max_size=200))
def test_bytes_of_nobody_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        decode(data)


@given(st.integers(0, 10_000))
def test_commands_are_carried_out_once_and_in_order_whatever_the_way_does(seed: int) -> None:
    chance, now = Random(seed), 0.0
    outgoing, incoming = Outgoing(1), Incoming(0.0)
    done: list[str] = []
    for number in range(20):
        outgoing.add(Letter(Post("talk", ADA, f"{number}"), None, 0.0), lambda: "key")
    while outgoing.pending:
        now += 1.0
        due = [number for number in outgoing.due(now) if chance.random() < 0.7]
        due += [number for number in due if chance.random() < 0.3]
        chance.shuffle(due)
        for number in due:
            outgoing.pending[number].sent_at = now
            command = named(outgoing.pending[number].letter.message)
            ask = Ask("talk", 1, outgoing.base, number, command, "", False)
            for each in incoming.take(ask, now):
                done.append(value_of(each.command).content)
                incoming.answered(1, each.number, named(Unchanged()))
        for number in list(outgoing.pending):
            ask = Ask("talk", 1, outgoing.base, number, named(Unchanged()), "", False)
            if incoming.outcome(ask) is not None and chance.random() < 0.5:
                answer = Answer("talk", 1, number, None)
                assert outgoing.answered(answer.channel, answer.number) is not None
    assert done == [f"{number}" for number in range(20)]


def test_commands_begin_again_with_another_owner_in_their_order_and_under_their_keys() -> None:
    outgoing = Outgoing(1)
    for number in range(5):
        outgoing.add(Letter(Post("talk", ADA, f"{number}"), None, 0.0), iter(f"k{number}").__next__)
    outgoing.pending[3].sent_at = 1.0
    outgoing.answered(1, 1)
    keys = [each.letter.message.key for each in outgoing.pending.values()]
    outgoing.begin(2)
    assert list(outgoing.pending) == [1, 2, 3, 4]
    assert [each.letter.message.key for each in outgoing.pending.values()] == keys
    assert [each.again for each in outgoing.pending.values()] == [False, True, False, False]
    assert outgoing.answered(1, 2) is None  # of the former owner


def test_a_server_alone_loads_nothing_of_it() -> None:
    program = (
        "import sys, salon.web.app, salon.persistence.memory\n"
        "print([name for name in sys.modules if name.startswith('salon.actors.cluster')])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert found.stdout.strip() == "[]"
