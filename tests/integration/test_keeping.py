"""A member archives, mutes and pins a conversation for themselves: in their own list, on their own devices, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.person import Person, guests
from tests.server import ServerProcess
from tests.shape import refusal

USUAL = {"archived": False, "muted": False, "pinned": False}


async def listed(who: Person, query: str = "") -> list[str]:
    page = await who.ask("GET", f"/chat/my-conversations{query}")
    assert page["total"] == len(page["conversations"])
    return [each["conversation_id"] for each in page["conversations"]]


async def keep(who: Person, conversation_id: str, **preferences: Any) -> Any:
    return await who.ask("PATCH", f"/chat/{conversation_id}/me", preferences)


async def kept(who: Person, conversation_id: str) -> Any:
    seen = (await who.see(conversation_id))["me"]
    page = await who.ask("GET", "/chat/my-conversations?archived=all&limit=100")
    (line,) = [c for c in page["conversations"] if c["conversation_id"] == conversation_id]
    assert {name: line[name] for name in USUAL} == seen
    return seen


async def test_each_keeps_a_conversation_in_their_own_way(own_server: ServerProcess) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    first, second, third = [await ada.create(bob) for _ in range(3)]
    assert await keep(ada, first, pinned=True) == {
        "conversation_id": first,
        **USUAL,
        "pinned": True,
    }
    await keep(ada, second, archived=True, muted=True)
    await keep(ada, second)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds")
    await keep(ada, third, muted=later)
    for _ in range(2):
        assert await kept(ada, second) == {"archived": True, "muted": True, "pinned": False}
        assert await kept(ada, third) == {**USUAL, "muted": later.replace("+00:00", "Z")}
        assert await listed(ada) == [first, third]
        assert await listed(ada, "?archived=true") == [second]
        assert await listed(ada, "?archived=all") == [first, third, second]
        assert await listed(bob) == [third, second, first]
        assert await kept(bob, first) == USUAL
        own_server.kill()
        own_server.start()
    await bob.say(second, f"@{ada.name} are you there?")
    assert await listed(ada) == [first, third], "it stays where it was put"
    (line,) = (await ada.ask("GET", "/chat/my-conversations?archived=true"))["conversations"]
    assert (line["unread_count"], line["mention_count"]) == (1, 1)
    await keep(ada, second, archived=False)
    assert await listed(ada) == [first, second, third]


async def test_pages_begin_with_what_is_pinned(server: ServerProcess) -> None:
    (ada,) = await guests(server, "Ada")
    made = [await ada.create() for _ in range(6)]
    for number in (1, 3):
        await keep(ada, made[number], pinned=True)
    await ada.say(made[1], "newer than the other pinned one")
    seen: list[str] = []
    before = ""
    while True:
        page = await ada.ask("GET", f"/chat/my-conversations?limit=2{before}")
        seen += [each["conversation_id"] for each in page["conversations"]]
        if page["before"] is None:
            break
        before = f"&before={page['before']}"
        await ada.say(made[5], "between two pages")
    assert seen == [made[n] for n in (1, 3, 5, 4, 2, 0)]


async def test_ones_other_devices_are_told_and_nobody_else(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with ada.tab(conversation_id) as hers, bob.tab(conversation_id) as his:
        before = await ada.history(conversation_id)
        await keep(ada, conversation_id, muted=True)
        frame = await hers.until("preferences")
        assert frame == {"type": "preferences", **USUAL, "muted": True}
        await keep(ada, conversation_id, muted=True)  # says nothing new
        assert await hers.settle() == []
        assert await his.settle() == []
        assert await ada.history(conversation_id) == before


async def test_who_comes_back_begins_as_everybody_does(server: ServerProcess) -> None:
    ada, bob, eve = await guests(server, "Ada", "Bob", "Eve")
    conversation_id = await ada.create(bob)
    await keep(bob, conversation_id, archived=True)
    await bob.leave(conversation_id)
    response = await bob.call("PATCH", f"/chat/{conversation_id}/me", {"pinned": True})
    refusal(response, 404, "NOT_FOUND")
    response = await eve.call("PATCH", f"/chat/{conversation_id}/me", {"pinned": True})
    refusal(response, 404, "NOT_FOUND")
    await bob.join(conversation_id)
    assert await kept(bob, conversation_id) == USUAL


@pytest.mark.parametrize(
    "body", [{"muted": "soon"}, {"muted": "2001-01-01T00:00:00Z"}, {"pinned": 2}, {"muted": 5}]
)
async def test_what_is_no_preference_is_refused(server: ServerProcess, body: Any) -> None:
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create()
    response = await ada.call("PATCH", f"/chat/{conversation_id}/me", body)
    assert response.status_code == 400
    assert next(iter(body)) in response.json()["problem"]
