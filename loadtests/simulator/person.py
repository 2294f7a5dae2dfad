"""A person: the real client over a simulated network, the events it has received, and its unsent messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.messages import Post
from salon.actors.model import Participant
from salon.actors.run_messages import CancelRun, DecideApproval, RegenerateRun
from salon.web.api.handshake import Asked
from salon.web.client import Client, Closed, Frame, Gap, Receipt, Refused, Socket, Unreachable
from salon.web.client.wire import Codec
from salon.web.identity.identity import Identity

from ..checker import RecordedClient
from .link import Link

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from salon.actors.model import Run
    from salon.web.client import Conversation

    from .agenda import Agenda
    from .server import Process, Reply

ROUND_TRIP = 0.2  # seconds of a request without faults, both ways, at most
PATIENCE = 20.0  # seconds until a request without an answer is given up
AGAIN = 2.0  # seconds until a retry
LONGEST_PAUSE = 30.0  # seconds between two attempts to open a tab, at most


class Network:
    """The network to the running server. `process` is None while the server is down; `capacity` is in bytes for each link."""

    def __init__(self, agenda: Agenda, chance: Random, *, capacity: int) -> None:
        self.agenda = agenda
        self.chance = chance
        self.capacity = capacity
        self.process: Process | None = None


class UnrealClient(Client):
    """The real client without TCP and HTTP: its sockets are links, its requests call the server's functions."""

    network: Network
    identity: Identity

    def begin(self, network: Network, who: Participant) -> None:
        """Set the network and the participant; to be called before anything else."""
        self.network = network
        self.identity = Identity(who)
        self.links: list[Link] = []  # the open ones
        self.away = False  # the person has no network
        self.answers_lost = False  # requests are carried out, but their answers get lost

    @asynccontextmanager
    async def socket(
        self, conversation_id: str, last_sequence_id: int | None = None, **options: Any
    ) -> AsyncIterator[Socket]:
        """A raw socket, as `Client.socket`."""
        network = self.network
        link = Link(network.agenda, network.chance, capacity=network.capacity)
        self.links.append(link)
        query = {} if last_sequence_id is None else {"last_sequence_id": str(last_sequence_id)}
        asked = Asked(
            conversation_id, "10.0.0.1", query, "salon", None, f"Bearer {self.token}", None
        )
        socket = Socket(link, Codec())
        try:
            await self._answer(lambda process: process.open(link, asked))
            yield socket
        finally:
            with trio.CancelScope(shield=True):
                await socket.aclose()
            link.cut()
            self.links.remove(link)

    def _me(self, process: Process) -> Identity:
        """The identity that the server knows, with the current name."""
        return process.parts.identities.verify(self.token or "") or self.identity

    async def history(self, conversation_id: str, **bounds: Any) -> Frame:
        """A page of the log after `bounds["after"]`."""
        after = bounds["after"]
        page = await self._answer(lambda p: p.page(self._me(p), conversation_id, after))
        return dict(page)

    async def join(self, conversation_id: str, participant: Any = None) -> Frame:
        """Join a conversation."""
        await self._answer(lambda p: p.join(self._me(p), conversation_id))
        return {}

    async def update(self, conversation_id: str, **changes: Any) -> Frame:
        """Change the title of a conversation."""
        await self._answer(lambda p: p.update(self._me(p), conversation_id, changes["title"]))
        return {}

    async def call_oneself(self, name: str) -> None:
        """Change one's own name."""
        await self._answer(lambda p: p.call(self._me(p), name))

    async def cancel_run(self, conversation_id: str, run_id: str) -> Frame:
        """Cancel a run."""
        who = self.identity.participant
        await self._answer(lambda p: p.ask(self._me(p), CancelRun(conversation_id, who, run_id)))
        return {}

    async def decide(self, conversation_id: str, run: Run, *, approved: bool) -> None:
        """Allow the tool call that a run waits for, or refuse it."""
        assert run.approval is not None, "it waits"
        who = self.identity.participant
        command = DecideApproval(conversation_id, who, run.id, run.approval.id, approved)
        await self._answer(lambda p: p.ask(self._me(p), command))

    async def ask_again(self, conversation_id: str, run_id: str, new: str) -> None:
        """Ask for another answer."""
        command = RegenerateRun(conversation_id, self.identity.participant, run_id, new)
        await self._answer(lambda p: p.ask(self._me(p), command))

    async def leave(self, conversation_id: str) -> Frame:
        """Leave a conversation."""
        await self._answer(lambda p: p.leave(self._me(p), conversation_id))
        return {}

    async def post(
        self,
        conversation_id: str,
        content: str,
        key: str | None = None,
        reply_to: str | None = None,
        metadata: Frame | None = None,
        mentions: Sequence[str] = (),
    ) -> Receipt:
        """Send a message over HTTP, without retries."""
        who = self.identity.participant
        post = Post(conversation_id, who, content, key, reply_to, mentions=tuple(mentions))
        return Receipt.of(await self._answer(lambda p: p.post(self._me(p), post)))

    async def _answer(self, ask: Callable[[Process], Reply]) -> Any:
        chance, lost = self.network.chance, self.answers_lost
        await trio.sleep(ROUND_TRIP * chance.random() ** 3 / 2)
        process = self.network.process
        if process is None or self.away:
            raise Unreachable("the connection is refused")
        reply = ask(process)
        with trio.move_on_after(PATIENCE):
            await reply.ready.wait()
        await trio.sleep(ROUND_TRIP * chance.random() ** 3 / 2)
        if reply.refusal is not None and not lost:
            raise Refused(reply.refusal[1], reply.refusal[0])
        if reply.lost or lost:
            raise Unreachable("no answer")
        return reply.value


class Person(RecordedClient, UnrealClient):
    """A person with a recorded client on the simulated network."""


async def visit(person: Person, conversation_id: str, after: int | None, chance: Random) -> None:
    """Open a plain socket after any sequence of the log, send random `sync` frames, and close it."""
    with suppress(Refused, Unreachable, Closed):
        async with person.socket(conversation_id, after) as socket, trio.open_nursery() as nursery:
            nursery.start_soon(_listen, socket)
            for _ in range(chance.randrange(4)):
                await trio.sleep(chance.random() ** 3)
                place = int(chance.random() * ((after or 0) + 5))
                await _say(socket, {"type": "sync", "last_sequence_id": place})
            await trio.sleep(10 * chance.random())
            nursery.cancel_scope.cancel()


async def _listen(socket: Socket) -> None:
    with suppress(Closed):
        while True:
            await socket.receive_json()


async def _say(socket: Socket, frame: Frame) -> None:
    with suppress(Closed):
        await socket.send_json(frame)


class Tab:
    """One browser tab of a person on a conversation: reconnects for as long as the person is a member, and keeps all events."""

    def __init__(self, person: Person, conversation_id: str, *, window: int, outbox: int) -> None:
        self.person = person
        self.conversation_id = conversation_id
        self.events: list[Frame] = []
        self.ended: str = ""
        self.epochs = 0
        self.conversation: Conversation | None = None
        self.unsettled: dict[str, str] = {}  # key -> content, without a receipt
        self.acknowledged: dict[str, str] = {}
        self.replies: dict[str, int] = {}  # key -> sequence of the event it replies to
        self.refused_replies: set[int] = set()  # sequences that the server says are no messages
        self._window, self._outbox = window, outbox
        self._nursery: trio.Nursery | None = None

    @property
    def last(self) -> int:
        """The last sequence received."""
        return len(self.events)

    async def run(self) -> None:
        """Keep the tab open, with pauses between attempts, until cancelled."""
        epoch: str | None = None
        pause = AGAIN
        while True:
            before = self.last
            async with self.person.conversation(
                self.conversation_id,
                self.last,
                epoch=epoch,
                window=self._window,
                outbox=self._outbox,
            ) as conversation:
                self.ended = ""
                await self._follow(conversation)
                epoch = conversation.epoch
            pause = AGAIN if self.last > before else min(2 * pause, LONGEST_PAUSE)
            await trio.sleep(pause)

    async def _follow(self, conversation: Conversation) -> None:
        async with trio.open_nursery() as nursery:
            self.conversation, self._nursery = conversation, nursery
            try:
                for key, content in self.unsettled.items():
                    nursery.start_soon(self._send, conversation, key, content)
                async for event in conversation:
                    if event["type"] == "epoch_changed":
                        self.epochs += 1
                        self.events.clear()
                    else:
                        self.events.append(event)
                self.ended = "left"
            except (Closed, Refused, Gap) as error:
                self.ended = str(error)
            finally:
                self.conversation = self._nursery = None
                nursery.cancel_scope.cancel()

    def say(self, key: str, content: str) -> None:
        """Send a message, or queue it until the tab is connected."""
        self.unsettled[key] = content
        if self.conversation is not None and self._nursery is not None:
            self._nursery.start_soon(self._send, self.conversation, key, content)

    async def _send(self, conversation: Conversation, key: str, content: str) -> None:
        with suppress(Closed, Refused, Unreachable):
            await conversation.send(content, key, self._reply_to(key))
            self.acknowledged[key] = self.unsettled.pop(key, content)

    async def post(self, key: str, content: str, reply_to: int | None = None) -> None:
        """Send over HTTP, with retries until a receipt or a final refusal. `reply_to` is an event's sequence."""
        self.unsettled[key] = content
        if reply_to is not None:
            self.replies[key] = reply_to
        while True:
            try:
                await self.person.post(self.conversation_id, content, key, self._reply_to(key))
            except Unreachable:
                await trio.sleep(AGAIN * self.person.random())
            except Refused as refused:
                if not refused.temporary:
                    if refused.code == "INVALID_FORMAT" and reply_to is not None:
                        self.refused_replies.add(reply_to)
                    break
                await trio.sleep(refused.retry_after or AGAIN)
            else:
                self.acknowledged[key] = content
                break
        self.unsettled.pop(key, None)

    async def repeat(self, key: str, content: str) -> None:
        """Resend an acknowledged message over HTTP, or send another content under its key."""
        with suppress(Refused, Unreachable):
            await self.person.post(self.conversation_id, content, key, self._reply_to(key))

    def _reply_to(self, key: str) -> str | None:
        sequence = self.replies.get(key)
        return None if sequence is None else f"{self.conversation_id}-{sequence}"
