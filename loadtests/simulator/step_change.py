"""The steps that change earlier messages: edits, deletions, reactions, pins, threads, and what is read of them."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from salon.web.client import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.web.client import Frame

    from .plan import Step
    from .tab import Tab
    from .world import World

EMOJI = ("👍", "🎉", ":tada:")
OWN = 0.85  # the share of edits and deletions that are of one's own message
NEAR = 6  # newest messages, of which most changes are
ANSWER = 30.0  # seconds from a question to its deletion, at most
BY_SOCKET = 0.4  # the share of changes that are first asked for in a frame


def _chance(world: World, step: Step) -> Random:
    return Random(f"change {world.plan.seed} {step.number}")


def _message(tab: Tab, chance: Random, *, own: bool = False) -> Frame | None:
    """A message that a tab knows: mostly a new one, often one that others change, too."""
    there = [event["message"] for event in tab.events if event["type"] == "message"]
    if own:
        there = [each for each in there if each["sender_id"] == tab.person.person]
    if not there:
        return None
    found: Frame = chance.choice(there[-NEAR:] if chance.random() < 0.7 else there)
    return found


def _root(message: Frame) -> str:
    """The id of the message whose thread a message is in, or begins."""
    return str(message["thread_id"] if "thread_id" in message else message["message_id"])


def _ask(world: World, step: Step, tab: Tab, chance: Random, **fields: Any) -> None:
    frame = {**fields, "client_message_id": world.key(tab)}
    by_socket = chance.random() < BY_SOCKET

    async def work() -> None:
        await tab.change(frame, by_socket=by_socket)

    world.start(work)


def _edit(world: World, step: Step) -> None:
    """Edit a message, now and then based on a revision that may be an old one, and twice at once."""
    chance, tab = _chance(world, step), world.tab(step)
    message = _message(tab, chance, own=chance.random() < OWN)
    if message is None:
        return
    for number in range(1 + (chance.random() < 0.3)):
        more: Frame = {}
        if chance.random() < 0.4:
            more["revision"] = message.get("revision", 1) + chance.randrange(2)
        if chance.random() < 0.3:
            more["metadata"] = {"step": step.number}
        someone = chance.choice(world.people).identity.participant.name
        content = f"edited in step {step.number}, {number}, for @{someone}"
        names = {"type": "message_edited", "message_id": message["message_id"]}
        _ask(world, step, tab, chance, **names, content=content, **more)


def _delete(world: World, step: Step) -> None:
    """Delete a message, often one that has former revisions."""
    chance, tab = _chance(world, step), world.tab(step)
    message = _message(tab, chance, own=chance.random() < OWN)
    who = tab.person.person
    edited = [e for e in tab.events if e["type"] == "message_edited" and e["by"] == who]
    if edited and chance.random() < 0.6:
        message = chance.choice(edited)
    if message is not None:
        names = {"type": "message_deleted", "message_id": message["message_id"]}
        _ask(world, step, tab, chance, **names)


def _take_back(world: World, step: Step) -> None:
    """Ask an agent, and delete the question in the midst of its answer."""
    if not world.agents:
        return
    chance, tab = _chance(world, step), world.tab(step)
    key, name = world.key(tab), chance.choice(world.agent_names)
    tab.say(key, f"asked under {key}: @{name}, and taken back")

    async def work() -> None:
        await trio.sleep(chance.random() ** 2 * ANSWER)
        for event in tab.events:
            message = event.get("message", {})
            if message.get("client_message_id") == key:
                names = {"type": "message_deleted", "message_id": message["message_id"]}
                _ask(world, step, tab, chance, **names)

    world.start(work)


def _react(world: World, step: Step) -> None:
    """React, twice at once now and then, or take reactions back."""
    chance, tab = _chance(world, step), world.tab(step)
    message = _message(tab, chance)
    if message is not None:
        for _ in range(chance.randint(1, 3)):
            kind = "reaction_added" if chance.random() < 0.7 else "reaction_removed"
            names = {"type": kind, "message_id": message["message_id"]}
            _ask(world, step, tab, chance, **names, emoji=chance.choice(EMOJI))


def _pin(world: World, step: Step) -> None:
    """Pin or unpin a message, mostly as the owner: others are refused."""
    chance, tab = _chance(world, step), world.tab(step)
    first = [each for each in world.tabs if each.person is world.people[0]]
    if chance.random() < 0.8:
        tab = first[step.who % len(first)]
    message = _message(tab, chance)
    if message is not None:
        kind = "message_pinned" if chance.random() < 0.6 else "message_unpinned"
        _ask(world, step, tab, chance, type=kind, message_id=message["message_id"])


def _reply(world: World, step: Step) -> None:
    """Reply in a thread, also in the channel or not; of a reply there is no thread, which is refused."""
    chance, tab = _chance(world, step), world.tab(step)
    message = _message(tab, chance)
    if message is None:
        return
    root = _root(message)
    if chance.random() < 0.1:
        root = message["message_id"]
    in_channel = chance.random() < 0.3
    for _ in range(1 + (chance.random() < 0.3)):
        key = world.key(tab)

        async def work(key: str = key) -> None:
            await tab.reply(key, f"replied under {key}", root, in_channel=in_channel)

        world.start(work)


def _read_thread(world: World, step: Step) -> None:
    """Read a thread, and mark it as read."""
    chance, tab = _chance(world, step), world.tab(step)
    message = _message(tab, chance)
    if message is None:
        return
    root = _root(message)
    place = int(chance.random() * (tab.last + 2))

    async def work() -> None:
        with suppress(Refused, Unreachable):
            await tab.person.record_thread(tab.conversation_id, root)
            marked = await tab.person.mark(tab.conversation_id, place, root, back=False)
            world.note_thread_read(tab, root, marked)

    world.start(work)


def _mark_unread(world: World, step: Step) -> None:
    """Move the read position back."""
    chance, tab = _chance(world, step), world.tab(step)
    place = int(chance.random() * (tab.last + 1))

    async def work() -> None:
        with suppress(Refused, Unreachable):
            await tab.person.mark(tab.conversation_id, place, back=True)

    world.start(work)


def _page(world: World, step: Step) -> None:
    """Read a page of the log from anywhere."""
    chance, tab = _chance(world, step), world.tab(step)
    place = int(chance.random() * (tab.last + 1))

    async def work() -> None:
        with suppress(Refused, Unreachable):
            await tab.person.record_page(tab.conversation_id, place)

    world.start(work)


def _change_again(world: World, step: Step) -> None:
    """Ask again for a change that was answered, or for another under its key."""
    chance, tab = _chance(world, step), world.tab(step)
    if not tab.changed:
        return
    frame = chance.choice(list(tab.changed.values()))
    if chance.random() < 0.3:
        other = _message(tab, chance)
        frame = {**frame, "message_id": (other or frame)["message_id"]}
    world.start(tab.change_again, frame)


CHANGE_STEPS: dict[str, Callable[[World, Step], None]] = {
    "edit": _edit,
    "delete": _delete,
    "take back": _take_back,
    "react": _react,
    "pin": _pin,
    "reply in a thread": _reply,
    "read a thread": _read_thread,
    "mark as unread": _mark_unread,
    "read a page": _page,
    "change again": _change_again,
}
