"""The table of refusals, their texts, and the book in which operators find them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from salon.actors import refusals
from salon.actors.refusals import TABLE, Code, Refusal, RefusalBook, too_fast
from tests.unit.engine import EPOCH, seeded_sources

ROOT = Path(__file__).parents[2]
SOURCES = [
    path for folder in ("actors", "persistence", "web") for path in (ROOT / folder).rglob("*.py")
]
OF_LOAD = {Code.QUEUE_FULL, Code.RATE_LIMITED, Code.TOO_MANY_CONNECTIONS, Code.DRAINING}


def facts_of(code: Code) -> set[str]:
    """What the text of a code names, besides the time to come back."""
    names = {name for _, name, _, _ in Formatter().parse(TABLE[code].text) if name}
    return names - {"retry_after"}


@pytest.mark.parametrize("code", Code)
def test_every_code_has_its_row(code: Code) -> None:
    reason = TABLE[code]
    assert code.value == code.name
    assert 400 <= reason.status < 600
    assert reason.text[0].isupper() or reason.text[0] == "{"
    assert reason.text.endswith(".")


@pytest.mark.parametrize("code", Code)
def test_a_close_code_says_the_same_as_temporary(code: Code) -> None:
    """4000-4499: come back; 4500-4999: do not. A connection too many is refused for now, its socket for good."""
    reason = TABLE[code]
    if reason.close_code is not None and code is not Code.TOO_MANY_CONNECTIONS:
        assert reason.temporary is (4000 <= reason.close_code <= 4499)


@pytest.mark.parametrize("code", sorted(OF_LOAD))
def test_what_load_and_rate_refuse_is_temporary(code: Code) -> None:
    assert TABLE[code].temporary
    assert TABLE[code].status in {429, 503}


def test_a_full_conversation_is_not_temporary() -> None:
    assert not TABLE[Code.CAPACITY_EXCEEDED].temporary
    assert TABLE[Code.CAPACITY_EXCEEDED].status == 429


def test_a_text_says_its_facts_and_when_to_come_back() -> None:
    refusal = Refusal(Code.QUEUE_FULL, {"queue_size": 7, "limit": 7}, retry_after=1.23456)
    assert refusal.text == "7 commands wait here already: try again after 1.235 s."


def test_a_limit_is_said_with_what_it_counts_and_as_it_was_set() -> None:
    refusal = too_fast(20.0, "messages a second", 0.05, "participant")
    assert repr(refusal.facts) == "{'limit': 20, 'unit': 'messages a second'}"
    assert refusal.text == "Too fast: the limit of messages a second is 20. Try again after 0.05 s."
    slow = too_fast(0.1, "messages a second", 10, "participant")
    assert "the limit of messages a second is 0.1." in slow.text


def test_a_text_never_fails_for_want_of_a_fact() -> None:
    for code in Code:
        assert Refusal(code).text.count("–") == len(facts_of(code)) + (
            "{retry_after}" in TABLE[code].text
        )


# --- every place that refuses gives what the text needs -------------------------------------------------------------------


def refusals_made(path: Path) -> Iterator[tuple[int, Code, ast.Call]]:
    """Every `Refusal(Code.X, ...)` and `refusal(Code.X, ...)` in a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Call(
                func=ast.Name(id="Refusal") | ast.Attribute(attr="refusal"),
                args=[ast.Attribute(value=ast.Name(id="Code"), attr=name), *_],
            ):
                yield node.lineno, Code(name), node


def given_facts(path: Path, call: ast.Call) -> set[str]:
    """The names of the facts in a call: a dict in its place, a dict under a name, or keywords."""
    facts = call.args[1] if len(call.args) > 1 else None
    if isinstance(facts, ast.Name):
        named = facts.id
        facts = next(
            (
                node.value
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Assign)
                and any(isinstance(t, ast.Name) and t.id == named for t in node.targets)
                and node.lineno < call.lineno
                and node.lineno > call.lineno - 6
            ),
            None,
        )
    keys = facts.keys if isinstance(facts, ast.Dict) else []
    names = {key.value for key in keys if isinstance(key, ast.Constant)}
    return names | {keyword.arg for keyword in call.keywords if keyword.arg}  # type: ignore[return-value]


def test_every_text_is_given_the_facts_it_names() -> None:
    made = [(path, *each) for path in SOURCES for each in refusals_made(path)]
    assert len(made) > 20, "the search finds them"
    missing = [
        f"{path.relative_to(ROOT)}:{line} {code}: {sorted(lack)}"
        for path, line, code, call in made
        if (lack := facts_of(code) - given_facts(path, call))
    ]
    assert missing == []


def test_every_text_that_says_when_to_come_back_is_told_when() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{line} {code}"
        for path in SOURCES
        for line, code, call in refusals_made(path)
        if "{retry_after}" in TABLE[code].text
        and "retry_after" not in {keyword.arg for keyword in call.keywords}
    ]
    assert missing == []


# --- the book -------------------------------------------------------------------------------------------------------------


def test_a_named_refusal_is_found_again_with_the_figures_behind_it() -> None:
    book = RefusalBook(seeded_sources(now=lambda: EPOCH))
    plain = Refusal(Code.QUEUE_FULL, {"queue_size": 7, "limit": 7}, 1.0, "conversation", "key")
    named = book.name(plain, participant_id="ada", conversation_id="talk", drain_rate=20.0)

    assert named.id
    assert plain.id == "", "the one that was given is not touched"
    entry = book.find(named.id)
    assert entry is not None
    assert entry.refusal == named
    assert (entry.at, entry.participant_id, entry.conversation_id) == (EPOCH, "ada", "talk")
    assert entry.figures == {"drain_rate": 20.0}
    assert book.find("another") is None


def test_every_refusal_has_a_name_of_its_own_and_is_counted() -> None:
    book = RefusalBook(seeded_sources(now=lambda: EPOCH))
    names = {book.name(Refusal(code)).id for code in Code for _ in range(3)}
    assert len(names) == 3 * len(Code)
    assert book.counts == dict.fromkeys(Code, 3)


def test_the_book_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "REFUSALS_KEPT", 3)
    book = RefusalBook(seeded_sources(now=lambda: EPOCH))
    names = [book.name(Refusal(Code.FORBIDDEN)).id for _ in range(5)]
    assert [book.find(name) is not None for name in names] == [False, False, True, True, True]
    assert book.counts == {Code.FORBIDDEN: 5}
