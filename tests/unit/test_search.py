"""Queries and texts: what a query means, what a text must have, and which piece of it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.search import (
    EXCERPT,
    MOST_WORDS,
    QUERY_LENGTH,
    QueryError,
    Term,
    excerpt,
    parse,
    relevance,
)
from salon.actors.words import fold, index_words, places

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
MIXED = st.text(st.sampled_from('aB ."*-éÉ的明ミガｶﾞข้नि\u0301\u200d🎉½ﬁİ\n'), max_size=60)


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("Plan lunch", (Term(("plan",)), Term(("lunch",)))),
        ('"the Plan" x', (Term(("the", "plan")), Term(("x",)))),
        ("pla*", (Term(("pla",), prefix=True),)),
        ('"the pla"*', (Term(("the", "pla"), prefix=True),)),
        ("“the plan”", (Term(("the", "plan")),)),
        ("e-mail", (Term(("e", "mail")),)),
        ("plan plan PLAN", (Term(("plan",)),)),
        ("明天*", (Term(("明天",)),)),
        ('- "" !', ()),
    ],
)
def test_a_query_is_words_phrases_and_beginnings(query: str, terms: tuple[Term, ...]) -> None:
    if terms:
        assert parse(query) == terms
    else:
        with pytest.raises(QueryError, match="no letter"):
            parse(query)


def test_a_query_has_bounds() -> None:
    assert parse("a" * QUERY_LENGTH)
    assert len(parse(" ".join(f"w{n}" for n in range(MOST_WORDS)))) == MOST_WORDS
    for query, problem in (
        ("a" * (QUERY_LENGTH + 1), "at most 200"),
        (" ".join(f"w{n}" for n in range(MOST_WORDS + 1)), "at most 16"),
        ("a*", "at least 2"),
        ('"a b', "no partner"),
    ):
        with pytest.raises(QueryError, match=problem):
            parse(query)


@given(TEXTS | MIXED)
def test_any_query_is_understood_or_refused_and_finds_a_text_that_is_the_query(query: str) -> None:
    try:
        terms = parse(query)
    except QueryError:
        return
    assert relevance(terms, query.translate(str.maketrans('"*', "  "))) is not None


@given(TEXTS | MIXED)
def test_a_folded_text_is_the_same_when_it_is_folded_again_and_has_a_place_for_each_character(
    text: str,
) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert len(places(text)) == len(folded) + 1
    assert places(text) == sorted(places(text))


@given(TEXTS | MIXED)
def test_the_index_has_all_that_a_term_of_the_text_needs(text: str) -> None:
    kept = index_words(text)
    words = fold(text).split() if text.isascii() else kept.split()
    for part in fold(text).split():
        for word, prefix in Term((part,)).index_words:
            assert word in words or (prefix and any(each.startswith(word) for each in words))


@given(TEXTS | MIXED, MIXED)
def test_an_excerpt_is_a_piece_of_its_text(query: str, text: str) -> None:
    try:
        terms = parse(query)
    except QueryError:
        terms = ()
    shown = "".join(piece for piece, _ in excerpt(terms, text * 9))
    assert shown.strip("…") in text * 9
    assert len(shown) <= EXCERPT + 2
    assert text * 9 in shown or len(text * 9) > EXCERPT


def test_an_excerpt_begins_before_the_first_match_and_marks_all() -> None:
    text = "word " * 100 + "the plan of plans, planned " + "word " * 100
    pieces = excerpt(parse("plan*"), text)
    assert [piece for piece, match in pieces if match] == ["plan", "plan", "plan"]
    assert pieces[0] == pieces[-1] == ("…", False)
    assert pieces[1][0].startswith("word ")
    assert excerpt(parse("plan"), "a Plan") == [("a ", False), ("Plan", True)]
    assert excerpt(parse("fi"), "ﬁ ½") == [("ﬁ", True), (" ½", False)]
    assert excerpt(parse("天一"), "明天一起") == [("明", False), ("天一", True), ("起", False)]


def test_matches_that_overlap_are_marked_once() -> None:
    assert excerpt(parse('"a b" "b c"'), "a b c") == [("a b c", True)]
