"""The decisions of one turn of a conversation before the commit: drafts, records and the answer to each command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from . import rules
from .change_messages import CHANGE_COMMANDS, Changed
from .change_turn import ChangeTurn
from .events import AgentUpdated, ChangeEvent, Created, Edited, Joined, Left, Posted, Updated
from .keeping_messages import Erased, PreferencesSet
from .member_events import Banned, Muted, Removed
from .messages import Leave, MarkRead, Post, ReadMarked, Receipt, Unchanged
from .model import Preferences, State
from .person_erasure import ErasePerson, PersonErased, direct_title, forget_names
from .posted import sequence_of
from .refusals import Code, Refusal
from .run_messages import RUN_COMMANDS
from .run_turn import EndedRun, RunTurn
from .signals import Typing
from .store import Changes, Record, event_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .agent_host import AgentHost
    from .change_messages import ChangeCommand
    from .events import Event, StateEvent
    from .files import StoredFile
    from .limits import Limits
    from .mailbox import Letter
    from .model import Durability, Participant
    from .people import Holds
    from .runs import Overdue
    from .sources import Sources
    from .store import Relation, RunText, Store, Target
    from .subscriber import Codec


class Parts(Protocol):
    """The services that a turn uses."""

    limits: Limits
    sources: Sources
    codec: Codec
    store: Store
    agent_host: AgentHost
    holds: Holds


SILENCING = frozenset({Banned, Muted, Removed})  # who says nothing more: their runs end
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
    to. `targets` are messages of the log, by sequence, that commands change or reply to in a thread; `events` are others from
    which somebody is erased. `files` are those that commands name, by id. `ended` are ended runs that commands name; `overdue`
    are runs to end first. `unsaved` gives the texts of runs that the store lacks; they are part of any changes, and `save` makes
    changes of them alone.
    """

    def __init__(
        self,
        state: State,
        letters: Sequence[Letter],
        *,
        known: dict[tuple[str, str], tuple[Event, Record]],
        parts: Parts,
        replied_to: Mapping[int, str] | None = None,
        targets: Mapping[int, Target] | None = None,
        files: Mapping[str, StoredFile] | None = None,
        events: Mapping[int, Record] | None = None,
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
        self.forced: dict[str, int] = {}  # readers who moved back: the newest event then
        self.typing: dict[str, Typing] = {}  # each participant's last typing command
        self.marks: dict[str, tuple[Letter, ReadMarked]] = {}
        self.thread_marks: list[tuple[Letter, ReadMarked]] = []
        self.answers: list[tuple[Letter, Any]] = []
        self.runs: RunTurn | None = None  # what it does to runs, if anything
        self.changed: ChangeTurn | None = None  # and to messages
        self.thread_reads: dict[tuple[str, int], int] = {}  # (reader, root) -> sequence
        self.texts: tuple[RunText, ...] = ()
        # Whether a change made no event though its key may have been used before: then the log must be asked.
        self.unsettled = False
        self.sent_files: list[tuple[str, int]] = []
        self.gone_files: list[int] = []  # the sequences of deleted messages that had files
        # Who keeps the conversation otherwise now, and by which letters: their other devices are told
        self.preferences: dict[str, tuple[Letter, Preferences]] = {}
        self.erased: State | None = None  # what was deleted, where the conversation was
        self.erased_at: int | None = None
        self.limits = parts.limits
        self.codec = parts.codec
        self._agent_host = parts.agent_host
        self.holds = parts.holds
        self.durability = parts.store.durability
        self._known = known
        self._moved = False  # whether the draft has its own copy of the read positions
        self._replied_to = replied_to or {}
        self._files = dict(files) if files else {}
        self._ended = ended or {}
        self._targets = targets or {}
        self._events = events or {}
        self.first = state.head + 1  # the sequence of the turn's first record
        # A conversation's time never goes back, even if the clock does.
        now = parts.sources.now()
        self.at = max(now, state.updated_at)
        if now < state.updated_at and state.spoke:
            # Nobody knows how long ago anybody spoke, and slow mode must not last until the clock is where it was.
            self.state.spoke = {}
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
            if type(letter.message) is not ErasePerson:  # a hold may refuse it, and the name stays
                self._introduce(letter.message.sender)
            self.answers.append((letter, self._decide(letter)))
        if unsaved is not None and self.state.runs and (save or self.records):
            self.texts = unsaved(self.state)
        self._release()

    @property
    def changes(self) -> Changes | None:
        """The changes to commit, or None."""
        said = self.records or self.reads or self.texts or self.thread_reads
        # Of a person who has said nothing only the name goes: nothing is said, and something is rewritten.
        rewritten = self.changed is not None and self.changed.rewrites
        if not (said or self.preferences or rewritten) and self.erased is None:
            return None
        return Changes(
            self.state.id,
            (self.erased or self.state).number,
            tuple(self.records),
            tuple(self.state_events),
            self.reads or None,
            self.texts,
            () if self.changed is None else tuple(self.changed.rewrites.values()),
            self.thread_reads or None,
            self.forced or None,
            tuple(self.sent_files),
            tuple(self.gone_files),
            self.erased_at,
            {id: each for id, (_, each) in self.preferences.items()} or None,
        )

    def _introduce(self, who: Participant, *, renamed: bool = False) -> None:
        event = rules.introduce(self.state, who, self.at, renamed=renamed)
        if event is not None:
            self._salts += self._entropy(SALT)
            self.state_events.append(event)
            self.record(event)

    def _decide(self, letter: Letter) -> Any:
        command = letter.message
        kind = type(command)
        if kind is not Post:
            if kind in RUN_COMMANDS:
                return self._run_turn().decide(command)
            if kind in CHANGE_COMMANDS:
                return self._change(command)
            if kind is ErasePerson:
                return self._erase_person(command)
            if kind is MarkRead and command.thread_id is not None:
                return self._read_thread(letter)
            if kind is Leave and self.state.runs and not self.state.direct:
                self._run_turn().leave(command.sender.id)
        decision: Any = rules.decide(
            self.state, command, self.at, self.limits, self.sender_of, self._files.get
        )
        if type(decision) is Erased and self.holds.cover(self.state.id):
            return Refusal(Code.LEGAL_HOLD)
        if type(decision) is Posted:
            return self._post(letter, decision)
        if self.state.runs and type(decision) in SILENCING:
            self._run_turn().leave(decision.participant.id)
            decision = rules.decide(self.state, command, self.at, self.limits)  # its place moved
        match decision:
            case ReadMarked():
                self._mark_read(letter, command, decision)
            case Typing():
                self.typing[decision.participant_id] = decision
            case Refusal() | Unchanged():
                pass
            case Erased():
                self._erase(decision)
            case PreferencesSet(preferences):
                self._prefer(letter, preferences)
            case event:
                self.state_events.append(event)
                self.record(event)
                match event:
                    case Left() | Removed() | Banned():
                        self._forget(event.participant.id)
                    case Created():
                        for entrant in event.entrants:
                            self._set_up(entrant.participant.id, command.sender.id)
                    case Joined():
                        self._set_up(event.participant.id, command.sender.id)
        return decision

    def _prefer(self, letter: Letter, preferences: Preferences) -> None:
        state, id = self.state, letter.message.sender.id
        if preferences != state.preferences.get(id, Preferences()):
            others = {other: each for other, each in state.preferences.items() if other != id}
            kept = {} if preferences == Preferences() else {id: preferences}
            state.preferences = {**others, **kept}
            self.preferences[id] = letter, preferences

    @property
    def concerned(self) -> set[str]:
        """The ids of those in whose lists of conversations this turn may have changed a line."""
        if self.records or self.erased is not None:
            members = {*self.state.members, *(self.erased.members if self.erased else ())}
            gone = (each for each in self.state_events if isinstance(each, Left | Removed | Banned))
            return members | {event.participant.id for event in gone}
        thread_readers = (letter.message.sender.id for letter, _ in self.thread_marks)
        return {*self.marks, *thread_readers, *self.preferences}

    def _erase(self, erased: Erased) -> None:
        """Have whatever comes later in the turn find nothing."""
        self.erased, self.erased_at = self.state, erased.at
        self.state = State(self.state.id)
        for kept in (self.typing, self.marks, self.reads, self.forced):
            kept.clear()
        self.thread_reads.clear()
        self.preferences.clear()
        self.thread_marks.clear()

    def _erase_person(self, command: ErasePerson) -> PersonErased | Refusal:
        if not self.state.head:
            return Refusal(Code.NOT_FOUND)
        if self.holds.cover(self.state.id, command.sender.id):
            return Refusal(Code.LEGAL_HOLD)
        state, who = self.state, command.sender
        self._introduce(who, renamed=True)
        forget_names(state, who.id)
        title = direct_title(each.participant for each in state.members.values())
        if state.direct and who.id in state.members and title != state.title:
            event = Updated(state.id, state.head + 1, self.at, who.id, title)
            self.state_events.append(event)
            self.record(event)
        return self._change_turn().erase(command, self._events)

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
        if self.changed is not None:
            self.changed.finish()
        if self.runs is not None:
            self.runs.release()

    def _run_turn(self) -> RunTurn:
        if self.runs is None:
            self.runs = RunTurn(self, self._ended)
        return self.runs

    def _change_turn(self) -> ChangeTurn:
        if self.changed is None:
            self.changed = ChangeTurn(self, self._targets)
        return self.changed

    def _change(self, command: ChangeCommand) -> Changed | Refusal:
        name = (command.sender.id, command.key or "")
        before = None if command.key is None else self._known.get(name)
        outcome = self._change_turn().decide(command, before)
        new = before is None and isinstance(outcome, Changed) and outcome.sequence > 0
        if new and command.key is not None:
            record = self.records[-1]
            self._known[name] = (self.state_events[-1], record)
        elif before is None and command.key is not None:
            self.unsettled |= command.sender.id in self.state.members
        return outcome

    def sender_of(self, sequence: int) -> str | None:
        """The sender's id of the message with this sequence; None for an event that is no message."""
        place = sequence - self.first
        if place < 0:
            return self._replied_to.get(sequence)
        record = self.records[place] if place < len(self.records) else None
        return record.sender_id if record is not None and record.is_message else None

    def thread_of(self, message_id: str) -> str | None:
        """The thread in which a message is a reply; None for any other."""
        sequence = rules.named_sequence(self.state.id, message_id) or 0
        place = sequence - self.first
        target = self._targets.get(sequence)
        record = target.record if target is not None else None
        if 0 <= place < len(self.records):
            record = self.records[place]
        if record is None or record.target is None or not record.is_message:
            return None
        return f"{self.state.id}-{record.target}"

    def _forget(self, participant_id: str) -> None:
        """Drop the typing signal and read positions of a participant who left later in the turn."""
        self.typing.pop(participant_id, None)
        self.marks.pop(participant_id, None)
        self.reads.pop(participant_id, None)
        self.forced.pop(participant_id, None)
        self.preferences.pop(participant_id, None)
        for reader, root in [each for each in self.thread_reads if each[0] == participant_id]:
            del self.thread_reads[reader, root]

    def _post(self, letter: Letter, event: Posted) -> Receipt | Refusal:
        command: Post = letter.message
        if event.thread_id is not None and not self._change_turn().is_root(
            event.thread_id, event.sender.id
        ):
            facts = {"problem": "thread_id names no message of this conversation, or a reply"}
            return Refusal(Code.INVALID_FORMAT, facts, key=command.key)
        if command.key is None:
            return self._say(letter, event)
        name = (command.sender.id, command.key)
        before = self._known.get(name)
        if before is not None:
            return self._repeat(event, *before)
        receipt = self._say(letter, event)
        self._known[name] = (event, self.records[event.sequence - self.first])
        return receipt

    def _say(self, letter: Letter, event: Posted) -> Receipt:
        """Record a message, and find who is asked to answer it."""
        record = self.record(event)
        if event.files is not None:
            self._send_files(letter.message, event)
        self.said(event)
        if self.state.agents:
            sequence = rules.named_sequence(event.conversation_id, event.reply_to or "")
            self._run_turn().judge(event, self.sender_of(sequence) if sequence else None)
        if record.relation is None:
            self.marks[event.sender.id] = letter, ReadMarked(event.sequence)
        return receipt_for(event, record, self.durability)

    def _send_files(self, command: Post, event: Posted) -> None:
        """Note which message has the files: no later one can have them."""
        for file_id, _ in command.files:
            file = self._files[file_id]
            self._files[file_id] = file._replace(sequence=event.sequence, key=event.key)
            self.sent_files.append((file_id, event.sequence))

    def said(self, event: Posted) -> None:
        """Count a reply in its thread; move the read position of a message's sender to it, in the main log or in the thread."""
        if event.thread_id is not None:
            self._reply(event)
            if not event.in_channel:
                return
        state, sender_id = self.state, event.sender.id
        if not self._moved:
            state.reads, state.saved, self._moved = dict(state.reads), dict(state.saved), True
        if rules.read_by_sending(state, sender_id, event.sequence):
            self.reads[sender_id] = event.sequence

    def _reply(self, event: Posted) -> None:
        """Count a reply in its thread, which its sender has read up to it."""
        self._change_turn().reply(event)
        self.thread_reads[event.sender.id, sequence_of(event.thread_id or "")] = event.sequence

    def _repeat(self, event: Posted, before: Event, record: Record) -> Receipt | Refusal:
        if not isinstance(before, Posted) or not self._is_same(event, before, record):
            return Refusal(Code.KEY_REUSED, key=event.key)
        return receipt_for(before, record, self.durability)._replace(duplicate=True)

    def _is_same(self, event: Posted, before: Posted, record: Record) -> bool:
        """Whether a message was sent before. Of one that was edited or deleted since, nobody knows any more what was sent."""
        if record.hash is not None:
            message = self.codec.decode_message(record)
            if message.is_deleted or message.revision > 1:
                return True
        return (event.content, event.reply_to, event.metadata, event.thread_id, event.files) == (
            before.content,
            before.reply_to,
            before.metadata,
            before.thread_id,
            before.files,
        )

    def record(self, event: Event) -> Record:
        """Apply an event, and record it."""
        rules.apply(self.state, event)
        start = SALT * len(self.records)
        if start >= len(self._salts):  # more events than commands: a leaving agent's runs end, too
            self._salts += self._entropy(SALT)
        state = self.state
        sender_id: str | None
        key: str | None
        mentions: tuple[str, ...]
        run_id: str | None
        target: int | None
        relation: Relation | None
        if isinstance(event, Posted):
            sender_id, key, mentions, run_id = (
                event.sender.id,
                event.key,
                event.mentions,
                event.run_id,
            )
            target = relation = None
            if event.thread_id is not None:
                target = sequence_of(event.thread_id)
                relation = None if event.in_channel else "reply"
            if self.typing:
                self.typing.pop(sender_id, None)  # sending a message ends typing
        elif isinstance(event, ChangeEvent):
            sender_id, key, mentions, run_id = event.by, event.key, (), None
            target = sequence_of(event.message_id)
            relation = "edit" if isinstance(event, Edited) else "change"
        else:
            sender_id = key = target = relation = run_id = None
            mentions = ()
        record = Record(
            event.sequence,
            event.at,
            self.codec.encode(event),
            self._salts[start : start + SALT],
            state.messages,
            sender_id,
            key,
            None,
            target,
            relation,
            mentions,
            run_id,
        )
        self.records.append(record)
        return record

    def _mark_read(self, letter: Letter, command: MarkRead, mark: ReadMarked) -> None:
        reader = command.sender.id
        if mark.forced or mark.sequence > self.state.reads.get(reader, 0):
            rules.apply_read(self.state, reader, mark)
            self.reads[reader] = mark.sequence
            if mark.forced:
                self.forced[reader] = self.state.head
            self.marks[reader] = letter, mark

    def _read_thread(self, letter: Letter) -> ReadMarked | Refusal:
        command: MarkRead = letter.message
        assert command.thread_id is not None
        if command.sender.id not in self.state.members:
            return Refusal(Code.NOT_PARTICIPANT)
        if not self._change_turn().is_root(command.thread_id, command.sender.id):
            return Refusal(Code.NOT_FOUND)
        name = command.sender.id, sequence_of(command.thread_id)
        read = max(self.thread_reads.get(name, 0), min(command.sequence, self.state.head))
        mark = ReadMarked(read, name[1])
        self.thread_reads[name] = read
        self.thread_marks.append((letter, mark))
        return mark


def known_from(
    records: Mapping[tuple[str, str], Record], codec: Codec
) -> dict[tuple[str, str], tuple[Event, Record]]:
    """The logged events whose keys a turn tried to use again."""
    return {name: (codec.decode(record), record) for name, record in records.items()}
