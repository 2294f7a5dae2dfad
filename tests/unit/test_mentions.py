"""Whom a message mentions."""

from __future__ import annotations

import pytest

from salon.actors.mentions import MENTIONS, mentioned
from salon.actors.model import Member, Participant

NAMES = {
    "a": "Ada",
    "l": "Ada Lovelace",
    "b": "Bob",
    "c1": "Cleo",
    "c2": "cleo",
    "g": "Groß-Müller",
    "r": "R2-D2",
    "x": "@home",
}
MEMBERS = {id: Member(Participant(id, name), "member", 0) for id, name in NAMES.items()}


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ("@Bob", ["b"]),
        ("Well, @bob, what now?", ["b"]),
        ("(@BOB)", ["b"]),
        ("@Bob and @Ada: hello", ["b", "a"]),
        ("@Bob @Bob", ["b"]),
        ("@Ada Lovelace wrote it", ["l"]),
        ("@Ada lovelaces", ["a"]),
        ("@Ada, Lovelace", ["a"]),
        ("@GROSS-MÜLLER!", ["g"]),
        ("@R2-D2 beeps", ["r"]),
        ("@@home", ["x"]),
    ],
)
def test_a_name_behind_an_at_is_meant(content: str, ids: list[str]) -> None:
    assert mentioned(MEMBERS, content) == tuple(ids)


@pytest.mark.parametrize(
    "content",
    [
        "Bob",
        "@",
        "@ Bob",
        "@Bobby",
        "@Bob_2",
        "@Nobody",
        "@Cleo",  # two have this name
        "me@bob",
        "ada@Bob.example",
    ],
)
def test_nothing_else_is(content: str) -> None:
    assert mentioned(MEMBERS, content) == ()


def test_those_whom_the_client_named_come_first_each_once_and_only_if_they_are_members() -> None:
    assert mentioned(MEMBERS, "@Bob @Ada", ["c2", "zoe", "b", "c2"]) == ("c2", "b", "a")


def test_who_comes_or_changes_their_name_is_meant_from_then_on() -> None:
    members = {"a": Member(Participant("a", "Ada"), "member", 0)}
    assert mentioned(members, "@Ada @Bob") == ("a",)
    more = {**members, "b": Member(Participant("b", "Bob"), "member", 0)}
    assert mentioned(more, "@Ada @Bob") == ("a", "b")
    renamed = {**more, "a": Member(Participant("a", "Countess"), "member", 0)}
    assert mentioned(renamed, "@Ada @Bob @Countess") == ("b", "a")
    assert mentioned(members, "@Ada @Bob") == ("a",)


def test_a_text_full_of_ats_costs_no_more_than_its_bound() -> None:
    assert mentioned(MEMBERS, "@nobody " * MENTIONS + "@Bob") == ()
    many = {f"p{n}": Member(Participant(f"p{n}", f"P{n}"), "member", 0) for n in range(100)}
    assert mentioned(many, "", [*many]) == tuple(many)[:MENTIONS]
