"""Whom a message mentions: the members that its client named, and those whose name stands behind an @ in its text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .model import Member

# Participants that one message may mention; more of them is a message to everybody. Also the places of @ that are looked at,
# so that a text full of @ costs a millisecond at most.
MENTIONS = 50
_AT = re.compile(r"(?<!\w)@")  # not inside a word, as in an address
_IN_WORD = re.compile(r"\w")


def mentioned(
    members: Mapping[str, Member], content: str, named: Sequence[str] = ()
) -> tuple[str, ...]:
    """The ids of the mentioned members, each once: first the `named`, then those in the text, in order; `MENTIONS` at most.

    Ids of people who are no members are left out. `@Name` mentions somebody where exactly one member has that name, in
    whatever case; the longest name that fits is meant.
    """
    found = dict.fromkeys(id for id in named if id in members)
    if "@" in content:
        found |= dict.fromkeys(_in_text(members, content))
    return tuple(found)[:MENTIONS]


def _in_text(members: Mapping[str, Member], content: str) -> Iterator[str]:
    names = _names(members)
    lengths = sorted({len(name) for name in names}, reverse=True)
    text = content.casefold()
    for place, _ in zip(_AT.finditer(text), range(MENTIONS), strict=False):
        start = place.end()
        for length in lengths:
            end = start + length
            name = text[start:end]
            if name in names and not _IN_WORD.match(text, end):
                if (id := names[name]) is not None:
                    yield id
                break


def _names(members: Mapping[str, Member]) -> dict[str, str | None]:
    """Each name, in lower case, and who has it: None where several have."""
    names: dict[str, str | None] = {}
    for id, member in members.items():
        name = member.participant.name.casefold()
        names[name] = None if name in names else id
    return names
