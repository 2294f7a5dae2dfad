"""The rules about a conversation as a whole: who may delete it, and how members keep it for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .keeping_messages import DeleteConversation, Erased, PreferencesSet, SetPreferences
from .model import Preferences
from .refusals import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .limits import Limits
    from .model import State


def _delete(state: State, command: DeleteConversation, at: int, limits: Limits) -> Erased | Refusal:
    member = state.members.get(command.sender.id)
    if member is None:
        return Refusal(Code.NOT_FOUND)
    if state.direct:
        return Refusal(
            Code.DIRECT_CONVERSATION
        )  # its id follows from theirs: they could not talk any more
    return Erased(at) if member.role == "owner" else Refusal(Code.FORBIDDEN)


def _set_preferences(
    state: State, command: SetPreferences, at: int, limits: Limits
) -> PreferencesSet | Refusal:
    id = command.sender.id
    if id not in state.members:
        return Refusal(Code.NOT_FOUND)
    archived, muted, pinned = state.preferences.get(id, Preferences())
    return PreferencesSet(
        Preferences(
            archived if command.archived is None else command.archived,
            muted if command.muted is None else command.muted,
            pinned if command.pinned is None else command.pinned,
        )
    )


DECIDE: dict[Any, Callable[[State, Any, int, Limits], Any]] = {
    DeleteConversation: _delete,
    SetPreferences: _set_preferences,
}
