"""Erases people: one after another, in pieces, behind all other work. What a stopped server has begun goes on.

The person is nobody here as soon as they have asked: their sessions are over, and their messages are deleted by the same events
as any deleted message. `done_at` is set when nothing is left in the store, its file and its log.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.messages import Leave, Revoke
from salon.actors.people import PersonErasure
from salon.actors.person_erasure import ERASED_AT_ONCE, ErasePerson, PersonErased, erased
from salon.actors.refusals import Code, Refusal
from salon.actors.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Set

    from salon.actors.directory import Directory
    from salon.actors.people import PeopleStore, Trace
    from salon.actors.sources import Sources

    from ..identity import IdentityBook
    from .holds import LegalHolds

RETRY = 1.0  # seconds until what an actor or the store could not take now is tried again
GATHER = 0.1  # seconds for which those gather who ask for an erasure that is not known
LOOK = 0.05  # seconds between two looks whether the disk has lost what was deleted
LISTED = 100  # conversations asked for at once
WAITED = 600.0  # seconds between two looks for what is held no more, beside being told

logger = logging.getLogger(__name__)


class Erasures:
    """The erasures of a server. `load` comes before the first request, `run` does the work."""

    def __init__(
        self,
        directory: Directory,
        store: PeopleStore,
        identities: IdentityBook,
        holds: LegalHolds,
        sources: Sources,
    ) -> None:
        self._directory = directory
        self._store = store
        self._identities = identities
        self._holds = holds
        self._sources = sources
        self._all: dict[str, PersonErasure] = {}
        self._woken = trio.Event()
        self._reading: trio.Event | None = None
        self.shared = False  # whether other nodes are asked for erasures, too
        holds.released = self._wake

    async def load(self) -> None:
        """Load what was asked for; those sessions stay over. Raises `StoreError`."""
        for erasure in await self._store.erasures().wait():
            known = self._all.get(erasure.id)
            if (
                known is None or known.done_at is None
            ):  # it may have ended while the store was asked
                self._all[erasure.id] = erasure
            self._identities.forget(erasure.participant_id, erasure.asked_at)

    async def refresh(self) -> None:
        """Take what other nodes were asked for. Raises `StoreError`."""
        await self.load()
        self._wake()

    def __iter__(self) -> Iterator[PersonErasure]:
        return iter(tuple(self._all.values()))

    def get(self, erasure_id: str) -> PersonErasure | None:
        """An erasure by its id, which only those know who were told it."""
        return self._all.get(erasure_id)

    async def find(self, erasure_id: str) -> PersonErasure | None:
        """An erasure by its id, which another node may have been asked for a moment ago. Raises `StoreError`."""
        for _ in range(2):  # the reading that is under way may have begun before
            if self.shared and erasure_id not in self._all:
                await self._read()
        return self._all.get(erasure_id)

    async def _read(self) -> None:
        """Load them, once for all who ask meanwhile: anybody may ask."""
        under_way = self._reading
        if under_way is not None:
            await under_way.wait()
            return
        self._reading = trio.Event()
        try:
            await trio.sleep(GATHER)
            await self.load()
        finally:
            self._reading.set()
            self._reading = None

    def state_of(self, erasure: PersonErasure) -> str:
        """`done`, `held` while a hold keeps all of it or the rest of it, else `running`."""
        if erasure.done_at is not None:
            return "done"
        return "held" if self._holds.cover_person(erasure.participant_id) else "running"

    async def ask(self, participant_id: str, by: str) -> PersonErasure:
        """Begin to erase a person, or go on with it. Raises `StoreError`; then nothing has begun."""
        for each in self._all.values():
            if each.participant_id == participant_id and each.done_at is None:
                return each
        # The time up to which the person's sessions are over.
        asked_at = self._identities.access.until(self._sources.now())
        erasure = PersonErasure(self._sources.new_id(), participant_id, by, asked_at)
        await self._store.save_erasure(erasure).wait()
        self._all[erasure.id] = erasure
        self._identities.forget(participant_id, erasure.asked_at)
        self._directory.revoke(participant_id, Revoke(blocked=True))
        self._wake()
        return erasure

    def _wake(self) -> None:
        self._woken.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Erase whoever is to be erased."""
        task_status.started()
        while True:
            self._woken = trio.Event()
            for erasure in self:
                if self.state_of(erasure) == "running":
                    await self._erase(erasure)
            with trio.move_on_after(WAITED):
                await self._woken.wait()

    async def _erase(self, erasure: PersonErasure) -> None:
        """Erase one person; what the store or a hold does not let it do stays for the next time."""
        try:
            erasure, is_kept, done = await self._erase_traces(erasure, frozenset())
            if is_kept:
                return
            await self._leave(erasure.participant_id)
            # What they had under way when it was asked for may have come meanwhile; nothing comes once they have left.
            erasure, is_kept, _ = await self._erase_traces(erasure, done)
            if is_kept:
                return
            await self._store.forget_person(erasure.participant_id).wait()
            self._directory.file_host.gone()
            while self._store.erasing:  # noqa: ASYNC110  # its own thread has no event for this
                await trio.sleep(LOOK)
            erasure = erasure._replace(done_at=self._sources.now())
            await self._save(erasure)
        except StoreError as error:
            self._directory.report(error)
            await trio.sleep(RETRY)
            self._wake()
        else:
            logger.info("erased a person, and %d messages of theirs", erasure.messages)

    async def _erase_traces(
        self, erasure: PersonErasure, done: Container[Trace]
    ) -> tuple[PersonErasure, bool, Set[Trace]]:
        """Erase a person from all conversations, but for what is `done`.

        Also whether a hold has kept something, which is looked at again later, and what was found in the last step.
        """
        who, after, is_kept = erased(erasure.participant_id), erasure.through, False
        while True:
            traces = await self._store.traces(who.id, after=after).wait()
            messages, left = 0, [each for each in traces.found if each not in done]
            for conversation_id, sequences in _by_conversation(left):
                outcome = await self._ask(ErasePerson(conversation_id, who, sequences))
                if isinstance(outcome, PersonErased):
                    messages += outcome.messages
                else:
                    is_kept |= outcome.code is Code.LEGAL_HOLD  # else it was deleted meanwhile
            if not is_kept:  # else this step is made again
                erasure = erasure._replace(messages=erasure.messages + messages)
            if traces.through is None:
                return erasure, is_kept, frozenset(traces.found)
            after = traces.through
            if not is_kept:
                erasure = erasure._replace(through=after)
                await self._save(erasure)

    async def _leave(self, participant_id: str) -> None:
        """Have the person leave what they are in; of a direct conversation nobody can leave only their name is gone."""
        store, before = self._directory.store, None
        while True:
            page = await store.listing(
                participant_id, limit=LISTED, before=before, archived=None
            ).wait()
            for summary in page.summaries:
                await self._ask(Leave(summary.conversation_id, erased(participant_id)))
            if page.before is None:
                return
            before = page.before

    async def _ask(self, command: Any) -> Any:
        """The outcome of a command, once its conversation can take it."""
        while True:
            outcome = await self._directory.ask_conversation(command)
            if not (isinstance(outcome, Refusal) and outcome.reason.temporary):
                return outcome
            await trio.sleep(outcome.retry_after or RETRY)

    async def _save(self, erasure: PersonErasure) -> None:
        await self._store.save_erasure(erasure).wait()
        self._all[erasure.id] = erasure


def _by_conversation(found: Iterable[Trace]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The sequences of each conversation, as many as one command takes."""
    sequences: dict[str, list[int]] = defaultdict(list)
    for conversation_id, sequence in found:
        sequences[conversation_id].append(sequence)
    for conversation_id, all_of_it in sequences.items():
        for start in range(0, len(all_of_it), ERASED_AT_ONCE):
            yield conversation_id, tuple(all_of_it[start : start + ERASED_AT_ONCE])
