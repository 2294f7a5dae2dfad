"""Operators follow a running server: what changes comes by itself, and no listener costs the others anything."""

from __future__ import annotations

import json
import socket as sockets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import trio

from salon.web.admin.patch import apply
from salon.web.client import Client, Closed, Socket
from tests.patience import PATIENCE
from tests.server import ServerProcess, api

ADMIN, ADA, BOB = "admin_token", "test_token_1", "test_token_2"


class Feed:
    """A stream of events, and what its patches have made."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._text = ""
        self.stats: dict[str, Any] = {}
        self.view: dict[str, Any] = {}
        self.columns: list[str] = []
        self.samples: list[list[float | None]] = []
        self.deeds: list[dict[str, Any]] = []
        self.names: list[str] = []
        self.numbers: list[int] = []
        self.comments = 0

    async def ask(self, path: str, headers: dict[str, str]) -> None:
        """Send the request; the stream has to begin."""
        request = h11.Request(method="GET", target=path, headers=[*headers.items()])
        await self._stream.send_all(self._http.send(request) or b"")
        await self._stream.send_all(self._http.send(h11.EndOfMessage()) or b"")
        response = await self._next()
        assert isinstance(response, h11.Response)
        assert response.status_code == 200
        assert (b"content-type", b"text/event-stream") in list(response.headers)

    async def _next(self) -> Any:
        with trio.fail_after(PATIENCE):
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._stream.receive_some(65_536))
        return event

    async def next(self) -> tuple[str, Any]:
        """The next event, taken in; "" where the stream has ended."""
        while "\n\n" not in self._text:
            event = await self._next()
            if not isinstance(event, h11.Data):
                assert isinstance(event, h11.EndOfMessage), "cut off"
                return "", None
            self._text += bytes(event.data).decode()
        block, _, self._text = self._text.partition("\n\n")
        if block.startswith(":"):
            self.comments += 1
            return ":", None
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        name, data = fields["event"], json.loads(fields["data"])
        self._take(name, data, int(fields["id"]))
        return name, data

    def _take(self, name: str, data: Any, number: int) -> None:
        self.names.append(name)
        self.numbers.append(number)
        if name == "stats":
            self.stats = apply(self.stats, data)
        elif name == "view":
            self.view = apply(self.view, data)
        elif name == "samples":
            self.columns = data.get("columns", self.columns)
            self.samples += data["rows"]
        elif name == "audit":
            self.deeds += data["deeds"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Take events until it is so."""
        with trio.fail_after(PATIENCE):
            while not condition():
                await self.next()

    async def rest(self) -> list[str]:
        """The names of all events up to the end of the stream."""
        names = []
        with trio.fail_after(PATIENCE):
            while True:
                name, _ = await self.next()
                if not name:
                    return names
                names.append(name)


@asynccontextmanager
async def followed(
    server: ServerProcess, query: str = "", *, cookie: str | None = None
) -> AsyncIterator[Feed]:
    """The stream with those parameters."""
    host, port = server.url.removeprefix("http://").split(":")
    headers = {"Host": f"{host}:{port}", "Authorization": f"Bearer {ADMIN}"}
    if cookie is not None:
        del headers["Authorization"]
        headers["Cookie"] = f"salon_session={cookie}"
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        feed = Feed(stream)
        await feed.ask(f"/admin/events{query}", headers)
        yield feed


async def begin(server: ServerProcess, title: str = "Dinner") -> str:
    response = await api(server, "POST", "/chat/create", ADA, {"title": title})
    assert response.status_code == 201, response.text
    conversation_id: str = response.json()["conversation_id"]
    return conversation_id


async def say(server: ServerProcess, conversation_id: str, content: str = "Hello") -> None:
    path = f"/chat/{conversation_id}/messages"
    response = await api(server, "POST", path, ADA, {"content": content})
    assert response.status_code == 201, response.text


async def look(server: ServerProcess, path: str) -> Any:
    return (await api(server, "GET", f"/admin/{path}", ADMIN)).json()


async def receive(socket: Socket, kind: str) -> dict[str, Any]:
    with trio.fail_after(PATIENCE):
        while True:
            frame = await socket.receive_json()
            if frame["type"] == kind:
                return frame


async def test_the_figures_come_whole_first_and_then_as_what_has_changed(
    server: ServerProcess,
) -> None:
    conversation_id = await begin(server)
    async with followed(server) as feed:
        name, first = await feed.next()
        assert name == "stats"
        assert first.keys() == (await look(server, "stats")).keys()
        before = first["messages"]
        await say(server, conversation_id)
        with trio.fail_after(PATIENCE):
            while feed.stats["messages"] == before:
                name, patch = await feed.next()
                if name == "stats":
                    assert "durability" not in patch.get("storage", {}), "what has not changed"
        assert feed.stats["messages"] == before + 1
        assert feed.stats.keys() == first.keys()
    assert feed.numbers == list(range(1, len(feed.numbers) + 1))


async def test_charts_begin_with_the_past(server: ServerProcess) -> None:
    async with followed(server) as feed:
        await feed.until(lambda: len(feed.samples) >= 2)
    async with followed(server, "?history=600") as feed:
        await feed.until(lambda: "samples" in feed.names)
        assert len(feed.samples) >= 2, "of before"
        at = feed.columns.index("at")
        times = [sample[at] for sample in feed.samples]
        assert times == sorted(times, key=lambda time: time or 0)
        await feed.until(lambda: len(feed.samples) > len(times))
        assert all(len(sample) == len(feed.columns) for sample in feed.samples)


async def test_charts_show_what_each_second_brought(own_server: ServerProcess) -> None:
    conversation_id = await begin(own_server)
    async with followed(own_server, "?history=600") as feed:
        await feed.until(lambda: len(feed.samples) > 1)
        for _ in range(5):
            await say(own_server, conversation_id)
        await feed.until(lambda: _column(feed, "messages")[-1] == 5)
        busy = next(at for at, messages in enumerate(_column(feed, "messages")) if messages)
        quiet = len(feed.samples) + 1
        await feed.until(lambda: len(feed.samples) > quiet)
        for name in ("commit_p50", "commit_p99", "turn_p50", "turn_max"):
            assert (_column(feed, name)[busy] or 0) > 0
            assert _column(feed, name)[-1] is None, "nothing was done in that second"
        for name in ("messages", "events", "commits", "cpu_seconds"):
            counted = [value or 0 for value in _column(feed, name)]
            assert counted == sorted(counted)


def _column(feed: Feed, name: str) -> list[float | None]:
    return [sample[feed.columns.index(name)] for sample in feed.samples]


async def test_a_list_is_followed_row_by_row(server: ServerProcess) -> None:
    quiet, loud = await begin(server, "Quiet lists"), await begin(server, "Loud lists")
    query = "?watch=conversations&key=LISTS&sort=-head&limit=2"
    async with followed(server, query) as feed:
        await feed.until(lambda: "view" in feed.names)
        assert feed.view["total"] == 2
        assert feed.view["rows"][loud]["head"] == 1
        assert "age" not in feed.view["rows"][loud], "it would change at each look"
        await say(server, loud)
        with trio.fail_after(PATIENCE):
            while feed.view["rows"][loud]["head"] == 1:
                name, patch = await feed.next()
                if name == "view":
                    assert quiet not in patch.get("rows", {}), "nothing has changed there"
        assert feed.view["order"] == [loud, quiet]
        listed = (await look(server, "conversations?key=lists&sort=-head"))["conversations"]
        assert [row["id"] for row in listed] == feed.view["order"]
        for row in listed:
            shown = feed.view["rows"][row["id"]]
            for name in ("title", "head", "messages", "turns", "depth", "limit", "connections"):
                assert row[name] == shown[name]
        path = f"/admin/conversations/{quiet}/passivate"
        assert (await api(server, "POST", path, ADMIN)).json()["passivated"]
        await feed.until(lambda: feed.view["total"] == 1)
        assert list(feed.view["rows"]) == feed.view["order"] == [loud]


async def test_the_lists_of_actors_and_connections_are_followed_too(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    async with (
        followed(server, f"?watch=connections&conversation_id={conversation_id}") as connections,
        followed(server, f"?watch=actors&kind=conversation&key={conversation_id}") as actors,
    ):
        await connections.until(lambda: connections.view.get("total") == 0)
        await actors.until(lambda: actors.view.get("total") == 1)
        assert actors.view["order"] == [f"conversation:{conversation_id}"]
        async with Client(server.url, token=ADA).socket(conversation_id) as socket:
            connection_id = (await receive(socket, "connected"))["connection_id"]
            await connections.until(lambda: connections.view["total"] == 1)
            assert connections.view["rows"][connection_id]["participant_id"] == "test_user_1"
            row = actors.view["rows"][f"conversation:{conversation_id}"]
            await actors.until(lambda: row is not None and _connections(actors) == 1)
        await connections.until(lambda: connections.view["total"] == 0)


async def test_the_connections_inside_of_one_are_followed_beside_its_list(
    server: ServerProcess,
) -> None:
    conversation_id = await begin(server)
    lists = (
        f"?watch=conversations&key={conversation_id}&inside={conversation_id}",
        "?watch=actors&kind=participant&key=test_user_1&inside=test_user_1",
    )
    async with Client(server.url, token=ADA).socket(conversation_id) as socket:
        connection_id = (await receive(socket, "connected"))["connection_id"]
        for query in lists:
            async with followed(server, query) as feed:
                await feed.until(lambda: "view" in feed.names)  # awaited here
                assert connection_id in feed.view["inside"]["rows"]


def _connections(actors: Feed) -> int:
    [row] = actors.view["rows"].values()
    return int(row["connections"])


async def test_a_conversation_is_followed_with_its_mailbox_recorder(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    query = f"?watch=conversation&id={conversation_id}"
    async with followed(server, query) as feed:
        await feed.until(lambda: "view" in feed.names)
        assert (feed.view["found"], feed.view["head_sequence_id"]) == (True, 1)
        known = set(feed.view["traces"])
        await say(server, conversation_id)
        with trio.fail_after(PATIENCE):
            while set(feed.view["traces"]) == known:
                name, patch = await feed.next()
        assert name == "view"
        assert not known & patch["traces"].keys(), "what was given is not given again"
        [new] = set(feed.view["traces"]) - known
        [envelope] = feed.view["traces"][new]["envelopes"]
        assert (envelope["verdict"], envelope["sequence_id"]) == ("stored", 2)


async def test_what_is_not_there_is_said_and_followed_once_it_is(server: ServerProcess) -> None:
    async with followed(server, "?watch=conversation&id=nothing") as feed:
        await feed.until(lambda: "view" in feed.names)
        assert feed.view == {"found": False, "why": "there is no such conversation"}
    conversation_id = await begin(server)
    path = f"/admin/conversations/{conversation_id}/passivate"
    await api(server, "POST", path, ADMIN)
    async with followed(server, f"?watch=conversation&id={conversation_id}") as feed:
        await feed.until(lambda: "view" in feed.names)
        assert (feed.view["active"], feed.view.get("actor")) == (False, None)
        await say(server, conversation_id)
        await feed.until(lambda: feed.view["active"])
        assert feed.view["head_sequence_id"] == 2


async def test_a_participant_is_followed(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    async with followed(server, "?watch=participant&id=test_user_1") as feed:
        await feed.until(lambda: "view" in feed.names)
        async with Client(server.url, token=ADA).socket(conversation_id) as socket:
            connection_id = (await receive(socket, "connected"))["connection_id"]
            await feed.until(lambda: connection_id in feed.view["connections"])


@pytest.mark.parametrize(
    "query",
    [
        "watch=everything",
        "watch=conversation",
        "watch=actors&sort=secret",
        "every=0",
        "history=601",
    ],
)
async def test_what_cannot_be_followed_is_refused(server: ServerProcess, query: str) -> None:
    response = await api(server, "GET", f"/admin/events?{query}", ADMIN)
    assert (response.status_code, response.json()["code"]) == (400, "MALFORMED_REQUEST")


async def test_the_session_cookie_of_an_operator_will_do(server: ServerProcess) -> None:
    async with followed(server, cookie=ADMIN) as feed:
        await feed.until(lambda: "stats" in feed.names)
    cookie = {"Cookie": f"salon_session={ADA}"}
    refused = await api(server, "GET", "/admin/events", headers=cookie)
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")


async def test_a_session_that_ends_ends_its_streams(own_server: ServerProcess) -> None:
    token = own_server.token("ops")
    async with followed(own_server, cookie=token) as feed:
        await feed.until(lambda: "stats" in feed.names)
        logout = await api(own_server, "POST", "/auth/logout", token)
        assert logout.status_code == 204
        assert (await feed.rest())[-1] == "end"
    refused = await api(own_server, "GET", "/admin/events", token)
    assert refused.status_code == 401


async def test_what_one_operator_does_is_seen_by_the_others(server: ServerProcess) -> None:
    conversation_id = await begin(server)
    async with followed(server) as feed:
        await feed.until(lambda: "audit" in feed.names)
        await api(server, "POST", f"/admin/conversations/{conversation_id}/passivate", ADMIN)
        await feed.until(
            lambda: feed.deeds[-1:] != [] and feed.deeds[-1]["target"] == conversation_id
        )
        assert (feed.deeds[-1]["operator_id"], feed.deeds[-1]["outcome"]) == ("admin", "done")


async def test_a_stream_that_rests_is_kept_alive(server: ServerProcess) -> None:
    async with followed(server, "?every=60") as feed:
        await feed.until(lambda: feed.comments > 0)
        assert feed.names == ["stats", "samples", "audit"]


async def test_who_has_left_is_forgotten_and_the_number_is_bounded(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server()
    async with trio.open_nursery() as nursery:

        async def listen(task_status: trio.TaskStatus[None]) -> None:
            async with followed(server) as feed:
                await feed.until(lambda: "stats" in feed.names)
                task_status.started()
                await trio.sleep_forever()

        for _ in range(32):
            await nursery.start(listen)
        assert (await look(server, "stats"))["listeners"] == 32
        refused = await api(server, "GET", "/admin/events", ADMIN)
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_CONNECTIONS")
        assert int(refused.headers["Retry-After"]) >= 1
        nursery.cancel_scope.cancel()
    with trio.fail_after(PATIENCE):
        async with followed(server) as feed:
            await feed.until(lambda: feed.stats.get("listeners") == 1)


async def test_who_reads_nothing_is_let_go_and_costs_nobody_anything(
    own_server: ServerProcess,
) -> None:
    conversation_id = await begin(own_server)
    host, port = own_server.url.removeprefix("http://").split(":")
    deaf = sockets.socket()
    deaf.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    deaf.connect((host, int(port)))
    try:
        path = f"/admin/events?history=600&watch=conversation&id={conversation_id}"
        deaf.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {ADMIN}\r\n\r\n".encode()
        )
        async with followed(own_server) as feed:
            await feed.until(lambda: feed.stats.get("listeners") == 2)
            for _ in range(3):
                await say(own_server, conversation_id)
            await feed.until(lambda: feed.stats["messages"] == 3)
        own_server.terminate()
        assert await own_server.wait_exited() == 0
    finally:
        deaf.close()


async def test_an_operator_drains_the_server_while_another_watches(
    own_server: ServerProcess,
) -> None:
    conversation_id = await begin(own_server)
    async with (
        Client(own_server.url, token=ADA).socket(conversation_id) as socket,
        followed(own_server) as feed,
    ):
        await receive(socket, "caught_up")
        await feed.until(lambda: "audit" in feed.names)
        response = await api(own_server, "POST", "/admin/drain", ADMIN)
        assert (response.status_code, response.json()) == (202, {"draining": True})
        assert (await feed.rest())[-1] == "drain"
        with pytest.raises(Closed) as closed:
            await receive(socket, "nothing")
        assert closed.value.code == 4000
    assert await own_server.wait_exited() == 0
    assert "operator admin: drain the server" in own_server.log


async def test_the_stream_ends_with_the_server(own_server: ServerProcess) -> None:
    async with followed(own_server, "?every=60") as feed:
        await feed.until(lambda: "audit" in feed.names)
        own_server.terminate()
        assert (await feed.rest())[-1] == "drain"
        assert await own_server.wait_exited() == 0
