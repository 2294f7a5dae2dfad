"""Whole stories, told with the Python client: whatever happens on the way, everybody ends with the same history."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from salon.loadtests.crash.fault_proxy import Faults, bad_network
from salon.web.client import Client, Closed, Conversation
from tests.person import PATIENCE, Frame, Person, agent, guest, guests
from tests.server import ServerProcess
from tests.traffic import keys, numbers

QUICK = (0.05, 0.5)  # seconds of backoff: nobody waits for a network that comes back at once


class Diary:
    """A conversation as one person's client lived it."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.events: list[Frame] = []
        self._news = trio.lowlevel.ParkingLot()

    async def keep(self) -> None:
        async for event in self.conversation:
            self.events.append(event)
            self._news.unpark_all()

    async def wait(self, sequence: int) -> None:
        """Until it goes that far."""
        with trio.fail_after(4 * PATIENCE):
            while not self.events or self.events[-1]["sequence_id"] < sequence:
                await self._news.park()

    async def say(self, *texts: str) -> None:
        """One after the other, each once its receipt for the one before is there."""
        for text in texts:
            await self.conversation.send(text, key=text)

    async def say_at_once(self, *texts: str) -> None:
        """All together; they keep their order."""
        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(partial(self.conversation.send, text, key=text))
                await trio.lowlevel.checkpoint()


@asynccontextmanager
async def taking_part(
    client: Client, conversation_id: str, last_sequence_id: int | None = 0
) -> AsyncIterator[Diary]:
    """Live in a conversation, with a diary."""
    async with (
        client.conversation(conversation_id, last_sequence_id, backoff=QUICK) as conversation,
        trio.open_nursery() as nursery,
    ):
        diary = Diary(conversation)
        nursery.start_soon(diary.keep)
        with trio.fail_after(PATIENCE):
            await conversation.wait_caught_up()
        yield diary
        nursery.cancel_scope.cancel()


def at(url: str, who: Person) -> Client:
    """Somebody's client, behind that address."""
    return Client(url, token=who.token)


async def test_people_come_and_go_and_an_agent_helps(server: ServerProcess) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    bot = agent(server)
    created = await ada.client().create("Lunch", [{"user_id": bob.id, "name": "Bob"}])
    conversation_id = created["conversation_id"]
    async with (
        taking_part(ada.client(), conversation_id) as one,
        taking_part(bob.client(), conversation_id) as two,
    ):
        await one.say("Where do we eat?")
        await two.say("Ask the agent.")
        # An agent is brought in, and answers what it finds.
        who = {"user_id": bot.id, "name": bot.name, "type": "agent"}
        await ada.client().join(conversation_id, who)
        async with taking_part(bot.client(), conversation_id) as helper:
            await helper.wait(4)
            assert [e["message"]["content"] for e in helper.events if e["type"] == "message"] == [
                "Where do we eat?",
                "Ask the agent.",
            ]
            question = helper.events[1]["message"]
            answer = await helper.conversation.send(
                "Noodles.", reply_to=question["message_id"], metadata={"sources": 3}
            )
            # Somebody comes in by the address, somebody goes, and comes back.
            await cleo.client().join(conversation_id)
            async with taking_part(cleo.client(), conversation_id) as three:
                await three.say("Me too!")
                await two.wait(7)
                await bob.client().leave(conversation_id)
                await three.say("Bob?")
                await bob.client().join(conversation_id)
                async with taking_part(
                    bob.client(), conversation_id, two.events[-1]["sequence_id"]
                ) as again:
                    await again.say("Forgot my coat.")
                    for diary in (one, helper, three, again):
                        await diary.wait(11)
                    log = await ada.history(conversation_id)
                    assert one.events == helper.events == three.events == log
                    assert two.events + again.events == log
    assert [event["type"] for event in log] == [
        "conversation_created",
        "message",
        "message",
        "participant_joined",  # the agent, as the configuration knows it
        "message",
        "participant_joined",  # Cleo
        "message",
        "participant_left",  # Bob
        "message",
        "participant_joined",  # Bob
        "message",
    ]
    helped = log[answer.sequence_id - 1]["message"]
    assert (helped["sender_type"], helped["metadata"]) == ("agent", {"sources": 3})
    assert helped["reply_to"] == log[1]["message"]["message_id"]


async def test_over_a_network_that_breaks_all_the_time_nothing_is_lost_or_said_twice(
    server: ServerProcess,
) -> None:
    people = await guests(server, "Ada", "Bob", "Cleo")
    bot = agent(server)
    conversation_id = await people[0].create(*people[1:], bot)
    luck = random.Random(1)
    diaries: list[Diary] = []
    async with (
        bad_network(
            server.url, lambda: Faults(reset_after=luck.randrange(3_000, 60_000))
        ) as network,
        taking_part(bot.client(), conversation_id) as watcher,  # on a good line
    ):

        async def live(who: Person) -> None:
            async with taking_part(at(network.url, who), conversation_id) as diary:
                diaries.append(diary)
                await diary.say_at_once(*(f"{who.name} {number}" for number in range(150)))
                await diary.wait(451)

        async with trio.open_nursery() as nursery:
            for who in people:
                nursery.start_soon(live, who)
        await watcher.wait(451)
    log = await people[0].history(conversation_id)
    assert numbers(log) == list(range(1, 452))
    for who in people:
        own = [key for key in keys(log) if key.startswith(who.name)]
        assert sorted(own) == sorted(f"{who.name} {number}" for number in range(150))
    for diary in (*diaries, watcher):
        assert diary.events == log
    assert network.cuts > 3
    assert sum(diary.conversation.statistics().reconnects for diary in diaries) > 3
    assert watcher.conversation.statistics().reconnects == 0


async def test_one_whose_line_is_cut_has_missed_nothing_when_it_is_back(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with (
        bad_network(server.url) as network,
        taking_part(at(network.url, ada), conversation_id) as diary,
        taking_part(bob.client(), conversation_id) as other,
    ):
        for turn in range(5):
            network.cut()
            await other.say(*(f"Bob {turn}-{number}" for number in range(20)))
            await diary.say(f"Ada {turn}")
        await diary.wait(106)
        await other.wait(106)
        statistics = diary.conversation.statistics()
        assert diary.events == other.events == await bob.history(conversation_id)
    assert statistics.reconnects > 0
    assert statistics.unacknowledged == 0


async def test_two_tabs_of_one_person_show_the_same_and_share_what_is_read(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with (
        taking_part(ada.client(), conversation_id) as left,
        taking_part(ada.client(), conversation_id) as right,
        taking_part(bob.client(), conversation_id) as other,
    ):
        await left.say("from the left")
        await right.say("from the right")
        await other.say("from Bob")
        for diary in (left, right, other):
            await diary.wait(4)
        assert left.events == right.events == other.events
        left.conversation.read(4)
        with trio.fail_after(PATIENCE):
            async for signal in right.conversation.signals:
                if signal["type"] == "read" and signal["sequence_id"] == 4:
                    break  # those before it tell of what was sent on the left
        assert (signal["participant_id"], signal["sequence_id"]) == (ada.id, 4)
        assert (await ada.see(conversation_id))["unread_count"] == 0
        assert (await bob.see(conversation_id))["unread_count"] == 0
        await ada.client().leave(conversation_id)
        with trio.fail_after(PATIENCE):
            for diary in (left, right):
                with pytest.raises(Closed) as caught:
                    await diary.conversation.send("too late")
                assert (caught.value.code, caught.value.reason) == (1000, "Left conversation")
        await other.say("alone now")


async def test_a_restart_and_a_power_cut_are_hardly_noticed(own_server: ServerProcess) -> None:
    ada, bob, cleo = await guests(own_server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    async with (
        taking_part(ada.client(), conversation_id) as one,
        taking_part(bob.client(), conversation_id) as two,
        taking_part(cleo.client(), conversation_id) as three,
    ):
        async with trio.open_nursery() as nursery:
            for diary, name in ((one, "Ada"), (two, "Bob")):
                texts = [f"{name} {number}" for number in range(300)]
                nursery.start_soon(diary.say_at_once, *texts[:150])
            await three.wait(100)
            await trio.to_thread.run_sync(own_server.restart)
        assert len(one.events) >= 100
        async with trio.open_nursery() as nursery:
            for diary, name in ((one, "Ada"), (two, "Bob")):
                texts = [f"{name} {number}" for number in range(150, 300)]
                nursery.start_soon(diary.say_at_once, *texts)
            await three.wait(400)
            own_server.kill()
            await trio.to_thread.run_sync(own_server.start)
        for diary in (one, two, three):
            await diary.wait(601)
        log = await cleo.history(conversation_id)
        assert one.events == two.events == three.events == log
        assert numbers(log) == list(range(1, 602))
        assert len(set(keys(log))) == 600


async def test_one_who_comes_late_reads_it_all(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    async with taking_part(ada.client(), conversation_id) as diary:
        for start in range(0, 1500, 250):
            await diary.say_at_once(*(f"{number}" for number in range(start, start + 250)))
        late = await guest(server, "Late")
        await late.client().join(conversation_id)
        async with taking_part(late.client(), conversation_id) as newcomer:
            await newcomer.wait(1502)  # more than a socket sends again: the rest is paged
            await diary.wait(1502)
            assert newcomer.events == diary.events
            assert newcomer.conversation.statistics().resets == 1
