"""The log of all conversations, as lines of JSON: without a gap while commits go on, resumable at any line."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import trio

from tests.patience import PATIENCE
from tests.person import Person, guests
from tests.raw import open_line, request
from tests.server import ServerProcess, api
from tests.shape import refusal_for_now
from tests.traffic import Speaker

Line = dict[str, Any]


async def read(server: ServerProcess, token: str, path: str, count: int) -> list[Line]:
    """The first lines with events of a stream that is cut then."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    lines: list[Line] = []
    rest = b""
    with trio.fail_after(4 * PATIENCE):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(request("GET", path, b"", token))
            while len(lines) < count:
                data = await stream.receive_some(65_536)
                assert data, "the stream ended"
                *whole, rest = (rest + data).split(b"\n")
                lines += [json.loads(line) for line in whole if line.startswith(b'{"position"')]
                lines = [line for line in lines if "data" in line]
    return lines[:count]


async def whole(server: ServerProcess, token: str, after: int = 0) -> list[Line]:
    """All that is there now."""
    answer = await api(server, "GET", f"/admin/log?after={after}&follow=false", token)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def speak(who: Person, id: str, count: int) -> None:
    await Speaker(who, count).speak(id)


async def test_it_has_every_event_once_in_the_order_of_commits_while_commits_go_on(
    own_server: ServerProcess,
) -> None:
    root = own_server.token("root")
    ada, bob = await guests(own_server, "Ada", "Bob")
    ids = [await who.create(title=f"{n}") for n, who in enumerate([ada, bob, ada])]
    found: list[Line] = []

    async def follow() -> None:
        """Over streams that are cut every 150 lines."""
        while len(found) < 903:
            after = found[-1]["position"] if found else 0
            wanted = min(150, 903 - len(found))
            found.extend(await read(own_server, root, f"/admin/log?after={after}", wanted))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        for who, id in zip([ada, bob, ada], ids, strict=True):
            nursery.start_soon(speak, who, id, 300)
    places = [line["position"] for line in found]
    assert places == sorted(set(places))
    assert found == await whole(own_server, root)
    for id in ids:
        mine = [line["data"] for line in found if line["conversation_id"] == id]
        assert mine == await ada.history(id) if id != ids[1] else await bob.history(id)


async def test_what_is_deleted_is_left_out_and_edits_show_what_is_true_now(
    own_server: ServerProcess,
) -> None:
    root = own_server.token("root")
    (ada,) = await guests(own_server, "Ada")
    kept, gone = await ada.create(), await ada.create()
    for id in (kept, gone):
        await ada.say(id, "the secret plan")
    await ada.ask("DELETE", f"/chat/{kept}/messages/{kept}-2")
    await ada.ask("DELETE", f"/chat/{gone}")
    lines = await whole(own_server, root)
    assert "the secret plan" not in json.dumps(lines)
    assert [line["sequence_id"] for line in lines if "data" in line] == [1, 2, 3]
    assert await whole(own_server, root, lines[-1]["position"]) == []


async def test_only_operators_may_read_it_and_the_audit_notes_it(own_server: ServerProcess) -> None:
    root = own_server.token("root")
    (ada,) = await guests(own_server, "Ada")
    answer = await api(own_server, "GET", "/admin/log?follow=false", ada.token)
    assert answer.status_code == 403
    await whole(own_server, root)
    deeds = (await api(own_server, "GET", "/admin/audit", root)).json()["deeds"]
    assert ("read", "the log of all conversations") in [(d["action"], d["target"]) for d in deeds]
    answer = await api(own_server, "GET", "/admin/log?after=-1", root)
    assert answer.status_code == 400


async def test_so_many_read_at_once_and_no_more(own_server: ServerProcess) -> None:
    root = own_server.token("root")
    reading = request("GET", "/admin/log", token=root)
    async with AsyncExitStack() as opened:
        lines = [await opened.enter_async_context(open_line(own_server.url)) for _ in range(8)]
        for line in lines:
            await line.send(reading)
            assert (await line.head()).startswith(b"HTTP/1.1 200 ")
        refused = await api(own_server, "GET", "/admin/log", root)
        refusal_for_now(refused, 429, "TOO_MANY_CONNECTIONS", "server", limit=8)
    with trio.fail_after(PATIENCE):
        refused = await api(own_server, "GET", "/admin/log?follow=false", root)
        while refused.status_code == 429:  # until the server has seen the readers go
            await trio.sleep(0.05)
            refused = await api(own_server, "GET", "/admin/log?follow=false", root)
