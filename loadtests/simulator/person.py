"""A person: the real client over a simulated network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.files import Attachment
from salon.actors.keeping_messages import DeleteConversation
from salon.actors.messages import MarkRead, Post
from salon.actors.model import Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.run_messages import CancelRun, DecideApproval, RegenerateRun
from salon.web.api.handshake import Asked
from salon.web.client import (
    Client,
    Frame,
    MessageHeld,
    Receipt,
    Refused,
    Socket,
    Unreachable,
)
from salon.web.client.wire import Codec
from salon.web.identity.identity import Identity
from salon.web.socket.codec import error_fields

from ..checker import RecordedClient
from . import routes
from .link import Link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from salon.actors.messages import Command
    from salon.actors.model import Run

    from .agenda import Agenda
    from .server import Process, Reply

ROUND_TRIP = 0.2  # seconds of a request without faults, both ways, at most
PATIENCE = 20.0  # seconds until a request without an answer is given up


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
        self._carried: str | None = None  # the token of the request that the server takes just now

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

    def known_as(self, process: Process) -> Identity:
        """The identity that the server knows, with the current name. Raises `Refused` if the token has ended."""
        identity = process.parts.identities.verify(self._carried or self.token or "")
        if identity is None:
            raise Refused(error_fields(Refusal(Code.UNAUTHENTICATED, {"problem": "ended"})), 401)
        return identity

    async def history(self, conversation_id: str, **bounds: Any) -> Frame:
        """A page of the log after `bounds["after"]`."""
        after = bounds["after"]
        page = await self._answer(lambda p: p.page(self.known_as(p), conversation_id, after))
        return dict(page)

    async def join(self, conversation_id: str, participant: Any = None) -> Frame:
        """Join a conversation."""
        await self._answer(lambda p: p.join(self.known_as(p), conversation_id))
        return {}

    async def update(self, conversation_id: str, **changes: Any) -> Frame:
        """Change the title of a conversation."""
        await self._answer(lambda p: p.update(self.known_as(p), conversation_id, changes["title"]))
        return {}

    async def call_oneself(self, name: str) -> None:
        """Change one's own name."""
        await self._answer(lambda p: p.call(self.known_as(p), name))

    async def cancel_run(self, conversation_id: str, run_id: str) -> Frame:
        """Cancel a run."""
        who = self.identity.participant
        await self._answer(
            lambda p: p.ask(self.known_as(p), CancelRun(conversation_id, who, run_id))
        )
        return {}

    async def decide(self, conversation_id: str, run: Run, *, approved: bool) -> None:
        """Allow the tool call that a run waits for, or refuse it."""
        assert run.approval is not None, "it waits"
        who = self.identity.participant
        command = DecideApproval(conversation_id, who, run.id, run.approval.id, approved)
        await self._answer(lambda p: p.ask(self.known_as(p), command))

    async def ask_again(self, conversation_id: str, run_id: str, new: str) -> None:
        """Ask for another answer."""
        command = RegenerateRun(conversation_id, self.identity.participant, run_id, new)
        await self._answer(lambda p: p.ask(self.known_as(p), command))

    async def leave(self, conversation_id: str) -> Frame:
        """Leave a conversation."""
        await self._answer(lambda p: p.leave(self.known_as(p), conversation_id))
        return {}

    async def post(
        self,
        conversation_id: str,
        content: str,
        key: str | None = None,
        reply_to: str | None = None,
        metadata: Frame | None = None,
        mentions: Sequence[str] = (),
        files: Sequence[str | Mapping[str, str]] = (),
        thread_id: str | None = None,
        also_in_channel: bool = False,
    ) -> Receipt:
        """Send a message over HTTP, without retries."""
        who = self.identity.participant
        post = Post(
            conversation_id,
            who,
            content,
            key,
            reply_to,
            mentions=tuple(mentions),
            thread_id=thread_id,
            in_channel=also_in_channel,
            files=tuple(Attachment(str(each)) for each in files),
        )
        return Receipt.of(_not_held(await self._answer(lambda p: p.post(self.known_as(p), post))))

    async def mark(
        self, conversation_id: str, sequence: int, thread_id: str | None = None, *, back: bool
    ) -> int:
        """Move the read position, in a thread or of the main log; back only with `back`. Returns it."""
        who = self.identity.participant
        mark = MarkRead(conversation_id, who, sequence, thread_id, back)
        return int(await self._answer(lambda p: p.read(self.known_as(p), mark)))

    async def whole_thread(self, conversation_id: str, message_id: str) -> Frame:
        """A message with the replies in its thread."""
        return dict(
            await self._answer(lambda p: p.thread(self.known_as(p), conversation_id, message_id))
        )

    async def ask(self, command: Command) -> None:
        """A request that is one command of this person."""
        await self._answer(lambda p: p.ask(self.known_as(p), command))

    async def delete_conversation(self, conversation_id: str) -> Frame:
        """Delete a conversation."""
        await self.ask(DeleteConversation(conversation_id, self.identity.participant))
        return {}

    async def call(self, route: Callable[..., Awaitable[Any]], *arguments: Any, **more: Any) -> Any:
        """A request to one of `routes`."""
        return await self._answer(
            lambda p: p.serve(partial(route, p.parts, self.known_as(p), *arguments, **more))
        )

    async def ask_for(self, ask: Callable[[Process], Reply]) -> Any:
        """A request of another kind."""
        return await self._answer(ask)

    async def _answer(self, ask: Callable[[Process], Reply]) -> Any:
        chance, lost, token = self.network.chance, self.answers_lost, self.token
        await trio.sleep(ROUND_TRIP * chance.random() ** 3 / 2)
        process = self.network.process
        if process is None or self.away:
            raise Unreachable("the connection is refused")
        self._carried = token
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

    async def carry_post(self, conversation_id: str, fields: Frame) -> Frame:
        """Send a message that may be a reply in a thread."""
        post = Post(
            conversation_id,
            self.identity.participant,
            fields["content"],
            fields["client_message_id"],
            thread_id=fields["thread_id"],
            in_channel=fields["also_in_channel"],
        )
        return _not_held(await self._answer(lambda p: p.post(self.known_as(p), post)))

    async def carry_change(self, conversation_id: str, frame: Frame) -> Frame:
        """Change a message."""
        answer = await self._answer(lambda p: p.change(self.known_as(p), conversation_id, frame))
        return _not_held(answer)

    async def record_thread(self, conversation_id: str, message_id: str) -> None:
        """Read a thread, and record it as a page."""
        line, since = self._over_http(conversation_id), self._recorder.clock()
        page = await self.whole_thread(conversation_id, message_id)
        line.page(since, [page["root"], *page["replies"]])

    async def record_search(self, conversation_id: str, words: str) -> None:
        """Search a conversation, and record what is found as a page."""
        line, since = self._over_http(conversation_id), self._recorder.clock()
        line.page(since, await self.call(routes.search, conversation_id, words))

    def know_deleted(self, conversation_id: str) -> None:
        """Record that a conversation is deleted, where an earlier request has done it and its answer was lost."""
        self._over_http(conversation_id).deleted()

    async def decide_held(self, conversation_id: str, position: int, *, approve: bool) -> None:
        """Decide about a held message, and record what was decided, as its sender is told."""
        held = await self.call(routes.decide, conversation_id, position, approve=approve)
        line = self._recorder.over_http(conversation_id, held.sender.id)
        fields = {"held_id": held.position, "outcome": held.outcome, "client_message_id": held.key}
        line.took({"type": "held_decided", **fields})


def _not_held(answer: Frame) -> Frame:
    if "held_id" in answer:
        raise MessageHeld(answer)
    return dict(answer)
