"""Deliberate bugs in rights, coming in, moderation, deletion of conversations and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from salon.actors import attendance, events, member_rules, rules
from salon.actors.conversation import ConversationActor
from salon.actors.messages import Join
from salon.actors.model import Invite
from salon.actors.rights import RANK
from salon.persistence import memory_search
from salon.persistence.memory import MemoryStore
from salon.persistence.memory_files import MemoryFiles
from salon.persistence.memory_held import MemoryHeld
from salon.web.api import held, invites

from .server import Process

if TYPE_CHECKING:
    from salon.actors.model import Member, State
    from salon.actors.store import Changes

Change = tuple[Any, str, Callable[[Any], Any]]


def tell_those_who_were_removed() -> Change:
    """Who is removed or banned keeps the sockets that are open."""

    def change(real: Any) -> Any:
        def see_off(self: Any, participant_id: str, *, removed: bool = False) -> None:
            if removed:
                self.attendance.presence.forget(participant_id)
            else:
                real(self, participant_id)

        return see_off

    return ConversationActor, "_see_off", change


def bans_end_at_a_restart() -> Change:
    """A restart finds nobody banned."""

    def change(real: Any) -> Any:
        def run(self: Any, **options: Any) -> Any:
            for there in self.store.disk._conversations:
                there.state.bans = {}
            return real(self, **options)

        return run

    return Process, "run", change


def mutes_end_with_leaving() -> Change:
    """Who is muted leaves and comes back to speak."""

    def change(real: Any) -> Any:
        def remove(state: State, participant_id: str, at: int) -> None:
            real(state, participant_id, at)
            state.mutes = {id: each for id, each in state.mutes.items() if id != participant_id}

        return remove

    return events, "remove_member", change


def count_an_invite_when_it_is_over() -> Change:
    """An invite is used once more than it may be."""

    def change(real: Any) -> Any:
        def over(self: Invite, at: int) -> bool:
            before: bool = real(self._replace(uses=self.uses - 1), at)
            return before

        return over

    return Invite, "over", change


def judge_by_the_role_at_the_beginning_of_a_turn() -> Change:
    """Who loses a role acts by it until the turn has ended."""

    def change(real: Any) -> Any:
        first: list[Any] = [None, {}]

        def entitled(state: State, sender: Any, action: Any) -> Any:
            if first[0] is not state:
                first[:] = [state, state.members]
            return real(replace(state, members=first[1]), sender, action)

        return entitled

    return member_rules, "entitled", change


def act_on_an_equal() -> Change:
    """A moderator removes a moderator."""

    def change(real: Any) -> Any:
        def outranks(one: Member, other: Member) -> bool:
            return RANK[one.role] >= RANK[other.role]

        return outranks

    return member_rules, "outranks", change


def let_anybody_in() -> Change:
    """Where one comes in by invitation only, who asks nobody comes in, too."""

    def change(real: Any) -> Any:
        def decide(state: State, command: Any, *more: Any) -> Any:
            if isinstance(command, Join):
                state = replace(state, join="open")
            return real(state, command, *more)

        return decide

    return rules, "decide", change


def catch_up_from_before_one_came() -> Change:
    """A socket begins with what was said before its person came, where that is not for them."""
    return attendance, "first_readable", lambda real: lambda state, member: 1


def find_what_was_before_one_came() -> Change:
    """A search finds what was said before the searcher came."""

    def change(real: Any) -> Any:
        def first_readable(there: Any, sought: Any) -> int | None:
            return None if real(there, sought) is None else 1

        return first_readable

    return memory_search, "first_readable", change


def two_direct_conversations() -> Change:
    """Who asks first decides which direct conversation it is."""

    def change(real: Any) -> Any:
        return lambda one, other: f"direct {one} {other}"

    return invites, "direct_id", change


def a_deleted_conversation_comes_back() -> Change:
    """The deletion is not stored: a conversation is there again once it is loaded."""

    def change(real: Any) -> Any:
        def keep(self: Any, there: Any, changes: Changes) -> None:
            real(self, there, replace(changes, erased=None))

        return keep

    return MemoryStore, "_keep", change


def held_messages_outlive_their_conversation() -> Change:
    return MemoryHeld, "erase", lambda real: lambda self, number: None


def post_a_held_message_each_time() -> Change:
    """Who approves what another approves at the same time posts it a second time."""

    def change(real: Any) -> Any:
        def command_again(message: Any) -> Any:
            command = real(message)
            return (
                replace(command, key=None) if message.kind == "edit" else command._replace(key=None)
            )

        return command_again

    return held, "command_again", change


def files_outlive_their_message() -> Change:
    """The file of a deleted message is kept."""
    return MemoryFiles, "delete", lambda real: lambda self, number, sequences: None
