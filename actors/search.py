"""A search: what is sought, what a query means, and what is found. What a text has to have to be found stands here alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .words import fold, is_run, pairs, places

QUERY_LENGTH = 200  # code points: more than a line that anybody remembers
MOST_WORDS = 16  # words and runs in a query: each is looked up in each part of an index
SHORTEST_PREFIX = 2  # characters: words that begin with one letter are a twentieth of all words
HITS = 50  # on one page
WINDOW = 200  # matches, the newest first, that are ranked together: about 5 ms
USUAL = 70  # characters of a usual message
HALF_WORTH = (
    180 * 86_400_000
)  # milliseconds after which a message is worth half as much as a new one
EXCERPT = 160  # characters
LEAD = 40  # of these before the first match

_QUOTES = str.maketrans("“”„‟«»＂", '"' * 7)  # what keyboards put for one
_ITEM = re.compile(r'"([^"]*)"(\*?)|([^\s"]+)')


class QueryError(ValueError):
    """A query means nothing; the text says why, and what to do."""


@dataclass(frozen=True)
class Term:
    """Words that follow each other; of the last one only the beginning, if `prefix`."""

    words: tuple[str, ...]
    prefix: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the term in a folded text."""
        begin = "" if is_run(self.words[0]) else "(?<![^ ])"
        end = "" if self.prefix or is_run(self.words[-1]) else "(?![^ ])"
        return re.compile(begin + " +".join(self.words) + end)

    @property
    def index_words(self) -> list[tuple[str, bool]]:
        """What the index of a text with this term has: each word, and whether only its beginning is known."""
        found: list[tuple[str, bool]] = []
        for word in self.words:
            if not is_run(word):
                found.append((word, self.prefix and word is self.words[-1]))
            elif len(word) == 1:
                found.append((word, True))
            else:
                found += [(pair, False) for pair in pairs(word)[:-1]]
        return found


class Place(NamedTuple):
    """Where a page of hits ended: in the window of positions from `floor` to `top`, after this score and position.

    Without a floor the page to come begins a window.
    """

    top: int
    floor: int | None = None
    score: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Sought:
    """What is sought: messages with all terms that pass all filters. Times are milliseconds, `after` is included, `before` not.

    `reader` is the person who may read them: found is what they may read at that moment. Without one, of `conversation_id`
    everything may be read. `only` are the ids of the only conversations to look in, None for all.
    """

    reader: str | None
    terms: tuple[Term, ...]
    conversation_id: str | None = None
    sender_id: str | None = None
    after: int | None = None
    before: int | None = None
    with_file: bool = False
    limit: int = 20
    place: Place | None = None
    only: frozenset[str] | None = None


class Hit(NamedTuple):
    """A message that was found, and those beside it, where there are some near it that the reader may read: the stored forms."""

    conversation_id: str
    title: str
    body: bytes
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits, the best first. `next` asks for more, None where there is none.

    A page may have fewer hits than it may hold although there are more. `complete` is false while a store that is older than
    its index is being indexed: then older messages may be missing.
    """

    hits: tuple[Hit, ...]
    next: Place | None = None
    complete: bool = True


def parse(query: str) -> tuple[Term, ...]:
    """The terms of a query: words, "phrases" and beginnings*. Raises `QueryError`."""
    if len(query) > QUERY_LENGTH:
        raise QueryError(f"it has {len(query)} characters; at most {QUERY_LENGTH} are allowed")
    query = query.translate(_QUOTES)
    if query.count('"') % 2:
        raise QueryError("a quotation mark has no partner; close the phrase, or leave the mark out")
    terms = []
    for phrase, star, word in _ITEM.findall(query):
        text = word or phrase
        found = tuple(fold(text).split())
        if found:
            terms.append(_term(found, prefix=bool(star) or word.endswith("*")))
    if not terms:
        raise QueryError("it has no letter and no digit to look for")
    count = sum(len(term.words) for term in terms)
    if count > MOST_WORDS:
        raise QueryError(f"it has {count} words; at most {MOST_WORDS} are allowed")
    return tuple(dict.fromkeys(terms))


def _term(found: tuple[str, ...], *, prefix: bool) -> Term:
    last = found[-1]
    if prefix and len(last) < SHORTEST_PREFIX and not is_run(last):
        raise QueryError(
            f"{last}* begins too many words; at least {SHORTEST_PREFIX} characters are wanted before *"
        )
    return Term(found, prefix and not is_run(last))


def relevance(terms: tuple[Term, ...], text: str) -> float | None:
    """How much of a text the terms are; None where one of them is missing.

    Okapi BM25 without the part for rare words: whatever is found has them all.
    """
    folded, worth = fold(text), 0.0
    weight = 1.2 * (0.25 + 0.75 * len(folded) / USUAL)
    for term in terms:
        count = len(term.pattern.findall(folded))
        if not count:
            return None
        worth += count * 2.2 / (count + weight)
    return worth


def excerpt(terms: tuple[Term, ...], text: str) -> list[tuple[str, bool]]:
    """A piece of a text around its first match, as pieces that are a match or not. What is left out is an ellipsis."""
    marks = _marks(terms, text)
    start = 0
    if len(text) > EXCERPT and marks:
        start = _word_begin(text, min(marks[0][0] - LEAD, len(text) - EXCERPT))
    end = len(text) if len(text) - start <= EXCERPT else start + EXCERPT
    pieces = [("…", False)] if start else []
    at = start
    for begin, stop in marks:
        if begin >= end:
            break
        pieces += [(text[at:begin], False), (text[begin : min(stop, end)], True)]
        at = min(stop, end)
    pieces.append((text[at:end], False))
    if end < len(text):
        pieces.append(("…", False))
    return [piece for piece in pieces if piece[0]]


def _word_begin(text: str, place: int) -> int:
    """The begin of a word near a place; the place itself where no space is near."""
    if place <= 0:
        return 0
    space = text.find(" ", place, place + LEAD // 2)
    return place if space < 0 else space + 1


def _marks(terms: tuple[Term, ...], text: str) -> list[tuple[int, int]]:
    """Where the terms are in a text, ascending; what overlaps is one."""
    folded, origin = fold(text), places(text)
    found = sorted(
        (origin[match.start()], origin[match.end() - 1] + 1)
        for term in terms
        for match in term.pattern.finditer(folded)
    )
    marks: list[tuple[int, int]] = []
    for begin, end in found:
        if marks and begin < marks[-1][1]:
            marks[-1] = (marks[-1][0], max(end, marks[-1][1]))
        else:
            marks.append((begin, end))
    return marks
