"""What a WebSocket carries besides the sequence: presence, typing, reading, refusals, heartbeats, and how it closes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from salon.web.client import Closed, Socket
from tests.person import PATIENCE, Person, Tab, guest, guests
from tests.server import ServerProcess
from tests.shape import ID, refusal


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on which nothing takes long."""
    times = {
        "LIMITS__PRESENCE_GRACE": "0.2",
        "LIMITS__PRESENCE_INTERVAL": "0",
        "LIMITS__TYPING_TIMEOUT": "0.2",
        "LIMITS__HEARTBEAT": "1",
    }
    server = ServerProcess(tmp_path_factory.mktemp("quick"), **times)
    yield server
    assert server.stop() == 0, server.log


async def presence_of(tab: Tab, who: Person, status: str) -> None:
    """Read on until this is told."""
    change = {"participant_id": who.id, "status": status}
    await tab.until("presence", lambda frame: change in frame["changes"])


def told(tab: Tab, who: Person) -> list[str]:
    """What has been told of somebody so far."""
    changes = [c for frame in tab.frames if frame["type"] == "presence" for c in frame["changes"]]
    return [change["status"] for change in changes if change["participant_id"] == who.id]


class TestPresence:
    async def test_whoever_comes_is_online_and_offline_once_the_grace_is_over(
        self, quick: ServerProcess
    ) -> None:
        ada, bob = await guests(quick, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as tab:
            async with bob.tab(conversation_id):
                await presence_of(tab, bob, "online")
                assert [
                    who["isOnline"] for who in (await ada.see(conversation_id))["participants"]
                ] == [True, True]
            await presence_of(tab, bob, "offline")
            assert told(tab, bob) == ["online", "offline"]
        frame = next(frame for frame in tab.frames if frame["type"] == "presence")
        assert frame.keys() == {"type", "changes"}

    async def test_only_the_last_of_several_sockets_counts(self, quick: ServerProcess) -> None:
        ada, bob = await guests(quick, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as tab:
            async with bob.tab(conversation_id):
                async with bob.tab(conversation_id):
                    await presence_of(tab, bob, "online")
                async with trio.open_nursery() as nursery:  # the time that a grace takes
                    nursery.start_soon(typing_expires, tab, bob, conversation_id)
                assert told(tab, bob) == ["online"]
            await presence_of(tab, bob, "offline")
            assert told(tab, bob) == ["online", "offline"]

    async def test_coming_back_within_the_grace_is_not_told(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as tab:
            async with bob.tab(conversation_id):
                await presence_of(tab, bob, "online")
            for _ in range(3):
                async with bob.tab(conversation_id):
                    pass
            await tab.settle()
            assert told(tab, bob) == ["online"]
            everybody = (await ada.see(conversation_id))["participants"]
            assert all(who["isOnline"] for who in everybody)  # the grace lasts

    async def test_many_who_come_at_once_are_told_together(self, server: ServerProcess) -> None:
        ada, *others = await guests(server, "Ada", *(f"Guest {n}" for n in range(9)))
        conversation_id = await ada.create(*others)
        ready = trio.Event()
        left = 0

        async def come(who: Person) -> None:
            nonlocal left
            async with who.tab(conversation_id):
                left += 1
                await ready.wait()

        async with ada.tab(conversation_id) as tab, trio.open_nursery() as nursery:
            for who in others:
                nursery.start_soon(come, who)
            for who in others:
                if "online" not in told(tab, who):
                    await presence_of(tab, who, "online")
            ready.set()
        assert left == 9
        assert len([f for f in tab.frames if f["type"] == "presence"]) < 9

    async def test_one_who_has_left_is_no_longer_spoken_of(self, quick: ServerProcess) -> None:
        ada, bob = await guests(quick, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as tab, bob.tab(conversation_id) as gone:
            await presence_of(tab, bob, "online")
            await bob.leave(conversation_id)
            await gone.closed()
            await tab.until("participant_left")
            await typing_expires(tab, ada, conversation_id, other=True)
            assert told(tab, bob) == ["online"]


async def typing_expires(
    tab: Tab, who: Person, conversation_id: str, *, other: bool = False
) -> None:
    """Let as much time go by as typing takes to end: as much as the grace, and the server measures it."""
    if other:
        helper = await guest(who.server, "Helper")
        await who.join(conversation_id, helper)
        who = helper
    async with who.tab(conversation_id) as typist:
        await typist.send("typing", is_typing=True)
        await tab.until("typing", lambda frame: not frame["is_typing"])


class TestTyping:
    async def test_others_are_told_and_nobody_else(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with (
            ada.tab(conversation_id) as phone,
            ada.tab(conversation_id) as laptop,
            bob.tab(conversation_id) as tab,
        ):
            for is_typing in (True, False):
                await phone.send("typing", is_typing=is_typing)
                assert await tab.until("typing") == {
                    "type": "typing",
                    "participant_id": ada.id,
                    "is_typing": is_typing,
                }
            assert await phone.settle() == await laptop.settle() == []
            assert (await bob.see(conversation_id))["head_sequence_id"] == 1  # it is no event

    async def test_it_ends_by_itself(self, quick: ServerProcess) -> None:
        ada, bob = await guests(quick, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as typist, bob.tab(conversation_id) as tab:
            await typist.send("typing", is_typing=True)
            assert (await tab.until("typing"))["is_typing"] is True
            assert (await tab.until("typing"))["is_typing"] is False

    async def test_it_ends_with_the_message(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as typist, bob.tab(conversation_id) as tab:
            await typist.send("typing", is_typing=True)
            assert (await tab.until("typing"))["is_typing"] is True
            await typist.say("done")
            frames = await tab.settle()
            assert {frame["type"] for frame in frames} == {"message", "typing"}
            assert [f["is_typing"] for f in frames if f["type"] == "typing"] == [False]

    async def test_it_ends_with_the_last_socket(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with bob.tab(conversation_id) as tab:
            async with ada.tab(conversation_id) as typist:
                await typist.send("typing", is_typing=True)
                await tab.until("typing")
            assert (await tab.until("typing"))["is_typing"] is False

    async def test_whoever_only_watches_cannot(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create()
        body = {"participant": bob.entry(role="observer")}
        await ada.ask("POST", f"/chat/{conversation_id}/join", body)
        async with bob.tab(conversation_id) as tab:
            await tab.send("typing", is_typing=True)
            assert (await tab.until("error"))["code"] == "FORBIDDEN"
            await tab.send("message", content="a", client_message_id="k1")
            refused = await tab.until("error")
            assert (refused["code"], refused["client_message_id"]) == ("FORBIDDEN", "k1")


class TestReading:
    async def test_it_is_told_to_the_same_person_elsewhere_and_to_nobody_else(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        for number in range(4):
            await bob.say(conversation_id, f"{number}")
        async with (
            ada.tab(conversation_id) as phone,
            ada.tab(conversation_id) as laptop,
            bob.tab(conversation_id) as tab,
        ):
            await phone.send("read", sequence_id=3)
            moved = {"type": "read", "participant_id": ada.id, "sequence_id": 3}
            assert await laptop.until("read") == moved
            await phone.send("read", sequence_id=2)  # never back
            await phone.send("read", sequence_id=3)
            assert await phone.settle() == await laptop.settle() == await tab.settle() == []
            answer = await ada.ask("POST", f"/chat/{conversation_id}/read", {"sequence_id": 4})
            assert answer == {"read_sequence_id": 4, "unread_count": 1}
            for each in (phone, laptop):
                assert await each.until("read") == moved | {"sequence_id": 4}

    async def test_it_is_told_to_all_where_reading_is_shared(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob, share_reads=True)
        async with ada.tab(conversation_id) as reader, bob.tab(conversation_id) as tab:
            await reader.send("read", sequence_id=99)  # as far as there is
            moved = {"type": "read", "participant_id": ada.id, "sequence_id": 1}
            assert await tab.until("read") == moved
            assert await reader.settle() == []


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
            await socket.stream.send_all(data)
            assert (await closed(socket)).code == code


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

        async with raw(ada, conversation_id, answer_pings=False) as socket:
            async with trio.open_nursery() as nursery:
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
            await socket.stream.send_all(b"\x88\x82\0\0\0\0" + (3999).to_bytes(2, "big"))
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
