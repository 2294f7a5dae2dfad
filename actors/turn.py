"""The decisions of one turn of a conversation before the commit: drafts, records and the answer to each command."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from . import rules
from .events import Left, Posted
from .messages import MarkRead, Post, ReadMarked, Receipt, Unchanged
from .refusals import Code, Refusal
from .signals import Typing
from .store import Changes, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from .events import Event, StateEvent
    from .limits import Limits
    from .mailbox import Letter
    from .model import Durability, Participant, State
    from .sources import Sources
    from .store import KeysTaken, Store
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


class Turn:
    """Decides a batch of commands in order, each on the state that the commands before it leave.

    `people` are participants besides the senders who act themselves for the first time or, if the pair's second is true, have a
    new name. `known` are messages whose keys the log has already, by (sender id, key): a command that repeats one gets its
    receipt. `replied_to` are messages of the log by sequence: those that commands of the turn may name as replied to.
    """

    def __init__(
        self,
        state: State,
        letters: Sequence[Letter],
        *,
        known: dict[tuple[str, str], tuple[Posted, Receipt]],
        parts: Parts,
        replied_to: Set[int] = frozenset(),
        people: Iterable[tuple[Participant, bool]] = (),
    ) -> None:
        self.state = state.draft()
        self.records: list[Record] = []
        self.state_events: list[StateEvent] = []
        self.reads: dict[str, int] = {}
        self.typing: dict[str, Typing] = {}  # each participant's last typing command
        self.marks: dict[str, tuple[Letter, ReadMarked]] = {}
        self.answers: list[tuple[Letter, Any]] = []
        self._limits = parts.limits
        self._codec = parts.codec
        self._durability = parts.store.durability
        self._known = known
        self._moved = False  # whether the draft has its own copy of the read positions
        self._replied_to = replied_to
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
        for letter in letters:
            self._introduce(letter.message.sender)
            self.answers.append((letter, self._decide(letter)))

    @property
    def changes(self) -> Changes | None:
        """The changes to commit, or None."""
        if not self.records and not self.reads:
            return None
        return Changes(
            self.state.id,
            self.state.number,
            tuple(self.records),
            tuple(self.state_events),
            self.reads or None,
        )

    def _introduce(self, who: Participant, *, renamed: bool = False) -> None:
        event = rules.introduce(self.state, who, self._at, renamed=renamed)
        if event is not None:
            self._salts += self._entropy(SALT)
            self.state_events.append(event)
            self._record(event)

    def _decide(self, letter: Letter) -> Any:
        command = letter.message
        decision = rules.decide(self.state, command, self._at, self._limits, self._is_message)
        match decision:
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
        return decision

    def _is_message(self, sequence: int) -> bool:
        place = sequence - self._first
        if place < 0:
            return sequence in self._replied_to
        return place < len(self.records) and self.records[place].sender_id is not None

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
        record = self._record(event)
        state, sender_id = self.state, event.sender.id
        if not self._moved:
            state.reads, state.saved, self._moved = dict(state.reads), dict(state.saved), True
        if rules.read_by_sending(state, sender_id, event.sequence):
            self.reads[sender_id] = event.sequence
        self.marks[sender_id] = letter, ReadMarked(event.sequence)
        return receipt_for(event, record, self._durability)

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
        start = SALT * len(self.records)
        sender_id, key, mentions = (
            (event.sender.id, event.key, event.mentions)
            if isinstance(event, Posted)
            else (None, None, ())
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
