"""The steps of operators, and of people whose tokens end."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from salon.web.client import Closed, Refused, Unreachable

from . import operator_routes as routes
from .operators import DAY

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.web.client import Frame

    from .operators import Operators
    from .plan import Step
    from .visitor import Visitor
    from .world import World

SHORT = 45  # seconds of a short token, at most
OUTAGE = 90.0  # seconds that a backend misbehaves, at most
NEAR = 8  # newest messages, which are changed
DAYS = (0.2, 1.6)  # that pass at once
SAVES = ("kill before", "kill after")
EMOJI = ("👍", "🎉")


class Act:
    """What a step is about: the operators, a visitor and a conversation, by the step's own chance."""

    def __init__(self, world: World, step: Step) -> None:
        assert world.operators is not None, "only plans with operators have such steps"
        self.world = world
        self.operators: Operators = world.operators
        self.chance = Random(f"operator {world.plan.seed} {step.number}")
        there = [each for each in self.operators.visitors if not each.is_leaving]
        self.visitor: Visitor = self.chance.choice(there or self.operators.visitors)
        self.backend = self.chance.choice(self.operators.backends)
        self.conversation_id = self.chance.choice(world.conversation_ids)
        self.until = trio.current_time() + OUTAGE * self.chance.random() ** 2

    def try_to(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Start something that may be refused, or remain without an answer."""
        self.world.start(attempt, work, *arguments)

    def messages(self, sender: str | None = None) -> list[Frame]:
        """The newest messages of the conversation that are there, of one person or of all."""
        log = self.world.log(self.conversation_id)
        said = [event["message"] for event in log if event["type"] == "message"]
        return [
            each for each in said if sender in (None, each["sender_id"]) and not each.get("deleted")
        ][-NEAR:]


async def attempt(work: Callable[..., Any], *arguments: Any) -> None:
    """Do something, and take whatever comes of it."""
    with suppress(Refused, Unreachable, Closed):
        await work(*arguments)


# --- visitors -------------------------------------------------------------------------------------


def _speak(world: World, step: Step) -> None:
    """A visitor speaks, replies, or changes their name."""
    act = Act(world, step)
    if act.visitor.is_leaving and act.chance.random() < 0.5:
        return
    for _ in range(act.chance.randint(1, 3)):
        tab = act.chance.choice(act.visitor.tabs)
        key, words = world.key(tab), "said by a visitor under"
        roots = [each["message_id"] for each in act.messages() if "thread_id" not in each]
        if roots and act.chance.random() < 0.3:
            root, also = act.chance.choice(roots), act.chance.random() < 0.3
            world.start(partial(tab.reply, key, f"{words} {key}", root, in_channel=also))
        else:
            world.start(tab.post, key, f"{words} {key}")
    if act.chance.random() < 0.2 and not act.visitor.is_leaving:
        name = f"{act.visitor.id.title()} Visitor the {step.number}th"
        act.visitor.names.append(name)
        act.try_to(act.visitor.person.call_oneself, name)


def _change(world: World, step: Step) -> None:
    """A visitor edits or deletes what they have said, or reacts."""
    act = Act(world, step)
    tab, chance = act.chance.choice(act.visitor.tabs), act.chance
    act.conversation_id = tab.conversation_id
    kind = chance.choice(("message_edited", "message_edited", "message_deleted", "reaction_added"))
    said = act.messages(None if kind == "reaction_added" else act.visitor.id)
    if not said or act.visitor.is_leaving:
        return
    key = world.key(tab)
    frame = {"type": kind, "message_id": chance.choice(said)["message_id"]}
    frame |= {"client_message_id": key}
    if kind == "message_edited":
        frame["content"] = f"said by a visitor, now {key}"
    elif kind == "reaction_added":
        frame["emoji"] = chance.choice(EMOJI)
    world.start(partial(tab.change, frame, by_socket=chance.random() < 0.4))


def _read_of(world: World, step: Step) -> None:
    """Somebody searches what a visitor has said, reads a page, or an operator takes the visitor's data."""
    act = Act(world, step)
    person, id = act.chance.choice(world.people), act.conversation_id
    act.try_to(person.record_search, id, "visitor")
    act.try_to(person.record_page, id, 0)
    act.try_to(_take_data, act, act.visitor.id)


async def _take_data(act: Act, person: str) -> None:
    since = trio.current_time()
    found = await act.operators.root.call(routes.archive, person)
    for conversation_id, events in found.items():
        line = act.world.recorder.over_http(conversation_id, "root")
        line.page(since, events)


def _open_stream(world: World, step: Step) -> None:
    act = Act(world, step)
    people = [each.person for each in act.operators.visitors if not each.is_leaving]
    act.operators.follow(act.chance.choice([*world.people, *people]), act.conversation_id)


# --- tokens ---------------------------------------------------------------------------------------


def _revoke(world: World, step: Step) -> None:
    act = Act(world, step)
    token = act.visitor.token
    if token is not None:
        world.start(act.operators.tokens.revoke, token)


def _revoke_all(world: World, step: Step) -> None:
    act = Act(world, step)
    world.start(act.operators.tokens.revoke_all, act.visitor.id)


def _block(world: World, step: Step) -> None:
    act = Act(world, step)
    world.start(act.operators.tokens.block, act.visitor.id)


def _unblock(world: World, step: Step) -> None:
    act = Act(world, step)
    blocked = [each for each in act.operators.visitors if each.id in act.operators.tokens.blocked]
    if blocked:
        world.start(act.operators.tokens.unblock, act.chance.choice(blocked).id)


def _short_token(world: World, step: Step) -> None:
    """A visitor comes in anew, with a token that soon ends."""
    act = Act(world, step)
    world.start(_come_in, act)


async def _come_in(act: Act) -> None:
    visitor = act.visitor
    with suppress(Refused, Unreachable):
        seconds = 1 + int(SHORT * act.chance.random())
        who = visitor.person.identity.participant
        visitor.take(await act.operators.tokens.issue(who, seconds))
        for link in list(visitor.person.links):
            link.cut()


def _use_ended(world: World, step: Step) -> None:
    """A visitor, or a thief, tries the tokens that the visitor had before."""
    act = Act(world, step)
    world.start(_try_former, act)


async def _try_former(act: Act) -> None:
    visitor, now = act.visitor, act.visitor.token
    tab = act.chance.choice(visitor.tabs)
    for token in act.operators.tokens.of(visitor.id)[-3:]:
        if token is now or visitor.is_leaving:
            continue
        visitor.take(token)
        key = act.world.key(tab)
        act.world.start(attempt, visitor.person.post, tab.conversation_id, f"by thief {key}", key)
        act.try_to(_look_in, visitor, tab.conversation_id)
        await trio.sleep(0.1)
    if now is not None:
        visitor.take(now)


async def _look_in(visitor: Visitor, conversation_id: str) -> None:
    async with visitor.person.socket(conversation_id, 0) as socket:
        with trio.move_on_after(5):
            while True:
                await socket.receive_json()


def _renew(world: World, step: Step) -> None:
    """A visitor with a short token on a plain socket gets another one in time, and stays."""
    act = Act(world, step)
    if not act.visitor.is_leaving:
        world.start(attempt, _stay, act)


async def _stay(act: Act) -> None:
    visitor, tokens = act.visitor, act.operators.tokens
    who, id = visitor.person.identity.participant, act.conversation_id
    visitor.take(await tokens.issue(who, 20 + int(60 * act.chance.random())))
    async with visitor.person.socket(id, 0) as socket:
        with trio.move_on_after(120):
            while True:
                frame = await socket.receive_json()
                if frame["type"] == "auth_expiring":
                    token = await tokens.issue(who)
                    visitor.take(token)
                    await socket.send_json({"type": "auth", "token": token.text})


# --- erasures, holds, days ------------------------------------------------------------------------


def _erase(world: World, step: Step) -> None:
    """A visitor is erased while others read; often the server is killed in the middle."""
    act = Act(world, step)
    by_themselves = act.chance.random() < 0.5
    for tab in () if act.visitor.is_leaving else act.visitor.tabs:
        key = world.key(tab)
        world.start(tab.post, key, f"said by a visitor under {key}, at the last moment")
    world.start(partial(act.operators.erase, act.visitor, by_themselves=by_themselves))
    if act.chance.random() < 0.5:
        world.agenda.after(0.05 + 0.5 * act.chance.random(), partial(_kill, world))


def _kill(world: World) -> None:
    if world.process is not None and not world.peaceful:
        world.process.kill()


def _hold(world: World, step: Step) -> None:
    act = Act(world, step)
    if act.chance.random() < 0.5:
        world.start(act.operators.hold, "conversation", act.conversation_id)
    else:
        people = [*(each.person for each in world.people), act.visitor.id]
        world.start(act.operators.hold, "person", act.chance.choice(people))


def _release(world: World, step: Step) -> None:
    act = Act(world, step)
    held = [each for each in act.operators.holds if each.until == float("inf")]
    if held:
        world.start(act.operators.release, act.chance.choice(held))


def _change_held(world: World, step: Step) -> None:
    """People edit and delete what they have said, held or not."""
    act = Act(world, step)
    for tab in world.tabs:
        act.conversation_id = tab.conversation_id
        said = act.messages(tab.person.person)
        if said:
            key = world.key(tab)
            frame: Frame = {"message_id": act.chance.choice(said)["message_id"]}
            frame |= {"type": "message_deleted", "client_message_id": key}
            if act.chance.random() < 0.5:
                frame |= {"type": "message_edited", "content": f"changed under {key}"}
            world.start(partial(tab.change, frame, by_socket=False))


def _day(world: World, step: Step) -> None:
    """The wall clock goes on by a day or so, as it does while a server is up."""
    act = Act(world, step)
    world.jump += int(act.chance.uniform(*DAYS) * DAY)
    act.operators.tokens.look_at_clock()


# --- webhooks -------------------------------------------------------------------------------------


def _down(world: World, step: Step) -> None:
    act = Act(world, step)
    act.backend.down_until = act.until


def _refuse(world: World, step: Step) -> None:
    """A backend refuses everything, or one conversation, while people speak there; often it is told again from an event on."""
    act = Act(world, step)
    act.backend.refuses_until = act.until
    act.backend.refused = act.conversation_id if act.chance.random() < 0.6 else None
    for tab in world.tabs:
        if tab.conversation_id == act.conversation_id:
            key = world.key(tab)
            world.start(tab.post, key, f"posted under {key} to who refuses")
    if act.chance.random() < 0.5:
        world.agenda.after(OUTAGE * act.chance.random() ** 3, lambda: _replay(world, step))


def _stall(world: World, step: Step) -> None:
    act = Act(world, step)
    act.backend.stalls_until = act.until


def _lose(world: World, step: Step) -> None:
    act = Act(world, step)
    act.backend.loses_until = act.until


def _retry(world: World, step: Step) -> None:
    act = Act(world, step)
    act.try_to(act.operators.root.call, routes.retry, act.backend.url)


def _replay(world: World, step: Step) -> None:
    """Tell a backend again from an event on, often one that refuses just now, and an event that it was not told of so far."""
    act = Act(world, step)
    now = trio.current_time()
    refusing = [each for each in act.operators.backends if now < each.refuses_until]
    backend = act.chance.choice(refusing or [act.backend])
    id = backend.refused or act.conversation_id
    place = 1 + int(len(world.disk.log(id)) * act.chance.random() ** 0.3)
    where = backend.url, id, place
    act.try_to(act.operators.root.call, routes.replay, *where)


def _fail_to_save(world: World, step: Step) -> None:
    if world.process is not None:
        act = Act(world, step)
        faults = act.chance.choices(("before", "after"), k=act.chance.randint(1, 3))
        world.process.store.saves.extend(faults)  # type: ignore[arg-type]


def _kill_at_a_save(world: World, step: Step) -> None:
    if world.process is not None:
        act = Act(world, step)
        world.process.store.saves.append(act.chance.choice(SAVES))  # type: ignore[arg-type]


OPERATOR_STEPS: dict[str, Callable[[World, Step], None]] = {
    "visitors speak": _speak,
    "visitors change": _change,
    "read of a visitor": _read_of,
    "open a stream": _open_stream,
    "revoke a token": _revoke,
    "revoke all tokens": _revoke_all,
    "block a visitor": _block,
    "unblock a visitor": _unblock,
    "issue a short token": _short_token,
    "use an ended token": _use_ended,
    "renew in-band": _renew,
    "erase a visitor": _erase,
    "hold": _hold,
    "release a hold": _release,
    "change what is held": _change_held,
    "a day passes": _day,
    "a backend is down": _down,
    "a backend refuses": _refuse,
    "a backend stalls": _stall,
    "a backend loses answers": _lose,
    "retry a webhook": _retry,
    "replay a webhook": _replay,
    "fail to save": _fail_to_save,
    "kill at a save": _kill_at_a_save,
}
