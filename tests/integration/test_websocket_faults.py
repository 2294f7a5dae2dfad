"""A WebSocket that goes wrong: frames that are not understood, peers that are gone, and how it ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from salon.web.client import Closed, Socket
from tests.person import PATIENCE, Person, guest, guests
from tests.server import ServerProcess
from tests.shape import ID, refusal


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that pings every second."""
    server = ServerProcess(tmp_path_factory.mktemp("quick"), LIMITS__HEARTBEAT="1")
    yield server
    assert server.stop() == 0, server.log


@asynccontextmanager
async def raw(who: Person, conversation_id: str, **options: Any) -> AsyncIterator[Socket]:
    """A socket that does what it is told and nothing by itself."""
    with trio.fail_after(PATIENCE):
        async with who.client().socket(conversation_id, **options) as socket:
            yield socket


async def closed(socket: Socket) -> Closed:
    """How it is closed, once it is."""
    try:
        while True:
            await socket.receive_text()
    except Closed as error:
        return error


class TestFaults:
    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("{", "INVALID_JSON"),
            ("", "INVALID_JSON"),
            ("nonsense", "INVALID_JSON"),
            ('{"type":"ping"} {"type":"ping"}', "INVALID_JSON"),
            ("[" * 100_000, "INVALID_JSON"),
            ("[]", "INVALID_FORMAT"),
            ("null", "INVALID_FORMAT"),
            ('"ping"', "INVALID_FORMAT"),
            ("{}", "INVALID_FORMAT"),
            ('{"type":"message"}', "INVALID_FORMAT"),
            ('{"type":"message","content":""}', "INVALID_FORMAT"),
            ('{"type":"message","content":" \\n\\t"}', "INVALID_FORMAT"),
            ('{"type":"message","content":"\\u200b\\ufeff"}', "INVALID_FORMAT"),
            ('{"type":"message","content":5}', "INVALID_FORMAT"),
            ('{"type":"message","content":"\\ud800"}', "INVALID_FORMAT"),
            ('{"type":"message","content":"a","metadata":[]}', "INVALID_FORMAT"),
            ('{"type":"message","content":"a","metadata":{"a":NaN}}', "INVALID_FORMAT"),
            ('{"type":"message","content":"a","reply_to":"nothing"}', "INVALID_FORMAT"),
            ('{"type":"typing","is_typing":"yes"}', "INVALID_FORMAT"),
            ('{"type":"read","sequence_id":-1}', "INVALID_FORMAT"),
            ('{"type":"read","sequence_id":1.5}', "INVALID_FORMAT"),
            ('{"type":"sync"}', "INVALID_FORMAT"),
            ('{"type":"sync","last_sequence_id":9007199254740992}', "INVALID_FORMAT"),
            ('{"type":"shout"}', "UNKNOWN_TYPE"),
            ('{"type":"connected"}', "UNKNOWN_TYPE"),
            ('{"type":5}', "UNKNOWN_TYPE"),
            ('{"type":null}', "UNKNOWN_TYPE"),
        ],
    )
    async def test_what_is_not_understood_is_answered_and_the_socket_stays_open(
        self, server: ServerProcess, text: str, code: str
    ) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            await tab.send_text(text)
            answer = await tab.until("error")
            assert (answer["code"], answer["temporary"], answer["id"]) == (code, False, ID)
            assert answer["error"].endswith(".")
            await tab.send("ping")
            assert await tab.until("pong") == {"type": "pong"}

    async def test_a_message_of_the_wrong_shape_is_named_by_its_key(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            await tab.send("message", content=5, client_message_id="k1")
            assert (await tab.until("error"))["client_message_id"] == "k1"

    async def test_a_message_that_shows_nothing_is_refused_as_blank_by_its_key(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as tab:
            await tab.send("message", content=" \n\u200b", client_message_id="k1")
            answer = await tab.until("error")
            assert (answer["code"], answer["problem"]) == ("INVALID_FORMAT", "content: is blank")
            assert answer["client_message_id"] == "k1"
        assert len(await ada.history(conversation_id)) == 1

    async def test_fields_that_are_not_known_are_passed_over(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            await tab.send("ping", newer=True)
            await tab.until("pong")

    async def test_the_twentieth_within_ten_seconds_closes(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            for _ in range(19):
                await tab.send("shout")
            await tab.send("ping")
            await tab.until("pong")  # nineteen are forgiven
            await tab.send("shout")
            code, _ = await tab.closed()
            assert code == 4501
            assert [frame["type"] for frame in tab.frames].count("error") == 20

    async def test_messages_that_are_too_large_never_close(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            for number in range(25):
                await tab.send("message", content="x" * 10_001, client_message_id=f"{number}")
                refused = await tab.until("error")
                assert refused.pop("id") == ID
                assert refused == {
                    "type": "error",
                    "error": "The message has 10001 characters; at most 10000 are allowed.",
                    "code": "MESSAGE_TOO_LARGE",
                    "temporary": False,
                    "actual_size": 10_001,
                    "max_size": 10_000,
                    "client_message_id": f"{number}",
                }
            assert await tab.settle() == []

    async def test_a_frame_that_is_too_large_closes(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            longest = json.dumps({"type": "message", "content": "🎉" * 10_000})
            await tab.send_text(longest)
            await tab.until("message_ack")
            await tab.send_text("x" * 131_073)
            assert (await tab.closed())[0] == 1009

    async def test_only_text_is_understood(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            await tab.socket.send_message(b'{"type":"ping"}')
            assert (await tab.closed())[0] == 1003

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"\x81\x02hi", 1002),  # not masked
            (b"\xf1\x80\0\0\0\0", 1002),  # a bit that nobody agreed on
            (b"\x83\x80\0\0\0\0", 1002),  # an opcode that is none
            (b"\x80\x80\0\0\0\0", 1002),  # the rest of nothing
            (b"\x09\x80\0\0\0\0", 1002),  # half a ping
            (b"\x81\x81\0\0\0\0\xff", 1007),  # no UTF-8
            (b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0", 1002),  # a length with the top bit
            (b"\x88\x82\0\0\0\0\x03\xed", 1002),  # a close code that is never sent
        ],
    )
    async def test_what_breaks_the_protocol_closes(
        self, server: ServerProcess, data: bytes, code: int
    ) -> None:
        ada = await guest(server, "Ada")
        async with raw(ada, await ada.create()) as socket:
            await socket.stream.send(data)
            assert (await closed(socket)).code == code


class TestHeartbeats:
    async def test_a_peer_that_answers_nothing_is_closed_after_two_pings(
        self, quick: ServerProcess
    ) -> None:
        ada = await guest(quick, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as alive:
            async with raw(ada, conversation_id, answer_pings=False) as socket:
                assert (await closed(socket)).code == 4001
            assert await alive.settle() == []  # its library answers by itself

    async def test_any_frame_counts_as_life(self, quick: ServerProcess) -> None:
        ada, bob = await guests(quick, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        lively = trio.Event()

        async def chatter(socket: Socket) -> None:
            while True:
                await socket.send_json({"type": "ping"})
                while (await socket.receive_json())["type"] != "pong":
                    pass
                await trio.sleep(0.3)  # more often than it is asked

        async with (
            raw(ada, conversation_id, answer_pings=False) as socket,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(chatter, socket)
            async with raw(bob, conversation_id, answer_pings=False) as silent:
                assert (await closed(silent)).code == 4001
            lively.set()
            nursery.cancel_scope.cancel()
        assert lively.is_set()

    async def test_a_ping_of_the_protocol_is_answered(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        async with ada.tab(await ada.create()) as tab:
            with trio.fail_after(PATIENCE):
                await tab.socket.ping(b"anybody?")


class TestClosing:
    async def test_the_peers_code_is_answered_with_the_same(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        async with raw(ada, await ada.create()) as socket:
            await socket.stream.send(b"\x88\x82\0\0\0\0" + (3999).to_bytes(2, "big"))
            assert (await closed(socket)).code == 3999

    async def test_logging_out_closes_what_was_opened_with_that_session_and_nothing_else(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        here, there = await ada.create(bob), await ada.create()
        response = await ada.call("POST", "/auth/recover", {"recovery_code": ada.recovery_code})
        elsewhere = Person(server, response.json()["token"], ada.id, ada.name)
        async with (
            ada.tab(here) as one,
            ada.tab(there) as two,
            elsewhere.tab(here) as stays,
            bob.tab(here) as other,
        ):
            assert (await ada.call("POST", "/auth/logout")).status_code == 204
            for tab in (one, two):
                code, reason = await tab.closed()
                assert (code, reason) == (4500, "identity revoked")
            assert await stays.settle() == await other.settle() == []
        refusal(await ada.call("GET", "/auth/me"), 401, "UNAUTHENTICATED")
