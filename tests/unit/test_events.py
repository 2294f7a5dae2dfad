"""Every kind of event is declared once, whole, and everything that handles kinds follows the declaration."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args

import pytest
from hypothesis import given

from salon.actors.change_events import Edited
from salon.actors.change_messages import CHANGE_COMMANDS
from salon.actors.change_rules import EVENTS as EVENTS_OF_CHANGES
from salon.actors.events import KINDS, Event, Joined, Posted, StateEvent, Updated
from salon.actors.fields import Form
from salon.actors.message import Message
from salon.actors.messages import Command
from salon.actors.model import Participant, State
from salon.actors.rules import DECIDE
from salon.loadtests.users.frame import EVENTS
from salon.web.api.server_frames import ANNOTATIONS, EVENT_FRAMES
from salon.web.socket.codec import JsonCodec
from salon.web.socket.event_json import READ, WRITE, compact, decode_event, event_fields
from tests.unit.test_codec import events, texts

CODEC = JsonCodec(heartbeat=25, max_message_size=10_000)
ADA = Participant("ada", "Ada")


def attributes(kind: type[Event]) -> set[str]:
    if kind is Posted:
        return set(Posted._fields)
    return {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]


def test_an_edit_whose_content_is_gone_still_counts_as_a_revision() -> None:
    message = Message(Posted("talk", 2, 5, ADA, "one"))
    gone = Edited("talk", 4, 6, "talk-2", 2, ADA.id)
    assert gone.change(message).revision == 2
    assert gone.change(message).posted == message.posted


def test_the_registry_has_every_kind() -> None:
    assert set(KINDS.values()) == set(get_args(Event))
    assert set(get_args(StateEvent)) == set(get_args(Event)) - {Posted}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_says_where_each_of_its_fields_is_in_its_frame(kind: type[Event]) -> None:
    if kind is not Posted:  # its frame has an object of its own, which the codec's template writes
        assert {field.source for field in kind.frame} == attributes(kind)
    assert kind.__doc__


def test_every_form_of_a_field_can_be_written_read_and_described() -> None:
    used = {field.form for kind in KINDS.values() for field in kind.frame}
    assert used == set(Form) == WRITE.keys() == READ.keys() == ANNOTATIONS.keys()


@given(events)
def test_an_event_that_is_written_by_its_declaration_is_the_codec_s(event: Event) -> None:
    assert compact(event_fields(event)).encode() == CODEC.encode(event)


@given(events)
def test_an_event_that_is_read_again_is_the_same(event: Event) -> None:
    assert decode_event(json.loads(CODEC.encode(event))) == event


@given(events)
def test_the_reference_describes_what_is_written(event: Event) -> None:
    frame = json.loads(CODEC.encode(event))
    if event.kind != "conversation_created":
        frame["sequence_id"] = event.sequence + 1  # the first is always that one
    shown = EVENT_FRAMES[event.kind].model_validate(frame)
    assert frame.keys() <= type(shown).model_fields.keys()


def test_the_load_tool_knows_every_kind() -> None:
    assert set(EVENTS) == KINDS.keys()


def test_every_command_is_decided() -> None:
    assert DECIDE.keys() | CHANGE_COMMANDS == set(get_args(Command))
    assert EVENTS_OF_CHANGES.keys() == CHANGE_COMMANDS


class TestUpdated:
    @given(texts, texts)
    def test_changes_only_what_it_names(self, title: str, other: str) -> None:
        state = State("c", title=title, metadata='{"a":1}')
        Updated("c", 2, 0, "ada", other).apply(state)
        assert (state.title, state.metadata) == (other, '{"a":1}')
        Updated("c", 3, 0, "ada", None, '{"b":2}').apply(state)
        assert (state.title, state.metadata) == (other, '{"b":2}')
        Updated("c", 4, 0, "ada", None, "null").apply(state)
        assert (state.title, state.metadata) == (other, None)

    def test_says_that_metadata_was_removed(self) -> None:
        frame = event_fields(Updated("c", 4, 0, "ada", None, "null"))
        assert frame["metadata"] is None
        assert "title" not in frame


def test_what_may_be_left_out_is_left_out() -> None:
    assert "invited_by" not in event_fields(Joined("c", 2, 0, ADA, 1))
