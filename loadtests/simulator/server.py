"""The server: its real parts composed as in `web/app.py`, without Hypercorn, as a process that can be killed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import trio

from salon.actors.directory import Directory
from salon.actors.held import Held
from salon.actors.messages import Join, Leave, Post, Update
from salon.actors.model import Entrant
from salon.actors.readable import body_for
from salon.actors.refusals import Code, Refusal
from salon.actors.rules import named_sequence
from salon.actors.runtime import ActorDied, System
from salon.actors.store import StoreError
from salon.web.agents import HostedAgents
from salon.web.api.handshake import (
    Asked,
    admit,
    attach,
    greet,
    greet_as,
    identified,
    last_sequence,
    turn_away,
)
from salon.web.api.view import readable_from, seen
from salon.web.drain import drain
from salon.web.http.request import Parts, Refused
from salon.web.identity.identity import IdentityBook
from salon.web.socket.change_frames import change_command
from salon.web.socket.client_frames import parse
from salon.web.socket.codec import (
    JsonCodec,
    changed_json,
    error_fields,
    held_fields,
    receipt_json,
)
from salon.web.socket.event_connection import FIRST as FIRST_EVENT
from salon.web.socket.event_connection import EventConnection
from salon.web.socket.personal_connection import PersonalConnection
from salon.web.socket.wire import Wire

from .disk import DiskPort
from .disk_operators import OperatorsPort
from .farewell import LATE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from salon.actors.messages import Command, MarkRead, ReadMarked
    from salon.actors.sources import Sources
    from salon.web.agents import Upstream
    from salon.web.identity.identity import Identity
    from salon.web.moderation import Desk
    from salon.web.settings import AgentSettings
    from salon.web.settings.model import Settings

    from ..checker import Recorder
    from .agenda import Agenda
    from .disk import Disk
    from .link import Link, ServerEnd
    from .services import Keep, Services

KEY = bytes(32)  # signs nothing: all people have static tokens
PAGE = 100
ROUND = 0.01  # seconds between a socket's becoming ready and the next poll, at most


class Reply:
    """The answer to a request, valid once `ready` is set: a value, a refusal with its status, or a lost connection."""

    def __init__(self) -> None:
        self.value: Any = None
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.lost = True
        self.ready = trio.Event()

    def answer(self, value: Any) -> None:
        """Set the value of a successful request."""
        self.value, self.lost = value, False

    def refuse(self, refusal: Refusal) -> None:
        """Set the refusal."""
        self.refusal, self.lost = (refusal.reason.status, error_fields(refusal)), False


class Process:
    """One server process on a disk, from its start until it is killed."""

    directory_type: ClassVar[type[Directory]] = Directory
    port_type: ClassVar[type[DiskPort]] = DiskPort
    operated_port_type: ClassVar[type[OperatorsPort]] = OperatorsPort
    name = "the server"
    keep: Keep | None = None  # runs a service at one of several nodes

    def __init__(
        self,
        settings: Settings,
        disk: Disk,
        sources: Sources,
        agenda: Agenda,
        chance: Random,
        recorder: Recorder,
        agents: Sequence[tuple[AgentSettings, Upstream]] = (),
        moderation: Callable[[Directory], Desk] | None = None,
        operated: Callable[[Parts, OperatorsPort], Services] | None = None,
    ) -> None:
        port = self.port_type if operated is None else self.operated_port_type
        self.store = port(disk, agenda, chance, self.kill)
        self._agenda, self._chance, self._recorder = agenda, chance, recorder
        self._round: dict[ServerEnd, None] = {}
        self._scope = trio.CancelScope()
        limits = settings.limits
        system = System()
        self.directory = self.directory_type(
            system=system,
            store=self.store,
            codec=JsonCodec(heartbeat=limits.heartbeat, max_message_size=limits.max_message_size),
            limits=settings.engine_limits(),
            sources=sources,
        )
        self.wire = Wire(
            heartbeat=limits.heartbeat,
            chance=sources.chance,
            now_ms=sources.now,
            turns=system,
        )
        accounts: Any = self.store if isinstance(self.store, OperatorsPort) else disk
        identities = IdentityBook(settings.auth, KEY, accounts, sources)
        self.parts = Parts(settings, self.directory, self.wire, identities)
        self.services: Services | None = None
        if isinstance(self.store, OperatorsPort) and operated is not None:
            self.services = operated(self.parts, self.store)
        self.agents = HostedAgents(self.directory, agents)
        self._desk = None if moderation is None else moderation(self.directory)
        self.directory.moderator = self._desk
        self._nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the server until it is killed."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                await self.parts.identities.load()
                if self.services is not None:
                    await self.services.load()
                await nursery.start(self.directory.system.run)
                await self.prepare(nursery)
                await nursery.start(self.wire.run)
                if self._desk is not None:
                    await nursery.start(self._desk.run)
                await nursery.start(self.agents.run)
                self.directory.agent_host = self.agents
                if self.services is not None:
                    await self.services.run(nursery, self.keep)
                nursery.start_soon(self.directory.sweep)
                await self.directory.resume_runs()
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()

    async def prepare(self, nursery: trio.Nursery) -> None:
        """Do what has to be done before its parts start; nothing where it is alone."""

    def kill(self) -> None:
        """Die at once, as by SIGKILL: nothing more takes effect, but bytes given to the sockets still arrive."""
        self.store.dead = True
        self._nursery = None
        self._scope.cancel()

    def stop(self) -> None:
        """Drain and end, as on SIGTERM."""
        if self._nursery is not None and self.directory.draining is None:
            self._nursery.start_soon(self._drain)

    async def _drain(self) -> None:
        deadline = trio.current_time() + self.parts.settings.limits.drain_timeout
        await drain(self.parts)
        if trio.current_time() >= deadline:
            self._recorder.note(LATE)
        self.kill()

    def _ready(self, end: ServerEnd) -> None:
        """Serve this socket soon, in one batch with all that are ready by then, as the wire's loop does."""
        if not self._round:
            pause = self._chance.random() * ROUND
            self._agenda.after(pause, self._look)
        self._round[end] = None

    def _look(self) -> None:
        ready, self._round = self._round, {}
        if not self.store.dead:
            with self.directory.system:
                for end in ready:
                    end.go_on()

    # --- requests of clients --------------------------------------------------------------------

    def open(self, link: Link, asked: Asked) -> Reply:
        """A handshake; the reply is ready once the link has adopted the connection."""

        async def work() -> None:
            connection = await greet(self.parts, asked)
            if link.broken:
                turn_away(self.parts, connection)
                return
            link.server.adopt(self.wire, connection, self._ready)
            attach(self.parts, connection, last_sequence(self.parts, asked), b"")

        return self.serve(work)

    def listen(self, link: Link, asked: Asked) -> Reply:
        """`GET /chat/{id}/events`, or `GET /me/events` where no conversation is named; ready as that of `open`."""

        async def work() -> None:
            parts, personal = self.parts, not asked.conversation_id
            connection: EventConnection
            if personal:
                identity = identified(parts, asked)
                connection = await admit(parts, identity, asked, PersonalConnection)
            else:
                connection = await greet_as(parts, asked, EventConnection)
            if link.broken:
                turn_away(parts, connection)
                return
            link.server.adopt(self.wire, connection, self._ready)
            connection.hold(FIRST_EVENT)
            if isinstance(connection, PersonalConnection):
                connection.watch(self.directory.watchers, parts.personal_feed.wake)
                connection.tell({"type": "connected", "participant_id": connection.participant.id})
            attach(parts, connection, last_sequence(parts, asked), b"")

        return self.serve(work)

    def post(self, identity: Identity, post: Post) -> Reply:
        """`POST /chat/{id}/messages`."""

        async def work() -> Any:
            outcome = await self.parts.ask(identity, post)
            if isinstance(outcome, Held):
                return held_fields(outcome)
            return json.loads(receipt_json(outcome))

        return self.serve(work)

    def join(self, identity: Identity, conversation_id: str) -> Reply:
        """`POST /chat/{id}/join`."""
        who = identity.participant
        return self._command(identity, Join(conversation_id, who, Entrant(who)))

    def leave(self, identity: Identity, conversation_id: str) -> Reply:
        """`DELETE /chat/{id}/leave`."""
        return self._command(identity, Leave(conversation_id, identity.participant))

    def update(self, identity: Identity, conversation_id: str, title: str) -> Reply:
        """`PATCH /chat/{id}`."""
        return self._command(identity, Update(conversation_id, identity.participant, title))

    def call(self, identity: Identity, name: str) -> Reply:
        """`PATCH /auth/me`."""

        async def work() -> None:
            who = await self.parts.identities.rename(identity.participant, name)
            await self.directory.rename(who)

        return self.serve(work)

    def page(self, identity: Identity, conversation_id: str, after: int) -> Reply:
        """`GET /chat/{id}/messages`."""

        async def work() -> Any:
            state = (await seen(self.parts, identity, conversation_id)).state
            oldest = readable_from(identity, state)
            first = max(after, oldest - 1)
            page = await self.store.read(state.number, after=first, limit=PAGE).wait()
            if not page.records and first < state.head:
                raise self.parts.refusal(Code.NOT_FOUND)  # it was deleted since it was looked at
            codec = self.directory.codec
            events = [json.loads(body_for(record, oldest, codec)) for record in page.records]
            head = max(state.head, page.records[-1].sequence if page.records else 0)
            found = {"events": events, "head_sequence_id": head, "has_more": page.has_more}
            return {**found, "oldest_sequence_id": oldest}

        return self.serve(work)

    def change(self, identity: Identity, conversation_id: str, frame: dict[str, Any]) -> Reply:
        """`PATCH`, `DELETE` or `PUT` of a message, given as the frame of the same fields."""

        async def work() -> Any:
            wanted: Any = parse(json.dumps(frame))
            if isinstance(wanted, Refusal):
                raise Refused(wanted)
            command = change_command(wanted, conversation_id, identity.participant)
            outcome = await self.parts.ask(identity, command)
            if isinstance(outcome, Held):
                return held_fields(outcome)
            return json.loads(changed_json(outcome))

        return self.serve(work)

    def read(self, identity: Identity, mark: MarkRead) -> Reply:
        """`POST /chat/{id}/read`, answered with the position."""

        async def work() -> int:
            marked: ReadMarked = await self.parts.ask(identity, mark)
            return marked.sequence

        return self.serve(work)

    def thread(self, identity: Identity, conversation_id: str, message_id: str) -> Reply:
        """`GET /chat/{id}/threads/{message_id}`."""

        async def work() -> Any:
            state = (await seen(self.parts, identity, conversation_id)).state
            root = named_sequence(conversation_id, message_id) or 0
            found = await self.store.targets(state.number, (root,)).wait()
            if root not in found or root < readable_from(identity, state):
                raise self.parts.refusal(Code.NOT_FOUND)
            page = await self.store.thread(state.number, root, limit=PAGE).wait()
            replies = [json.loads(record.body) for record in page.records]
            return {"root": json.loads(found[root].record.body), "replies": replies}

        return self.serve(work)

    def ask(self, identity: Identity, command: Command) -> Reply:
        """A request that is one command and has an empty answer."""
        return self._command(identity, command)

    def _command(self, identity: Identity, command: Command) -> Reply:
        async def work() -> Any:
            await self.parts.ask(identity, command)

        return self.serve(work)

    def serve(self, work: Callable[[], Awaitable[Any]]) -> Reply:
        """A request: its answer is what `work` returns."""
        reply = Reply()
        if self._nursery is None:
            reply.ready.set()
        else:
            self._nursery.start_soon(self._answer, work, reply)
        return reply

    async def _answer(self, work: Callable[[], Awaitable[Any]], reply: Reply) -> None:
        try:
            reply.answer(await work())
        except Refused as refused:
            reply.refuse(refused.refusal)
        except StoreError as error:
            self.directory.report(error)
            reply.refuse(Refusal(Code.STORE_UNAVAILABLE, retry_after=1.0, scope="server"))
        except ActorDied:
            reply.refuse(Refusal(Code.INTERNAL_ERROR, retry_after=1.0, scope="conversation"))
        finally:
            reply.ready.set()
