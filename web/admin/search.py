"""Finds live items by a part of their id, title or name, and a conversation in the store by its id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import trio

from .details import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from salon.actors.directory import Directory

    from ..socket import Connection

HITS = 20  # hits shown
AT_ONCE = 1000  # items checked between two checkpoints: under a millisecond

Kind = Literal["conversation", "participant", "connection", "refusal"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found."""

    kind: Kind
    id: str
    label: str
    active: bool


async def find(directory: Directory, wire: Iterable[Connection], asked: str) -> list[Hit]:
    """The hits: items with exactly this id first, then items that contain the text. Raises `StoreError`."""
    hits = {(hit.kind, hit.id): hit for hit in await _whole(directory, asked)}
    part = asked.casefold()
    for number, (kind, id, label) in enumerate(_everything(directory, tuple(wire)), 1):
        if part in id.casefold() or part in label.casefold():
            hits.setdefault((kind, id), Hit(kind, id, label, active=True))
        if len(hits) >= HITS:
            break
        if not number % AT_ONCE:
            await trio.lowlevel.checkpoint()
    return list(hits.values())


async def _whole(directory: Directory, asked: str) -> list[Hit]:
    """The items with exactly this id, in memory or not."""
    hits = []
    state = await state_of(directory, asked)
    if state is not None:
        active = directory.active(asked) is not None
        hits.append(Hit("conversation", asked, state.title, active))
    entry = directory.refusals.find(asked)
    if entry is not None:
        hits.append(Hit("refusal", asked, entry.refusal.code.value, active=True))
    if asked in directory.participants:
        hits.append(Hit("participant", asked, asked, active=True))
    return hits


def _everything(
    directory: Directory, wire: tuple[Connection, ...]
) -> Iterator[tuple[Kind, str, str]]:
    for actor in tuple(directory.conversations.values()):
        yield "conversation", actor.key, "" if actor.state is None else actor.state.title
    for participant_id in tuple(directory.participants):
        yield "participant", participant_id, participant_id
    for connection in wire:
        yield "connection", connection.connection_id, connection.participant.name
