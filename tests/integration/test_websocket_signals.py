"""What a WebSocket carries besides the sequence: who is online, who types, who has read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from tests.person import Person, Tab, guest, guests
from tests.server import ServerProcess


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on which nothing takes long."""
    times = {
        "LIMITS__PRESENCE_GRACE": "0.2",
        "LIMITS__PRESENCE_INTERVAL": "0",
        "LIMITS__TYPING_TIMEOUT": "0.2",
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


async def let_a_grace_go_by(tab: Tab, member: Person, conversation_id: str) -> None:
    """The server's own clock says when: typing ends by itself after just as long."""
    clock = await guest(member.server, "Clock")
    await member.join(conversation_id, clock)
    async with clock.tab(conversation_id) as typist:
        await typist.send("typing", is_typing=True)
        await tab.until("typing", lambda frame: not frame["is_typing"])


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
                await let_a_grace_go_by(tab, ada, conversation_id)
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
        all_told = trio.Event()

        async def come(who: Person) -> None:
            async with who.tab(conversation_id):
                await all_told.wait()

        async with ada.tab(conversation_id) as tab, trio.open_nursery() as nursery:
            for who in others:
                nursery.start_soon(come, who)
            for who in others:
                if not told(tab, who):
                    await presence_of(tab, who, "online")
            all_told.set()
        assert len([frame for frame in tab.frames if frame["type"] == "presence"]) < 9

    async def test_one_who_has_left_is_no_longer_spoken_of(self, quick: ServerProcess) -> None:
        ada, bob = await guests(quick, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as tab, bob.tab(conversation_id) as gone:
            await presence_of(tab, bob, "online")
            await bob.leave(conversation_id)
            await gone.closed()
            await tab.until("participant_left")
            await let_a_grace_go_by(tab, ada, conversation_id)
            assert told(tab, bob) == ["online"]


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
            assert answer == {"read_sequence_id": 4, "unread_count": 1, "mention_count": 0}
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
