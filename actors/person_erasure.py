"""Erasing a person from a conversation: what they have said is deleted, and their name leaves the events that have it.

Their id stays, so that the sequence keeps its meaning: what it stood for is gone. The deletions are the same events as those of
messages that people delete themselves; names are taken out of stored frames, whose hashes stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .fields import WHY, Form
from .model import Participant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .events import StateEvent
    from .model import Entrant, Sanction, State

ERASED_NAME = "[erased]"
ERASED_AT_ONCE = 128  # events of one command: a turn of some ten milliseconds


@dataclass(frozen=True, slots=True)
class ErasePerson:
    """Erase a person from these events of a conversation, which is not asked who may.

    `sender` is the person, under the name that they have from now on. Of an event that does not concern them nothing is changed.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    sequences: tuple[int, ...]


class PersonErased(NamedTuple):
    """It is done, and stored. Of `messages` messages of the person only the place is left, also of those deleted before."""

    conversation_id: str
    messages: int
    is_member: bool


def erased(id: str, type: str = "human") -> Participant:
    """A person as they are shown from now on."""
    return Participant(id, ERASED_NAME, "agent" if type == "agent" else "human")


def without_person(event: StateEvent, id: str) -> StateEvent:
    """An event without the person's name, and without the reason that they gave for it."""
    changes: dict[str, Any] = {}
    for field in event.frame:
        value = getattr(event, field.source, None)
        if value is None:
            continue
        if field.form in _NAMELESS:
            changes[field.source] = _NAMELESS[field.form](value, id)
        elif field.name == WHY.name and field.form is Form.TEXT and _author(event) == id:
            changes[field.source] = None
    if changes.get("entrants") and getattr(event, "direct", None):
        changes["title"] = direct_title(each.participant for each in changes["entrants"])
    return replace(event, **changes)


def direct_title(people: Iterable[Participant]) -> str:
    """The title of a direct conversation of which somebody was erased: it has had their name."""
    return ", ".join(each.name for each in people)


def forget_names(state: State, id: str) -> None:
    """Take the name out of what a draft keeps about people who need not be members."""
    for kept in ("bans", "mutes"):
        sanctions: dict[str, Sanction] = getattr(state, kept)
        if id in sanctions:
            one = sanctions[id]
            who = _nameless(one.participant, id)
            setattr(state, kept, {**sanctions, id: one._replace(participant=who)})
    if id in state.requests:
        state.requests = {other: each for other, each in state.requests.items() if other != id}


def _author(event: StateEvent) -> str | None:
    """Who gave the reason of an event: of a request to join it is the one who asks."""
    by: str | None = getattr(event, "by", None)
    who: Participant | None = getattr(event, "participant", None)
    return by if by is not None or who is None else who.id


def _nameless(participant: Participant, id: str) -> Participant:
    return participant._replace(name=ERASED_NAME) if participant.id == id else participant


def _nameless_entrants(entrants: tuple[Entrant, ...], id: str) -> tuple[Entrant, ...]:
    return tuple(each._replace(participant=_nameless(each.participant, id)) for each in entrants)


_NAMELESS: dict[Form, Callable[[Any, str], Any]] = {
    Form.ENTRANTS: _nameless_entrants,
    Form.PARTICIPANT: _nameless,
}
