"""How far everybody has a conversation, in all processes: what a window that counts deliveries waits for.

Each process counts its own readers and writes the last sequence that all of them have into slots of its own, one a room, in
memory that all processes share. The least of a room's slots is what everybody has. A slot has one writer and is one machine
word, so a reader sees an older value or the new one, and both are true. Where a room's people are in several processes, who has
written rings the others' bells, so that nobody has to look again and again.
"""

from __future__ import annotations

import os
from ctypes import c_longlong
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from ctypes import Array
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnContext

    from .user import User

NOBODY = 2**63 - 1  # what is read here by none has been read by all
RINGS = 4096  # that are heard at once


class Share(NamedTuple):
    """One process's part in what all share. `slots` has one a process for each room, room after room."""

    slots: Array[c_longlong]
    rooms: dict[str, int]  # each one's place among all
    processes: int
    mine: int  # which of the processes this is
    bell: Connection | None = None  # rung by the others
    others: tuple[Connection, ...] = ()  # their bells

    def write(self, room: str, sequence: int) -> None:
        """All readers of a room in this process have it up to here."""
        self.slots[self.rooms[room] * self.processes + self.mine] = sequence

    def least(self, room: str) -> int:
        """All readers of a room in all processes have it up to here."""
        first = self.rooms[room] * self.processes
        return min(self.slots[first : first + self.processes])

    def close(self) -> None:
        """Close the bells, in the process that has made them."""
        for line in (self.bell, *self.others):
            if line is not None:
                line.close()


def shares(context: SpawnContext, parts: list[list[str]]) -> list[Share]:
    """A share for each process, which plays people of those rooms."""
    names = dict.fromkeys(room for part in parts for room in part)
    places = {name: place for place, name in enumerate(names)}
    count = len(parts)
    slots = context.RawArray(c_longlong, len(places) * count)
    slots[:] = [NOBODY] * len(slots)
    for number, part in enumerate(parts):
        for room in part:
            slots[places[room] * count + number] = 0  # until its process has begun
    if sum(map(len, parts)) == len(places):  # each room is in one process: nobody waits for another
        return [Share(slots, places, count, number) for number in range(count)]
    bells = [context.Pipe(duplex=False) for _ in parts]
    for line in (line for bell in bells for line in bell):
        os.set_blocking(line.fileno(), False)
    return [
        Share(
            *(slots, places, count, number),
            bells[number][0],
            tuple(bell[1] for other, bell in enumerate(bells) if other != number),
        )
        for number in range(count)
    ]


class Positions:
    """Where the readers of one conversation are. `least` is what all of them have."""

    def __init__(self) -> None:
        self.least = NOBODY
        self._readers: dict[int, int] = {}  # at each sequence where there are any

    def move(self, before: int, after: int) -> bool:
        """Somebody was there and is here now, NOBODY where they do not count; whether `least` has changed."""
        readers = self._readers
        if before != NOBODY:
            readers[before] -= 1
            if not readers[before]:
                del readers[before]
        if after != NOBODY:
            readers[after] = readers.get(after, 0) + 1
        least = self.least
        if after < least:
            self.least = after
        elif before == least and before not in readers:
            self.least = min(readers, default=NOBODY)
        return self.least != least


class Everywhere:
    """Follows the readers of this process. `on_more` is called with a room and the sequence up to which everybody has it."""

    def __init__(
        self, share: Share, users: Iterable[User], on_more: Callable[[str, int], None]
    ) -> None:
        self._share = share
        self._on_more = on_more
        self._positions: dict[str, Positions] = {}
        self._at: dict[User, int] = {}
        for user in users:
            positions = self._positions.setdefault(user.room, Positions())
            self._at[user] = self._of(user, there=True)
            positions.move(NOBODY, self._at[user])
        for room, positions in self._positions.items():
            share.write(room, positions.least)
        self._told = {room: share.least(room) for room in self._positions}

    def look(self, user: User, *, there: bool) -> None:
        """Somebody may have read more; or is not there any more, and owed nothing until they are back."""
        before, after = self._at[user], self._of(user, there=there)
        if before == after:
            return
        self._at[user] = after
        positions = self._positions[user.room]
        if positions.move(before, after):
            self._share.write(user.room, positions.least)
            self._ring()
            self._tell(user.room)

    def heard(self) -> None:
        """The bell has rung: other processes have more."""
        assert self._share.bell is not None
        os.read(self._share.bell.fileno(), RINGS)  # first: who rings after this is heard again
        for room in self._positions:
            self._tell(room)

    def _of(self, user: User, *, there: bool) -> int:
        return user.reader.complete if there and user.person.reads else NOBODY

    def _ring(self) -> None:
        for line in self._share.others:
            try:
                os.write(line.fileno(), b"\0")
            except BlockingIOError:
                pass  # it has rung so often that it will be heard
            except BrokenPipeError:
                pass  # that process is over

    def _tell(self, room: str) -> None:
        told, self._told[room] = self._told[room], self._share.least(room)
        if self._told[room] > told:
            self._on_more(room, self._told[room])
