"""The steps of a run: actions of people, and faults."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.runtime import ActorDied
from salon.web.client import Refused, Unreachable

from .step_change import CHANGE_STEPS
from .step_operator import OPERATOR_STEPS
from .step_room import ROOM_STEPS
from .step_room_message import ROOM_MESSAGE_STEPS
from .tab import visit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from salon.actors.runtime import Ref

    from .disk import Fault
    from .plan import Step
    from .server import Process
    from .world import World

BURST = 30  # messages at once, at most, besides the first 5
STILL = 120.0  # seconds that a peer is half-open, at most: longer than three heartbeats
SLOW_READ = 1.5  # seconds between two reads of a slow reader, at most
SLOW_STORE = 400.0  # factor by which the store is slower, at most: eight seconds a commit
JUMP = 3_600_000  # milliseconds at most, in either direction
FAULTS: tuple[Fault, ...] = ("before", "after", "before", "after", "bug before", "bug after")


class Poison:
    """A message that no actor understands: the actor that gets it crashes."""

    is_command = False


# --- actions of people ----------------------------------------------------------------------------


def _say(world: World, step: Step, times: int = 0) -> None:
    tab = world.tab(step)
    for number in range(times or 1 + int(step.more * 3)):
        world.operations += 1
        key = world.key(tab)
        tab.say(key, f"said under {key}: {'x' * int(step.more * 100 * (number % 3))}")


def _burst(world: World, step: Step) -> None:
    _say(world, step, 5 + int(step.more * BURST))


def _post(world: World, step: Step) -> None:
    tab = world.tab(step)
    key = world.key(tab)
    # Most are replies to any event received, which may be no message.
    place = int(step.more * 1.5 * len(tab.events))
    reply_to = place + 1 if place < len(tab.events) else None
    mentioned = world.people[step.conversation % len(world.people)].identity.participant.name
    world.start(tab.post, key, f"posted under {key} for @{mentioned}", reply_to)


def _repeat(world: World, step: Step) -> None:
    tab = world.tab(step)
    if tab.acknowledged:
        key = list(tab.acknowledged)[int(step.more * len(tab.acknowledged))]
        world.start(tab.repeat, key, tab.acknowledged[key])


def _reuse(world: World, step: Step) -> None:
    tab = world.tab(step)
    if tab.acknowledged:
        key = list(tab.acknowledged)[int(step.more * len(tab.acknowledged))]
        world.start(tab.repeat, key, "something else")


def _type(world: World, step: Step) -> None:
    conversation = world.tab(step).conversation
    if conversation is not None:
        conversation.typing(step.more < 0.7)


def _read(world: World, step: Step) -> None:
    tab = world.tab(step)
    if tab.conversation is not None:
        tab.conversation.read(int(step.more * (tab.last + 2)))


def _leave(world: World, step: Step) -> None:
    if step.who % len(world.people):  # the first person stays: a conversation must not become empty
        person = world.people[step.who % len(world.people)]
        world.start(_try, person.leave, world.conversation_id(step))


def _join(world: World, step: Step) -> None:
    person = world.people[step.who % len(world.people)]
    world.start(_try, person.join, world.conversation_id(step))


def _rename(world: World, step: Step) -> None:
    person = world.people[step.who % len(world.people)]
    title = f"Title {step.number}"
    rename = partial(person.update, title=title)
    world.start(_try, rename, world.conversation_id(step))


def _change_name(world: World, step: Step) -> None:
    person = world.people[step.who % len(world.people)]
    world.start(_try, person.call_oneself, f"{person.person} the {step.number}th")


def _ask(world: World, step: Step) -> None:
    if world.agents:
        tab = world.tab(step)
        key = world.key(tab)
        names = world.agent_names
        name = names[step.conversation % len(names)]
        tab.say(key, f"asked under {key}: @{name}?")


def _cancel(world: World, step: Step) -> None:
    """Somebody cancels an open run; whoever may not is refused."""
    tab = world.tab(step)
    runs = world.open_runs(tab.conversation_id)
    if runs:
        run_id = runs[int(step.more * len(runs))]
        if tab.conversation is not None and step.more < 0.5:
            tab.conversation.cancel(run_id)
        else:
            world.start(_try, tab.person.cancel_run, tab.conversation_id, run_id)


def _decide(world: World, step: Step) -> None:
    """Somebody decides about a tool call; whoever may not is refused."""
    tab = world.tab(step)
    runs = world.waiting_calls(tab.conversation_id)
    if runs:
        run = runs[int(step.more * len(runs))]
        who, first = tab.person, world.people[0]
        approved = step.number % 3 > 0
        if approved and run.approval is not None and who.person in (run.asked_by, first.person):
            world.till.allow(json.loads(run.approval.arguments)["ticket"])
        world.start(_try, partial(who.decide, approved=approved), tab.conversation_id, run)


def _regenerate(world: World, step: Step) -> None:
    tab = world.tab(step)
    runs = [event["run_id"] for event in tab.events if event["type"] == "run_started"]
    if runs:
        run_id = runs[int(step.more * len(runs))]
        new = f"again-{step.number}"
        world.start(_try, tab.person.ask_again, tab.conversation_id, run_id, new)


def _drop_agent(world: World, step: Step) -> None:
    for agent in world.agents:
        for link in list(agent.links):
            link.cut()


def _stop_agent(world: World, step: Step) -> None:
    """The agent's program dies; it is started again, perhaps too late for its runs."""
    if world.programs:
        world.programs[step.who % len(world.programs)].stop(60 * step.more)


async def _try(work: Callable[..., Awaitable[object]], *arguments: object) -> None:
    with suppress(Refused, Unreachable):
        await work(*arguments)


def _visit(world: World, step: Step) -> None:
    tab = world.tab(step)
    after = None if step.more < 0.2 else int((step.more - 0.2) * (tab.last + 2))
    chance = Random(f"visit {world.plan.seed} {step.number}")
    world.start(visit, tab.person, tab.conversation_id, after, chance)


def _open_tab(world: World, step: Step) -> None:
    if len(world.tabs) < 2 * len(world.people):
        person = world.people[step.who % len(world.people)]
        world.open_tab(person, world.conversation_id(step))


# --- faults of the network ------------------------------------------------------------------------


def _drop(world: World, step: Step) -> None:
    """Cut one connection of a person, or all of them."""
    links = list(world.tab(step).person.links)
    for link in links if step.more < 0.5 else links[:1]:
        link.cut()


def _drop_all(world: World, step: Step) -> None:
    for person in world.people:
        for link in list(person.links):
            link.cut()


def _stand_still(world: World, step: Step) -> None:
    for link in world.tab(step).person.links:
        link.stand_still(step.more**2 * STILL)


def _read_slowly(world: World, step: Step) -> None:
    for link in world.tab(step).person.links:
        link.pause = step.more * SLOW_READ


def _lose_answers(world: World, step: Step) -> None:
    person = world.tab(step).person
    person.answers_lost = True

    def end() -> None:
        person.answers_lost = False

    world.agenda.after(5 * step.more, end)


# --- faults of the server -------------------------------------------------------------------------


def _crash_conversation(world: World, step: Step) -> None:
    if world.process is not None:
        actor = world.process.directory.active(world.conversation_id(step))
        if actor is not None:
            _poison(actor.actor_ref)


def _crash_participant(world: World, step: Step) -> None:
    if world.process is not None:
        person = world.tab(step).person.person
        _poison(world.process.directory.participant(person))


def _poison(ref: Ref[Any]) -> None:
    with suppress(ActorDied):
        ref.tell(Poison())  # type: ignore[arg-type]


def _crash_in_a_turn(world: World, step: Step) -> None:
    if world.process is not None:
        world.process.store.appends.append("bug after" if step.more < 0.5 else "bug before")


def _kill(world: World, step: Step) -> None:
    if world.process is not None:
        world.process.kill()


def _restart(world: World, step: Step) -> None:
    if world.process is not None:
        world.process.stop()


def _kill_before_commit(world: World, step: Step) -> None:
    if world.process is not None:
        world.process.store.appends.append("kill before")


def _kill_after_commit(world: World, step: Step) -> None:
    if world.process is not None:
        world.process.store.appends.append("kill after")


def _slow_store(world: World, step: Step) -> None:
    if world.process is not None:
        store = world.process.store
        store.slowness = 1 + step.more**2 * SLOW_STORE
        store.slow_until = trio.current_time() + 10


def _failing_store(world: World, step: Step) -> None:
    if world.process is not None:
        fault = FAULTS[int(step.more * 4)]
        store = world.process.store
        for faults in (store.appends, store.saves):
            faults.extend([fault] * (1 + step.who % 3))


def _failing_read(world: World, step: Step) -> None:
    if world.process is not None:
        world.process.store.reads.append(FAULTS[int(step.more * 2)])


def _jump(world: World, step: Step) -> None:
    world.jump += int((step.more - 0.5) * 2 * JUMP)
    if world.operators is not None:
        world.operators.tokens.look_at_clock()


def _passivate(world: World, step: Step) -> None:
    if world.process is not None:
        _passivate_all(world.process)


def _passivate_all(process: Process) -> None:
    for actor in list(process.directory):
        process.directory.passivate(actor)


def _empty(world: World, step: Step) -> None:
    """Cut all connections, and passivate the conversations at the first moment at which that is possible."""
    _drop_all(world, step)
    for tries in range(20):
        world.agenda.after(tries * 0.02 * (0.1 + step.more), lambda: _passivate(world, step))


STEPS: dict[str, Callable[[World, Step], None]] = {
    "say": _say,
    "burst": _burst,
    "post": _post,
    "repeat": _repeat,
    "reuse": _reuse,
    "type": _type,
    "read": _read,
    "leave": _leave,
    "join": _join,
    "rename": _rename,
    "change one's name": _change_name,
    "open a tab": _open_tab,
    "visit": _visit,
    "ask": _ask,
    "cancel": _cancel,
    "decide": _decide,
    "regenerate": _regenerate,
    "drop agent": _drop_agent,
    "stop agent": _stop_agent,
    "drop": _drop,
    "drop all": _drop_all,
    "stand still": _stand_still,
    "read slowly": _read_slowly,
    "lose answers": _lose_answers,
    "crash conversation": _crash_conversation,
    "crash participant": _crash_participant,
    "crash in a turn": _crash_in_a_turn,
    "kill": _kill,
    "restart": _restart,
    "kill before commit": _kill_before_commit,
    "kill after commit": _kill_after_commit,
    "slow store": _slow_store,
    "failing store": _failing_store,
    "failing read": _failing_read,
    "jump": _jump,
    "passivate": _passivate,
    "empty": _empty,
    **CHANGE_STEPS,
    **ROOM_STEPS,
    **ROOM_MESSAGE_STEPS,
    **OPERATOR_STEPS,
}
