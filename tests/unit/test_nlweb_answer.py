"""What an NLWeb server says becomes text, results, and what it is doing; nothing that it sends breaks more than its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.blank import is_blank
from salon.web.agents import Activity, Piece, Results, UpstreamError
from salon.web.agents.nlweb_answer import BODIES, END, LABEL, LISTS, SPOKEN, TEXTS, NLWebAnswer
from tests.examples import examples

COMPLETE = {"message_type": "complete"}
KEYS = [
    *LISTS,
    *TEXTS,
    "message",
    "question",
    "sites",
    "query",
    "decontextualized_query",
    "_meta",
    "response_type",
    "error",
    "code",
    "status",
    "url",
    "elicitation",
    "questions",
    "options",
    "promise",
    "estimated_time",
]
KINDS = [*SPOKEN, *BODIES, *END, "nlws", "asking_sites", "error", "tool_selection"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["https://a.example/", "Failure", "\ud83c", " "])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=20,
)
EVENTS = st.builds(
    lambda body, kind: body if kind is None else {**body, "message_type": kind},
    st.dictionaries(st.sampled_from(KEYS), VALUES),
    st.none() | st.sampled_from(KINDS) | VALUES,
)


def said(*events: object, asked: str = "fish", name: str = "message") -> list[Piece]:
    answer = NLWebAnswer(asked)
    pieces = [piece for event in events for piece in answer.take(name, event)]
    return [*pieces, *answer.end()]


def text(*events: object, name: str = "message") -> str:
    return "".join(piece for piece in said(*events, name=name) if isinstance(piece, str))


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.sampled_from(KINDS), EVENTS | VALUES)))
def test_whatever_comes_it_is_an_answer_or_a_failure(events: list[tuple[str, object]]) -> None:
    answer = NLWebAnswer("fish")
    pieces: list[Piece] = []
    try:
        for name, event in events:
            pieces += answer.take(name, event)
        pieces += answer.end()
    except UpstreamError:
        pieces += answer.found()
    else:
        assert not all(is_blank(piece) for piece in pieces if isinstance(piece, str))
    for piece in pieces:
        match piece:
            case Activity(_, label):
                assert label is not None
                assert 0 < len(label) <= LABEL
                label.encode()
            case Results(items):
                json.dumps(items, allow_nan=False)
            case _:
                assert isinstance(piece, str)


def test_a_summary_comes_in_pieces_and_all_else_is_whole() -> None:
    parts = [{"message_type": "summary", "message": each} for each in ("Fish ", "and ", "chips")]
    assert text(*parts, COMPLETE) == "Fish and chips"
    asks = {"message_type": "ask_user", "message": "For how many?"}
    assert text(*parts, asks) == "Fish and chips\n\nFor how many?"
    remembers = {"message_type": "remember", "message": "I will remember that."}
    assert text(remembers, *parts, COMPLETE) == "I will remember that.\n\nFish and chips"


def test_an_answer_that_comes_again_with_more_is_said_once() -> None:
    answers = [{"message_type": "nlws", "answer": each} for each in ("Fish", "Fish", "Fish pie")]
    assert text(*answers) == "Fish pie"
    other = {"message_type": "nlws", "content": {"answer": "Or soup", "items": []}}
    assert text(*answers, other) == "Fish pie\n\nOr soup"


def test_events_with_a_name_need_none_inside() -> None:
    answer = NLWebAnswer("fish")
    pieces = [
        *answer.take("start", {"_meta": {"response_type": "answer"}}),
        *answer.take("content", {"type": "text", "text": "First."}),
        *answer.take("result", {"index": 0, "item": {"url": "https://a.example/"}}),
        *answer.take("content", {"type": "text", "text": "Then."}),
        *answer.take("complete", {"_meta": {}}),
        *answer.end(),
    ]
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == "First.\n\nThen."
    assert pieces[-1] == Results(({"url": "https://a.example/", "name": "https://a.example/"},))


def test_markup_in_a_text_is_passed_on_for_readers_to_show_safely() -> None:
    markup = "<script>alert(1)</script>"
    assert text({"message_type": "summary", "message": markup}, COMPLETE) == markup


@pytest.mark.parametrize(
    ("event", "label"),
    [
        ({"message": "Asking Food, Drinks"}, "Asking Food, Drinks"),
        ({"message": "Food, Drinks"}, "Asking Food, Drinks"),
        (
            {"sites": [{"name": "Food", "domain": "food.example"}, "Drinks", 7]},
            "Asking Food, Drinks",
        ),
        ({"sites": [f"s{n}" for n in range(9)]}, "Asking s0, s1, s2, s3, s4 …"),
        ({"sites": 7}, "Asking other sites"),
    ],
)
def test_the_sites_that_are_asked_are_named(event: dict[str, Any], label: str) -> None:
    told, *_ = said({"message_type": "asking_sites", **event}, COMPLETE)
    assert told == Activity("tool", label)


def test_how_a_question_was_understood_is_told_if_it_is_another() -> None:
    for asked, number in (("fish", 0), ("and with peas?", 1)):
        pieces = said({"_meta": {"decontextualized_query": "fish"}, "results": []}, asked=asked)
        assert sum(isinstance(piece, Activity) for piece in pieces) == number


@pytest.mark.parametrize(
    ("elicitation", "asked"),
    [
        ({"text": "Which?"}, "Which?"),
        ("Which?", "Which?"),
        ({"text": "Which?", "questions": "all"}, "Which?"),
        (
            {"questions": [{"text": "Hot?", "options": ["yes", 7, "no"]}, "Cold?", 7]},
            "- Hot? (yes / no)\n- Cold?",
        ),
    ],
)
def test_questions_are_asked_in_words(elicitation: object, asked: str) -> None:
    assert text({"elicitation": elicitation}) == asked


@pytest.mark.parametrize(
    ("promise", "when"),
    [
        ({"token": "t", "estimated_time": 60}, "in about 60 seconds"),
        ({"token": "t", "estimated_time": True}, "later"),
        ({"token": "t", "estimated_time": 10**30}, "later"),
        ({"token": "t", "estimated_time": "soon"}, "later"),
        ({}, "later"),
    ],
)
def test_a_promise_says_when_to_ask_again(promise: object, when: str) -> None:
    assert text({"promise": promise}) == f"The answer is not ready yet: ask again {when}."


def test_a_failure_has_a_code_and_no_words() -> None:
    for event, error in (
        ({"error": {"code": "NO_INDEX", "message": "fish"}}, "the server has failed: NO_INDEX"),
        ({"error": {"code": "fish", "message": "fish"}}, "the server has failed"),
        ({"error": "fish"}, "the server has failed"),
        ({"message_type": "error", "message": "fish", "status": 500}, "the server has failed: 500"),
        ({"message_type": "error", "status": "fish"}, "the server has failed"),
    ):
        with pytest.raises(UpstreamError) as caught:
            said(event)
        assert str(caught.value) == error


@pytest.mark.parametrize("kind", ["ask_user", "no_results", "site_is_irrelevant_to_query"])
def test_after_these_servers_do_not_say_that_it_is_complete(kind: str) -> None:
    assert text({"message_type": kind, "message": "Sorry"}) == "Sorry"


@pytest.mark.parametrize(
    "event",
    [
        {"message_type": "result_batch", "results": [{"url": "https://a.example/"}]},
        {"message_type": "summary", "message": "Fish"},
        {"message_type": "results_map", "locations": []},
        {"_meta": {"response_type": "Answer"}},
        {},
    ],
)
def test_after_these_an_answer_goes_on(event: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError, match=r"cut|no answer"):
        said(event)
