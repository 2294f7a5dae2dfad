"""The sequence up to which all readers of a room have its log, over all processes. A window that counts deliveries needs it.

Each process writes the last sequence that all its readers of a room have into a slot of its own, one per room, in shared
memory. The minimum over a room's slots is the sequence that all readers have. A slot has one writer and is one machine word,
so a reader sees the old value or the new one, and both are valid. Where a room's users are in several processes, a process
that has written a slot notifies the others through pipes (bells), so that no process has to poll.
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

NOBODY = 2**63 - 1  # the value of a slot without readers: it never holds back the minimum
RINGS = 4096  # bytes read from a bell at once


class Share(NamedTuple):
    """One process's view of the shared slots. `slots` holds `processes` slots for each room, room after room."""

    slots: Array[c_longlong]
    rooms: dict[str, int]  # room -> its index in `slots`, in units of `processes`
    processes: int
    mine: int  # this process's index
    bell: Connection | None = None  # written by the other processes
    others: tuple[Connection, ...] = ()  # their bells

    def write(self, room: str, sequence: int) -> None:
        """Record the sequence that all readers of a room in this process have."""
        self.slots[self.rooms[room] * self.processes + self.mine] = sequence

    def least(self, room: str) -> int:
        """The sequence that all readers of a room in all processes have."""
        first = self.rooms[room] * self.processes
        return min(self.slots[first : first + self.processes])

    def close(self) -> None:
        """Close this process's ends of the bells. The process that has made them calls this."""
        for line in (self.bell, *self.others):
            if line is not None:
                line.close()


def shares(context: SpawnContext, parts: list[list[str]]) -> list[Share]:
    """A share for each process. `parts` are the rooms that each process has users in."""
    names = dict.fromkeys(room for part in parts for room in part)
    places = {name: place for place, name in enumerate(names)}
    count = len(parts)
    slots = context.RawArray(c_longlong, len(places) * count)
    slots[:] = [NOBODY] * len(slots)
    for number, part in enumerate(parts):
        for room in part:
            slots[places[room] * count + number] = 0  # nothing is read until the process has begun
    if sum(map(len, parts)) == len(places):  # each room is in one process: no bells are needed
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
    """The sequences that the readers of one conversation have. `least` is the minimum, NOBODY without readers."""

    def __init__(self) -> None:
        self.least = NOBODY
        self._readers: dict[int, int] = {}  # sequence -> how many readers are there

    def move(self, before: int, after: int) -> bool:
        """Move a reader from one sequence to another; NOBODY stands for not counted. Return whether `least` has changed."""
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
    """Tracks the readers of this process. `on_more` is called with a room and the sequence that all its readers have."""

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
        """Update a user's position. With `there` false the user is not counted until it is back."""
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
        """Take a notification: slots of other processes have changed."""
        assert self._share.bell is not None
        os.read(
            self._share.bell.fileno(), RINGS
        )  # before the slots are read: a later write rings again
        for room in self._positions:
            self._tell(room)

    def _of(self, user: User, *, there: bool) -> int:
        return user.reader.complete if there and user.person.reads else NOBODY

    def _ring(self) -> None:
        for line in self._share.others:
            try:
                os.write(line.fileno(), b"\0")
            except BlockingIOError:
                pass  # the pipe is full: that process will wake anyway
            except BrokenPipeError:
                pass  # that process has ended

    def _tell(self, room: str) -> None:
        told, self._told[room] = self._told[room], self._share.least(room)
        if self._told[room] > told:
            self._on_more(room, self._told[room])
