"""Legal holds: what a person has said, or a conversation, is neither changed nor deleted until an operator releases it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.people import LegalHold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from salon.actors.people import HoldKind, PeopleStore
    from salon.actors.sources import Sources


class LegalHolds:
    """Implements `Holds`. All of them are in memory: operators make them one by one."""

    def __init__(self, store: PeopleStore, sources: Sources) -> None:
        self._store = store
        self._sources = sources
        self._all: dict[str, LegalHold] = {}
        self._placing: set[LegalHold] = set()  # in force before they are stored
        self._changes = 0  # here
        self._subjects: set[tuple[HoldKind, str]] = set()
        self.released: Callable[[], None] = lambda: None  # called when something waits no more

    async def load(self) -> None:
        """Load them; before the first deletion, and again where other nodes decide as well. Raises `StoreError`."""
        while True:
            changes = self._changes
            found = await self._store.holds().wait()
            if changes == self._changes:  # else what was just decided here may be missing
                break
        self._all = {hold.id: hold for hold in found}
        self._count()

    def __iter__(self) -> Iterator[LegalHold]:
        return iter(tuple(self._all.values()))

    def get(self, hold_id: str) -> LegalHold | None:
        """The hold with this id, also one that is released."""
        return self._all.get(hold_id)

    def cover(self, conversation_id: str, participant_id: str | None = None) -> bool:
        """Whether a conversation is held, or what a person has said."""
        subjects = self._subjects
        return bool(subjects) and (
            ("conversation", conversation_id) in subjects
            or (participant_id is not None and ("person", participant_id) in subjects)
        )

    def cover_person(self, participant_id: str) -> bool:
        """Whether what a person has said is held everywhere."""
        return ("person", participant_id) in self._subjects

    async def place(self, kind: HoldKind, subject: str, *, reason: str, by: str) -> LegalHold:
        """Hold a person or a conversation from now on; two holds of one subject are released one by one. Raises `StoreError`."""
        at = self._sources.now()
        hold = LegalHold(self._sources.new_id(), kind, subject, reason, by, at)
        # In force before it is stored: nothing may be erased meanwhile.
        self._placing.add(hold)
        self._count()
        try:
            await self._store.save_hold(hold).wait()
            self._all[hold.id] = hold
        finally:
            self._changes += 1
            self._placing.discard(hold)
            self._count()
        return hold

    async def release(self, hold_id: str) -> LegalHold | None:
        """End a hold; None where there is none. Raises `StoreError`, and then it is still in force."""
        if hold_id not in self._all:
            await self.load()  # another node may have placed it a moment ago
        hold = self._all.get(hold_id)
        if hold is None or hold.released_at is not None:
            return hold
        hold = hold._replace(released_at=self._sources.now())
        await self._store.save_hold(hold).wait()
        self._changes += 1
        self._all[hold_id] = hold
        self._count()
        self.released()
        return hold

    def _count(self) -> None:
        holds = (*self._all.values(), *self._placing)
        self._subjects = {(hold.kind, hold.subject) for hold in holds if hold.released_at is None}
