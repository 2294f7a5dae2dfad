"""The bodies and queries of HTTP: what each takes, and in which words it refuses the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from salon.web.api.schemas import (
    AT_CREATION,
    ID_LENGTH,
    PAGE,
    CreateBody,
    EventQuery,
    GuestBody,
    JoinBody,
    ListQuery,
    ParticipantBody,
    PostBody,
    ReadBody,
    RecoverBody,
)
from salon.web.http.request import deeper_than
from salon.web.names import NAME_LENGTH, TITLE_LENGTH
from salon.web.socket.client_frames import LAST_SEQUENCE, problem_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
BODIES: list[type[BaseModel]] = [
    CreateBody,
    JoinBody,
    PostBody,
    ReadBody,
    GuestBody,
    RecoverBody,
    ParticipantBody,
]
FIELDS = sorted({name for body in BODIES for name in body.model_fields} | {"participantId"})


def problem(model: type[BaseModel], **fields: Any) -> str:
    """Why a body is refused."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(json.dumps(fields))
    text = problem_of(caught.value.errors(include_url=False, include_input=False))
    assert "Value error" not in text
    return text


def taken(model: type[BaseModel], **fields: Any) -> Any:
    return model.model_validate_json(json.dumps(fields))


def test_a_conversation_needs_a_title_and_nothing_else() -> None:
    body = taken(CreateBody, title="  Lunch \n today ")
    assert body.title == "Lunch today"
    assert (body.participants, body.mode, body.join, body.metadata) == ([], "list", "open", None)
    assert (body.enable_ai, body.members_invite, body.share_reads) == (False, True, False)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "title: Field required"),
        ({"title": None}, "title: Input should be a valid string"),
        ({"title": 5}, "title: Input should be a valid string"),
        ({"title": ""}, "title: is blank"),
        ({"title": " \u200b\t"}, "title: is blank"),
        ({"title": "x" * (TITLE_LENGTH + 1)}, f"title: has {TITLE_LENGTH + 1} characters; at most"),
        ({"title": "x", "participants": {}}, "participants: Input should be a valid array"),
        ({"title": "x", "participants": [5]}, "participants.0: Input should be an object"),
        ({"title": "x", "participants": [{}]}, "participants.0.user_id: Field required"),
        (
            {"title": "x", "participants": [{"user_id": ""}]},
            "participants.0.user_id: String should",
        ),
        (
            {"title": "x", "participants": [{"user_id": "a b"}]},
            "participants.0.user_id: holds white",
        ),
        (
            {"title": "x", "participants": [{"user_id": "a\u202eb"}]},
            "participants.0.user_id: holds",
        ),
        (
            {"title": "x", "participants": [{"user_id": 5}]},
            "participants.0.user_id: Input should be",
        ),
        (
            {"title": "x", "participants": [{"user_id": "u" * (ID_LENGTH + 1)}]},
            f"participants.0.user_id: String should have at most {ID_LENGTH} characters",
        ),
        (
            {"title": "x", "participants": [{"user_id": "u", "name": " "}]},
            "participants.0.name: is blank",
        ),
        (
            {"title": "x", "participants": [{"user_id": "u", "name": "n" * (NAME_LENGTH + 1)}]},
            f"participants.0.name: has {NAME_LENGTH + 1} characters; at most {NAME_LENGTH}",
        ),
        (
            {"title": "x", "participants": [{"user_id": "u", "role": "owner"}]},
            "participants.0.role: Input should be 'moderator', 'member' or 'observer'",
        ),
        (
            {"title": "x", "participants": [{"user_id": "u", "type": "dog"}]},
            "participants.0.type: Input should be 'human', 'agent', 'ai', 'email' or 'oauth'",
        ),
        (
            {"title": "x", "participants": [{"user_id": f"u{n}"} for n in range(AT_CREATION + 1)]},
            "participants: List should have at most 10 items",
        ),
        (
            {"title": "x", "mode": "chat"},
            "mode: Input should be 'list', 'summarize', 'generate', 'single' or 'multi'",
        ),
        ({"title": "x", "join": "closed"}, "join: Input should be 'open' or 'invite'"),
        ({"title": "x", "sites": "example.org"}, "sites: Input should be a valid array"),
        ({"title": "x", "sites": [""]}, "sites.0: String should have at least 1 character"),
        (
            {"title": "x", "sites": ["s" * 254]},
            "sites.0: String should have at most 253 characters",
        ),
        ({"title": "x", "sites": ["s"] * 101}, "sites: List should have at most 100 items"),
        ({"title": "x", "enable_ai": "no"}, "enable_ai: Input should be a valid boolean"),
        ({"title": "x", "members_invite": 0}, "members_invite: Input should be a valid boolean"),
        ({"title": "x", "metadata": []}, "metadata: Input should be an object"),
    ],
)
def test_what_is_wrong_with_a_new_conversation_is_said(fields: dict[str, Any], why: str) -> None:
    assert problem(CreateBody, **fields).startswith(why)


def test_a_participant_may_be_named_in_either_spelling() -> None:
    theirs = taken(JoinBody, participant={"participantId": "u1", "displayName": " Ada "})
    ours = taken(JoinBody, participant={"user_id": "u1", "name": "Ada"})
    assert theirs == ours
    assert theirs.participant.name == "Ada"
    assert taken(JoinBody).participant is None
    assert taken(JoinBody, participant=None).participant is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("human", "human"),
        ("agent", "agent"),
        ("ai", "agent"),
        ("email", "human"),
        ("oauth", "human"),
    ],
)
def test_what_a_participant_is_may_be_said_in_nlwebs_words(word: str, kind: str) -> None:
    assert (
        taken(JoinBody, participant={"participantId": "u1", "type": word}).participant.kind == kind
    )


@pytest.mark.parametrize(
    ("model", "fields", "why"),
    [
        (PostBody, {}, "content: Field required"),
        (PostBody, {"content": 5}, "content: Input should be a valid string"),
        (PostBody, {"content": "x", "client_message_id": ""}, "client_message_id: String should"),
        (PostBody, {"content": "x", "client_message_id": "k" * 129}, "client_message_id: String"),
        (PostBody, {"content": "x", "reply_to": 5}, "reply_to: Input should be a valid string"),
        (PostBody, {"content": "x", "metadata": "x"}, "metadata: Input should be an object"),
        (ReadBody, {}, "sequence_id: Field required"),
        (ReadBody, {"sequence_id": -1}, "sequence_id: Input should be greater than or equal to 0"),
        (ReadBody, {"sequence_id": LAST_SEQUENCE + 1}, "sequence_id: Input should be less than"),
        (ReadBody, {"sequence_id": "7"}, "sequence_id: Input should be a valid integer"),
        (ReadBody, {"sequence_id": 7.0}, "sequence_id: Input should be a valid integer"),
        (ReadBody, {"sequence_id": True}, "sequence_id: Input should be a valid integer"),
        (GuestBody, {"name": ""}, "name: is blank"),
        (GuestBody, {"name": []}, "name: Input should be a valid string"),
        (RecoverBody, {}, "recovery_code: Field required"),
        (RecoverBody, {"recovery_code": ""}, "recovery_code: String should have at least 1"),
        (RecoverBody, {"recovery_code": "x" * 201}, "recovery_code: String should have at most"),
        (JoinBody, {"participant": "u1"}, "participant: Input should be an object"),
    ],
)
def test_what_is_wrong_with_other_bodies_is_said(
    model: type[BaseModel], fields: dict[str, Any], why: str
) -> None:
    assert problem(model, **fields).startswith(why)


@pytest.mark.parametrize("model", BODIES)
@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '"x"', "\ufeff{}", '{"a":"\\ud800"}'])
def test_what_is_no_object_is_refused(model: type[BaseModel], text: str) -> None:
    with pytest.raises(ValidationError):
        model.model_validate_json(text)


@pytest.mark.parametrize("model", BODIES)
def test_what_is_no_utf8_is_refused(model: type[BaseModel]) -> None:
    for data in (b"\xff", b'{"content":"\xed\xa0\x80"}', b'{"title":"\xc3("}', b"\x00"):
        with pytest.raises(ValidationError):
            model.model_validate_json(data)


def test_fields_that_are_not_known_are_passed_over() -> None:
    assert taken(PostBody, content="x", newer={"a": 1}) == taken(PostBody, content="x")
    assert taken(ReadBody, sequence_id=LAST_SEQUENCE, id=5).sequence_id == LAST_SEQUENCE


@given(st.sampled_from(BODIES), st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_no_object_can_do_anything_but_fit_or_be_refused_in_plain_words(
    model: type[BaseModel], fields: dict[str, Any]
) -> None:
    try:
        model.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        text = problem_of(error.errors(include_url=False, include_input=False))
        for python in ("Value error", "Traceback", "<class", "dict", "NoneType"):
            assert python not in text


@pytest.mark.parametrize(
    ("fields", "limit", "offset"),
    [({}, 20, 0), ({"limit": "1"}, 1, 0), ({"limit": "100", "offset": "5"}, PAGE, 5)],
)
def test_a_list_is_asked_for_by_page(fields: dict[str, str], limit: int, offset: int) -> None:
    query = ListQuery.model_validate(fields)
    assert (query.limit, query.offset) == (limit, offset)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (ListQuery, {"limit": "0"}),
        (ListQuery, {"limit": "101"}),
        (ListQuery, {"limit": ""}),
        (ListQuery, {"limit": "ten"}),
        (ListQuery, {"limit": "9" * 5000}),
        (ListQuery, {"limit": "1e2"}),
        (ListQuery, {"limit": "\u0000"}),
        (ListQuery, {"offset": "-1"}),
        (ListQuery, {"offset": str(LAST_SEQUENCE + 1)}),
        (EventQuery, {"after": "-1"}),
        (EventQuery, {"before": "x"}),
        (EventQuery, {"after": ""}),
        (EventQuery, {"after": str(2**53)}),
        (EventQuery, {"limit": "0"}),
        (EventQuery, {"limit": "101"}),
    ],
)
def test_a_query_out_of_bounds_is_refused(model: type[BaseModel], fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(fields)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(json_values, st.integers(1, 6))
def test_the_depth_of_a_body_is_known_before_it_is_parsed(value: Any, depth: int) -> None:
    assert deeper_than(depth, json.dumps(value).encode()) == (depth_of(value) > depth)


@pytest.mark.parametrize(
    ("text", "deeper"),
    [
        ("[" * 32 + "]" * 32, False),
        ("[" * 33 + "]" * 33, True),
        ('{"a":' * 33 + "1" + "}" * 33, True),
        ('["' + "[" * 100 + '"]', False),
        ('["\\"' + "[" * 100 + '"]', False),
        ('["\\\\"' + ",[]" * 100 + "]", False),
        ('["' + "[" * 100, False),  # no JSON at all: whoever parses it will say so
        ("[" * 100_000, False),
        ("]" * 100 + "[" * 100, False),
        ("[" * 40 + '"]"' + "]" * 40, True),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_brackets_in_texts_and_brackets_that_do_not_match_count_for_nothing(
    text: str, deeper: bool
) -> None:
    assert deeper_than(32, text.encode()) is deeper
