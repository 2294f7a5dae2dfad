"""Whose tokens have ended: who has one that was revoked, has expired or is of somebody who is shut out gets nothing more."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .history import Ending

PROMISED = 1.0  # seconds after which an open socket is closed
ENDED = 4500  # the close code of an identity that has ended

Ended = tuple[int, float]  # line and time at which it was told


class Access:
    """The endings of a history, of all conversations."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str | None], Ended] = {}
        self._asked: set[tuple[str, str | None]] = set()

    def take(self, line: int, ending: Ending) -> None:
        """Take the next one."""
        name = ending.person, ending.token
        self._asked.add(name)
        if ending.state == "told":
            self._told.setdefault(name, (line, ending.at))
        elif ending.state == "lifted":
            self._told.pop(name, None)

    def ended(self, person: str, token: str | None) -> Ended | None:
        """When it was told that a person's token has ended, or the person was shut out: the first of both."""
        names = {(person, token), (person, None)}
        return min((self._told[each] for each in names if each in self._told), default=None)

    def is_known(self, person: str, token: str | None) -> bool:
        """Whether there ever was a reason to close a socket with that token."""
        return (person, token) in self._asked or (person, None) in self._asked


class ObservedAccess:
    """Takes what one conversation gives to whom. `wrong` is called with the kind of an anomaly, its text and lines."""

    def __init__(self, access: Access, wrong: Callable[..., None]) -> None:
        self._access = access
        self._wrong = wrong
        self._tokens: dict[str, tuple[str, str | None, float]] = {}  # by socket; since when
        self._commits: list[tuple[int, float]] = []  # sequences, ascending, and when

    def connect(self, socket: str, person: str, token: str | None, at: float) -> None:
        """Take that a socket is requested."""
        self._tokens[socket] = person, token, at

    def renewed(self, socket: str, token: str | None, at: float) -> None:
        """Take that a socket has another token."""
        self._tokens[socket] = self._tokens[socket][0], token, at

    def committed(self, sequence: int, at: float) -> None:
        """Take a commit."""
        self._commits.append((sequence, at))

    def connected(self, line: int, socket: str) -> None:
        """Take that a socket was let in."""
        person, token, asked_at = self._tokens[socket]
        ended = self._access.ended(person, token)
        if ended is not None and ended[1] < asked_at:
            text = f"{person} was let in with a token that had ended"
            self._wrong("access", text, ended[0], line)

    def told(self, line: int, socket: str, sequence: int) -> None:
        """Take that a socket was told of an event."""
        person, token, _ = self._tokens[socket]
        ended = self._access.ended(person, token)
        if ended is None:
            return
        place = bisect_left(self._commits, (sequence, 0.0))
        at = self._commits[place][1] if place < len(self._commits) else None
        if at is not None and at > ended[1] + PROMISED:
            text = f"{person} was told of sequence {sequence}, {at - ended[1]:.1f} s after the end of their token"
            self._wrong("access", text, ended[0], line)

    def answered(self, line: int, person: str, token: str | None, since: float | None) -> None:
        """Take the answer to a request that was begun at `since`."""
        ended = self._access.ended(person, token)
        if ended is not None and since is not None and ended[1] < since:
            text = f"{person} was answered, with a token that had ended"
            self._wrong("access", text, ended[0], line)

    def closed(self, line: int, socket: str, code: int | None) -> None:
        """Take the end of a socket."""
        person, token, _ = self._tokens.get(socket, ("", None, 0.0))
        if code == ENDED and not self._access.is_known(person, token):
            text = f"{person} was sent away, and their token has not ended"
            self._wrong("access", text, line)
