"""The steps with messages in rooms: what is held and decided, reported, read, has files, is changed and deleted."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.messages import Join
from salon.actors.model import Entrant
from salon.web.client import Refused, Unreachable

from . import routes
from .moderation import DOUBTFUL, HELD, REFUSED
from .scene import Scene, attempt, post

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.web.client import Frame

    from .person import Person
    from .plan import Step
    from .rooms import RoomTab
    from .world import World

LATER = 15.0  # seconds until a decision, at most
NEAR = 8  # newest messages, which are changed
WORDS = "said room"  # what is searched


def _speak(world: World, step: Step) -> None:
    """Several people speak, some too fast for slow mode."""
    scene = Scene(world, step)
    for _ in range(scene.chance.randint(1, 4)):
        post(scene, scene.chance.choice(world.people))


def _say_what_is_held(world: World, step: Step) -> None:
    """Say what moderators look at first, twice in a row; some decide later, at once and not always alike."""
    scene = Scene(world, step)
    chance = scene.chance
    for word in chance.choices((HELD, HELD, DOUBTFUL, REFUSED), k=chance.randint(1, 2)):
        post(scene, scene.whom, word)
    world.start(_decide_later, scene)


def _decide(world: World, step: Step) -> None:
    world.start(_decide_later, Scene(world, step))


async def _decide_later(scene: Scene) -> None:
    chance, room = scene.chance, scene.room
    await trio.sleep(LATER * chance.random())
    with suppress(Refused, Unreachable):
        waiting = await scene.who.call(routes.held, room)
        for position in waiting:
            approve = chance.random() < 0.7
            for person in chance.sample(scene.world.people, 2):
                scene.world.start(_decide_one, person, room, position, approve)
            scene.world.start(_decide_one, scene.who, room, position, approve)


async def _decide_one(person: Person, room: str, position: int, approve: bool) -> None:
    with suppress(Refused, Unreachable):
        await person.decide_held(room, position, approve=approve)


def _report(world: World, step: Step) -> None:
    """Report a message, twice."""
    scene = Scene(world, step)
    tab = scene.rooms.tab(scene.whom, scene.room)
    message = None if tab is None else _message(scene, tab)
    if message is None:
        return

    async def work() -> None:
        for _ in range(2):
            with suppress(Refused, Unreachable):
                found = await scene.whom.call(routes.report, scene.room, message["message_id"])
                scene.rooms.reported.add(found)

    world.start(work)


def _message(scene: Scene, tab: RoomTab, *, own: bool = False) -> Frame | None:
    said = _said(tab, own=own)
    found: Frame | None = scene.chance.choice(said[-NEAR:]) if said else None
    return found


def _said(tab: RoomTab, *, own: bool) -> list[Frame]:
    """The messages that a tab knows, or those of its person."""
    said = [each["message"] for each in tab.events if each["type"] == "message"]
    return [each for each in said if not own or each["sender_id"] == tab.person.person]


def _send_a_file(world: World, step: Step) -> None:
    """Upload a file and send it, in two messages now and then: one of them is refused."""
    scene = Scene(world, step)
    tab = scene.rooms.tab(scene.whom, scene.room)
    if tab is None:
        return

    async def work() -> None:
        with suppress(Refused, Unreachable):
            file_id = await scene.whom.call(routes.upload, world.disk, scene.room)
            scene.rooms.uploads.append((scene.room, file_id))
            for _ in range(1 + (scene.chance.random() < 0.4)):
                key = world.key(tab)
                world.start(partial(tab.post, key, f"with a file under {key}", files=(file_id,)))
            await trio.sleep(LATER * scene.chance.random())
            _change(scene, tab, "message_deleted", own=True)

    world.start(work)


def _change_here(world: World, step: Step) -> None:
    """Change or delete a message of a room, of one's own or of somebody else."""
    scene = Scene(world, step)
    kinds = ("message_edited", "message_deleted", "reaction_added", "message_pinned")
    kind = scene.chance.choice(kinds)
    own = kind == "message_edited" or scene.chance.random() < 0.3
    tabs = [each for each in scene.rooms.tabs if each.conversation_id == scene.room]
    likely = [each for each in tabs if _said(each, own=own)]
    if likely:
        tab = scene.chance.choice(likely)
        _change(scene, tab, kind, own=own)


def _change(scene: Scene, tab: RoomTab, kind: str, *, own: bool) -> None:
    message = _message(scene, tab, own=own)
    if message is None:
        return
    key = scene.world.key(tab)
    frame: dict[str, Any] = {"type": kind, "message_id": message["message_id"]}
    if kind == "message_edited":
        word = scene.chance.choice(("", "", HELD))
        frame["content"] = f"edited in {scene.room} under {key} {word}".strip()
    if kind == "reaction_added":
        frame["emoji"] = "👍"
    frame["client_message_id"] = key
    scene.world.start(partial(tab.change, frame, by_socket=False))


def _read(world: World, step: Step) -> None:
    """Read a page of a room from anywhere, search in it, and look whether one may at all."""
    scene = Scene(world, step)
    place = int(scene.chance.random() ** 2 * 30)

    async def work() -> None:
        for person in world.people:
            with suppress(Refused, Unreachable):
                await person.record_page(scene.room, place)
                await person.record_search(scene.room, WORDS)

    world.start(work)


def _let_in_again(world: World, step: Step) -> None:
    """Somebody in charge adds everybody who is out: whoever is banned stays out."""
    scene = Scene(world, step)
    who = scene.who.identity.participant
    for person in world.people:
        entrant = Entrant(person.identity.participant)
        world.start(attempt, scene.who, Join(scene.room, who, entrant))


ROOM_MESSAGE_STEPS: dict[str, Callable[[World, Step], None]] = {
    "speak": _speak,
    "say what is held": _say_what_is_held,
    "decide about what is held": _decide,
    "report": _report,
    "send a file": _send_a_file,
    "change in a room": _change_here,
    "read in a room": _read,
    "let in again": _let_in_again,
}
