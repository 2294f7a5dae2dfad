"""The decisions of one turn of a conversation before the commit: drafts, records and the answer to each command."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from . import rules, run_rules
from .events import Left, Posted, RunFailed, RunStarted
from .messages import (
    RUN_COMMANDS,
    ExtendRun,
    Leave,
    MarkRead,
    Post,
    ReadMarked,
    Receipt,
    RegenerateRun,
    RunExtended,
    RunReceipt,
    SetRunState,
    StartRun,
    Unchanged,
)
from .model import Run
from .refusals import Code, Refusal
from .requests import judged
from .signals import RunRequested, RunStatus, Typing
from .store import Changes, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .events import Event, StateEvent
    from .limits import Limits
    from .mailbox import Letter
    from .model import Durability, Member, Participant, State
    from .requests import Judgement
    from .runs import Overdue
    from .sources import Sources
    from .store import KeysTaken, RunText, Store
    from .subscriber import Codec


class Parts(Protocol):
    """The services that a turn uses."""

    limits: Limits
    sources: Sources
    codec: Codec
    store: Store


SALT = 16  # bytes: enough that an erased text cannot be guessed from its hash


def event_hash(record: Record) -> str:
    """SHA-256 over the event's salt and its stored form, as hexadecimal digits."""
    return sha256(record.salt + record.body).hexdigest()


def receipt_for(event: Posted, record: Record, durability: Durability) -> Receipt:
    """The receipt of a stored message."""
    return Receipt(
        event.conversation_id,
        event.message_id,
        record.sequence,
        record.at,
        record.key,
        durability,
        event_hash(record),
    )


def run_receipt(event: Posted | RunFailed, record: Record, durability: Durability) -> RunReceipt:
    """The receipt of a run that has ended with this event."""
    if isinstance(event, RunFailed):
        assert event.run_id is not None
        return RunReceipt(
            event.conversation_id,
            event.run_id,
            "failed",
            0,
            record.sequence,
            record.at,
            durability,
            reason=event.reason,
        )
    assert event.run_id is not None, "only the message of a run ends it"
    return RunReceipt(
        event.conversation_id,
        event.run_id,
        event.status or "complete",
        len(event.content),
        record.sequence,
        record.at,
        durability,
        event.message_id,
        event_hash(record),
    )


class EndedRun(NamedTuple):
    """A run that has ended: its agent, what it answered and for whom, and the receipt of its end."""

    participant_id: str
    reply_to: str | None
    asked_by: str | None
    receipt: RunReceipt


class Turn:
    """Decides a batch of commands in order, each on the state that the commands before it leave.

    `people` are participants besides the senders who act themselves for the first time or, if the pair's second is true, have a
    new name. `known` are messages whose keys the log has already, by (sender id, key): a command that repeats one gets its
    receipt. `replied_to` has the senders of messages of the log by sequence: those that commands of the turn may name as replied
    to. `ended` are ended runs that commands name; `overdue` are runs to end first. `unsaved` gives the
    texts of runs that the store lacks; they are part of any changes, and `save` makes changes of them alone.
    """

    def __init__(
        self,
        state: State,
        letters: Sequence[Letter],
        *,
        known: dict[tuple[str, str], tuple[Posted, Receipt]],
        parts: Parts,
        replied_to: Mapping[int, str] | None = None,
        people: Iterable[tuple[Participant, bool]] = (),
        ended: Mapping[str, EndedRun] | None = None,
        overdue: Iterable[Overdue] = (),
        unsaved: Callable[[State], tuple[RunText, ...]] | None = None,
        save: bool = False,
    ) -> None:
        self.state = state.draft()
        self.records: list[Record] = []
        self.state_events: list[StateEvent] = []
        self.reads: dict[str, int] = {}
        self.typing: dict[str, Typing] = {}  # each participant's last typing command
        self.marks: dict[str, tuple[Letter, ReadMarked]] = {}
        self.answers: list[tuple[Letter, Any]] = []
        self.closed: list[tuple[Run, str | None]] = []  # runs that ended, and who ended them
        self.ends: list[Posted | RunFailed] = []  # how they ended
        self.statuses: dict[str, RunStatus] = {}
        self.begun: list[RunStarted | Posted] = []  # runs that began, and messages of agents
        self.judgements: list[Judgement] = []
        self.requests: list[tuple[str, RunRequested]] = []  # with the agents' ids
        self.texts: tuple[RunText, ...] = ()
        self._limits = parts.limits
        self._codec = parts.codec
        self._durability = parts.store.durability
        self._known = known
        self._moved = False  # whether the draft has its own copy of the read positions
        self._replied_to = replied_to or {}
        self._looked_at: Mapping[str, Member] | None = None
        self._has_agents = False
        self._ended = dict(ended or {})
        self._first = state.head + 1  # the sequence of the turn's first record
        # A conversation's time never goes back, even if the clock does.
        self._at = max(parts.sources.now(), state.updated_at)
        self._entropy = parts.sources.entropy
        self._salts = self._entropy(SALT * len(letters))
        for participant_id, name in state.renamed.items():
            who = state.members[participant_id].participant._replace(name=name)
            self._introduce(who, renamed=True)
        for who, renamed in people:
            self._introduce(who, renamed=renamed)
        for run_id, reason in overdue:
            if (run := self.state.runs.get(run_id)) is not None:
                self._close(
                    run, run_rules.ended_by(self.state, run, self._at, "interrupted", reason)
                )
        for letter in letters:
            self._introduce(letter.message.sender)
            self.answers.append((letter, self._decide(letter)))
        if unsaved is not None and self.state.runs and (save or self.records):
            self.texts = unsaved(self.state)

    @property
    def changes(self) -> Changes | None:
        """The changes to commit, or None."""
        if not self.records and not self.reads and not self.texts:
            return None
        return Changes(
            self.state.id,
            self.state.number,
            tuple(self.records),
            tuple(self.state_events),
            self.reads or None,
            self.texts,
        )

    def _introduce(self, who: Participant, *, renamed: bool = False) -> None:
        event = rules.introduce(self.state, who, self._at, renamed=renamed)
        if event is not None:
            self._salts += self._entropy(SALT)
            self.state_events.append(event)
            self._record(event)

    def _decide(self, letter: Letter) -> Any:
        command = letter.message
        if type(command) in RUN_COMMANDS and (ended := self._ended.get(command.run_id)):
            return self._over(command, ended)
        if type(command) is Leave:
            self._interrupt(command.sender.id)
        decision = rules.decide(self.state, command, self._at, self._limits, self._sender_of)
        match decision:
            case Posted(run_id=str(run_id)) | RunFailed(run_id=run_id):
                return self._close(self.state.runs[run_id], decision, command.sender.id)
            case Run():
                return self._go_on(command, decision)
            case Posted():
                return self._post(letter, decision)
            case ReadMarked():
                self._mark_read(letter, command, decision)
            case Typing():
                self.typing[decision.participant_id] = decision
            case Refusal() | Unchanged():
                pass
            case event:
                self.state_events.append(event)
                self._record(event)
                if isinstance(event, Left):
                    self._forget(event.participant.id)
                elif isinstance(event, RunStarted):
                    return self._position(self.state.runs[event.run_id])
        return decision

    # --- runs -------------------------------------------------------------------------------------------------------------

    def _go_on(self, command: Any, run: Run) -> RunReceipt:
        """An open run, as the command leaves it."""
        before = self.state.runs[run.id]
        if isinstance(command, SetRunState):
            self.statuses[run.id] = RunStatus(run.id, command.state, command.label)
        elif run is not before:
            self.state.runs = {**self.state.runs, run.id: run}
            self.statuses.pop(run.id, None)
        position = self._position(run, duplicate=run is before)
        return RunExtended(*position) if isinstance(command, ExtendRun) else position

    def _position(self, run: Run, *, duplicate: bool = False) -> RunReceipt:
        return RunReceipt(
            self.state.id,
            run.id,
            "open",
            len(run.text),
            run.sequence,
            run.started_at,
            self._durability,
            duplicate=duplicate,
        )

    def _close(self, run: Run, event: Posted | RunFailed, by: str | None = None) -> RunReceipt:
        """Record the end of a run. Its agent has read everything up to its own message, as every sender."""
        record = self._record(event)
        if isinstance(event, Posted):
            self._read_by_sending(event)
            self._judge(event, run.asked_by)
        else:
            self.state_events.append(event)
        self.closed.append((run, by))
        self.ends.append(event)
        self.statuses.pop(run.id, None)
        receipt = run_receipt(event, record, self._durability)
        self._ended[run.id] = EndedRun(run.participant_id, run.reply_to, run.asked_by, receipt)
        return receipt

    def _over(self, command: Any, run: EndedRun) -> RunReceipt | RunRequested | Refusal:
        """The answer to a command about a run that has ended: its receipt again, but nothing can be added."""
        receipt = run.receipt
        if isinstance(command, RegenerateRun):
            return self._regenerate(command, run)
        if command.sender.id not in self.state.members:
            return Refusal(Code.NOT_PARTICIPANT)
        if isinstance(command, ExtendRun | SetRunState):
            return Refusal(Code.RUN_ENDED, {"run_id": receipt.run_id, "run_status": receipt.status})
        if isinstance(command, StartRun) and command.sender.id != run.participant_id:
            return Refusal(Code.KEY_REUSED)
        return receipt._replace(duplicate=True)

    def _regenerate(self, command: RegenerateRun, run: EndedRun) -> RunRequested | Refusal:
        member = self.state.members.get(command.sender.id)
        if member is None:
            return Refusal(Code.NOT_PARTICIPANT)
        if member.role != "owner" and command.sender.id != run.asked_by:
            return Refusal(Code.FORBIDDEN)
        if run.reply_to is None or run.participant_id not in self.state.members:
            facts = {"problem": "the run answered no message, or its agent has left"}
            return Refusal(Code.INVALID_FORMAT, facts)
        request = RunRequested(command.new_run_id, run.reply_to, (), "regenerate")
        self.requests.append((run.participant_id, request))
        return request

    def _judge(self, event: Posted, replied_to: str | None) -> None:
        """Find the agents that are asked to answer a message."""
        if not self._agents:
            return
        for judgement, request in list(judged(event, self.state, replied_to)):
            self.judgements.append(judgement)
            if request is not None:
                self.requests.append((judgement.agent_id, request))
                if self.state.members[judgement.agent_id].steering == "restart":
                    self._cancel_answers(judgement.agent_id, event.sender.id)

    def _cancel_answers(self, agent_id: str, asked_by: str) -> None:
        """End the answers that an agent is giving to somebody who has asked something else meanwhile."""
        for run in list(self.state.runs.values()):
            if (run.participant_id, run.asked_by) == (agent_id, asked_by):
                event = run_rules.ended_by(self.state, run, self._at, "cancelled")
                self._close(run, event, asked_by)

    def _interrupt(self, participant_id: str) -> None:
        """End the runs of an agent who is about to leave."""
        for run in [r for r in self.state.runs.values() if r.participant_id == participant_id]:
            event = run_rules.ended_by(self.state, run, self._at, "interrupted")
            self._close(run, event, participant_id)

    def _sender_of(self, sequence: int) -> str | None:
        place = sequence - self._first
        if place < 0:
            return self._replied_to.get(sequence)
        return self.records[place].sender_id if place < len(self.records) else None

    def _forget(self, participant_id: str) -> None:
        """Drop the typing signal and read positions of a participant who left later in the turn."""
        self.typing.pop(participant_id, None)
        self.marks.pop(participant_id, None)
        self.reads.pop(participant_id, None)

    def _post(self, letter: Letter, event: Posted) -> Receipt | Refusal:
        command: Post = letter.message
        if command.key is None:
            return self._say(letter, event)
        name = (command.sender.id, command.key)
        before = self._known.get(name)
        if before is not None:
            return self._repeat(event, *before)
        receipt = self._say(letter, event)
        self._known[name] = (event, receipt)
        return receipt

    @property
    def _agents(self) -> bool:
        """Whether agents are members; the members change rarely, and a message should not look through all of them."""
        members = self.state.members
        if members is not self._looked_at:
            self._looked_at = members
            self._has_agents = any(m.participant.type == "agent" for m in members.values())
        return self._has_agents

    def _say(self, letter: Letter, event: Posted) -> Receipt:
        """Record a message. Its sender has read everything up to it."""
        record = self._record(event)
        self._read_by_sending(event)
        if self._agents:
            sequence = rules.named_sequence(event.conversation_id, event.reply_to or "")
            self._judge(event, self._sender_of(sequence) if sequence else None)
        self.marks[event.sender.id] = letter, ReadMarked(event.sequence)
        return receipt_for(event, record, self._durability)

    def _read_by_sending(self, event: Posted) -> None:
        state, sender_id = self.state, event.sender.id
        if not self._moved:
            state.reads, state.saved, self._moved = dict(state.reads), dict(state.saved), True
        if rules.read_by_sending(state, sender_id, event.sequence):
            self.reads[sender_id] = event.sequence

    @staticmethod
    def _repeat(event: Posted, before: Posted, receipt: Receipt) -> Receipt | Refusal:
        same = (
            event.content == before.content
            and event.reply_to == before.reply_to
            and event.metadata == before.metadata
        )
        if same:
            return receipt._replace(duplicate=True)
        return Refusal(Code.KEY_REUSED, key=event.key)

    def _record(self, event: Event) -> Record:
        rules.apply(self.state, event)
        if type(event) is RunStarted or (type(event) is Posted and event.sender.type == "agent"):
            self.begun.append(event)
        start = SALT * len(self.records)
        if start >= len(self._salts):  # more events than commands: a leaving agent's runs end, too
            self._salts += self._entropy(SALT)
        sender_id, key, mentions, run_id = (
            (event.sender.id, event.key, event.mentions, event.run_id)
            if isinstance(event, Posted)
            else (None, None, (), None)
        )
        self.typing.pop(sender_id or "", None)  # sending a message ends typing
        record = Record(
            event.sequence,
            event.at,
            self._codec.encode(event),
            self._salts[start : start + SALT],
            self.state.messages,
            sender_id,
            key,
            mentions,
            run_id,
        )
        self.records.append(record)
        return record

    def _mark_read(self, letter: Letter, command: MarkRead, mark: ReadMarked) -> None:
        reader = command.sender.id
        if mark.sequence > self.state.reads.get(reader, 0):
            rules.apply_read(self.state, reader, mark)
            self.reads[reader] = mark.sequence
            self.marks[reader] = letter, mark


def known_from(
    taken: KeysTaken, codec: Codec, durability: Durability
) -> dict[tuple[str, str], tuple[Posted, Receipt]]:
    """The logged messages whose keys a turn tried to use again."""
    known = {}
    for name, record in taken.records.items():
        event = codec.decode(record)
        assert isinstance(event, Posted), "only a message carries a key"
        known[name] = (event, receipt_for(event, record, durability))
    return known
