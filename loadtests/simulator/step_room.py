"""The steps in rooms: roles, removal, bans, mutes, invites, requests, rules, direct conversations, deletion."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from salon.actors.keeping_messages import SetPreferences
from salon.actors.member_messages import (
    ApproveJoin,
    Ban,
    CreateInvite,
    DenyJoin,
    Mute,
    Remove,
    RequestJoin,
    RevokeInvite,
    SetRole,
    Unban,
    Unmute,
)
from salon.actors.messages import Update
from salon.web.client import Refused, Unreachable

from . import routes
from .scene import SHORT, Scene, attempt, post

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.model import Action, History, Role

    from .person import Person
    from .plan import Step
    from .server import Process
    from .world import World

ROLES: tuple[Role, ...] = ("observer", "member", "member", "moderator", "owner")
TRIES = 12  # to delete a room, until it is known to be gone
AGAIN = 2.0  # seconds between them
AT_ONCE = 0.001  # seconds: less than a commit takes


def _set_role(world: World, step: Step) -> None:
    """Give a role; often take it from a moderator at the very moment at which they use it."""
    scene = Scene(world, step)
    owners, moderators = scene.having("owner"), scene.having("moderator")
    if owners and moderators and world.process is not None and scene.chance.random() < 0.6:
        _take_away(scene, world.process, owners[0], scene.chance.choice(moderators))
        return
    room, who, whom = scene.place
    scene.ask(SetRole(room, who, whom, scene.chance.choice(ROLES)))  # type: ignore[arg-type]


def _take_away(scene: Scene, process: Process, owner: Person, moderator: Person) -> None:
    room, him, her = scene.room, owner.known_as(process), moderator.known_as(process)
    first = SetRole(room, him.participant, moderator.person, "member")
    acts, people = (Mute, Remove, Ban), scene.world.people
    later = [scene.chance.choice(acts)(room, her.participant, each.person) for each in people]
    # What comes while this is committed is decided in one turn.
    process.ask(him, SetPreferences(room, him.participant, scene.chance.random() < 0.5))

    async def meanwhile() -> None:
        await trio.sleep(AT_ONCE)
        process.ask(him, first)
        await trio.sleep(AT_ONCE / 10)
        for command in later:
            process.ask(her, command)

    scene.world.start(meanwhile)


def _remove(world: World, step: Step) -> None:
    scene = Scene(world, step)
    scene.ask(Remove(*scene.place))  # type: ignore[arg-type]


def _ban(world: World, step: Step) -> None:
    """Ban somebody, who comes back at once if they can."""
    scene = Scene(world, step)
    scene.ask(Ban(*scene.place, scene.until()))  # type: ignore[arg-type]

    async def come_back() -> None:
        await trio.sleep(20 * scene.chance.random() ** 2)
        with suppress(Refused, Unreachable):
            await scene.lower.join(scene.room)

    world.start(come_back)


def _unban(world: World, step: Step) -> None:
    scene = Scene(world, step)
    state = scene.rooms.state(scene.room)
    banned = list(state.bans) if state is not None else []
    whom = scene.chance.choice(banned) if banned else scene.whom.person
    scene.ask(Unban(scene.room, scene.who.identity.participant, whom))


def _mute(world: World, step: Step) -> None:
    """Mute somebody, who speaks all the same, and perhaps leaves and comes back to speak."""
    scene = Scene(world, step)
    scene.ask(Mute(*scene.place, scene.until()))  # type: ignore[arg-type]

    async def speak() -> None:
        for _ in range(2):
            await trio.sleep(10 * scene.chance.random() ** 2)
            post(scene, scene.lower)
        with suppress(Refused, Unreachable):
            await scene.lower.leave(scene.room)
            await scene.lower.join(scene.room)
        post(scene, scene.lower)

    world.start(speak)


def _unmute(world: World, step: Step) -> None:
    scene = Scene(world, step)
    scene.ask(Unmute(*scene.place))  # type: ignore[arg-type]


def _invite(world: World, step: Step) -> None:
    """Make an invite, which several use at once."""
    scene = Scene(world, step)
    chance, id = scene.chance, f"invite-{step.number}"
    expires = int(chance.random() * SHORT) if chance.random() < 0.4 else None
    uses = chance.choice((None, 1, 1, 2))
    role = chance.choice(ROLES)
    who = scene.who.identity.participant

    async def work() -> None:
        await attempt(scene.who, CreateInvite(scene.room, who, id, role, expires, uses))
        scene.rooms.invites.append(id)
        for person in world.people:
            world.start(_use, person, id)

    world.start(work)


def _accept(world: World, step: Step) -> None:
    """Use an invite, which may be over, revoked or of a room that is gone."""
    scene = Scene(world, step)
    for _ in range(scene.chance.randint(1, 3)):
        if scene.rooms.invites:
            who = scene.chance.choice(world.people)
            world.start(_use, who, scene.chance.choice(scene.rooms.invites))


async def _use(person: Person, invite_id: str) -> None:
    with suppress(Refused, Unreachable):
        await person.call(routes.accept, invite_id)


def _revoke(world: World, step: Step) -> None:
    scene = Scene(world, step)
    if scene.rooms.invites:
        id = scene.chance.choice(scene.rooms.invites[-3:])
        scene.ask(RevokeInvite(scene.room, scene.who.identity.participant, id))


def _ask_to_join(world: World, step: Step) -> None:
    """Ask to be let in, or come in; somebody answers soon, and perhaps another one otherwise."""
    scene = Scene(world, step)
    chance, asker = scene.chance, scene.outsider
    who = scene.who.identity.participant

    async def work() -> None:
        with suppress(Refused, Unreachable):
            await asker.join(scene.room)
        await attempt(asker, RequestJoin(scene.room, asker.identity.participant))
        await trio.sleep(5 * chance.random())
        for kind in chance.choices((ApproveJoin, ApproveJoin, DenyJoin), k=chance.randint(1, 2)):
            scene.ask(kind(scene.room, who, asker.person))

    world.start(work)


def _come_and_go(world: World, step: Step) -> None:
    scene = Scene(world, step)

    async def work() -> None:
        with suppress(Refused, Unreachable):
            if scene.chance.random() < 0.4:
                await scene.whom.leave(scene.room)
            await scene.whom.join(scene.room)

    world.start(work)


def _rules(world: World, step: Step) -> None:
    """Change the rules of a room, or its title."""
    scene = Scene(world, step)
    chance = scene.chance
    history: History | None = chance.choice((None, "all", "since_join"))
    slow_mode = chance.choice((None, None, 0, 3))
    permissions: dict[Action, Role | None] | None = None
    if chance.random() < 0.3:
        action: Action = chance.choice(("post", "invite", "remove", "mute", "react"))
        permissions = {action: chance.choice((None, "member", "moderator"))}
    title = f"Room {step.number}" if chance.random() < 0.4 else None
    who = scene.who.identity.participant
    scene.ask(Update(scene.room, who, title, None, permissions, history, slow_mode))


def _keep(world: World, step: Step) -> None:
    """Archive, mute or pin a room for oneself."""
    scene = Scene(world, step)
    chance = scene.chance
    archived, pinned = chance.choice((None, True, False)), chance.choice((None, True, False))
    muted = chance.choice((None, 0, 1))
    who = scene.whom.identity.participant
    scene.ask(SetPreferences(scene.room, who, archived, muted, pinned), scene.whom)


def _open_direct(world: World, step: Step) -> None:
    """Two people ask for their direct conversation at once, and say something in it."""
    scene = Scene(world, step)
    for one, other in ((scene.who, scene.whom), (scene.whom, scene.who)):
        world.start(_direct, scene, one, other)


async def _direct(scene: Scene, one: Person, other: Person) -> None:
    await trio.sleep(0.2 * scene.chance.random() ** 2)
    with suppress(Refused, Unreachable):
        id = await one.call(routes.direct, other.identity.participant)
        if id not in scene.rooms.directs:
            scene.rooms.directs.append(id)
        tab = scene.rooms.tab(one, id) or scene.rooms.open_tab(one, id)
        key = scene.world.key(tab)
        await tab.post(key, f"said directly under {key}")


def _delete(world: World, step: Step) -> None:
    """The owner deletes a room, asking until it is known to be gone, while others go on; later there is another one."""
    scene = Scene(world, step)
    if scene.room in scene.rooms.directs:
        return
    state = scene.rooms.state(scene.room)
    owners = [
        each
        for each in world.people
        if state is not None
        and each.person in state.members
        and state.members[each.person].role == "owner"
    ]
    who = scene.chance.choice(owners or world.people)
    world.start(_until_gone, scene, who)
    for person in world.people:
        post(scene, person)


async def _until_gone(scene: Scene, owner: Person) -> None:
    rooms, room, gone = scene.rooms, scene.room, False
    for _ in range(TRIES):
        try:
            await owner.delete_conversation(room)
            break
        except Unreachable:
            await trio.sleep(AGAIN)
        except Refused as refused:
            if not refused.temporary:
                gone = rooms.state(room) is None  # an earlier request has done it
                break
            await trio.sleep(refused.retry_after or AGAIN)
    if gone:
        owner.know_deleted(room)
    if rooms.state(room) is None:
        await rooms.see_closed(room)
        await rooms.begin()


ROOM_STEPS: dict[str, Callable[[World, Step], None]] = {
    "set a role": _set_role,
    "remove": _remove,
    "ban": _ban,
    "unban": _unban,
    "mute": _mute,
    "unmute": _unmute,
    "invite": _invite,
    "use an invite": _accept,
    "revoke an invite": _revoke,
    "ask to join": _ask_to_join,
    "come and go": _come_and_go,
    "set the rules": _rules,
    "keep for oneself": _keep,
    "open a direct conversation": _open_direct,
    "delete a conversation": _delete,
}
