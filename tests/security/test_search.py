"""Nobody finds what they may not read, whatever they ask, and however short a time ago they might."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.person import Person, guest, guests
from tests.server import ServerProcess, api

SECRET = "the wombat is in the safe"


async def hits(person: Person, q: str = "wombat", **options: str) -> list[str]:
    answer = await person.ask("GET", f"/chat/search?{urlencode({'q': q, **options})}")
    return ["".join(piece["text"] for piece in hit["snippet"]) for hit in answer["hits"]]


async def test_only_members_find_it_and_only_as_long_as_they_are(server: ServerProcess) -> None:
    ada, bob, eve = await guests(server, "Ada", "Bob", "Eve")
    conversation_id = await ada.create(bob, join="invite")
    await ada.say(conversation_id, SECRET)
    assert await hits(ada) == await hits(bob) == [SECRET]
    assert await hits(eve) == []
    assert await hits(eve, **{"from": ada.id}) == []
    await bob.leave(conversation_id)
    assert await hits(bob) == []
    await ada.join(conversation_id, bob)
    assert await hits(bob) == [SECRET]


async def test_who_came_in_later_finds_only_what_was_said_since(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(history="since_join")
    await ada.say(conversation_id, SECRET)
    await bob.join(conversation_id)
    assert await hits(bob) == []
    await ada.say(conversation_id, "another wombat")
    assert await hits(bob) == ["another wombat"]
    assert await hits(bob, conversation_id=conversation_id) == ["another wombat"]
    assert len(await hits(ada)) == 2


async def test_a_conversation_of_others_is_refused_as_one_that_is_not_there(
    server: ServerProcess,
) -> None:
    ada, eve = await guests(server, "Ada", "Eve")
    conversation_id = await ada.create()
    await ada.say(conversation_id, SECRET)
    for asked in (conversation_id, "no-such-conversation", "' OR 1=1 --"):
        query = urlencode({"q": "wombat", "conversation_id": asked})
        response = await eve.call("GET", f"/chat/search?{query}")
        assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("cursor", ["999999999999999999", "5-1-0-0", "9-1-999999999-9", "0", "1"])
async def test_a_made_up_cursor_shows_nothing_that_the_search_would_not(
    server: ServerProcess, cursor: str
) -> None:
    ada, eve = await guests(server, "Ada", "Eve")
    conversation_id = await ada.create()
    await ada.say(conversation_id, SECRET)
    assert await hits(eve, cursor=cursor) == []


async def test_the_neighbours_of_a_hit_are_of_its_own_conversation(server: ServerProcess) -> None:
    ada, eve = await guests(server, "Ada", "Eve")
    hers, ours = await ada.create(), await ada.create(eve)
    await ada.say(hers, SECRET)
    await ada.say(ours, "a harmless hit")
    await ada.say(hers, SECRET)
    answer = await eve.ask("GET", "/chat/search?q=harmless")
    assert [(hit["before"], hit["after"]) for hit in answer["hits"]] == [(None, None)]


async def test_nobody_searches_without_saying_who_they_are(server: ServerProcess) -> None:
    response = await api(server, "GET", "/chat/search?q=wombat", None)
    assert response.status_code == 401


async def test_words_of_the_index_itself_find_nothing(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    await ada.say(conversation_id, SECRET)
    for q in ("·1 wombats", "file", "·file", '"wombat ·1"x', "message", "sender_id", ada.id):
        assert await hits(ada, q) == []
