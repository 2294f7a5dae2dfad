"""Who may do what in a conversation: one table, which an owner may change for their conversation, and the ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from .model import Action

if TYPE_CHECKING:
    from .model import Member, Role, State

ACTIONS: tuple[Action, ...] = get_args(Action)

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


def least(state: State, action: Action) -> Role:
    """The least role that may do it in this conversation.

    `members_invite: false` is the older word for an `invite` of moderators; the table's own entry counts before it.
    """
    role = state.permissions.get(action)
    if role is not None:
        return role
    if action == "invite" and not state.members_invite:
        return "moderator"
    return LEAST[action]


def may(state: State, member: Member, action: Action) -> bool:
    """Whether a member's role is enough for an action in this conversation."""
    return RANK[member.role] >= RANK[least(state, action)]


def table(state: State) -> dict[Action, Role]:
    """The least role for every action in this conversation."""
    return {action: least(state, action) for action in ACTIONS}


def allowed_here(state: State, member: Member) -> list[Action]:
    """What a member may do in this conversation, to whom their rank allows it."""
    return [action for action in ACTIONS if may(state, member, action)]


def outranks(one: Member, other: Member) -> bool:
    """Whether the first may act on the second: nobody acts on an equal or a higher rank."""
    return RANK[one.role] > RANK[other.role]


def first_readable(state: State, member: Member) -> int:
    """The first sequence that a member may read: every way of reading begins there."""
    return 1 if state.history == "all" else member.since
