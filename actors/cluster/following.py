"""A conversation as a node that does not own it knows it: its state, and what its readers here have been told.

It knows which event comes next. What does not follow what it has makes it read the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from salon.actors.audience import RECENT_EVENTS
from salon.actors.events import Left, Updated
from salon.actors.member_events import Banned, Removed
from salon.actors.model import State
from salon.actors.posted import Posted
from salon.actors.rules import apply
from salon.actors.signals import Delta, RunStatus, Typing

from .encoding import value_of
from .texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salon.actors.attendance import Attendance
    from salon.actors.signals import Signal
    from salon.actors.store import Record

    from .host import ClusterHost
    from .wire import Batch, Head, Told


class Following:
    """Follows the owner of the conversation `key`. `lacking` is called where the owner has to say more about a run.

    `life` names the owner's actor, `number` is that of its last batch; `head` is how long the log is, as far as is known.
    """

    __slots__ = (
        "_attendance",
        "_audience",
        "_host",
        "_key",
        "_lacking",
        "head",
        "life",
        "number",
        "state",
        "texts",
    )

    def __init__(
        self, key: str, host: ClusterHost, attendance: Attendance, lacking: Callable[[], None]
    ) -> None:
        self.state: State | None = None
        self.life, self.number, self.head = "", 0, 0
        self.texts = Texts()
        self._key = key
        self._host = host
        self._attendance = attendance
        self._audience = attendance.audience
        self._lacking = lacking

    def release(self) -> None:
        """Release the references of a stopped actor."""
        del self._lacking, self._attendance, self._audience

    # --- what the owner says ----------------------------------------------------------------------------------------------

    def is_at(self, head: Head) -> bool:
        """Whether there is nothing that the owner has and this node has not."""
        known = (self.life, self.number, self.state.head if self.state is not None else -1)
        return known == (head.life, head.number, head.head)

    async def take_head(self, head: Head) -> None:
        """Take how the conversation is. Raises `StoreError`."""
        self.head = max(self.head, head.head)
        if self._audience:
            newer = head.life != self.life or head.number > self.number
            if self.state is None or newer or head.head > self.state.head:
                self.life, self.number = head.life, head.number
                await self.reread()
        if self.state is None:
            return
        for delta in head.texts:
            self._said(delta, whole=True)
        for status in head.statuses:
            run = self.state.runs.get(status.run_id)
            if run is not None and self.texts.note(status):
                self._audience.signal(status, but=run.participant_id)

    async def take_batch(self, batch: Batch) -> None:
        """Take committed events. Raises `StoreError`."""
        state = self.state
        if batch.life == self.life and batch.number <= self.number:
            return  # it has come before
        follows = batch.life == self.life and batch.number == self.number + 1
        self.life, self.number = batch.life, batch.number
        if state is None or not follows or _skips(state, batch):
            self._host.counted.gaps += state is not None
            await self.reread()
            return
        if batch.erased:
            self._all_off()
            return
        self._audience.rewrite({each.sequence: each for each in batch.rewrites})
        if batch.records and batch.records[-1].sequence > state.head:
            await self.deliver(state.draft(), batch.records)

    async def catch_up_to(self, life: str, number: int) -> None:
        """Have what was committed before a signal: a batch with it was lost where its number is higher. Raises `StoreError`."""
        if life == self.life and number > self.number:
            self.number = number
            await self.reread()

    async def deliver(self, state: State, records: Sequence[Record]) -> None:
        """Deliver the events that follow the state, which is a draft."""
        for record in records:
            self._apply(state, record)
        self.state = state
        self.head = max(self.head, state.head)
        self.texts.follow(state.runs)
        taken = await self._audience.deliver(records)
        speakers = [each.sender_id or "" for each in records if each.is_message]
        self._host.meter.delivered(len(records), len(speakers), taken)
        self._attendance.spoke(speakers)

    def _apply(self, state: State, record: Record) -> None:
        """Fold an event into a draft, and do what it means for the sockets here."""
        if record.is_message and record.run_id is None:
            state.head, state.updated_at = record.sequence, record.at
            state.messages = record.messages
            return
        event: Any = self._host.codec.decode(record)
        if isinstance(event, Posted) and event.run_id is not None:
            self._tell_rest(event)
        apply(state, event)
        if isinstance(event, Left):
            self._attendance.see_off(event.participant.id)
        elif isinstance(event, Removed | Banned):
            self._attendance.see_off(event.participant.id, removed=True)
        elif isinstance(event, Updated) and event.history == "since_join":
            self._attendance.shorten_replays(state)

    def take_signal(self, told: Told) -> None:
        """Take a signal for the live readers."""
        signal: Signal = value_of(told.signal)
        match signal:
            case Delta():
                self._said(signal)
            case RunStatus():
                self.texts.note(signal)
                self._audience.signal(signal, but=told.but)
            case Typing():
                self._attendance.typing(signal, trio.current_time())
            case _:
                self._audience.signal(signal, but=told.but)

    def _said(self, delta: Delta, *, whole: bool = False) -> None:
        try:
            news = self.texts.take(delta, whole=whole)
        except LookupError:
            if self.state is not None and delta.run_id in self.state.runs:
                self._lacking()
            return
        if news is not None:
            self._audience.signal(news, but=delta.participant_id)

    # --- the log ----------------------------------------------------------------------------------------------------------

    async def loaded(self) -> State:
        """The state, read from the log if it is not known; that of no conversation where there is none. Raises `StoreError`."""
        return await self.reread() if self.state is None else self.state

    async def reread(self) -> State:
        """Read the state and the newest events, and send all readers what they lack. Raises `StoreError`."""
        store = self._host.store
        state = await store.load(self._key)
        if state is None:
            self._all_off()
            return State(self._key)
        page = await store.read(state.number, before=state.head + 1, limit=RECENT_EVENTS)
        if not page.records:  # it was deleted between the two reads
            self._all_off()
            return State(self._key)
        await self._tell_ends(state)
        delivered, is_new = self._audience.head, self.state is None
        self.state = state
        self.texts.follow(state.runs)
        self._audience.recall(page.records)
        self._attendance.shorten_replays(state)
        for participant_id in self._attendance.departed(state):
            self._attendance.see_off(participant_id)
        if delivered < state.head:
            self._audience.fall_back(delivered)
        for subscriber in tuple(self._audience.behind) if is_new else ():
            self._audience.catch_up(subscriber)
        return state

    async def _tell_ends(self, state: State) -> None:
        """Tell the live readers the rest of runs that have ended unseen, before they get the message."""
        ended = sorted(id for id, _ in self.texts.lengths() if id not in state.runs)
        if not ended:
            return
        for stored in (await self._host.store.runs_among(state.number, ended)).values():
            event = None if stored.end is None else self._host.codec.decode(stored.end)
            if isinstance(event, Posted):
                self._tell_rest(event)

    def _tell_rest(self, event: Posted) -> None:
        rest = self.texts.rest(event.run_id or "", event.content)
        if rest is not None:
            self._audience.signal(rest, but=event.sender.id)

    def _all_off(self) -> None:
        """There is no such conversation any more."""
        self.state = None
        self._attendance.see_all_off()


def _skips(state: State, batch: Batch) -> bool:
    """Whether events are missing before these; a log that was just read may have all of these already."""
    if not batch.records or batch.records[-1].sequence <= state.head:
        return False
    return batch.records[0].sequence != state.head + 1
