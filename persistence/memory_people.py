"""What the memory store has about people: their traces in the log, erasures, holds."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from salon.actors.future import Future
from salon.actors.people import (
    TRACED,
    Expired,
    LegalHold,
    PersonErasure,
    PersonRows,
    Retained,
    Trace,
    Traces,
)
from salon.actors.person_erasure import ERASED_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.store import Record

    from .memory_conversation import Conversation
    from .memory_files import MemoryFiles
    from .memory_held import MemoryHeld
    from .memory_reports import MemoryReports
    from .memory_tokens import MemoryTokens


class MemoryPeople:
    """Implements `PeopleStore` in memory."""

    _log_of_all: list[tuple[Conversation, int]]
    _conversations: list[Conversation]
    _guests: dict[str, tuple[str, bytes]]
    _names: dict[str, tuple[str, bool, int]]
    _owners: dict[str, str]
    _files: MemoryFiles
    _held: MemoryHeld
    _reports: MemoryReports
    _tokens: MemoryTokens
    _erasures: dict[str, PersonErasure]
    _holds: dict[str, LegalHold]

    def traces(self, participant_id: str, *, after: int) -> Future[Traces]:
        """The events after a place in the log that are by a person or name them, of the next places."""
        quoted = json.dumps(participant_id, ensure_ascii=False).encode()

        def concerns(_: Conversation, record: Record) -> bool:
            by = record.sender_id
            return by == participant_id or (by is None and quoted in record.body)

        return Future.of(Traces(*self._step(after, concerns)))

    def expired(self, before: int, *, after: int) -> Future[Expired]:
        """The messages sent before a time and not deleted since, of the next places after a place in the log."""

        def is_old(conversation: Conversation, record: Record) -> bool:
            there = record.sequence not in conversation.deleted
            return record.at < before and record.is_message and there

        found, end = self._step(after, is_old)
        step = self._log_of_all[after : after + TRACED]
        conversation, sequence = step[-1] if step else (None, 0)
        younger = conversation is None or conversation.records[sequence - 1].at >= before
        return Future.of(Expired(found, None if younger else end))

    def retained(self) -> Future[tuple[Retained, ...]]:
        """The conversations that keep their messages for a number of days of their own."""
        states = (each.state for each in self._conversations)
        found = (Retained(each.id, each.number, each.retention) for each in states)
        return Future.of(tuple(each for each in found if each.days))

    def expired_in(self, number: int, before: int) -> Future[tuple[int, ...]]:
        """The first messages of a conversation sent before a time and not deleted since."""
        conversation = self._conversations[number - 1]
        found = (
            each.sequence
            for each in conversation.records
            if each.at < before and each.is_message and each.sequence not in conversation.deleted
        )
        return Future.of(tuple(islice(found, TRACED)))

    def person(self, participant_id: str) -> Future[PersonRows]:
        """What stands about a person outside of conversations."""
        guest, name = self._guests.get(participant_id), self._names.get(participant_id)
        shown = name or guest
        return Future.of(
            PersonRows(
                None if shown is None else shown[0],
                guest is not None,
                self._files.of(participant_id),
                self._reports.by(participant_id),
            )
        )

    def forget_person(self, participant_id: str) -> Future[None]:
        """Delete what stands about a person outside of the log."""
        self._guests.pop(participant_id, None)
        self._names.pop(participant_id, None)
        self._owners = {name: id for name, id in self._owners.items() if id != participant_id}
        self._held.forget(participant_id)
        self._tokens.forget_name(participant_id)
        self._reports.forget(participant_id)
        self._files.forget_unsent(participant_id)
        for conversation in self._conversations:
            _forget_in(conversation, participant_id)
        return Future.of(None)

    @property
    def erasing(self) -> bool:
        """Nothing is on a disk."""
        return False

    def save_erasure(self, erasure: PersonErasure) -> Future[None]:
        """Store an erasure in place of what was stored of it."""
        self._erasures[erasure.id] = erasure
        return Future.of(None)

    def erasures(self) -> Future[tuple[PersonErasure, ...]]:
        """All erasures."""
        return Future.of(
            tuple(sorted(self._erasures.values(), key=lambda each: (each.asked_at, each.id)))
        )

    def save_hold(self, hold: LegalHold) -> Future[None]:
        """Store a hold in place of what was stored of it."""
        self._holds[hold.id] = hold
        return Future.of(None)

    def holds(self) -> Future[tuple[LegalHold, ...]]:
        """All holds."""
        return Future.of(tuple(sorted(self._holds.values(), key=lambda each: (each.at, each.id))))

    def _step(
        self, after: int, wanted: Callable[[Conversation, Record], bool]
    ) -> tuple[tuple[Trace, ...], int | None]:
        end = after + TRACED
        found = tuple(
            Trace(conversation.state.id, sequence)
            for conversation, sequence in self._log_of_all[after:end]
            if conversation.state.head and wanted(conversation, conversation.records[sequence - 1])
        )
        return found, end if end < len(self._log_of_all) else None


def _forget_in(conversation: Conversation, participant_id: str) -> None:
    state = conversation.state = conversation.state.draft()
    for kept in ("bans", "mutes"):
        sanctions = getattr(state, kept)
        if participant_id in sanctions:
            one = sanctions[participant_id]
            who = one.participant._replace(name=ERASED_NAME)
            setattr(state, kept, {**sanctions, participant_id: one._replace(participant=who)})
    state.requests = {id: each for id, each in state.requests.items() if id != participant_id}
    member = state.members.get(participant_id)
    if member is not None:
        who = member.participant._replace(name=ERASED_NAME)
        state.members = {**state.members, participant_id: replace(member, participant=who)}
    for name in [each for each in conversation.thread_reads if each[1] == participant_id]:
        del conversation.thread_reads[name]
