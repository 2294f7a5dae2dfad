"""The first frames of a WebSocket, and how one goes on where one left off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from tests.person import EVENTS, Frame, Person, agent, guest, guests
from tests.server import ServerProcess
from tests.shape import ID, TIMESTAMP


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
            "oldest_sequence_id": 1,
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
        assert tab.frames[1] == {
            "type": "participant_list",
            "conversation_id": conversation_id,
            "participants": members,
            "participant_count": 2,
        }
        assert [f for f in tab.frames if f["type"] == "caught_up"] == [
            {"type": "caught_up", "sequence_id": 2}
        ]
        assert tab.events == await bob.history(conversation_id)

    async def test_one_person_alone_is_answered_sooner_and_agents_do_not_count(
        self, server: ServerProcess
    ) -> None:
        ada, bot = await guest(server, "Ada"), agent(server)
        conversation_id = await ada.create(bot)
        await bot.say(conversation_id, "I am an agent")  # which is for its own token to say
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
                    # Who knows of more than is stored begins anew
                    await talker.until_sequence(number // 2)
                    nursery.start_soon(come_in, number // 2)
            await talker.until_sequence(301)
