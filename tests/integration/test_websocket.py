"""A WebSocket that is open: messages, receipts, who comes and who goes."""

from __future__ import annotations

import trio

from tests.person import Frame, Tab, guest, guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP, receipt


def numbers(frames: list[Frame]) -> list[int]:
    return [frame["sequence_id"] for frame in frames]


def kinds(frames: list[Frame]) -> list[str]:
    return [frame["type"] for frame in frames if frame["type"] != "presence"]


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
