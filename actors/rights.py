"""Who may do what in a conversation: one table, which an owner may change for their conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .model import Member, Role, State

Action = Literal[
    "post",
    "edit_own",
    "delete_own",
    "delete_any",
    "react",
    "pin",
    "invite",
    "remove",
    "ban",
    "mute",
    "rename",
    "change_roles",
    "read_members",
]

RANK: dict[Role, int] = {"observer": 0, "member": 1, "moderator": 2, "owner": 3}

# The least role that may do it, where the conversation's owner has not said otherwise.
LEAST: dict[Action, Role] = {
    "post": "member",
    "edit_own": "member",
    "delete_own": "member",
    "delete_any": "moderator",
    "react": "member",
    "pin": "moderator",
    "invite": "member",
    "remove": "moderator",
    "ban": "moderator",
    "mute": "moderator",
    "rename": "owner",
    "change_roles": "owner",
    "read_members": "observer",
}


def may(state: State, member: Member, action: Action) -> bool:
    """Whether a member's role is enough for an action in this conversation."""
    return RANK[member.role] >= RANK[LEAST[action]]
