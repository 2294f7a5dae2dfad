"""A conversation's agents: their open runs, the ends of runs, and what they are asked.

The conversation calls it after a load, before a turn is decided, and before and after the events of the turn are delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

import trio

from .events import AgentUpdated, Deleted, Posted, RunFailed
from .requests import RequestBoard, recalled, replied_to_in, until_person
from .run_messages import RUN_COMMANDS, RunReceipt
from .run_turn import EndedRun, run_receipt
from .runs import NEVER, RunBoard
from .signals import Cancel
from .triggers import AGENTS_MAY_CALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .audience import Audience
    from .host import Host
    from .mailbox import Letter
    from .messages import Timer
    from .model import Member, Run, State
    from .replies import Replies
    from .run_turn import RunTurn
    from .runs import Overdue
    from .signals import Signal
    from .store import Record
    from .subscriber import Subscriber
    from .turn import Turn

# Ended runs that are remembered, for an agent that goes on speaking after a cancel
ENDED_RUNS = 16
NOTHING: Mapping[str, EndedRun] = {}
PAGE = 50  # events of the log in one look for the last message of a person, and
PAGES = 4  # such looks at most
# Seconds until the timer of runs is looked at again, at most: one that was set for later would stay in the heap
LOOK_AGAIN = 5.0


class Agents:
    """The runs and requests of the conversation `key`. `schedule` sets one of the conversation's timers."""

    __slots__ = (
        "_audience",
        "_due_at",
        "_ended",
        "_host",
        "_kept",
        "_key",
        "_replies",
        "_schedule",
        "requests",
        "runs",
    )

    def __init__(
        self,
        key: str,
        host: Host,
        audience: Audience,
        replies: Replies,
        schedule: Callable[[Timer, float | None], None],
    ) -> None:
        self.runs = RunBoard(
            lambda agent_id: audience.connected(agent_id) or host.agent_host.busy(key, agent_id),
            grace=host.limits.run_grace,
            timeout=host.limits.run_timeout,
            place=crc32(key.encode()),
        )
        self.requests = RequestBoard()
        self._key = key
        self._host = host
        self._audience = audience
        self._replies = replies
        self._schedule = schedule
        self._kept: Mapping[str, Run] = {}
        self._due_at = NEVER  # when a run is overdue, or must be stored; perhaps later by now
        self._ended: dict[str, EndedRun] = {}

    def keep(self, state: State | None) -> None:
        """Keep what open runs have said, before the state is loaded again: the store may lack the last second of it."""
        if state is not None:
            self._kept = state.runs

    def release(self) -> None:
        """Release the references of a stopped conversation, so that its memory is freed without the garbage collector."""
        del self._schedule, self._audience, self._replies

    # --- after a load -----------------------------------------------------------------------------------------------------

    async def loaded(self, state: State, records: Sequence[Record]) -> None:
        """Take the state as the store has it, with its newest events. Raises `StoreError`."""
        self._ended.clear()
        stored = {run.id: len(run.text) for run in state.runs.values()}
        state.runs = {id: self._longer(run) for id, run in state.runs.items()}
        self._tell_unseen_ends(state, records)
        self._kept = {}
        self.runs.loaded(state, stored, trio.current_time())
        if state.agents:
            await self._recall(state, records)
            self.ask_hosted(state)

    def _longer(self, run: Run) -> Run:
        kept = self._kept.get(run.id)
        return kept if kept is not None and kept.text.startswith(run.text) else run

    def _tell_unseen_ends(self, state: State, records: Sequence[Record]) -> None:
        """Tell the ends of runs by a commit whose success was not reported, before the readers get its events."""
        closed = self._kept.keys() - state.runs.keys()
        for record in records if closed else ():
            event = self._host.codec.decode(record)
            if isinstance(event, Posted) and event.run_id in closed:
                run = self._kept[event.run_id]._replace(text=event.content)
                cancelled = event.status == "cancelled"
                self._tell_last([run], [run] if cancelled else (), trio.current_time())

    async def _recall(self, state: State, records: Sequence[Record]) -> None:
        """Find what agents were asked for by the newest events and have not begun."""
        events = [self._host.codec.decode(record) for record in records]
        hops = 0
        first = next((event for event in events if isinstance(event, Posted)), None)
        if records and (first is None or first.sender.type == "agent"):
            hops = await self._hops_before(state, records[0].sequence)
        named = replied_to_in(events, state)
        senders = await self._replies.senders_among(named, state.number) if named else {}
        before = self.requests
        self.requests, state.hops = recalled(events, state, senders.get, hops)
        self.requests.take_over(before)

    def ask_hosted(self, state: State) -> None:
        """Ask hosted agents for what they have not begun, and for the ends of runs that they began before a restart."""
        for agent_id in state.agents:
            if self._host.agent_host.answering(agent_id) is not None:
                self._ask_again(agent_id, state)

    def _ask_again(self, agent_id: str, state: State) -> None:
        host = self._host.agent_host
        for run in state.runs.values():
            if run.participant_id == agent_id:
                host.finish(self._key, agent_id, run.id)
        for request in self.requests.of(agent_id):
            host.ask(self._key, agent_id, request)

    async def _hops_before(self, state: State, sequence: int) -> int:
        """The messages of agents since the last one of a person, before an event; no more are counted than matter."""
        hops = 0
        for _ in range(PAGES):
            if sequence <= 1 or hops > AGENTS_MAY_CALL:
                return hops
            page = await self._host.store.read(state.number, before=sequence, limit=PAGE)
            events = [self._host.codec.decode(record) for record in page.records]
            last = until_person(events)
            if last is not None:
                return hops + last
            hops += sum(isinstance(event, Posted) for event in events)
            sequence = page.records[0].sequence
        # So much has happened since a person spoke that agents had better wait for one.
        return AGENTS_MAY_CALL + 1

    # --- before a turn ----------------------------------------------------------------------------------------------------

    @property
    def due(self) -> bool:
        """Whether a run may be overdue, or what was said may have to be stored."""
        return self._due_at != NEVER and self._due_at <= trio.current_time()

    def save_now(self, state: State) -> None:
        """Have what was said stored in this turn."""
        self.runs.save_now()
        self.schedule(state)

    def save_due(self, state: State) -> bool:
        """Whether what was said must be stored now."""
        if not self.due:
            return False
        at = self.runs.save_due(state)
        return at is not None and at <= trio.current_time()

    def overdue(self) -> Sequence[Overdue]:
        """The runs to end now; none during a drain, whose sockets have been sent all events."""
        if self.due and self._host.draining is None:
            return self.runs.overdue(trio.current_time())
        return ()

    async def ended_among(self, commands: Sequence[Letter], state: State) -> Mapping[str, EndedRun]:
        """The runs that commands name and that have ended. Raises `StoreError`."""
        named = {
            command.run_id
            for letter in commands
            if type(command := letter.message) in RUN_COMMANDS
            and command.run_id not in state.runs
            # Others are refused anyway.
            and (command.sender.id in state.members or getattr(command, "by_operator", False))
        }
        if not named:
            return NOTHING
        ended = {run_id: self._ended[run_id] for run_id in named if run_id in self._ended}
        unknown = named - ended.keys()
        if unknown and state.head:
            stored = await self._host.store.runs_among(state.number, sorted(unknown))
            for run_id, (agent_id, record, reply_to, asked_by) in stored.items():
                if record is not None:
                    event = self._host.codec.decode(record)
                    assert isinstance(event, Posted | RunFailed), "nothing else ends a run"
                    receipt = run_receipt(event, record, self._host.store.durability)
                    ended[run_id] = EndedRun(agent_id, reply_to, asked_by, receipt)
            self._ended |= ended
            while len(self._ended) > ENDED_RUNS:
                del self._ended[next(iter(self._ended))]
        return ended

    # --- after a turn -----------------------------------------------------------------------------------------------------

    def before_events(self, turn: Turn) -> None:
        """Before its events: the readers get what ended runs have said last, the agents learn that they were ended."""
        done = turn.runs
        if done is None and not turn.texts and not self.runs:
            return
        now, meter = trio.current_time(), self._host.meter
        if done is not None and done.closed:
            by_others = [run for run, by in done.closed if by != run.participant_id]
            self._tell_last([run for run, _ in done.closed], by_others, now)
            for event in done.ends:
                status = event.status or "complete" if isinstance(event, Posted) else "failed"
                meter.runs[status] = meter.runs.get(status, 0) + 1
        self.runs.follow(turn.state, now)
        self.runs.saved(turn.texts, now)
        if done is not None:
            for letter, outcome in turn.answers:
                if isinstance(outcome, RunReceipt) and outcome.status == "open":
                    self.runs.heard(letter.message.run_id, now)

    def _tell_last(self, closed: Iterable[Run], by_others: Iterable[Run], now: float) -> None:
        """Send the readers what ended runs have said last, and tell agents of those that others have ended."""
        for agent_id, signal in self.runs.news(closed, now, ended=True):
            self._host.meter.deltas += 1
            self._audience.signal(signal, but=agent_id)
        for run in by_others:
            self._host.agent_host.cancel(self._key, run.id)
            payload = self._audience.encode(Cancel(run.id))
            for subscriber in self._audience.of(run.participant_id):
                subscriber.push(payload)

    def after_events(self, turn: Turn) -> None:
        """After its events: the readers get new text, the agents hear what they are asked."""
        done = turn.runs
        for event in turn.state_events:
            if isinstance(event, AgentUpdated):
                self.requests.forget(event.participant_id)
        if self.runs:
            if done is not None:
                for status in done.statuses.values():
                    self.runs.note(status)
                self._tell_decisions(done)
            self.send_deltas(turn.state, trio.current_time())
            self.schedule(turn.state)
        if done is not None and (done.judgements or done.requests or done.begun):
            self._ask(done, turn.state.members)
        if turn.changed is not None:
            self.requests.follow([e for e in turn.state_events if isinstance(e, Deleted)])

    def _tell_decisions(self, done: RunTurn) -> None:
        for agent_id, signal in done.approvals:
            self._host.agent_host.decided(self._key, signal)
            payload = self._audience.encode(signal)
            for subscriber in self._audience.of(agent_id):
                subscriber.push(payload)

    def _ask(self, done: RunTurn, members: Mapping[str, Member]) -> None:
        self.requests.note(done.judgements)
        self.requests.follow(done.begun)
        for agent_id, request, asked_by in done.requests:
            if agent_id not in members:
                continue  # it has left in the same turn
            if not self._host.agent_host.ask(self._key, agent_id, request):
                continue
            restarts = members[agent_id].steering == "restart"
            self.requests.ask(agent_id, request, asked_by, alone=restarts)
            payload = self._audience.encode(request)
            for subscriber in self._audience.of(agent_id):
                if subscriber in self._audience.live:
                    subscriber.push(payload)

    # --- between turns ----------------------------------------------------------------------------------------------------

    def send_deltas(self, state: State, now: float) -> None:
        """Send the text that is due to the live readers."""
        for agent_id, signal in self.runs.news(state.runs.values(), now):
            self._host.meter.deltas += 1
            self._audience.signal(signal, but=agent_id)
        self._schedule("deltas", self.runs.news_due(state))

    def said(self, state: State, run_ids: Iterable[str], now: float) -> None:
        """After more text of these runs: the readers get what is due, and it is stored in time."""
        for run_id in run_ids:
            self.runs.heard(run_id, now)
        self.send_deltas(state, now)
        save_at = self.runs.save_due(state)
        if save_at is not None and save_at < self._due_at:
            self._due_at = save_at
            self._schedule("runs", min(save_at, now + LOOK_AGAIN))

    def schedule(self, state: State) -> None:
        """Set the timer for the next run that is overdue, or must be stored."""
        overdue_at = self.runs.overdue_at() if self._host.draining is None else None
        times = overdue_at, self.runs.save_due(state)
        self._due_at = min((at for at in times if at is not None), default=NEVER)
        if self._due_at != NEVER:
            self._schedule("runs", min(self._due_at, trio.current_time() + LOOK_AGAIN))

    def so_far(self, state: State | None, subscriber: Subscriber) -> Iterator[Signal]:
        """For a reader who has just become live: the text of the open runs and, if it is an agent, what it is asked."""
        if state is not None and self.runs:
            yield from self.runs.so_far(state, subscriber.participant.id)
        yield from self.requests.of(subscriber.participant.id)

    def left(self, participant_id: str) -> None:
        """Forget what an agent was asked that is no longer a member, and stop its work."""
        self.requests.forget(participant_id)
        self._host.agent_host.leave(self._key, participant_id)

    def connected(self, participant_id: str, state: State | None) -> None:
        """Note that somebody has opened or lost a connection: an agent without one has the grace from then on."""
        if self.runs and state is not None:
            if not self._audience.connected(participant_id):
                self.runs.lost(participant_id, trio.current_time())
            self.schedule(state)
