"""Retention: messages that are older than the operator keeps them are deleted, by the same events as any deleted message."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from salon.actors.change_messages import DeleteMessage
from salon.actors.model import Participant
from salon.actors.people import Trace
from salon.actors.refusals import Refusal
from salon.actors.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salon.actors.directory import Directory
    from salon.actors.people import PeopleStore

DAY = 86_400_000  # milliseconds
LOOK = 3_600.0  # seconds between two looks: a day is the least that can be set
RETRY = 5.0  # seconds until a conversation that could not take a deletion is asked again
AT_ONCE = 64  # deletions of one conversation under way: one turn takes them all
KEEPER = Participant("salon", "salon")  # who deletes; nobody can have this id
REASON = "retention"

logger = logging.getLogger(__name__)


class Retention:
    """Deletes what is older than `days`, or than the days of its conversation; 0 days keep all. What is held stays."""

    def __init__(self, directory: Directory, store: PeopleStore, days: int) -> None:
        self._directory = directory
        self._store = store
        self._days = days
        self._through = 0  # everything before this place is deleted, or held
        self.deleted = 0  # since the start, for operators

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Delete what is too old, for ever."""
        task_status.started()
        while True:
            try:
                await self.sweep()
                await self.sweep_conversations()
            except StoreError as error:
                self._directory.report(error)
            await trio.sleep(LOOK)

    async def sweep(self) -> None:
        """Delete what is too old by now. Raises `StoreError`."""
        if not self._days:
            return
        before = self._directory.sources.now() - self._days * DAY
        after, held = self._through, False
        while True:
            expired = await self._store.expired(before, after=after).wait()
            for start in range(0, len(expired.found), AT_ONCE):
                held |= await self._delete(expired.found[start : start + AT_ONCE])
            if expired.through is None:
                return
            after = expired.through
            if not held:
                self._through = after

    async def sweep_conversations(self) -> None:
        """Delete what is too old in the conversations that have days of their own. Raises `StoreError`."""
        now = self._directory.sources.now()
        for each in await self._store.retained().wait():
            before = now - each.days * DAY
            while found := await self._store.expired_in(each.number, before).wait():
                traces = [Trace(each.conversation_id, sequence) for sequence in found]
                held = False
                for start in range(0, len(traces), AT_ONCE):
                    held |= await self._delete(traces[start : start + AT_ONCE])
                if held:
                    break

    async def _delete(self, found: Iterable[Trace]) -> bool:
        """Delete messages; whether one of them is held."""
        held = False
        async with trio.open_nursery() as nursery:

            async def delete(conversation_id: str, sequence: int) -> None:
                nonlocal held
                message_id = f"{conversation_id}-{sequence}"
                command = DeleteMessage(
                    conversation_id, KEEPER, message_id, REASON, by_operator=True
                )
                outcome = await self._directory.ask_conversation(command)
                while isinstance(outcome, Refusal) and outcome.reason.temporary:
                    await trio.sleep(outcome.retry_after or RETRY)
                    outcome = await self._directory.ask_conversation(command)
                held |= isinstance(outcome, Refusal)
                self.deleted += not isinstance(outcome, Refusal)

            for each in found:
                nursery.start_soon(delete, *each)
        return held
