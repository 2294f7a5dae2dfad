"""One run: people, network, server and disk, the steps of the plan, and at the end a faultless phase for the checks."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.messages import Create
from salon.actors.model import Entrant, Participant, ParticipantType, State, Steering
from salon.actors.rules import apply
from salon.actors.run_messages import UpdateAgent
from salon.actors.sources import Sources
from salon.web.agents import ToolsAgent
from salon.web.client import Refused, Unreachable
from salon.web.settings import ToolSettings
from salon.web.settings.model import AuthSettings, LimitSettings, Settings
from salon.web.socket.event_json import decode_event

from ..checker import Fold, Recorder, agree, same
from .agenda import Agenda
from .agent import AgentProgram
from .disk import Disk
from .farewell import ENDED
from .hosted import HOSTED, TOOLS, SimulatedModel, Till, hosted_agent, tools_agent
from .moderation import desk
from .operators import Operators, backends, people_of
from .person import Network, Person
from .plan import AGENTS, CALLS, NAMES
from .rooms import Rooms
from .server import Process
from .tab import Tab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from salon.actors.conversation import ConversationActor
    from salon.actors.model import Run
    from salon.web.agents import Upstream
    from salon.web.settings import AgentSettings

    from ..checker import Record
    from .event_stream import EventReader
    from .plan import Plan, Step

    Steps = Mapping[str, Callable[["World", Step], None]]

BEGINNING = 1_700_000_000_000  # milliseconds: the wall clock when virtual time begins
DOWN = 3.0  # seconds that the server is down, at most
LOOK = 1.0  # seconds between two checks whether all is quiet
MOST_RECORDS = 6_000  # of the end of a run: the busiest have a third of it
QUIET = 30.0  # seconds in which nothing may be missing before the log is read
MANY = 10_000  # accounts of a run: all of them
FAILING = frozenset(
    {"failing store", "failing read"}
)  # steps after which an account may be missing
# Seconds from the reading of what a model is told to the request, at most, and with a slow store.
READING, LONG_READING = 1.0, 40.0
AWAY = 8.0  # seconds: more than the grace after which a person is reported as offline
LAST_WORDS = 3  # messages of each tab
CLOSE_TOGETHER = 0.02  # seconds between two of them, at most: as long as a commit
PEACE = (
    600.0  # seconds for all to become complete: three heartbeats, and the clients' longest pauses
)


class Stuck(Exception):
    """The faultless phase did not complete all tabs; the text says which tab lacks what."""


class World:
    """All parts of one run. `take` is called with each record of its history; `operations` counts actions and faults."""

    def __init__(self, plan: Plan, steps: Steps, take: Callable[[Record], object]) -> None:
        self.plan = plan
        self._steps = steps
        self.operations = 0
        self.jump = 0  # milliseconds by which the wall clock is off
        self.agenda = Agenda()
        self.recorder = Recorder(self._take_down, trio.current_time)
        self._records, self._told = 0, take  # how many there are, since the faults have stopped
        self.chance = Random(f"world {plan.seed}")
        self.sources = self._sources()
        self.disk = Disk(self.sources, self.recorder)
        self.network = self.make_network()
        self.settings = self._settings()
        self.people = [self._person(name) for name in NAMES[: plan.setting.people]]
        self.agents = [self._person(name, "agent") for name in AGENTS[: plan.setting.agents]]
        self.leaks: list[str] = []  # of what a model was told and must not know
        self.till = Till(plan.seed, lambda: self.peaceful)
        self.hosted = self._hosted()
        self.programs: list[AgentProgram] = []
        self.conversation_ids: list[str] = []
        self.tabs: list[Tab] = []
        self.peaceful = False
        self.problems: list[tuple[str, str]] = []  # kinds of anomalies that were seen on the way
        self.told_hashes: dict[tuple[str, int], set[str]] = {}  # of events, as answers have them
        self.thread_reads: dict[tuple[str, str], int] = {}  # (person, root) -> what was marked
        self.moved_back: dict[tuple[str, str], int] = {}  # (person, conversation) -> at the end
        self.rooms = Rooms(self) if plan.setting.rooms else None
        self.operators = None
        if plan.setting.operated:
            self.operators = Operators(self, *people_of(self._person))
        self.nursery: trio.Nursery
        self._keys = count(1)

    @property
    def process(self) -> Process | None:
        """The running server, None while it is down."""
        return self.network.process

    @property
    def processes(self) -> list[Process]:
        """The running servers: one at most, where there are not several nodes."""
        return [] if self.process is None else [self.process]

    def actors(self, conversation_id: str) -> list[ConversationActor]:
        """The active actors of a conversation that know its state."""
        found = (each.directory.active(conversation_id) for each in self.processes)
        return [each for each in found if each is not None and each.state is not None]

    def once_known(self, tell: Callable[[], object]) -> None:
        """Call a function once all servers know what one of them has answered: at once, if there is only one."""
        tell()

    def make_network(self) -> Network:
        """The network to the server."""
        chance = Random(f"network {self.plan.seed}")
        return Network(self.agenda, chance, capacity=self.plan.setting.capacity)

    # --- the setting ----------------------------------------------------------------------------

    def _sources(self) -> Sources:
        numbers, chance = count(1), Random(f"sources {self.plan.seed}")
        return Sources(
            now=lambda: BEGINNING + self.jump + round(trio.current_time() * 1000),
            new_id=lambda: f"id-{next(numbers)}",
            entropy=chance.randbytes,
            chance=chance.random,
        )

    def _settings(self) -> Settings:
        setting = self.plan.setting
        tokens: dict[str, dict[str, Any]] = {
            _token(name): {"id": name, "name": name.title()} for name in NAMES
        }
        tokens |= {
            _token(name): {"id": name, "name": name.title(), "type": "agent"} for name in AGENTS
        }
        if setting.operated:
            tokens[_token("root")] = {"id": "root", "name": "Root", "admin": True}
        return Settings(
            webhooks=tuple(each.settings for each in backends()) if setting.operated else (),
            auth=AuthSettings.model_validate({"static_tokens": tokens}),
            limits=LimitSettings(
                queue_size=setting.queue_size,
                queue_share=setting.queue_share,
                resume_limit=setting.resume_limit,
                message_rate=setting.message_rate,
                message_burst=5 * setting.message_rate,
                idle_timeout=setting.idle_timeout,
            ),
        )

    def _person(self, name: str, kind: ParticipantType = "human") -> Person:
        chance = Random(f"{name} {self.plan.seed}").random
        person = Person("http://salon", self.recorder, name, token=_token(name), random=chance)
        person.begin(self.network, Participant(name, name.title(), kind))
        return person

    def _hosted(self) -> list[tuple[AgentSettings, Upstream]]:
        if not self.plan.setting.hosted:
            return []
        others = tuple(agent.identity.participant.name for agent in self.agents)
        model = SimulatedModel(self.plan.seed, others, lambda: self.peaceful, self._said_in)
        self.leaks = model.leaks
        tools = ToolsAgent(self.till, ToolSettings(mcp=TOOLS))
        return [(hosted_agent(self.plan.seed), model), (tools_agent(), tools)]

    @property
    def agent_names(self) -> list[str]:
        """The names of all agents, as people mention them."""
        names = [agent.identity.participant.name for agent in self.agents]
        return [*names, *(agent.name for agent, _ in self.hosted[:1])]

    # --- the run --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Play the run. Raises `Stuck`, in a group, if it does not become quiet at the end."""
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            nursery.start_soon(self.agenda.run)
            await nursery.start(self._keep_server_up)
            await self._create_conversations()
            for person in self.people:
                for conversation_id in self.conversation_ids:
                    self.open_tab(person, conversation_id)
            self._start_agents()
            if self.operators is not None:
                await self.operators.begin()
            if self.rooms is not None:
                for _ in range(self.plan.setting.rooms):
                    await self.rooms.begin()
            for step in self.plan.steps:
                await trio.sleep_until(step.at)
                self._take(step)
            await trio.sleep(1)
            await self._make_peace()
            nursery.cancel_scope.cancel()

    async def _keep_server_up(
        self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        started = False
        while True:
            async with trio.open_nursery() as nursery:
                process = Process(
                    self.settings,
                    self.disk,
                    self.sources,
                    self.agenda,
                    self.chance,
                    self.recorder,
                    self.hosted,
                    None if self.rooms is None else desk(self.plan, self.rooms.is_room),
                    None if self.operators is None else self.operators.services,
                )
                await nursery.start(process.run)
                self.network.process = process
                if not started:
                    task_status.started()
                started = True
            self.network.process = None
            self.recorder.note(ENDED)
            await trio.sleep(DOWN * self.chance.random())

    async def _create_conversations(self) -> None:
        assert self.process is not None
        first, *others = (person.identity.participant for person in self.people)
        for number in range(self.plan.setting.conversations):
            conversation_id = f"talk-{number}"
            # They have another name until they connect.
            entrants = tuple(Entrant(each._replace(name="Somebody")) for each in others)
            ref = self.process.directory.participant(first.id)
            agents = [agent.identity.participant for agent in self.agents]
            entrants += tuple(map(Entrant, agents))
            entrants += tuple(Entrant(agent.participant) for agent, _ in self.hosted[:1])
            if self.operators is not None:
                visitors = (each.person.identity for each in self.operators.visitors)
                entrants += tuple(Entrant(each.participant) for each in visitors)
            days = None if number else self.plan.setting.own_retention or None
            await ref.ask(Create(conversation_id, first, "Talk", entrants, retention=days))
            for agent in agents:
                steering: Steering = "restart" if self.plan.seed % 2 else "queue"
                settings = UpdateAgent(conversation_id, first, agent.id, "auto", CALLS, steering)
                await ref.ask(settings)
            self.conversation_ids.append(conversation_id)

    def _start_agents(self) -> None:
        for agent in self.agents:
            name = agent.identity.participant.name
            others = tuple(each for each in self.agent_names if each != name)
            for conversation_id in self.conversation_ids:
                program = AgentProgram(agent, conversation_id, others, self.plan.seed)
                self.programs.append(program)
                self.nursery.start_soon(program.run)

    def open_runs(self, conversation_id: str) -> list[str]:
        """The ids of the runs that are open, as the store knows."""
        state = self.disk.load(conversation_id).get()
        return [] if state is None else list(state.runs)

    def _said_in(self, conversation_id: str) -> set[str]:
        """What the messages of a conversation say or have said, but for those that were deleted a while ago."""
        slow = any(step.kind == "slow store" for step in self.plan.steps)
        lately = trio.current_time() - (LONG_READING if slow else READING)
        gone = {name for name, at in self.disk.forgotten.items() if at < lately}
        said = self.disk.texts.items()
        texts = {text for (where, _), each in said if where == conversation_id for text in each}
        return {text for text in texts if (conversation_id, text) not in gone}

    def waiting_calls(self, conversation_id: str) -> list[Run]:
        """The runs whose tool call waits for a person."""
        runs = [run for each in self.actors(conversation_id) for run in each.state.runs.values()]  # type: ignore[union-attr]
        return [run for run in runs if run.approval and run.approval.approved is None]

    def uncounted(self) -> Iterator[str]:
        """Answers of the hosted agent without an account of what they have used, unless the store was told to fail."""
        if any(step.kind in FAILING for step in self.plan.steps):
            return
        for conversation_id in self.conversation_ids:
            page = self.disk.accounts(conversation_id=conversation_id, limit=MANY).get()
            counted = {account.run_id for account in page.accounts}
            for event in self.log(conversation_id):
                message = event.get("message", {})
                if message.get("sender_id") == HOSTED and message["run_id"] not in counted:
                    yield f"what {message['run_id']} in {conversation_id} has used is not kept"

    def open_tab(self, person: Person, conversation_id: str) -> None:
        """Open one more tab."""
        setting = self.plan.setting
        tab = Tab(person, conversation_id, window=setting.window, outbox=setting.outbox)
        self.tabs.append(tab)
        self.nursery.start_soon(tab.run)

    def tab(self, step: Step) -> Tab:
        """The tab that a step is about."""
        return self.tabs[step.who % len(self.tabs)]

    def conversation_id(self, step: Step) -> str:
        """The id of the conversation that a step is about."""
        return self.conversation_ids[step.conversation % len(self.conversation_ids)]

    def note_thread_read(self, tab: Tab, root: str, sequence: int) -> None:
        """Note that somebody was told how far they have read a thread."""
        name = tab.person.person, root
        self.thread_reads[name] = max(sequence, self.thread_reads.get(name, 0))

    def key(self, tab: Tab) -> str:
        """A new key."""
        return f"{tab.person.person}-{next(self._keys)}"

    def start(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Start a task."""
        self.nursery.start_soon(partial(work, *arguments))

    def _take(self, step: Step) -> None:
        self.operations += 1
        self.recorder.note(f"step {step.number}: {step.kind}")
        self._steps[step.kind](self, step)

    def _take_down(self, record: Record) -> None:
        self._records += record.record != "delivery"
        if record.record == "received" and "event_hash" in record.frame:
            sequence = record.frame.get("sequence_id") or record.frame["sequence"]
            name = record.conversation, sequence
            self.told_hashes.setdefault(name, set()).add(record.frame["event_hash"])
        self._told(record)

    # --- the end --------------------------------------------------------------------------------

    async def _make_peace(self) -> None:
        """End all faults, make everybody a member, wait until all tabs have all events and receipts, and record the logs."""
        self.peaceful, self._records = True, 0
        self.recorder.note("peace")
        if self.rooms is not None:
            self.rooms.make_peace()
        if self.operators is not None:
            self.operators.make_peace()
        for program in self.programs:
            program.peaceful = True
        for person in self.people:
            person.answers_lost = False
            for conversation_id in self.conversation_ids:
                self.start(self._be_member, person, conversation_id)
        with trio.move_on_after(PEACE):
            await self._become_quiet()
            await self._go_and_come_back()
            await self._become_quiet()
            await self._say_last_words()
            if self.rooms is not None:
                await self.rooms.say_last_words()
            await self._become_quiet()
            await self._move_back()
            await self._become_quiet()
            await self._go_and_come_back()  # once more: the restart has made presence anew
            await self._become_quiet()
            for conversation_id in self.everywhere:
                events = self.log(conversation_id)
                self.recorder.log(conversation_id, 0, len(events), events)
            return
        raise Stuck("; ".join(self._lacking()) or "it never became quiet")

    async def _become_quiet(self) -> None:
        quiet_since = trio.current_time()
        while trio.current_time() < quiet_since + QUIET:
            self._heal()
            await trio.sleep(LOOK)
            if self._records > MOST_RECORDS:
                raise Stuck(
                    f"so much happens and nothing comes of it: {'; '.join(self._lacking())}"
                )
            if self._lacking():
                quiet_since = trio.current_time()

    async def _go_and_come_back(self) -> None:
        """Take one person offline for so long that presence is reported, and reported again when the person is back."""
        person = self.people[self.plan.seed % len(self.people)]
        person.away = True
        for link in list(person.links):
            link.cut()
        await trio.sleep(AWAY)
        person.away = False

    async def _say_last_words(self) -> None:
        """Send some messages close together. No later message could hide a lost wake-up."""
        for _ in range(LAST_WORDS):
            for tab in self.tabs:
                key = self.key(tab)
                tab.say(key, f"said last under {key}")
                await trio.sleep(CLOSE_TOGETHER * self.chance.random())
        for tab in self.tabs:
            said = [event for event in tab.events if event["type"] == "message"]
            frame = {"type": "reaction_added", "emoji": "👋", "client_message_id": self.key(tab)}
            if said:
                frame["message_id"] = self.chance.choice(said)["message"]["message_id"]
                self.start(partial(tab.change, frame, by_socket=False))
            await trio.sleep(CLOSE_TOGETHER * self.chance.random())

    async def _move_back(self) -> None:
        """Mark conversations as unread for one person, who says nothing more; a restart must not forget it."""
        person = self.people[(self.plan.seed + 1) % len(self.people)]
        for conversation_id in self.conversation_ids:
            place = self.chance.randrange(len(self.disk.log(conversation_id)) - 1)
            with suppress(Refused, Unreachable):  # told to come back later: not now
                moved = await person.mark(conversation_id, place, back=True)
                self.moved_back[person.person, conversation_id] = moved
        if self.process is not None:
            self.process.kill()

    def _heal(self) -> None:
        if self.process is not None:
            store = self.process.store
            store.appends.clear()
            store.saves.clear()
            store.reads.clear()
            store.slow_until = 0.0
        visitors = () if self.operators is None else self.operators.visitors
        for person in (*self.people, *self.agents, *(each.person for each in visitors)):
            for link in person.links:
                link.pause = 0.0

    async def _be_member(self, person: Person, conversation_id: str) -> None:
        """Join whenever they are no member: a wish to leave from before may take effect late, on a slow store."""
        while True:
            if not self._is_member(person, conversation_id):
                with suppress(Exception):  # any error: only membership counts
                    await person.join(conversation_id)
            await trio.sleep(LOOK)

    def _is_member(self, person: Person, conversation_id: str) -> bool:
        state = self.disk.load(conversation_id).get()
        return state is not None and person.person in state.members

    def _lacking(self) -> list[str]:
        lacking = []
        for tab in self.tabs:
            head = len(self.disk.log(tab.conversation_id))
            name = f"{tab.person.person} in {tab.conversation_id}"
            if tab.last != head:
                lacking.append(f"{name} has {tab.last} of {head} events {tab.ended}")
            elif tab.conversation is None:
                lacking.append(f"{name} is not connected: {tab.ended}")
            if tab.unsettled:
                lacking.append(f"{name} waits for receipts of {', '.join(tab.unsettled)}")
            if tab.changing:
                lacking.append(f"{name} waits for answers to {', '.join(tab.changing)}")
        for conversation_id in self.conversation_ids:
            if runs := self.open_runs(conversation_id):
                lacking.append(f"{conversation_id} has the open runs {', '.join(runs)}")
        for others in (self.rooms, self.operators):
            lacking += () if others is None else others.lacking()
        return lacking

    @property
    def everywhere(self) -> list[str]:
        """The ids of all conversations that are there, rooms too."""
        return [*self.conversation_ids, *(() if self.rooms is None else self.rooms.living)]

    def present(self) -> dict[str, list[str]]:
        """Who is connected where in the end."""
        people = [each.person for each in self.people]
        there = dict.fromkeys(self.conversation_ids, people)
        return there if self.rooms is None else there | self.rooms.present()

    def log(self, conversation_id: str) -> list[dict[str, Any]]:
        """All events of a conversation, as a client receives them."""
        return [json.loads(record.body) for record in self.disk.log(conversation_id)]

    def differing(self) -> list[str]:
        """A text for each tab or conversation whose state differs from the log."""
        logs = {conversation_id: self.log(conversation_id) for conversation_id in self.everywhere}
        readers: list[Tab | EventReader] = list(self.tabs)
        if self.operators is not None:
            readers += [each for each in self.operators.readers if not each.stopped]
        return [
            f"{each.person.person} has not the events of {each.conversation_id} that the log has"
            for each in readers
            if not _are_equal(each.events, logs[each.conversation_id])
        ] + [
            f"{conversation_id} has in memory or in the store another state than its log"
            for conversation_id, events in logs.items()
            if not self._is_state_of(conversation_id, events)
        ]

    def _is_state_of(self, conversation_id: str, events: list[dict[str, Any]]) -> bool:
        """Whether the state of the conversation, active or loaded, is the one that its events lead to."""
        folded = State(conversation_id)
        for event in events:
            apply(folded, decode_event(event))
        names = {id: self.disk.name_of(id).get() for id in folded.members}
        if any(
            name is not None and name[0] != folded.members[id].participant.name
            for id, name in names.items()
        ):
            return False
        actor = self.process.directory.active(conversation_id) if self.process is not None else None
        stored = self.disk.load(conversation_id).get()
        active = actor.state if actor is not None else None
        found = [state for state in (stored, active) if state is not None]
        if len({tuple(sorted(state.reads.items())) for state in found}) > 1:
            return False
        if len({tuple(sorted(state.preferences.items())) for state in found}) > 1:
            return False
        folded.reads = {}
        return all(replace(state, number=0, reads={}, preferences={}) == folded for state in found)

    def wrong_replies(self) -> list[str]:
        """A text for each accepted reply to something that is no message, and for each refused reply to a message."""
        wrong = []
        for conversation_id in self.conversation_ids:
            log = self.log(conversation_id)
            said = [each["message"] for each in log if each["type"] == "message"]
            messages = {each["message_id"] for each in said}
            named = {each["reply_to"] for each in said if "reply_to" in each}
            wrong += [f"{name} is replied to" for name in sorted(named - messages)]
            refused = [
                tab.refused_replies for tab in self.tabs if tab.conversation_id == conversation_id
            ]
            names = {f"{conversation_id}-{sequence}" for sequence in set().union(*refused)}
            wrong += [f"{name} is refused as a reply" for name in sorted(names & messages)]
        return wrong


def _are_equal(events: list[dict[str, Any]], log: list[dict[str, Any]]) -> bool:
    """Whether somebody has the log's events, and comes by them to the messages that the log has."""
    if len(events) != len(log) or not all(map(agree, events, log)):
        return False
    now = {each["message"]["message_id"]: each["message"] for each in log if "message" in each}
    folded = Fold(events).messages, Fold(log).messages
    return all(
        each.keys() == now.keys() and all(same(each[id], now[id]) for id in now) for each in folded
    )


def _token(name: str) -> str:
    return f"token-of-{name}"
