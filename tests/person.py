"""People for the tests: each with an identity of their own, over HTTP and over a WebSocket library that is not ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import LocalProtocolError

from salon.actors.events import KINDS
from salon.web.client import Client
from tests.patience import PATIENCE
from tests.server import ServerProcess, api

Frame = dict[str, Any]

MAX = 1 << 24  # bytes of a frame that a tab takes
UPGRADE = {  # a handshake by hand: where it is refused, the answer is an ordinary one
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
EVENTS = KINDS.keys()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a token of this server."""

    server: ServerProcess
    token: str = field(repr=False)
    id: str
    name: str
    recovery_code: str = field(default="", repr=False)

    async def call(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> httpx2.Response:
        """One request, whatever comes of it."""
        return await api(self.server, method, path, self.token, json, **options)

    async def ask(self, method: str, path: str, json: Any = None, **options: Any) -> Frame:
        """One request that succeeds; its answer."""
        response = await self.call(method, path, json, **options)
        assert response.is_success, response.text
        answer: Frame = response.json()
        return answer

    async def create(self, *others: Person, title: str = "Lunch", **fields: Any) -> str:
        """A new conversation with these people; its id."""
        named = [other.entry() for other in others]
        body = {"title": title, "participants": named, **fields}
        return str((await self.ask("POST", "/chat/create", body))["conversation_id"])

    async def say(self, conversation_id: str, content: str, **fields: Any) -> Frame:
        """Post a message over HTTP; its receipt."""
        return await self.ask(
            "POST", f"/chat/{conversation_id}/messages", {"content": content, **fields}
        )

    async def join(self, conversation_id: str, *others: Person) -> None:
        """Come in, or bring these in."""
        for other in others or (self,):
            body = {"participant": other.entry()}
            await self.ask("POST", f"/chat/{conversation_id}/join", body)

    async def leave(self, conversation_id: str) -> Frame:
        """Go."""
        return await self.ask("DELETE", f"/chat/{conversation_id}/leave")

    async def see(self, conversation_id: str) -> Frame:
        """The conversation object."""
        return await self.ask("GET", f"/chat/conversations/{conversation_id}")

    async def history(self, conversation_id: str) -> list[Frame]:
        """The whole log, page by page."""
        events: list[Frame] = []
        while True:
            after = events[-1]["sequence_id"] if events else 0
            page = await self.ask("GET", f"/chat/{conversation_id}/messages?after={after}")
            events += page["events"]
            if not page["has_more"]:
                return events

    def client(self, **options: Any) -> Client:
        """Our own client, as this person: for whole stories, and where much is sent."""
        return Client(self.server.url, token=self.token, **options)

    def entry(self, **fields: Any) -> Frame:
        """This person as requests name them."""
        return {"user_id": self.id, "name": self.name, **fields}

    def shown(self, kind: str = "human") -> Frame:
        """This person as events show them."""
        return {"id": self.id, "name": self.name, "type": kind}

    def socket_url(self, conversation_id: str, last_sequence_id: int | None = None) -> str:
        """Where this conversation's WebSocket is."""
        query = "" if last_sequence_id is None else f"?last_sequence_id={last_sequence_id}"
        return f"{self.server.ws_url}/chat/ws/{conversation_id}{query}"

    @asynccontextmanager
    async def tab(
        self, conversation_id: str, last_sequence_id: int | None = None
    ) -> AsyncIterator[Tab]:
        """A socket of this person's in the conversation, caught up."""
        async with self.raw_tab(conversation_id, last_sequence_id) as tab:
            await tab.until("caught_up")
            yield tab

    @asynccontextmanager
    async def raw_tab(
        self, conversation_id: str, last_sequence_id: int | None = None
    ) -> AsyncIterator[Tab]:
        """A socket of this person's, from its very first frame on."""
        url = self.socket_url(conversation_id, last_sequence_id)
        async with open_tab(url, {"Authorization": f"Bearer {self.token}"}) as tab:
            yield tab


@asynccontextmanager
async def open_tab(url: str, headers: dict[str, str]) -> AsyncIterator[Tab]:
    """A socket with these headers and no other sign of who opens it."""
    to = urlsplit(url)
    assert to.hostname is not None
    assert to.port is not None
    extra = [(name.encode(), value.encode()) for name, value in headers.items()]
    resource = f"{to.path}?{to.query}" if to.query else to.path
    failure: Exception | None = None
    stream = await trio.open_tcp_stream(to.hostname, to.port)
    try:
        async with trio.open_nursery() as nursery:
            try:
                with trio.fail_after(PATIENCE):
                    socket = await wrap_client_stream(
                        nursery,
                        stream,
                        to.netloc,
                        resource,
                        extra_headers=extra,
                        max_message_size=MAX,
                    )
                yield Tab(socket, stream)
                with trio.fail_after(PATIENCE):
                    await socket.aclose()
            except Exception as error:  # kept out of the nursery, which would wrap it in a group
                failure = error
            finally:
                await trio.aclose_forcefully(stream)
                nursery.cancel_scope.cancel()
    except* LocalProtocolError:
        pass  # the library stumbles over a ping that comes while it closes
    if failure is not None:
        raise failure


class Tab:
    """One open socket, and what it has been sent so far."""

    def __init__(self, socket: WebSocketConnection, stream: trio.SocketStream) -> None:
        self.socket = socket
        self.stream = stream
        self.frames: list[Frame] = []

    @property
    def events(self) -> list[Frame]:
        """The sequenced frames among those seen."""
        return [frame for frame in self.frames if frame["type"] in EVENTS]

    @property
    def last_sequence_id(self) -> int:
        """How far the events seen go."""
        return max((frame["sequence_id"] for frame in self.events), default=0)

    async def next(self) -> Frame:
        """The next frame, whatever it is."""
        with trio.fail_after(PATIENCE):
            frame: Frame = json.loads(await self.socket.get_message())
        self.frames.append(frame)
        return frame

    async def until(self, kind: str, so: Callable[[Frame], bool] = lambda _: True) -> Frame:
        """The next frame of this kind, of which `so` is true; what comes before it is only noted."""
        while True:
            frame = await self.next()
            if frame["type"] == kind and so(frame):
                return frame

    async def until_sequence(self, sequence: int) -> None:
        """Read on until the events go that far."""
        while self.last_sequence_id < sequence:
            await self.next()

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a frame."""
        await self.send_text(json.dumps({"type": kind, **fields}))

    async def send_text(self, text: str) -> None:
        """Send a text frame, whatever it holds."""
        with trio.fail_after(PATIENCE):
            await self.socket.send_message(text)

    async def say(self, content: str, key: str | None = None, **fields: Any) -> Frame:
        """Send a message; its receipt."""
        if key is not None:
            fields["client_message_id"] = key
        await self.send("message", content=content, **fields)
        return await self.until("message_ack", lambda ack: ack["client_message_id"] == key)

    async def settle(self) -> list[Frame]:
        """All that was on its way here, but for presence, which comes when it wants.

        What this socket has sent before is done then: the answer to a sync comes the same way as everything else. What
        that answer repeats is left out.
        """
        last = self.last_sequence_id
        noted = len(self.frames)
        await self.send("sync", last_sequence_id=last)
        await self.until("caught_up")
        found: list[Frame] = []
        for frame in self.frames[noted:-1]:
            if frame["type"] not in EVENTS:
                found.append(frame)
            elif frame["sequence_id"] > last:
                found.append(frame)
                last = frame["sequence_id"]
        return [frame for frame in found if frame["type"] != "presence"]

    async def closed(self) -> tuple[int, str]:
        """The code and reason with which the server closes, once it does."""
        why: CloseReason | None = None
        while why is None:
            try:
                await self.next()
            except ConnectionClosed as closed:
                why = closed.reason
        return why.code, why.reason or ""


async def guest(server: ServerProcess, name: str) -> Person:
    """A newcomer."""
    response = await api(server, "POST", "/auth/guest", json={"name": name})
    assert response.status_code == 201, response.text
    body = response.json()
    who = body["participant"]
    return Person(server, body["token"], who["id"], who["name"], body["recovery_code"])


async def guests(server: ServerProcess, *names: str) -> list[Person]:
    """Several newcomers."""
    return [await guest(server, name) for name in names]


def static(server: ServerProcess, token: str, id: str, name: str) -> Person:
    """Somebody of the tests' own configuration."""
    return Person(server, token, id, name)


def admin(server: ServerProcess) -> Person:
    """Who may see everything."""
    return static(server, "admin_token", "admin", "Admin")


def agent(server: ServerProcess) -> Person:
    """Who is no human."""
    return static(server, "agent_token", "test_agent", "Agent")
