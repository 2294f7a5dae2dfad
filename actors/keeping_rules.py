"""The rules about a conversation as a whole: who may delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .keeping_messages import DeleteConversation, Erased
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


DECIDE: dict[Any, Callable[[State, Any, int, Limits], Any]] = {DeleteConversation: _delete}
