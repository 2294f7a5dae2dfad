"""A WebSocket that is open: what it is sent, in which order, and what it may ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from tests.person import EVENTS, Frame, Person, Tab, agent, guest, guests
from tests.server import ServerProcess
from tests.shape import ID, TIMESTAMP, receipt


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with conversations of any size, of which a socket gets little."""
    settings = {"LIMITS__MAX_PARTICIPANTS": "0", "LIMITS__RESUME_LIMIT": "20"}
    server = ServerProcess(tmp_path_factory.mktemp("large"), **settings)
    yield server
    assert server.stop() == 0, server.log


def numbers(frames: list[Frame]) -> list[int]:
    return [frame["sequence_id"] for frame in frames]


def kinds(frames: list[Frame]) -> list[str]:
    return [frame["type"] for frame in frames if frame["type"] != "presence"]


async def talk(who: Person, conversation_id: str, first: int, last: int) -> None:
    """Messages that take the places from `first` to `last`."""
    async with who.tab(conversation_id) as tab:
        for number in range(first, last + 1):
            await tab.send("message", content=f"{number}")
        await tab.until_sequence(last)


class TestTheFirstFrames:
    async def test_they_come_in_order_and_say_all_that_a_client_has_to_know(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await ada.say(conversation_id, "hello")
        async with bob.raw_tab(conversation_id) as tab:
            await tab.until("caught_up")
        assert kinds(tab.frames) == [
            "connected",
            "participant_list",
            "conversation_created",
            "message",
            "caught_up",
        ]
        first = tab.frames[0]
        assert first == {
            "type": "connected",
            "conversation_id": conversation_id,
            "participant_id": bob.id,
            "connection_id": ID,
            "mode": "multi",
            "input_timeout": 2000,
            "head_sequence_id": 2,
            "first_sequence_id": 1,
            "epoch": first["epoch"],
            "resume": "fresh",
            "heartbeat": 25,
            "max_message_size": 10_000,
        }
        assert isinstance(first["epoch"], str)
        members = [
            {
                "participantId": who.id,
                "displayName": who.name,
                "type": "human",
                "role": role,
                "joinedAt": TIMESTAMP,
                "isOnline": who is bob,
            }
            for who, role in ((ada, "owner"), (bob, "member"))
        ]
        listed = tab.frames[1]
        assert listed["participants"] in (
            members,
            [member | {"isOnline": False} for member in members],  # told before being counted in
        )
        assert (listed["participant_count"], listed["conversation_id"]) == (2, conversation_id)
        assert [f for f in tab.frames if f["type"] == "caught_up"] == [
            {"type": "caught_up", "sequence_id": 2}
        ]
        assert tab.events == await bob.history(conversation_id)

    async def test_one_person_alone_is_answered_sooner_and_agents_do_not_count(
        self, server: ServerProcess
    ) -> None:
        ada, bot = await guest(server, "Ada"), agent(server)
        body = {"title": "Help", "participants": [bot.entry(type="agent")]}
        conversation_id = (await ada.ask("POST", "/chat/create", body))["conversation_id"]
        async with ada.raw_tab(conversation_id) as tab:
            first = await tab.next()
            assert (first["mode"], first["input_timeout"]) == ("single", 100)

    async def test_of_more_than_a_hundred_members_those_online_are_listed_first(
        self, large: ServerProcess
    ) -> None:
        ada, bob = await guests(large, "Ada", "Bob")
        conversation_id = await ada.create()
        for number in range(110):
            body = {"participant": {"user_id": f"user{number}"}}
            await ada.ask("POST", f"/chat/{conversation_id}/join", body)
        await ada.join(conversation_id, bob)
        async with bob.tab(conversation_id), ada.raw_tab(conversation_id) as tab:
            listed = await tab.until("participant_list")
        assert listed["participant_count"] == 112
        assert len(listed["participants"]) == 100
        first = {who["participantId"] for who in listed["participants"] if who["isOnline"]}
        assert bob.id in first
        assert [who["isOnline"] for who in listed["participants"]] == [True] * len(first) + [
            False
        ] * (100 - len(first))


class TestResuming:
    async def test_a_newcomer_gets_the_last_fifty(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        await talk(ada, conversation_id, 2, 70)
        async with ada.tab(conversation_id) as tab:
            first = tab.frames[0]
            assert (first["resume"], first["first_sequence_id"]) == ("fresh", 21)
            assert numbers(tab.events) == list(range(21, 71))

    @pytest.mark.parametrize("last", [0, 1, 35, 69, 70])
    async def test_whoever_says_how_far_they_are_gets_all_that_follows(
        self, server: ServerProcess, last: int
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        await talk(ada, conversation_id, 2, 70)
        async with ada.tab(conversation_id, last) as tab:
            first = tab.frames[0]
            assert (first["resume"], first["head_sequence_id"]) == ("complete", 70)
            assert first["first_sequence_id"] == last + 1
            assert tab.events == (await ada.history(conversation_id))[last:]
            await ada.say(conversation_id, "live")
            assert (await tab.until("message"))["sequence_id"] == 71

    async def test_more_than_is_sent_again_is_a_reset_which_says_where_it_begins(
        self, large: ServerProcess
    ) -> None:
        ada = await guest(large, "Ada")
        conversation_id = await ada.create()
        await talk(ada, conversation_id, 2, 70)
        for last, resume, begins in ((50, "complete", 51), (49, "reset", 51), (0, "reset", 51)):
            async with ada.tab(conversation_id, last) as tab:
                first = tab.frames[0]
                assert (first["resume"], first["first_sequence_id"]) == (resume, begins)
                assert numbers(tab.events) == list(range(begins, 71))
        missing = await ada.ask("GET", f"/chat/{conversation_id}/messages?before=51&limit=100")
        assert numbers(missing["events"]) == list(range(1, 51))

    async def test_a_thousand_missing_events_come_complete(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as tab:
            for start in range(2, 1202, 200):
                for number in range(start, start + 200):
                    await tab.send("message", content=f"{number}")
                await tab.until_sequence(start + 199)
        for last, resume, begins in ((201, "complete", 202), (200, "reset", 202)):
            async with ada.tab(conversation_id, last) as tab:
                first = tab.frames[0]
                assert (first["resume"], first["first_sequence_id"]) == (resume, begins)
                assert numbers(tab.events) == list(range(begins, 1202))

    async def test_one_who_knows_a_future_that_is_not_begins_anew(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id, 1000) as tab:
            first = tab.frames[0]
            assert (first["resume"], first["first_sequence_id"]) == ("reset", 1)
            assert numbers(tab.events) == [1]

    async def test_it_can_be_asked_for_again_at_any_time(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        await talk(ada, conversation_id, 2, 70)
        async with ada.tab(conversation_id) as tab:
            for last in (65, 0, 70):
                before = len(tab.frames)
                await tab.send("sync", last_sequence_id=last)
                assert await tab.until("caught_up") == {"type": "caught_up", "sequence_id": 70}
                again = [frame for frame in tab.frames[before:] if frame["type"] in EVENTS]
                assert numbers(again) == list(range(last + 1, 71))
            await ada.say(conversation_id, "live")
            assert (await tab.until("message"))["sequence_id"] == 71

    async def test_while_others_speak_nothing_is_missed_and_nothing_comes_twice(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)

        async def come_in(last: int) -> None:
            async with bob.raw_tab(conversation_id, last) as tab:
                await tab.until_sequence(301)
                assert numbers(tab.events) == list(range(last + 1, 302))

        async with ada.tab(conversation_id) as talker, trio.open_nursery() as nursery:
            for number in range(2, 302):
                await talker.send("message", content=f"{number}")
                if number % 50 == 0:
                    nursery.start_soon(come_in, number // 2)
            await talker.until_sequence(301)


class TestMessages:
    async def test_the_sender_gets_the_receipt_no_later_than_the_copy_and_others_only_the_copy(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as sender, bob.tab(conversation_id) as reader:
            for number in range(2, 12):
                await sender.send("message", content="hi", client_message_id=f"k{number}")
                ack = await sender.until("message_ack")
                assert ack == {"type": "message_ack"} | receipt(
                    conversation_id, number, f"k{number}"
                )
                copy = await sender.until("message")
                assert await reader.until("message") == copy
                assert (copy["sequence_id"], copy["message"]["sequence_id"]) == (number, number)
                assert copy["message"]["message_id"] == ack["message_id"]
                assert copy["message"]["client_message_id"] == f"k{number}"
            assert "message_ack" not in kinds(await reader.settle())

    async def test_every_socket_of_a_person_gets_everything_and_only_the_sending_one_a_receipt(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as phone, ada.tab(conversation_id) as laptop:
            await phone.say("from the phone")
            await laptop.say("from the laptop")
            await ada.say(conversation_id, "over HTTP")
            for tab in (phone, laptop):
                await tab.until_sequence(4)
                await tab.settle()
                assert numbers(tab.events) == [1, 2, 3, 4]
                assert kinds(tab.frames).count("message_ack") == 1

    async def test_the_same_key_again_gets_the_same_receipt_and_no_copy(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        first = await ada.say(conversation_id, "once", client_message_id="k1")
        async with ada.tab(conversation_id) as tab:
            for _ in range(3):
                assert await tab.say("once", "k1") == {"type": "message_ack"} | first
            await tab.send("message", content="twice", client_message_id="k1")
            refused = await tab.until("error")
            assert (refused["code"], refused["client_message_id"]) == ("KEY_REUSED", "k1")
            assert await tab.settle() == []
            assert numbers(tab.events) == [1, 2]

    async def test_answers_and_metadata_travel_along(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as tab:
            first = await tab.say("question")
            metadata = {"tags": ["a", {"b": None}]}
            await tab.say("answer", "k", reply_to=first["message_id"], metadata=metadata)
            await tab.until_sequence(3)
            message = tab.events[-1]["message"]
            assert (message["reply_to"], message["metadata"]) == (first["message_id"], metadata)

    async def test_without_a_key_the_receipt_has_none(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as tab:
            assert (await tab.say("no key"))["client_message_id"] is None
            await tab.until_sequence(2)
            assert "client_message_id" not in tab.events[-1]["message"]


class TestMembership:
    async def test_everybody_connected_is_told_who_came_and_who_went(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as tab:
            await bob.join(conversation_id)
            await bob.join(conversation_id, cleo)
            await cleo.leave(conversation_id)
            await tab.until_sequence(4)
        common = {"conversation_id": conversation_id, "timestamp": TIMESTAMP}
        assert tab.events[1:] == [
            common
            | {
                "type": "participant_joined",
                "sequence_id": 2,
                "participant": bob.shown(),
                "role": "member",
                "participant_count": 2,
            },
            common
            | {
                "type": "participant_joined",
                "sequence_id": 3,
                "participant": cleo.shown(),
                "role": "member",
                "invited_by": bob.id,
                "participant_count": 3,
            },
            common
            | {
                "type": "participant_left",
                "sequence_id": 4,
                "participant": cleo.shown(),
                "participant_count": 2,
            },
        ]

    async def test_all_sockets_of_whoever_leaves_are_closed_and_no_others(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        here, there = await ada.create(bob), await ada.create(bob)
        async with (
            bob.tab(here) as phone,
            bob.tab(here) as laptop,
            bob.tab(there) as elsewhere,
            ada.tab(here) as other,
        ):
            await bob.leave(here)
            for tab in (phone, laptop):
                assert await tab.closed() == (1000, "Left conversation")
                assert "participant_left" not in kinds(tab.frames)  # no member is told any more
            assert await elsewhere.settle() == []
            assert (await other.until("participant_left"))["participant"] == bob.shown()

    async def test_what_was_sent_before_leaving_is_answered_before_the_close(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        async with ada.tab(conversation_id) as tab:
            await tab.say("last words", "k1")
            await ada.leave(conversation_id)
            assert await tab.closed() == (1000, "Left conversation")


async def test_two_who_speak_at_once_are_heard_in_one_order_by_all(
    server: ServerProcess,
) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)

    async def speak(tab: Tab, name: str) -> None:
        for number in range(100):
            await tab.send("message", content=f"{name} {number}")
        await tab.until_sequence(201)

    async with (
        ada.tab(conversation_id) as one,
        bob.tab(conversation_id) as two,
        cleo.tab(conversation_id) as reader,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak, one, "Ada")
            nursery.start_soon(speak, two, "Bob")
            nursery.start_soon(reader.until_sequence, 201)
        assert one.events == two.events == reader.events
    assert numbers(reader.events) == list(range(1, 202))
    for name in ("Ada", "Bob"):
        said = [e["message"]["content"] for e in reader.events[1:]]
        assert [c for c in said if c.startswith(name)] == [f"{name} {n}" for n in range(100)]
