"""The simulated store: a disk that outlives the process, and the process's access to it, which can be slow or fail."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

import trio

from salon.actors.future import Future
from salon.actors.posted import sequence_of
from salon.actors.store import Appended, StoreError, event_hash
from salon.persistence.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from salon.actors.files import StoredFile
    from salon.actors.held import HeldMessage, HeldPage
    from salon.actors.search import Found, Sought
    from salon.actors.sources import Sources
    from salon.actors.store import (
        AccountPage,
        Changes,
        KeysTaken,
        Page,
        Record,
        Report,
        ReportPage,
        RunAccount,
        RunTotals,
        StaleView,
        StoredRun,
        Target,
    )

    from ..checker import Recorder
    from .agenda import Agenda

Fault = Literal["before", "after", "bug before", "bug after", "kill before", "kill after"]
COMMIT = 0.02  # seconds of a commit without faults, roughly at most; a read takes a quarter of it


class Disk(MemoryStore):
    """The committed data. Each commit is recorded."""

    def __init__(self, sources: Sources, recorder: Recorder) -> None:
        super().__init__(sources)
        self._recorder = recorder
        self.hashes: dict[tuple[str, int], str] = {}  # of each event, as it was committed
        self.texts: dict[tuple[str, int], list[str]] = {}  # all that each message has ever said
        # Of each edit and deletion: when, where, the message and the kind.
        self.deeds: list[tuple[float, str, str, str]] = []
        self.forgotten: dict[tuple[str, str], float] = {}  # texts by conversation -> when they went

    def commit(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        """Store the changes immediately, and record the commit if it succeeds."""
        outcome = self.append(changes)
        if changes.records and isinstance(value_of(outcome), Appended):
            head = changes.records[-1].sequence
            self._recorder.committed(changes.conversation_id, head)
            self._note(changes)
        return outcome

    def _note(self, changes: Changes) -> None:
        """Keep what a deletion must take away, and what must stay for ever."""
        where = changes.conversation_id
        for record in changes.records:
            self.hashes[where, record.sequence] = event_hash(record)
            event = json.loads(record.body)
            if event["type"] in ("message_edited", "message_deleted"):
                deed = trio.current_time(), where, event["message_id"], event["type"]
                self.deeds.append(deed)
            if event["type"] == "message_deleted":
                gone = self.texts.get((where, sequence_of(event["message_id"])), [])
                self.forgotten.update(((where, text), trio.current_time()) for text in gone)
            elif event["type"] in ("message", "message_edited"):
                about = record.sequence if event["type"] == "message" else record.target
                content = event.get("message", event).get("content")
                if content:
                    self.texts.setdefault((where, about or 0), []).append(content)

    def log(self, conversation_id: str) -> list[Record]:
        """All events of a conversation."""
        number = self._numbers[conversation_id]
        return list(self._conversations[number - 1].records)


class DiskPort:
    """One process's store. `kill` is called for the faults that kill the process right before or after a commit."""

    durability: Literal["committed"] = "committed"

    def __init__(
        self, disk: Disk, agenda: Agenda, chance: Random, kill: Callable[[], object]
    ) -> None:
        self.disk = disk
        self.epoch = disk.epoch
        self.dead = False
        self.slow_until = 0.0
        self.slowness = 1.0
        self.appends: deque[Fault] = deque()  # faults of the next appends, in order
        self.saves: deque[Fault] = deque()  # of accounts of runs, and agents
        self.reads: deque[Fault] = deque()
        self._agenda = agenda
        self._chance = chance
        self._kill = kill

    def append(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        """Store the changes after a delay, and set the future after another."""
        fault = self.appends.popleft() if self.appends else None
        return self._do(lambda: self.disk.commit(changes), fault, 1.0)

    def load(self, conversation_id: str) -> Future[Any]:
        """The stored state of a conversation."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.load(conversation_id), fault, 0.25)

    def read(self, number: int, **bounds: Any) -> Future[Page]:
        """A page of the log."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.read(number, **bounds), fault, 0.25)

    def messages_after(self, number: int, sequence: int) -> Future[int]:
        """As `Disk.messages_after`, without delay."""
        return self.disk.messages_after(number, sequence)

    def mentions_after(self, number: int, participant_id: str, sequence: int) -> Future[int]:
        """As `Disk.mentions_after`, without delay."""
        return self.disk.mentions_after(number, participant_id, sequence)

    def senders_among(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, str]]:
        """The senders of those of these events that are messages."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.senders_among(number, sequences), fault, 0.25)

    def targets(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, Target]]:
        """The messages that commands change."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.targets(number, sequences), fault, 0.25)

    def keys_among(
        self, number: int, names: Sequence[tuple[str, str]]
    ) -> Future[Mapping[tuple[str, str], Record]]:
        """Those of the keys that were used before."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.keys_among(number, names), fault, 0.25)

    def thread(self, number: int, root: int, **bounds: Any) -> Future[Page]:
        """A page of a thread."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.thread(number, root, **bounds), fault, 0.25)

    def thread_read(self, number: int, root: int, participant_id: str) -> Future[int]:
        """As `Disk.thread_read`, without delay."""
        return self.disk.thread_read(number, root, participant_id)

    def thread_unread(self, number: int, root: int, participant_id: str) -> Future[int]:
        """As `Disk.thread_unread`, without delay."""
        return self.disk.thread_unread(number, root, participant_id)

    def files_among(self, number: int, file_ids: Sequence[str]) -> Future[Mapping[str, StoredFile]]:
        """Those of the files that are or were in a conversation; nobody here has any."""
        return self.disk.files_among(number, file_ids)

    def runs_among(self, number: int, run_ids: Sequence[str]) -> Future[Mapping[str, StoredRun]]:
        """Those of the runs that were ever started."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.runs_among(number, run_ids), fault, 0.25)

    def with_open_runs(self) -> Future[tuple[str, ...]]:
        """As `Disk.with_open_runs`, without delay."""
        return self.disk.with_open_runs()

    def search(self, sought: Sought) -> Future[Found]:
        """As `Disk.search`, without delay."""
        return self.disk.search(sought)

    def listing(self, participant_id: str, **bounds: Any) -> Future[Any]:
        """As `Disk.listing`, without delay."""
        return self.disk.listing(participant_id, **bounds)

    def conversation_of(self, invite_id: str) -> Future[str | None]:
        """As `Disk.conversation_of`, without delay."""
        return self.disk.conversation_of(invite_id)

    def save_account(self, account: RunAccount) -> Future[None]:
        """Store the account, as an append."""
        fault = self.saves.popleft() if self.saves else None
        return self._do(lambda: self.disk.save_account(account), fault, 1.0)

    def save_report(self, report: Report) -> Future[Report]:
        """As `Disk.save_report`, without delay."""
        return self.disk.save_report(report)

    def report(self, position: int) -> Future[Report | None]:
        """As `Disk.report`, without delay."""
        return self.disk.report(position)

    def reports(self, **wanted: Any) -> Future[ReportPage]:
        """As `Disk.reports`, without delay."""
        return self.disk.reports(**wanted)

    def close_report(self, position: int, **closing: Any) -> Future[Report | None]:
        """As `Disk.close_report`, without delay."""
        return self.disk.close_report(position, **closing)

    def hold(self, held: HeldMessage) -> Future[HeldMessage | None]:
        """As `Disk.hold`, without delay."""
        return self.disk.hold(held)

    def held(self, position: int) -> Future[HeldMessage | None]:
        """As `Disk.held`, without delay."""
        return self.disk.held(position)

    def held_count(self, sender_id: str) -> Future[int]:
        """As `Disk.held_count`, without delay."""
        return self.disk.held_count(sender_id)

    def held_messages(self, **wanted: Any) -> Future[HeldPage]:
        """As `Disk.held_messages`, without delay."""
        return self.disk.held_messages(**wanted)

    def close_held(self, position: int, **closing: Any) -> Future[HeldMessage | None]:
        """As `Disk.close_held`, without delay."""
        return self.disk.close_held(position, **closing)

    def claim_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """As `Disk.claim_held`, without delay."""
        return self.disk.claim_held(position, claim)

    def release_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """As `Disk.release_held`, without delay."""
        return self.disk.release_held(position, claim)

    def accounts(self, **wanted: Any) -> Future[AccountPage]:
        """A page of the accounts."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.accounts(**wanted), fault, 0.25)

    def run_totals(self, agent_id: str, **wanted: Any) -> Future[RunTotals]:
        """The sums over an agent's runs."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(lambda: self.disk.run_totals(agent_id, **wanted), fault, 0.25)

    def save_agent(self, agent_id: str, settings: str | None) -> Future[None]:
        """Store an agent's settings, as an append."""
        fault = self.saves.popleft() if self.saves else None
        return self._do(lambda: self.disk.save_agent(agent_id, settings), fault, 1.0)

    def agents(self) -> Future[Mapping[str, str]]:
        """The agents that operators made."""
        fault = self.reads.popleft() if self.reads else None
        return self._do(self.disk.agents, fault, 0.25)

    def statistics(self) -> Any:
        """As `Disk.statistics`."""
        return self.disk.statistics()

    def _do(
        self, work: Callable[[], Future[Any]], fault: Fault | None, share: float
    ) -> Future[Any]:
        future: Future[Any] = Future()
        slow = self.slowness if trio.current_time() < self.slow_until else 1.0
        seconds = COMMIT * share * slow * (0.1 + self._chance.random())
        self._agenda.at(
            self._moment(seconds, share), lambda: self._work(work, fault, future, seconds / 4)
        )
        return future

    def _moment(self, seconds: float, share: float) -> float:
        """When an operation takes effect that takes so many seconds."""
        return trio.current_time() + seconds

    def _work(
        self, work: Callable[[], Future[Any]], fault: Fault | None, future: Future[Any], rest: float
    ) -> None:
        """Carry out the operation, or its fault."""
        if self.dead:
            return
        if fault == "kill before":
            self._kill()
            return
        outcome: Future[Any] = Future()
        if fault not in ("before", "bug before"):
            outcome = work()
        if fault == "kill after":
            self._kill()
            return
        if fault is not None:
            bug = fault.startswith("bug")
            error = Planned("a bug") if bug else StoreError("the disk is full")
            outcome = Future()
            outcome.set_exception(error)
        self._agenda.after(rest, lambda: self._finish(outcome, future))

    def _finish(self, outcome: Future[Any], future: Future[Any]) -> None:
        if not self.dead:
            try:
                future.set(outcome.get())
            except (StoreError, Planned) as error:
                future.set_exception(error)


class Planned(Exception):
    """A deliberate error of the store that is no `StoreError`: the actor that gets it crashes."""


def value_of(outcome: Future[Any]) -> Any:
    """What has come of a call that is done; None where it has failed."""
    try:
        return outcome.get()
    except StoreError:
        return None
