"""What a former owner has carried out without being able to say so: commands without a key, which come again.

Carried out twice they would be refused: who has left is no member. The log has the event by which they were carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salon.actors.events import Created, Joined, Left
from salon.actors.keeping_messages import DeleteConversation, Erased
from salon.actors.member_events import InviteCreated, InviteRevoked, Removed
from salon.actors.member_messages import AcceptInvite, CreateInvite, Remove, RevokeInvite
from salon.actors.messages import Create, Join, Leave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from salon.actors.events import Event
    from salon.actors.messages import Command
    from salon.actors.model import State

ONCE = Create | Join | Leave | AcceptInvite | CreateInvite | RevokeInvite | Remove


def outcome_among(command: Any, state: State, events: Sequence[Event]) -> Event | None:
    """The newest of these events that is what a command, which comes again, would do; None where its outcome does not stand."""
    for event in reversed(events):
        if _did(command, event):
            return event if _stands(event, state) else None
    return None


def outcome_without_state(command: Command, at: int) -> Erased | None:
    """The outcome of a command that comes again where there is no such conversation any more."""
    return Erased(at) if isinstance(command, DeleteConversation) else None


def _did(command: Any, event: Event) -> bool:
    by: str = command.sender.id
    match command, event:
        case Create(), Created():
            return event.entrants[0].participant.id == by
        case Join(), Joined():
            return event.participant.id == command.entrant.participant.id
        case AcceptInvite(), Joined():
            return event.participant.id == by and event.invite_id == command.invite_id
        case Leave(), Left():
            return event.participant.id == by
        case Remove(), Removed():
            return event.participant.id == command.participant_id and event.by == by
        case CreateInvite(), InviteCreated():
            return event.by == by and event.invite_id == command.invite_id
        case RevokeInvite(), InviteRevoked():
            return event.by == by and event.invite_id == command.invite_id
    return False


def _stands(event: Any, state: State) -> bool:
    match event:
        case Joined():
            return event.participant.id in state.members
        case Left() | Removed():
            return event.participant.id not in state.members
    return True
