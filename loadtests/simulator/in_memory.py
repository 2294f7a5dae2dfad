"""What the actors of a server have in memory, for the checks: those that own conversations, and replicas of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from salon.actors.cluster.replica import ReplicaActor
from salon.actors.conversation import ConversationActor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from salon.actors.model import State
    from salon.actors.store import Record

    from .server import Process


class Remembered(NamedTuple):
    """One conversation, as it is in memory."""

    conversation_id: str
    where: str
    state: State | None
    recent: tuple[Record, ...]


def remembered(process: Process) -> Iterator[Remembered]:
    """Every conversation in a server's memory."""
    for actor in process.directory:
        if isinstance(actor, ConversationActor):
            state = actor.state
        elif isinstance(actor, ReplicaActor):
            state = actor.following.state
        else:
            continue
        where = f"the actor of {actor.key} at {process.name}"
        yield Remembered(actor.key, where, state, tuple(actor.audience._recent))
