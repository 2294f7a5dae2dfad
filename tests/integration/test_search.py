"""Searching over HTTP: what is found, what surrounds it, page after page; and what a search may not be."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from tests.person import Frame, Person, guest, guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP


async def search(person: Person, q: str = "", **options: str | int) -> Frame:
    return await person.ask("GET", f"/chat/search?{urlencode({'q': q, **options})}")


async def found(person: Person, q: str = "", **options: str | int) -> set[str]:
    """The texts that are found, whole: the tests' are short."""
    return {text(hit) for hit in (await search(person, q, **options))["hits"]}


def text(hit: Frame) -> str:
    return "".join(piece["text"] for piece in hit["snippet"])


async def test_a_hit_says_where_it_is_and_what_surrounds_it(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob, title="Lunch")
    first = await bob.say(conversation_id, "Where do we eat?")
    said = await ada.say(conversation_id, "The café <b>Central</b> has a plan: pizza")
    later = await bob.say(conversation_id, "y" * 200)
    assert await search(bob, "cafe central") == {
        "hits": [
            {
                "conversation_id": conversation_id,
                "title": "Lunch",
                "message_id": said["message_id"],
                "sequence_id": 3,
                "sender_id": ada.id,
                "sender_name": "Ada",
                "sender_type": "human",
                "timestamp": said["timestamp"],
                "snippet": [
                    {"text": "The "},
                    {"text": "café", "match": True},
                    {"text": " <b>"},
                    {"text": "Central", "match": True},
                    {"text": "</b> has a plan: pizza"},
                ],
                "before": {
                    "message_id": first["message_id"],
                    "sequence_id": 2,
                    "sender_id": bob.id,
                    "sender_name": "Bob",
                    "timestamp": TIMESTAMP,
                    "text": "Where do we eat?",
                },
                "after": {
                    "message_id": later["message_id"],
                    "sequence_id": 4,
                    "sender_id": bob.id,
                    "sender_name": "Bob",
                    "timestamp": TIMESTAMP,
                    "text": "y" * 160 + "…",
                },
            }
        ],
        "next": None,
        "complete": True,
    }


async def test_all_conversations_are_searched_or_one_and_by_sender_and_time(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    one, two = await ada.create(bob), await ada.create(bob)
    receipt = await ada.say(one, "plan of ada")
    await bob.say(two, "plan of bob")
    assert await found(ada, "plan") == {"plan of ada", "plan of bob"}
    assert await found(ada, "plan", conversation_id=two) == {"plan of bob"}
    assert await found(ada, "plan", **{"from": ada.id}) == {"plan of ada"}
    at = receipt["timestamp"]
    assert await found(ada, "ada", after=at) == {"plan of ada"}
    assert await found(ada, "ada", before=at) == set()
    assert await found(ada, "plan", before="2001-01-01") == set()
    assert await found(ada, "plan", after="2001-01-01", before="2999-01-01T00:00:00Z") == {
        "plan of ada",
        "plan of bob",
    }
    assert await found(ada, "plan", has="file") == set()


async def test_the_client_pages_through_all_hits(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    said = {f"plan {number}" for number in range(45)}
    async with ada.client() as client:
        for content in said:
            await client.post(conversation_id, content)
        shown: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await client.search("pla*", sender=ada.id, limit=10, **cursor)
            shown += map(text, page["hits"])
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
    assert len(shown) == 45
    assert set(shown) == said


async def test_what_is_indexed_is_found_like_what_is_not_yet(server: ServerProcess) -> None:
    """More messages than a piece of the index has."""
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    await ada.say(conversation_id, "the first needle")
    async with ada.client() as client, client.conversation(conversation_id) as conversation:
        for number in range(600):
            await conversation.send(f"straw {number}")
            if not number % 100:
                assert await found(ada, "needle") == {"the first needle"}
    await ada.say(conversation_id, "the last needle")
    assert await found(ada, "needle") == {"the first needle", "the last needle"}


async def test_an_edit_and_a_deletion_take_effect_with_their_answer(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    path = f"/chat/{conversation_id}/messages"
    first, second = [await ada.say(conversation_id, f"the plan {n}") for n in (1, 2)]
    assert await found(bob, "plan") == {"the plan 1", "the plan 2"}
    await ada.ask("PATCH", f"{path}/{first['message_id']}", {"content": "an idea"})
    assert await found(bob, "plan") == {"the plan 2"}
    assert await found(bob, "idea") == {"an idea"}
    await ada.ask("DELETE", f"{path}/{second['message_id']}")
    assert await found(bob, "plan") == set()
    (hit,) = (await search(bob, "idea"))["hits"]
    assert (hit["after"]["text"], hit["after"]["deleted"]) == ("", True)


async def test_replies_in_threads_are_found_and_say_where_they_are(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    root = await ada.say(conversation_id, "Where do we eat?")
    await bob.say(conversation_id, "pizza", thread_id=root["message_id"])
    (hit,) = (await search(ada, "pizza"))["hits"]
    assert hit["thread_id"] == root["message_id"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("", "seeks nothing"),
        ("q=%20", "seeks nothing"),
        ("q=!%20%26", "no letter and no digit"),
        ("q=%22open", "a quotation mark has no partner"),
        ("q=a*", "begins too many words"),
        ("q=" + "a" * 201, "200 characters"),
        ("q=" + "a+" * 17, "at most 16"),
        ("q=a&limit=0", "limit"),
        ("q=a&limit=51", "limit"),
        ("q=a&before=yesterday", "ISO 8601"),
        ("q=a&after=2026-99-99", "ISO 8601"),
        ("q=a&has=picture", "has"),
        ("q=a&cursor=1-2", "cursor"),
        ("q=a&cursor=-1", "cursor"),
        ("q=a&from=" + "x" * 129, "from"),
    ],
)
async def test_a_search_that_means_nothing_is_refused_with_the_reason(
    server: ServerProcess, query: str, problem: str
) -> None:
    ada = await guest(server, "Ada")
    response = await ada.call("GET", f"/chat/search?{query}")
    assert response.status_code == 400
    assert response.json()["code"] == "MALFORMED_REQUEST"
    assert problem in response.json()["problem"]


@pytest.mark.parametrize(
    "q",
    [
        *('a" OR words:"b"', "NEAR(a b)", "a AND b", "-a", "^a", "words : a", "{a}", "a + b"),
        *("'; DROP TABLE events; --", "%", "a%_", "\x00a", "\u200d\u0301a", "(" * 200, "a*b*c"),
    ],
)
async def test_the_index_own_language_means_nothing_in_a_query(
    server: ServerProcess, q: str
) -> None:
    """Each is words, or refused: what the index makes of them a person cannot see."""
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    await ada.say(conversation_id, "nothing of this")
    response = await ada.call("GET", f"/chat/search?q={quote(q)}")
    assert response.status_code in (200, 400), response.text
    if response.status_code == 200:
        assert response.json()["hits"] == []


async def test_who_searches_too_fast_is_told_when_to_go_on(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    refused = None
    for _ in range(200):
        response = await ada.call("GET", "/chat/search?q=plan")
        if response.status_code == 429:
            refused = response
            break
    assert refused is not None
    assert refused.json()["code"] == "RATE_LIMITED"
    assert (refused.json()["limit"], refused.json()["unit"]) == (5, "searches a second")
    assert refused.headers["Retry-After"] == "1"
    assert (await search(bob, "plan"))["hits"] == []
