"""Conversations as an engine would write them, for the tests of the stores: turns of commands, decided by the rules."""

from __future__ import annotations

import json
import secrets
from itertools import count
from random import random
from typing import Any

from salon.actors.events import Event, Left, Posted, StateEvent
from salon.actors.limits import Limits
from salon.actors.member_events import Banned, Removed
from salon.actors.messages import (
    Command,
    Create,
    Join,
    Leave,
    MarkRead,
    Post,
    ReadMarked,
)
from salon.actors.model import Entrant, Participant, Run, State
from salon.actors.rules import apply, apply_read, decide, introduce, read_by_sending
from salon.actors.sources import Sources
from salon.actors.store import Changes, Record

ADA, BEN, CLEO, DAN = (Participant(name.lower(), name) for name in ("Ada", "Ben", "Cleo", "Dan"))
LIMITS = Limits()

_ticks = count(1_700_000_000_000)


def sources() -> Sources:
    """Names that nobody else draws, and a clock that moves on by a millisecond whenever it is looked at."""
    return Sources(
        now=lambda: next(_ticks),
        new_id=lambda: secrets.token_urlsafe(16),
        entropy=secrets.token_bytes,
        chance=random,
    )


class History:
    """One conversation: what it should be, and the changes that lead there."""

    def __init__(
        self, *entrants: Participant, owner: Participant = ADA, id: str | None = None
    ) -> None:
        self.id = id or secrets.token_urlsafe(16)
        self.owner = owner
        self.entrants = tuple(Entrant(each) for each in entrants)
        self.state = State(self.id)
        self.records: list[Record] = []

    def fork(self) -> History:
        """The same conversation so far; what is done to one of the two the other does not know."""
        other = History(owner=self.owner, id=self.id)
        other.state, other.records = self.state.draft(), list(self.records)
        return other

    def begin(self) -> Changes:
        """The turn that creates it."""
        return self.turn(Create(self.id, self.owner, "The plan", self.entrants, sites=("a", "b")))

    def say(self, *keys: str | None, sender: Participant = ADA) -> Changes:
        """A turn of one message for each key."""
        return self.turn(*(Post(self.id, sender, f"say {key}", key) for key in keys))

    def tell(self, *texts: str, sender: Participant = ADA) -> Changes:
        """A turn of one message for each text."""
        return self.turn(*(Post(self.id, sender, text) for text in texts))

    def mark(self, sequence: int, reader: Participant = ADA) -> Changes:
        """A turn that moves a read position."""
        return self.turn(MarkRead(self.id, reader, sequence))

    def join(self, *who: Participant) -> Changes:
        """A turn in which they come in."""
        return self.turn(*(Join(self.id, each, Entrant(each)) for each in who))

    def leave(self, *who: Participant) -> Changes:
        """A turn in which they leave."""
        return self.turn(*(Leave(self.id, each) for each in who))

    @staticmethod
    def soon(milliseconds: int) -> int:
        """A time so many turns from now."""
        return next(_ticks) + milliseconds

    def introduce(self, who: Participant) -> Changes:
        """A turn in which a member is called that."""
        at = next(_ticks)
        event = introduce(self.state, who, at, renamed=True)
        assert event is not None
        return self.take(event)

    def take(self, event: StateEvent) -> Changes:
        """A turn of this event, which no command here leads to."""
        apply(self.state, event)
        record = self._record(event)
        self.records.append(record)
        return Changes(self.id, self.state.number, (record,), (event,))

    def turn(self, *commands: Command) -> Changes:
        """The changes of one turn; commands that the rules refuse change nothing. They are taken as stored."""
        number, at = self.state.number, next(_ticks)
        records: list[Record] = []
        state_events: list[StateEvent] = []
        reads: dict[str, int] = {}
        for command in commands:
            decision = decide(self.state, command, at, LIMITS)
            if isinstance(decision, Run):
                self.state.runs = {**self.state.runs, decision.id: decision}
            elif isinstance(decision, Event):
                apply(self.state, decision)
                records.append(self._record(decision))
                if not isinstance(decision, Posted):
                    state_events.append(decision)
                elif self._moves(decision):
                    reads[decision.sender.id] = decision.sequence
                if isinstance(decision, Left | Removed | Banned):
                    reads.pop(decision.participant.id, None)
            elif isinstance(decision, ReadMarked) and decision.sequence > self.state.reads.get(
                command.sender.id, 0
            ):
                apply_read(self.state, command.sender.id, decision)
                reads[command.sender.id] = decision.sequence
        self.records += records
        return Changes(self.id, number, tuple(records), tuple(state_events), reads or None)

    def _moves(self, event: Posted) -> bool:
        state = self.state
        state.reads, state.saved = dict(state.reads), dict(state.saved)
        return read_by_sending(state, event.sender.id, event.sequence)

    def _record(self, event: Event) -> Record:
        sender, key = (event.sender.id, event.key) if isinstance(event, Posted) else (None, None)
        frame: dict[str, Any] = {"type": event.kind, "sequence_id": event.sequence}
        if isinstance(event, Posted):
            frame["message"] = {"content": event.content}
            if event.mentions:
                frame["message"]["mentions"] = event.mentions
        body = json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        salt = secrets.token_bytes(16)
        mentions, run_id = (
            (event.mentions, event.run_id) if isinstance(event, Posted) else ((), None)
        )
        messages = self.state.messages
        return Record(
            event.sequence,
            event.at,
            body,
            salt,
            messages,
            sender,
            key,
            mentions=mentions,
            run_id=run_id,
        )
