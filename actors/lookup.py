"""What a turn's commands name of the log: looked up before the turn is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .file_rules import files_named
from .messages import Post
from .replies import events_in, named_by, replied_to, targets_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .agents import Agents
    from .audience import Audience
    from .files import StoredFile
    from .mailbox import Letter
    from .model import State
    from .replies import Replies
    from .run_turn import EndedRun
    from .store import Record, Store, Target


class Found(NamedTuple):
    """What the log has of that which commands name; `Turn` says what each is. None where nothing was named."""

    replied_to: Mapping[int, str] | None = None
    targets: Mapping[int, Target] | None = None
    files: Mapping[str, StoredFile] | None = None
    events: Mapping[int, Record] | None = None
    ended: Mapping[str, EndedRun] | None = None


NOTHING_NAMED = Found()


def name_nothing(letters: Sequence[Letter]) -> bool:
    """Whether all commands are messages that name nothing of the log, as most are: then there is nothing to look up."""
    for letter in letters:
        command = letter.message
        if type(command) is not Post or command.reply_to is not None:
            return False
        if command.thread_id is not None or command.files:
            return False
    return True


async def look_up(
    commands: Sequence[Letter],
    state: State,
    *,
    store: Store,
    audience: Audience,
    replies: Replies,
    agents: Agents,
) -> Found:
    """What the log has of that which these commands name. Raises `StoreError`."""
    named, replied = replied_to(commands, state), None
    if named:
        replied = await replies.senders_among(named, state.number)
    changed, targets, events = named_by(commands), None, None
    if changed or state.runs:
        targets = await targets_in(changed, state, store, audience.at_hand)
    if targets is not None:
        events, targets = await events_in(commands, state, store, targets)
    named_files, files = files_named(commands), None
    if named_files:
        files = await store.files_among(state.number, sorted(named_files))
    ended = await agents.ended_among(commands, state)
    return Found(replied, targets, files, events, ended)
