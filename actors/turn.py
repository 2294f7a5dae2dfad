"""The decisions of one turn of a conversation before the commit: drafts, records and the answer to each command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from . import rules
from .events import AgentUpdated, Created, Joined, Left, Posted
from .messages import Leave, MarkRead, Post, ReadMarked, Receipt, Unchanged
from .refusals import Code, Refusal
from .run_messages import RUN_COMMANDS
from .run_turn import EndedRun, RunTurn
from .signals import Typing
from .store import Changes, Record, event_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .agent_host import AgentHost
    from .events import Event, StateEvent
    from .limits import Limits
    from .mailbox import Letter
    from .model import Durability, Participant, State
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
    agent_host: AgentHost


SALT = 16  # bytes: enough that an erased text cannot be guessed from its hash


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
        self.runs: RunTurn | None = None  # what it does to runs, if anything
        self.texts: tuple[RunText, ...] = ()
        self.limits = parts.limits
        self._codec = parts.codec
        self._agent_host = parts.agent_host
        self.durability = parts.store.durability
        self._known = known
        self._moved = False  # whether the draft has its own copy of the read positions
        self._replied_to = replied_to or {}
        self._ended = ended or {}
        self._first = state.head + 1  # the sequence of the turn's first record
        # A conversation's time never goes back, even if the clock does.
        self.at = max(parts.sources.now(), state.updated_at)
        self._entropy = parts.sources.entropy
        self._salts = self._entropy(SALT * len(letters))
        for participant_id, name in state.renamed.items():
            who = state.members[participant_id].participant._replace(name=name)
            self._introduce(who, renamed=True)
        for who, renamed in people:
            self._introduce(who, renamed=renamed)
        if overdue:
            self._run_turn().end_overdue(overdue)
        for letter in letters:
            self._introduce(letter.message.sender)
            self.answers.append((letter, self._decide(letter)))
        if unsaved is not None and self.state.runs and (save or self.records):
            self.texts = unsaved(self.state)
        self._release()

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
        event = rules.introduce(self.state, who, self.at, renamed=renamed)
        if event is not None:
            self._salts += self._entropy(SALT)
            self.state_events.append(event)
            self.record(event)

    def _decide(self, letter: Letter) -> Any:
        command = letter.message
        if type(command) in RUN_COMMANDS:
            return self._run_turn().decide(command)
        if self.state.runs and type(command) is Leave:
            self._run_turn().leave(command.sender.id)
        decision: Any = rules.decide(self.state, command, self.at, self.limits, self.sender_of)
        if type(decision) is Posted:
            return self._post(letter, decision)
        match decision:
            case ReadMarked():
                self._mark_read(letter, command, decision)
            case Typing():
                self.typing[decision.participant_id] = decision
            case Refusal() | Unchanged():
                pass
            case event:
                self.state_events.append(event)
                self.record(event)
                match event:
                    case Left():
                        self._forget(event.participant.id)
                    case Created():
                        for entrant in event.entrants:
                            self._set_up(entrant.participant.id, command.sender.id)
                    case Joined():
                        self._set_up(event.participant.id, command.sender.id)
        return decision

    def _set_up(self, participant_id: str, by: str) -> None:
        """Record how a hosted agent answers that has just come in, if it is not as every agent does at first."""
        answering, state = self._agent_host.answering(participant_id), self.state
        member = state.members[participant_id]
        usual = (member.trigger, member.agents_may_call, member.steering)
        if answering is None or answering == usual or member.participant.type != "agent":
            return
        event = AgentUpdated(state.id, state.head + 1, self.at, participant_id, *answering, by=by)
        self.state_events.append(event)
        self.record(event)

    def _release(self) -> None:
        if self.runs is not None:
            self.runs.release()

    def _run_turn(self) -> RunTurn:
        if self.runs is None:
            self.runs = RunTurn(self, self._ended)
        return self.runs

    def sender_of(self, sequence: int) -> str | None:
        """The sender's id of the message with this sequence; None for an event that is no message."""
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

    def _say(self, letter: Letter, event: Posted) -> Receipt:
        """Record a message. Its sender has read everything up to it."""
        record = self.record(event)
        self.read_by_sending(event)
        if self.state.agents:
            sequence = rules.named_sequence(event.conversation_id, event.reply_to or "")
            self._run_turn().judge(event, self.sender_of(sequence) if sequence else None)
        self.marks[event.sender.id] = letter, ReadMarked(event.sequence)
        return receipt_for(event, record, self.durability)

    def read_by_sending(self, event: Posted) -> None:
        """Move the read position of a message's sender to it."""
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

    def record(self, event: Event) -> Record:
        """Apply an event, and record it."""
        rules.apply(self.state, event)
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
