"""The client's WebSocket alone, as load tests and tools use it."""

from __future__ import annotations

import anyio
import pytest
from wsproto import WSConnection
from wsproto.connection import ConnectionType
from wsproto.events import (
    AcceptConnection,
    Request,
    TextMessage,
)

from salon.web.client import Closed, Refused, connect
from salon.web.client.wire import Codec
from tests.memory_stream import MemoryStream, lockstep_pair, stream_pair
from tests.scripted import (
    URL,
    Peer,
    Rejection,
    event,
    numbers,
    serving,
)
from tests.virtual_time import in_virtual_time, under_both


@in_virtual_time
async def test_a_raw_socket_sends_any_headers_and_gives_every_frame_as_it_came() -> None:
    async def script(peer: Peer) -> None:
        assert peer.headers["origin"] == "http://elsewhere"
        assert peer.query == {"ticket": ["t"], "last_sequence_id": ["0"]}
        await peer.send(event(2), event(2), event(1))
        assert await peer.receive_text() == "not JSON"
        assert await peer.receive() == {"content": "\ud800"}
        await peer.close(4501, "enough")

    url = "ws://salon.test/chat/ws/c1?ticket=t&last_sequence_id=0"
    async with (
        serving(script) as (server, _),
        connect(url, headers=[("Origin", "http://elsewhere")], dial=server.dial) as socket,
    ):
        assert numbers([await socket.receive_json() for _ in range(3)]) == [2, 2, 1]
        await socket.send_text("not JSON")
        await socket.send_json({"content": "\ud800"})
        for _ in range(2):
            with pytest.raises(Closed, match="4501: enough"):
                await socket.receive_json()
        with pytest.raises(Closed, match="4501"):
            await socket.send_json({})


@under_both
@pytest.mark.parametrize("answers", [True, False])
async def test_a_raw_socket_answers_pings_unless_told_not_to(answers: bool) -> None:
    answered: list[bool] = []

    async def script(peer: Peer) -> None:
        await peer.ping(b"are you there")
        with anyio.move_on_after(5) as scope:
            await peer.pong(b"are you there")
        answered.append(not scope.cancelled_caught)
        await peer.close(4001)

    async with serving(script) as (_, client), client.socket("c1", answer_pings=answers) as socket:
        with pytest.raises(Closed, match="4001"):
            await socket.receive_json()
    assert answered == [answers]


def test_a_ping_that_comes_while_closing_is_passed_over() -> None:
    codec = Codec()
    assert codec.close(1000)
    assert codec.receive(b"\x89\x00") == b""
    assert codec.closed is None
    assert codec.receive(b"\x88\x02\x03\xe8") == b""
    assert codec.closed is not None


@under_both
async def test_frames_that_come_with_the_handshake_are_not_lost() -> None:
    async def dial() -> MemoryStream:
        client, server = stream_pair()
        tasks.start_soon(serve, server)
        return client

    async def serve(stream: MemoryStream) -> None:
        protocol = WSConnection(ConnectionType.SERVER)
        protocol.receive_data(await stream.receive())
        assert isinstance(next(protocol.events()), Request)
        answer = protocol.send(AcceptConnection())
        await stream.send(answer + protocol.send(TextMessage(data='{"early": 1}')))
        protocol.receive_data(await stream.receive())
        await stream.aclose()

    async with anyio.create_task_group() as tasks, connect(URL, dial=dial) as socket:
        assert await socket.receive_json() == {"early": 1}


@in_virtual_time
async def test_a_raw_handshake_raises_its_refusal() -> None:
    async with serving(Rejection(503, headers=(("Retry-After", "3"),))) as (_, client):
        with pytest.raises(Refused) as refused:
            async with client.socket("c1"):
                pass
        assert (refused.value.status, refused.value.retry_after) == (503, 3.0)


@under_both
async def test_a_cancelled_write_ends_the_socket_and_never_tears_a_frame() -> None:
    async def script(peer: Peer) -> None:
        assert await peer.receive_text() == "one"
        await anyio.sleep_forever()

    async with serving(script) as (server, client):
        server.streams = lockstep_pair
        async with client.socket("c1") as socket:
            await socket.send_text("one")
            with anyio.move_on_after(1):
                await socket.send_text(*["x" * 10_000] * 10)
            with pytest.raises(Closed, match="lost"):
                await socket.send_text("two")


@under_both
async def test_many_tasks_may_send_on_one_raw_socket() -> None:
    received: list[str] = []

    async def script(peer: Peer) -> None:
        for _ in range(60):
            received.append(await peer.receive_text())
        await peer.send({"type": "all here"})
        await peer.stay()

    texts = [str(number) * 9_000 for number in range(20)]
    async with serving(script) as (server, client):
        server.streams = lockstep_pair
        async with client.socket("c1") as socket:

            async def send_thrice(text: str) -> None:
                for _ in range(3):
                    await socket.send_text(text)

            async with anyio.create_task_group() as tasks:
                for text in texts:
                    tasks.start_soon(send_thrice, text)
            assert await socket.receive_json() == {"type": "all here"}
    assert sorted(received) == sorted(texts * 3)
