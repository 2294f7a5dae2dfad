"""The changes of earlier messages in one turn. Most turns have none, and need no such object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from . import change_rules
from .change_events import Deleted, Edited, ReactionAdded
from .change_messages import Changed, EditMessage
from .message import replied, reply_deleted
from .messages import Unchanged
from .person_erasure import PersonErased, without_person
from .posted import Posted, sequence_of
from .refusals import Code, Refusal
from .rights import first_readable
from .rules import named_sequence
from .store import Rewrite, event_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .change_events import ChangeEvent
    from .change_messages import ChangeCommand
    from .events import Event, StateEvent
    from .limits import Limits
    from .message import Message
    from .model import Durability, Participant, State
    from .people import Holds
    from .person_erasure import ErasePerson
    from .store import Record, Target
    from .subscriber import Codec


class Draft(Protocol):
    """The turn, as its changes of messages see it."""

    state: State
    at: int
    limits: Limits
    durability: Durability
    codec: Codec
    holds: Holds
    first: int  # the sequence of the turn's first record
    records: list[Record]
    state_events: list[StateEvent]
    gone_files: list[int]  # the sequences of deleted messages that had files

    def record(self, event: Event) -> Record:
        """Apply an event, and record it."""


class ChangeTurn:
    """What a turn does to messages. `targets` has those of the log that its commands name, by sequence.

    A message is written again as it is after the turn, once: in place of its stored frame, or of its record where it is of this
    turn. To write it with each change would cost a millisecond each, where many have reacted to a long message.
    """

    __slots__ = ("_draft", "_edits", "_messages", "_targets", "rewrites")

    def __init__(self, draft: Draft, targets: Mapping[int, Target]) -> None:
        self.rewrites: dict[int, Rewrite] = {}
        self._draft = draft
        self._targets = targets
        # Message -> place of its last edit among the turn's records
        self._edits: dict[int, int] = {}
        self._messages: dict[int, Message] = {}  # as they are after the changes so far

    def decide(
        self, command: ChangeCommand, before: tuple[Event, Record] | None
    ) -> Changed | Refusal:
        """Change a message, or say why not. `before` is the event that had the command's key."""
        draft = self._draft
        sequence = named_sequence(draft.state.id, command.message_id)
        message = None if sequence is None else self.message(sequence)
        if before is not None and message is not None and self._is_shown(message, command):
            return self._repeated(command, message, *before)
        decision = change_rules.change(draft.state, message, command, draft.at, draft.limits)
        if isinstance(decision, Refusal):
            return decision
        assert message is not None
        if isinstance(decision, Unchanged):
            return self._outcome(message, command)
        if isinstance(decision, Edited | Deleted) and draft.holds.cover(
            draft.state.id, message.posted.sender.id
        ):
            return Refusal(Code.LEGAL_HOLD, key=command.key)
        if isinstance(decision, Edited):
            decision = self._with_first_mentions(message, decision)
        draft.state_events.append(decision)
        record = draft.record(decision)
        return self._outcome(self._apply(message, decision), command, record)

    def erase(self, command: ErasePerson, events: Mapping[int, Record]) -> PersonErased:
        """Erase a person from messages and from the other `events` that the command names."""
        messages, who, state = 0, command.sender, self._draft.state
        for sequence in command.sequences:
            message = self.message(sequence)
            if message is None:
                if sequence in events:
                    self._erase_from(events[sequence], who)
            elif message.posted.sender.id == who.id:
                messages += 1
                self._erase_message(message, who)
        return PersonErased(state.id, messages, who.id in state.members)

    def _erase_message(self, message: Message, who: Participant) -> None:
        draft, posted = self._draft, message.posted
        if not message.is_deleted:
            event = Deleted(
                draft.state.id,
                draft.state.head + 1,
                draft.at,
                posted.message_id,
                who.id,
                thread_id=posted.thread_id,
            )
            message = self._make(event, message)
        self._keep(message._replace(posted=message.posted._replace(sender=who)))

    def _erase_from(self, record: Record, who: Participant) -> None:
        """Take a person's reaction back, and their name and words out of an event that is no message."""
        draft = self._draft
        event = draft.codec.decode(record)
        assert not isinstance(event, Posted), "messages are among the targets"
        if isinstance(event, ReactionAdded) and event.by == who.id:
            message = self.message(sequence_of(event.message_id))
            if message is not None:
                taken = change_rules.taken_back(draft.state, message, event.emoji, who.id, draft.at)
                if taken is not None:
                    self._make(taken, message)
        body = draft.codec.encode(without_person(event, who.id))
        if body != record.body:
            self.rewrites[record.sequence] = Rewrite(record.sequence, body, event_hash(record))

    def _make(self, event: ChangeEvent, message: Message) -> Message:
        self._draft.state_events.append(event)
        self._draft.record(event)
        return self._apply(message, event)

    def _is_shown(self, message: Message, command: ChangeCommand) -> bool:
        """Whether the sender may read the message, which the outcome has: the change may be from before they left."""
        state = self._draft.state
        member = state.members.get(command.sender.id)
        return member is not None and message.posted.sequence >= first_readable(state, member)

    def message(self, sequence: int) -> Message | None:
        """The message with this sequence as it is now; None where there is none."""
        known = self._messages.get(sequence)
        if known is not None:
            return known
        draft = self._draft
        place = sequence - draft.first
        if 0 <= place < len(draft.records):
            record = draft.records[place]
            return draft.codec.decode_message(record) if record.is_message else None
        target = self._targets.get(sequence)
        if target is None:
            return None
        message = draft.codec.decode_message(target.record)
        given = {each.emoji: each for each in target.reactions}
        # The frame has all kinds in their order, the target all who gave them.
        return message._replace(reactions=tuple(given[each.emoji] for each in message.reactions))

    def reply(self, event: Posted) -> None:
        """Count a reply in its root."""
        assert event.thread_id is not None
        root = self.message(sequence_of(event.thread_id))
        if root is not None:
            self._keep(replied(root, event.at)._replace(as_of=event.sequence))

    def is_root(self, thread_id: str, reader: str) -> bool:
        """Whether a message may have replies of a member: it is one that they may read, and no reply itself."""
        state = self._draft.state
        sequence = named_sequence(state.id, thread_id)
        if sequence is None or sequence < first_readable(state, state.members[reader]):
            return False
        root = self.message(sequence)
        return root is not None and root.posted.thread_id is None

    def _apply(self, message: Message, event: ChangeEvent) -> Message:
        changed = event.change(message)._replace(as_of=event.sequence)
        sequence = message.posted.sequence
        if isinstance(event, Edited | Deleted):
            self._forget_edit(sequence)
        if isinstance(event, Edited):
            self._edits[sequence] = event.sequence - self._draft.first
        if isinstance(event, Deleted) and message.posted.files is not None:
            self._draft.gone_files.append(sequence)
        if isinstance(event, Deleted) and event.thread_id is not None:
            root = self.message(sequence_of(event.thread_id))
            if root is not None:
                self._keep(reply_deleted(root)._replace(as_of=event.sequence))
        self._keep(changed)
        return changed

    def _keep(self, message: Message) -> None:
        self._messages[message.posted.sequence] = message

    def finish(self) -> None:
        """Write each changed message once, as it is after all, and release the turn, which has this object."""
        for message in self._messages.values():
            self._write(message)
        del self._draft

    def _write(self, message: Message) -> None:
        draft = self._draft
        sequence = message.posted.sequence
        body = draft.codec.encode_message(message)
        place = sequence - draft.first
        if place >= 0:
            mine = draft.records[place]
            draft.records[place] = _again(mine, body)._replace(mentions=message.posted.mentions)
            return
        stored = self._targets[sequence].record
        before, now = draft.codec.decode_message(stored).posted.mentions, message.posted.mentions
        self.rewrites[sequence] = Rewrite(
            sequence,
            body,
            event_hash(stored),
            tuple(id for id in now if id not in before),
            tuple(id for id in before if id not in now),
        )

    def _with_first_mentions(self, message: Message, event: Edited) -> Edited:
        """The edit with whom the message mentioned when it was sent: the last edit has it, if it was not the same."""
        sequence = message.posted.sequence
        place, target = self._edits.get(sequence), self._targets.get(sequence)
        before = self._draft.records[place] if place is not None else target and target.edit
        last = None if before is None else self._draft.codec.decode(before)
        first = last.first_mentions if isinstance(last, Edited) else None
        if first is None:
            first = message.posted.mentions
        return event if first == (event.mentions or ()) else replace(event, first_mentions=first)

    def _forget_edit(self, sequence: int) -> None:
        """Take the content out of the last edit of a message that is edited again or deleted."""
        draft = self._draft
        place = self._edits.pop(sequence, None)
        if place is not None:
            record = draft.records[place]
            draft.records[place] = _again(record, self._without_content(record))
            return
        target = self._targets.get(sequence)
        record_before = None if target is None else target.edit
        if record_before is not None and record_before.sequence not in self.rewrites:
            body = self._without_content(record_before)
            rewrite = Rewrite(record_before.sequence, body, event_hash(record_before))
            self.rewrites[rewrite.sequence] = rewrite

    def _without_content(self, record: Record) -> bytes:
        event = self._draft.codec.decode(record)
        assert isinstance(event, Edited), "an edit is recorded for what it is"
        return self._draft.codec.encode(event.without_content())

    def _outcome(
        self, message: Message, command: ChangeCommand, record: Record | None = None
    ) -> Changed:
        draft = self._draft
        return Changed(
            draft.state.id,
            command.message_id,
            0 if record is None else record.sequence,
            draft.at if record is None else record.at,
            command.key,
            draft.durability,
            None if record is None else event_hash(record),
            message.revision,
            message,
        )

    def _repeated(
        self, command: ChangeCommand, message: Message, event: Event, record: Record
    ) -> Changed | Refusal:
        if not _is_same(command, event):
            return Refusal(Code.KEY_REUSED, key=command.key)
        return self._outcome(message, command, record)._replace(duplicate=True)


def _again(record: Record, body: bytes) -> Record:
    """A record of the turn with another stored form: its hash stays."""
    return record._replace(body=body, salt=b"", hash=event_hash(record))


def _is_same(command: ChangeCommand, event: Event) -> bool:
    """Whether an event is what a command asks for. An edit whose content is gone is taken for the same."""
    if change_rules.EVENTS[type(command)] is not type(event):
        return False
    if event.message_id != command.message_id:
        return False
    if isinstance(event, Edited):
        assert isinstance(command, EditMessage)
        return event.content is None or event.content == command.content
    return getattr(event, "emoji", None) == getattr(command, "emoji", None)
