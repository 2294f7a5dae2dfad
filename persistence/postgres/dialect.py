"""The statements of the stores as PostgreSQL understands them: one form for both, and what is put in another way here."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

# In text between quotation marks nothing is replaced but what psycopg reads.
_PIECES = re.compile(r"('(?:[^']|'')*')")
_NUMBERED = re.compile(r"\?(\d+)")
_NAMED = re.compile(r"(?<![:\w]):([a-z_]+)")
_WORDS = (
    (re.compile(r"\bINSERT OR ROLLBACK INTO\b"), "INSERT INTO"),
    (re.compile(r"\bCROSS JOIN (\w+(?: \w+)?) ON\b"), r"JOIN \1 ON"),
    # Sums do not overflow here.
    (re.compile(r"\bCAST\((total\(\w+\)(?: \+ total\(\w+\))*) AS INTEGER\)"), r"(\1)"),
    (re.compile(r"\btotal\((\w+)\)"), r"coalesce(sum(\1), 0)"),
    (re.compile(r"\bAS INTEGER\)"), "AS BIGINT)"),
    (re.compile(r"\binstr\(([\w.]+), (\?\d*)\)"), r"position(\2 IN \1)"),
    (
        re.compile(r"\bSELECT value FROM json_each\((\?\d*)\)"),
        r"SELECT json_array_elements_text(\1::json)",
    ),
)
_EMPTY_BYTES = re.compile(r"\bx''")
_LARGEST = re.compile(r"\b(max|min)\(")
_OF_SEVERAL = {"max": "greatest", "min": "least"}
_COLUMN = {"i": "bigint", "t": "text", "b": "bytea"}


class Translated(NamedTuple):
    """A statement with psycopg's placeholders; `numbered` says that they have the names p1, p2, ..."""

    text: str
    numbered: bool


def translate(statement: str) -> Translated:
    """A statement whose values are put into its text."""
    numbered = _NUMBERED.search(statement) is not None
    text = _EMPTY_BYTES.sub("CAST('' AS bytea)", statement)
    pieces = _PIECES.split(_of_several(_in_words(text)).replace("%", "%%"))
    for at in range(0, len(pieces), 2):
        piece = _NUMBERED.sub(r"%(p\1)s", pieces[at]).replace("?", "%s")
        pieces[at] = _NAMED.sub(r"%(\1)s", piece)
    return Translated("".join(pieces), numbered)


def translate_rows(statement: str, types: str, *, in_view: bool) -> str:
    """A statement of `Rows`: a parameter for each column has all its values. With `in_view` the first one is the view."""
    first = 2 if in_view else 1
    columns = [f"${n}::{_COLUMN[kind]}[]" for n, kind in enumerate(types, first)]
    names = ", ".join(f"column{n}" for n in range(1, len(types) + 1))
    rows = f"unnest({', '.join(columns)}) AS given ({names})"
    if in_view:  # a function in the list of tables is called once
        rows = f"(SELECT given.* FROM salon_in_view($1::bigint) seen, {rows} WHERE seen) AS given"
    text = _EMPTY_BYTES.sub("CAST('' AS bytea)", statement.replace("{values}", rows))
    return _of_several(_in_words(text))


def named(parameters: Any) -> dict[str, Any]:
    """Values of a statement whose placeholders are numbered."""
    return {f"p{n}": value for n, value in enumerate(parameters, 1)}


def _in_words(text: str) -> str:
    for pattern, other in _WORDS:
        text = pattern.sub(other, text)
    return text


def _of_several(text: str) -> str:
    """max and min of several values have names of their own; of one, over rows, they stay."""
    at = 0
    while (found := _LARGEST.search(text, at)) is not None:
        at = found.end()
        if _has_comma(text, at):
            text = f"{text[: found.start()]}{_OF_SEVERAL[found[1]]}({text[at:]}"
            at = found.end() + len(_OF_SEVERAL[found[1]]) - len(found[1])
    return text


def _has_comma(text: str, at: int) -> bool:
    """Whether there is a comma before the bracket ends that was opened before `at`."""
    depth = 1
    for character in text[at:]:
        depth += (character == "(") - (character == ")")
        if depth == 0:
            break
        if depth == 1 and character == ",":
            return True
    return False
