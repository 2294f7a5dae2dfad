"""Mentions: named by the client or written as @Name, in the event of every reader, counted until they are read."""

from __future__ import annotations

import pytest

from salon.actors.mentions import MENTIONS
from salon.web.client import Refused
from tests.person import Person, guests
from tests.server import ServerProcess


async def line(who: Person) -> tuple[int, int]:
    """The unread messages and mentions in their list's first line."""
    first = (await who.ask("GET", "/chat/my-conversations"))["conversations"][0]
    return first["unread_count"], first["mention_count"]


async def test_a_name_in_the_text_and_an_id_are_in_the_event_for_all(server: ServerProcess) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    async with bob.tab(conversation_id) as tab, ada.tab(conversation_id) as own:
        await ada.say(conversation_id, "Ask @bob about it", mentions=[cleo.id, "nobody"])
        heard = await tab.until("message")
        assert heard["message"]["mentions"] == [cleo.id, bob.id]
        await own.send("message", content="Or me@bob.example", client_message_id="k")
        plain = await tab.until("message")
        assert "mentions" not in plain["message"]
    assert (await cleo.history(conversation_id))[1:] == [heard, plain]


async def test_unread_mentions_are_counted_by_themselves(server: ServerProcess) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    for text in ("@Bob one", "two", "@Bob and @Cleo three", "@Ada four"):
        await ada.say(conversation_id, text)
    assert await line(bob) == (4, 2)
    assert await line(cleo) == (4, 1)
    assert await line(ada) == (0, 0), "who mentions themselves has read it"
    seen = await bob.see(conversation_id)
    assert (seen["unread_count"], seen["mention_count"]) == (4, 2)
    answer = await bob.ask("POST", f"/chat/{conversation_id}/read", {"sequence_id": 2})
    assert answer == {"read_sequence_id": 2, "unread_count": 3, "mention_count": 1}
    assert await line(bob) == (3, 1)
    await bob.say(conversation_id, "I see")
    assert await line(bob) == (0, 0)


async def test_they_are_there_after_a_restart(own_server: ServerProcess) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    await ada.say(conversation_id, "@Bob one")
    before = await bob.history(conversation_id)
    own_server.kill()
    own_server.start()
    assert await bob.history(conversation_id) == before
    assert await line(bob) == (1, 1)


async def test_who_comes_back_is_not_counted_what_was_before(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    await ada.say(conversation_id, "@Bob one")
    await bob.leave(conversation_id)
    await ada.say(conversation_id, "@Bob two")
    await bob.join(conversation_id)
    await ada.say(conversation_id, "@Bob three")
    assert await line(bob) == (1, 1)


async def test_a_retry_is_the_same_message_whoever_has_the_name_by_then(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    first = await ada.say(conversation_id, "@Bob hello", client_message_id="k")
    await bob.leave(conversation_id)
    again = await ada.say(conversation_id, "@Bob hello", client_message_id="k")
    assert again["message_id"] == first["message_id"]


async def test_a_client_of_ours_names_them(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with ada.client() as client, client.conversation(conversation_id) as conversation:
        await client.post(conversation_id, "one", mentions=[bob.id])
        await conversation.send("two", mentions=[bob.id])
        with pytest.raises(Refused, match="mentions"):
            await client.post(conversation_id, "three", mentions=["x"] * (MENTIONS + 1))
    said = [event["message"]["mentions"] for event in (await bob.history(conversation_id))[1:]]
    assert said == [[bob.id], [bob.id]]
