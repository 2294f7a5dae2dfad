"""Whom a message mentions: the members that its client named, and those whose name stands behind an @ in its text."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .model import Member

# Participants that one message may mention; more of them is a message to everybody. Also the places of @ that are looked at,
# so that a text full of @ costs no more than a few hundred microseconds.
MENTIONS = 50
INDEXES = (
    64  # conversations whose names are kept: making an index of a thousand takes half a millisecond
)
_AT = re.compile(r"(?<!\w)@")  # not inside a word, as in an address
_IN_WORD = re.compile(r"\w")


def mentioned(
    members: Mapping[str, Member], content: str, named: Sequence[str] = ()
) -> tuple[str, ...]:
    """The ids of the mentioned members, each once: first the `named`, then those in the text, in order; `MENTIONS` at most.

    Ids of people who are no members are left out. `@Name` mentions somebody where exactly one member has that name, in
    whatever case; the longest name that fits is meant. `members` is not changed afterwards, as in a published state.
    """
    if not named and "@" not in content:
        return ()
    found = dict.fromkeys(id for id in named if id in members)
    found |= dict.fromkeys(_in_text(_names(_Same(members)), content))
    return tuple(found)[:MENTIONS]


class _Names(NamedTuple):
    """The names of one set of members, in lower case."""

    ids: dict[str, str | None]  # who has the name; None where several have
    lengths: dict[str, list[int]]  # of the names that begin with a character, the longest first


class _Same:
    """Stands for the very object, so that a cache need not compare what is in it."""

    __slots__ = ("members",)

    def __init__(self, members: Mapping[str, Member]) -> None:
        self.members = members

    def __hash__(self) -> int:
        return id(self.members)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.members is other.members


@lru_cache(maxsize=INDEXES)
def _names(of: _Same) -> _Names:
    ids: dict[str, str | None] = {}
    for id, member in of.members.items():
        name = member.participant.name.casefold()
        ids[name] = None if name in ids else id
    lengths: dict[str, set[int]] = {}
    for name in ids:
        lengths.setdefault(name[:1], set()).add(len(name))
    return _Names(ids, {first: sorted(all_, reverse=True) for first, all_ in lengths.items()})


def _in_text(names: _Names, content: str) -> Iterator[str]:
    text = content.casefold()
    for place, _ in zip(_AT.finditer(text), range(MENTIONS), strict=False):
        start = place.end()
        for length in names.lengths.get(text[start : start + 1], ()):
            end = start + length
            name = text[start:end]
            if name in names.ids and not _IN_WORD.match(text, end):
                if (id := names.ids[name]) is not None:
                    yield id
                break
