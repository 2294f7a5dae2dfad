"""Results of other servers: whatever they are, what is kept of them fits into a message and can be followed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.web.agents.results import (
    ALL,
    DEPTH,
    DESCRIPTION,
    ITEMS,
    KEPT,
    NAME,
    SCHEMA_OBJECT,
    SITE,
    URL,
    Gathered,
    loads,
    text_of,
)
from tests.examples import examples

LIMITS = {"url": URL, "name": NAME, "site": SITE, "description": DESCRIPTION}
KEYS = [*LIMITS, "score", "schema_object", "@type", "@id", "grounding", "text", "source_urls"]
TEXTS = st.text(st.characters()) | st.sampled_from(["https://a.example/", "x" * 3000, "\ud83c"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner),
    max_leaves=20,
)
URLS = st.integers(0, 100).map(lambda number: f"https://a.example/{number}")
RESULTS = st.builds(
    lambda known, more: {**more, **known},
    st.fixed_dictionaries({"url": URLS | VALUES}, optional=dict.fromkeys(KEYS[1:], VALUES)),
    st.dictionaries(TEXTS, VALUES, max_size=3),
)


def gathered(*values: object) -> tuple[dict[str, Any], ...]:
    it = Gathered()
    for value in values:
        it.add(value)
    return it.fitting()


def one(**fields: Any) -> dict[str, Any]:
    (item,) = gathered({"url": "https://a.example/", **fields})
    return item


def depth(value: object) -> int:
    inside = list(value.values()) if isinstance(value, dict) else value
    return 1 + max(map(depth, inside), default=0) if isinstance(inside, list) else 0


@settings(max_examples=examples(100))
@given(st.lists(RESULTS | VALUES))
def test_whatever_comes_what_is_kept_is_within_the_limits(values: list[object]) -> None:
    items = gathered(*values)
    assert len(items) <= ITEMS
    text = json.dumps(items, allow_nan=False)
    assert len(text) <= ALL
    text.encode()
    for item in items:
        assert set(item) <= {*LIMITS, "score", "schema_object"}
        for key, length in LIMITS.items():
            assert isinstance(item.get(key, ""), str)
            assert len(item.get(key, "")) <= length
        assert item["url"].startswith(("http://", "https://"))
        assert item["name"].strip()
        assert isinstance(item.get("score", 0), (int, float))
        assert depth(item.get("schema_object", {})) <= DEPTH
        assert len(json.dumps(item.get("schema_object"))) <= SCHEMA_OBJECT


@pytest.mark.parametrize(
    "url",
    [
        None,
        1,
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "//a.example/",
        "/fish",
        "https://",
        "https://a.example:port/",
        "https://bank.example@evil.example/",
        "https://a.example/ b",
        "https://a.example/\n",
        "https://a.example\\@evil.example/\x00",
        "https://[a/",
        "https://a.example/" + "x" * URL,
    ],
)
def test_a_result_without_an_address_to_follow_is_none(url: object) -> None:
    it = Gathered()
    good = isinstance(url, str) and url.endswith("\n")  # blanks around it are no part of it
    assert it.add({"url": url, "name": "Fish"}) is good


def test_an_address_may_stand_where_schema_org_has_it() -> None:
    assert gathered({"@id": "https://a.example/1"})[0]["url"] == "https://a.example/1"
    (item,) = gathered({"url": "/2", "grounding": {"source_urls": [2, "https://a.example/2"]}})
    assert item["url"] == "https://a.example/2"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    item = one(name="n" * 301, site="s" * 201, description="d" * 1001)
    assert item["name"] == "n" * 299 + "…"
    assert item["site"] == "s" * 199 + "…"
    assert item["description"] == "d" * 999 + "…"
    whole = one(name="n" * 300, site="s" * 200, description="d" * 1000)
    assert (len(whole["name"]), len(whole["site"]), len(whole["description"])) == (300, 200, 1000)
    assert "…" not in whole["name"] + whole["site"] + whole["description"]


def test_a_result_without_a_name_is_called_by_that_of_its_object_or_its_address() -> None:
    assert one()["name"] == "https://a.example/"
    assert one(name=7, schema_object={"name": "Fish"})["name"] == "Fish"


@pytest.mark.parametrize(
    ("score", "kept"),
    [
        (80, 80),
        (0.5, 0.5),
        ("100", 100),
        (7.0, 7),
        (-1, -1),
        (True, None),
        (None, None),
        ("high", None),
        ("nan", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (1e7, None),
        ([1], None),
    ],
)
def test_a_score_is_a_sane_number_or_none(score: object, kept: float | None) -> None:
    assert one(score=score).get("score") == kept


def test_an_object_may_be_text_or_in_a_list_or_the_result_itself() -> None:
    recipe = {"@type": "Recipe", "image": "https://a.example/1.jpg"}
    for given_as in (recipe, json.dumps(recipe), [None, recipe], json.dumps([recipe])):
        assert one(schema_object=given_as)["schema_object"] == recipe
    item = one(**recipe, name="Fish", site="a", description="d", score=1, grounding={})
    assert item["schema_object"] == recipe
    for nothing in ("Fish", "{", 7, [], [[]], {}):
        assert "schema_object" not in one(schema_object=nothing)


def test_an_object_that_is_too_large_or_too_deep_is_left_out() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    assert "schema_object" in one(schema_object=nested(DEPTH))
    assert "schema_object" not in one(schema_object=nested(DEPTH + 1))
    room = SCHEMA_OBJECT - len(json.dumps({"a": ""}))
    assert "schema_object" in one(schema_object={"a": "x" * room})
    assert "schema_object" not in one(schema_object={"a": "x" * (room + 1)})
    assert "schema_object" not in one(schema_object="[" * 100_000)


def test_the_best_come_first_and_each_address_once() -> None:
    values = [{"url": f"https://a.example/{n}", "score": score} for n, score in ((1, 5), (2, 9))]
    items = gathered(*values, {"url": "https://a.example/3"}, {**values[0], "score": 99})
    assert [item["url"][-1] for item in items] == ["2", "1", "3"]


def test_of_any_number_of_results_the_best_stay() -> None:
    it = Gathered()
    for number in range(10 * KEPT):
        it.add({"url": f"https://a.example/{number}", "score": number * 7919 % (10 * KEPT)})
    items = it.fitting()
    assert it.number == 10 * KEPT
    assert [item["score"] for item in items] == list(
        range(10 * KEPT - 1, 10 * KEPT - 1 - ITEMS, -1)
    )


def test_where_not_all_fit_the_objects_of_the_last_go_first_and_then_the_last() -> None:
    def results(number: int, length: int) -> list[dict[str, Any]]:
        return [
            {
                "url": f"https://a.example/{n}",
                "score": 100 - n,
                "description": "d" * length,
                "schema_object": {"a": "x" * 1000},
            }
            for n in range(number)
        ]

    items = gathered(*results(40, 100))
    with_object = ["schema_object" in item for item in items]
    assert len(items) == 40
    assert with_object == sorted(with_object, reverse=True)
    assert set(with_object) == {True, False}
    items = gathered(*results(50, 1000))
    assert len(items) < 50
    assert not any("schema_object" in item for item in items)
    assert [item["score"] for item in items] == [100 - n for n in range(len(items))]
    assert len(json.dumps(items)) <= ALL


def test_numbers_that_are_none_are_null_and_what_is_no_json_is_none() -> None:
    assert loads('{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1.5}') == {
        "a": None,
        "b": None,
        "c": None,
        "d": 1.5,
    }
    for text in ("", "{", "[" * 100_000, "1" * 10_000):
        assert loads(text) is None


@given(VALUES)
def test_a_text_is_a_text_whatever_it_is_in(value: object) -> None:
    text_of(value).encode()


def test_a_text_may_be_wrapped() -> None:
    for value in (
        "Fish",
        ["Fish", "Chips"],
        {"text": "Fish"},
        {"@value": "Fish"},
        {"name": ["Fish "]},
    ):
        assert text_of(value) == "Fish"
