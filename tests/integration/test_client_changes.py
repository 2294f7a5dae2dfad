"""The Python client changes messages over a real server: over HTTP and on a conversation, with and without a connection."""

from __future__ import annotations

import pytest
import trio

from salon.web.client import Client, Conversation, Frame, Refused
from tests.server import ServerProcess


async def until(conversation: Conversation, kind: str) -> Frame:
    async for event in conversation:
        if event["type"] == kind:
            return event
    raise AssertionError("it ended before")


async def test_every_change_over_http_gives_the_message_as_it_is_now(server: ServerProcess) -> None:
    async with Client(server.url) as ada:
        await ada.guest("Ada")
        room = (await ada.create("Lunch"))["conversation_id"]
        sent = await ada.post(room, "helo")
        reply = await ada.post(room, "aside", thread_id=sent.message_id)
        place = room, sent.message_id
        once = await ada.edit(*place, "hello", key="k", revision=1)
        again = await ada.edit(*place, "hello", key="k")
        assert once["message"] == again["message"]
        assert once["message"]["content"] == "hello"
        with pytest.raises(Refused, match="REVISION_CONFLICT"):
            await ada.edit(*place, "hullo", revision=1)
        await ada.react(*place, "👍🏽")
        await ada.react(*place, ":tada:")
        await ada.unreact(*place, ":tada:")
        pinned = (await ada.pin(*place))["message"]
        assert list(pinned["reactions"]) == ["👍🏽"]
        assert pinned["pinned"]
        assert "pinned" not in (await ada.unpin(*place))["message"]
        thread = await ada.thread(room, sent.message_id)
        assert [it["message_id"] for it in thread["replies"]] == [reply.message_id]
        read = await ada.mark_read(room, reply.sequence_id, sent.message_id)
        assert read["read_sequence_id"] == reply.sequence_id
        gone = (await ada.delete(*place, reason="by mistake"))["message"]
        assert (gone["content"], gone["deleted"]) == ("", True)
        assert (await ada.mark_read(room, 1, force=True))["read_sequence_id"] == 1


async def test_what_is_done_while_the_server_is_away_comes_in_order_and_once(
    own_server: ServerProcess,
) -> None:
    async with Client(own_server.url) as ada, Client(own_server.url) as bob:
        await ada.guest("Ada")
        await bob.guest("Bob")
        room = (await ada.create("Lunch"))["conversation_id"]
        await bob.join(room)
        first = await ada.post(room, "first")
        async with ada.conversation(room, 0, backoff=(0.05, 0.2)) as hers:
            await until(hers, "message")
            own_server.kill()
            async with trio.open_nursery() as nursery:
                for number, (deed, *arguments) in enumerate(
                    [
                        (hers.edit, first.message_id, "first, once more"),
                        (hers.send, "second", "k2"),
                        (hers.edit, "k2", "second, once more"),
                        (hers.react, "k2", "👍"),
                        (hers.react, first.message_id, "\u2764"),
                    ]
                ):
                    nursery.start_soon(deed, *arguments)
                    while hers.statistics().unacknowledged <= number:
                        await trio.lowlevel.checkpoint()
                shown = hers.message(first.message_id)
                assert shown is not None
                assert shown["content"] == "first, once more"
                assert [*shown["reactions"]] == [
                    "\u2764"
                ]  # as it was given; the event has the server's form
                own_server.start()
            assert hers.statistics().unacknowledged == 0
            for _ in range(2):
                await until(hers, "reaction_added")
            second = hers.message(f"{room}-{first.sequence_id + 2}") or hers.message(
                f"{room}-{first.sequence_id + 1}"
            )
            page = await bob.history(room)
        said = [it["message"] for it in page["events"] if it["type"] == "message"]
        assert [it["content"] for it in said] == ["first, once more", "second, once more"]
        assert said[1] == second
        assert said[1]["reactions"]["👍"]["count"] == 1
        kinds = [it["type"] for it in page["events"] if it["sequence_id"] > first.sequence_id]
        assert sorted(kinds) == ["message", *["message_edited"] * 2, *["reaction_added"] * 2]
        assert [*said[0]["reactions"]] == ["\u2764\ufe0f"]
