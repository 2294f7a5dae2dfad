"""The client: what is public, where a URL leads, the signals it sends, and all of it over real connections."""

from __future__ import annotations

import dataclasses
import inspect
import ssl

import anyio
import pytest
import trustme
from anyio import wait_all_tasks_blocked
from anyio.abc import ByteStream
from anyio.streams.tls import TLSListener

import salon.web.client
from salon.web.client import Client, connect
from salon.web.client.wire import Target
from tests.loops import LOOPS
from tests.loops import run_under as run_in_real_time
from tests.scripted import (
    URL,
    Peer,
    Server,
    ack,
    caught_up,
    connected,
    event,
    serving,
    take,
)
from tests.virtual_time import in_virtual_time, under_both


def undocumented(name: str) -> list[str]:
    public = getattr(salon.web.client, name)
    members = vars(public).items() if inspect.isclass(public) else ()
    fields = dataclasses.fields(public) if dataclasses.is_dataclass(public) else ()
    private = {each.name for each in fields} | {n for n, _ in members if n.startswith("_")}
    said = {f"{name}.{n}": it for n, it in members if n not in private}
    return [each for each, it in {name: public, **said}.items() if not inspect.getdoc(it)]


def test_what_is_public_says_what_it_is_for() -> None:
    assert [each for name in salon.web.client.__all__ for each in undocumented(name)] == []


@in_virtual_time
async def test_a_conversation_answers_the_pings_of_the_server() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        await peer.ping()
        await peer.send(event(1))
        await peer.stay()

    async with serving(script) as (_, client), client.conversation("c1") as conversation:
        assert await take(conversation, 1) == [1]


@under_both
async def test_it_leaves_with_a_close_frame() -> None:
    ends: list[int | None] = []

    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        await peer.stay()
        ends.append(peer.left_with)

    async with serving(script) as (_, client):
        async with client.conversation("c1") as conversation:
            await conversation.wait_caught_up()
        await wait_all_tasks_blocked()
    assert ends == [1000]


@under_both
async def test_typing_read_and_ping() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert await peer.receive() == {"type": "typing", "is_typing": True}
        assert await peer.receive() == {"type": "read", "sequence_id": 3}
        assert await peer.receive() == {"type": "ping"}
        await anyio.sleep(0.25)
        await peer.send({"type": "pong"})
        assert await peer.receive() == {"type": "ping"}
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.send(connected(0), caught_up(0))
        assert await peer.receive() == {"type": "ping"}
        await peer.send({"type": "pong"})
        await peer.stay()

    async with serving(script, second) as (_, client), client.conversation("c1") as conversation:
        conversation.typing()
        conversation.read(2)
        conversation.read(3)
        assert await conversation.ping() == pytest.approx(0.25)
        assert await conversation.ping() > 0


@pytest.mark.parametrize(
    ("url", "authority", "request_line"),
    [
        ("http://salon.test", "salon.test", "/"),
        ("https://salon.test:443/a?b=c", "salon.test", "/a?b=c"),
        ("ws://[::1]:8000/chat", "[::1]:8000", "/chat"),
        ("wss://salon.test:80", "salon.test:80", "/"),
    ],
)
def test_a_url_is_read_as_a_browser_would(url: str, authority: str, request_line: str) -> None:
    target = Target.of(url)
    assert (target.authority, target.request_line) == (authority, request_line)


@in_virtual_time
async def test_a_url_that_leads_nowhere_is_named_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="URL"):
        async with connect("ftp://salon.test"):
            pass


@in_virtual_time
async def test_the_path_of_a_proxy_and_odd_ids_are_kept() -> None:
    async with serving() as (server, _):
        client = Client(URL + "/under/", dial=server.dial)
        server.answers["GET /under/chat/conversations/a%2Fb%3F"] = [(200, {"id": "a/b?"})]
        assert await client.details("a/b?") == {"id": "a/b?"}
        assert server.requests[0][2]["host"] == "salon.test"


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("loop", LOOPS)
def test_over_a_real_connection_it_works_the_same(loop: str, secure: bool) -> None:
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_tls)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)

    async def script(peer: Peer) -> None:
        await peer.send(connected(1, 1), event(1), caught_up(1))
        await peer.send(ack(2, (await peer.receive())["client_message_id"]))
        await peer.stay()

    async def story() -> None:
        plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with plain, anyio.create_task_group() as tasks:
            server = Server(tasks, [script], answers={"GET /auth/me": [(200, {"id": "u"})]})
            port = plain.extra(anyio.abc.SocketAttribute.local_port)
            listener = TLSListener(plain, server_tls, standard_compatible=False)

            async def serve(stream: ByteStream) -> None:
                await server.serve(stream)

            tasks.start_soon((listener if secure else plain).serve, serve)
            url = f"https://localhost:{port}" if secure else f"http://127.0.0.1:{port}"
            async with Client(url, ssl_context=client_tls) as client:
                assert await client.me() == {"id": "u"}
                async with client.conversation("c1") as conversation:
                    assert await take(conversation, 1) == [1]
                    assert (await conversation.send("hello")).sequence_id == 2
            tasks.cancel_scope.cancel()

    run_in_real_time(loop, story)
