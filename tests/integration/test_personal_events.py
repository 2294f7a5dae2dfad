"""The stream about all conversations of a person: what changes in their list, as it is in the list."""

from __future__ import annotations

from typing import Any

from tests.events import Stream, following
from tests.person import Frame, Person, guest, guests
from tests.server import ServerProcess, api


async def line_of(who: Person, id: str) -> Frame:
    """A line of the list."""
    page = await who.ask("GET", "/chat/my-conversations?archived=all")
    return next(each for each in page["conversations"] if each["conversation_id"] == id)


async def until_line(stream: Stream, id: str, **fields: Any) -> Frame:
    """The conversation's line, once it is so."""
    while True:
        line: Frame = (await stream.until("conversation"))["conversation"]
        if line["conversation_id"] == id and fields.items() <= line.items():
            return line


async def test_new_conversations_unread_messages_and_mentions_are_told_as_the_list_has_them(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    async with following(bob, "/me/events") as stream:
        assert await stream.until("connected") == {"type": "connected", "participant_id": bob.id}
        id = await ada.create(bob, title="Dinner")
        assert (await until_line(stream, id))["title"] == "Dinner"
        await ada.say(id, "hello")
        line = await until_line(stream, id, unread_count=1, mention_count=0)
        assert line == await line_of(bob, id)
        assert line["last_message_preview"] == "hello"
        await ada.say(id, "you", mentions=[bob.id])
        await until_line(stream, id, unread_count=2, mention_count=1)
        await bob.ask("POST", f"/chat/{id}/read", {"sequence_id": 3})
        await until_line(stream, id, unread_count=0, mention_count=0)
        await ada.ask("PATCH", f"/chat/{id}", {"title": "Supper"})
        assert await until_line(stream, id, title="Supper") == await line_of(bob, id)


async def test_a_conversation_that_one_is_no_longer_in_is_told_as_gone(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    left, removed, deleted = [await ada.create(bob, title=f"{n}") for n in range(3)]
    async with following(bob, "/me/events") as stream:
        await stream.until("connected")
        await bob.leave(left)
        assert (await stream.until("conversation_gone"))["conversation_id"] == left
        await ada.ask("DELETE", f"/chat/{removed}/participants/{bob.id}")
        assert (await stream.until("conversation_gone"))["conversation_id"] == removed
        await ada.ask("DELETE", f"/chat/{deleted}")
        assert (await stream.until("conversation_gone"))["conversation_id"] == deleted


async def test_nothing_of_others_is_told_and_many_changes_are_one_line(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    others, ours = await ada.create(title="Not Bob's"), await ada.create(bob)
    async with following(bob, "/me/events") as stream:
        await stream.until("connected")
        await ada.say(others, "nobody hears")
        for number in range(20):
            await ada.say(ours, f"{number}")
        await until_line(stream, ours, unread_count=20)
        lines = [frame["conversation"] for frame in stream.frames[1:]]
        assert {line["conversation_id"] for line in lines} == {ours}
        assert len(lines) < 20


async def test_it_is_a_connection_of_its_person_and_ends_with_the_session(
    server: ServerProcess,
) -> None:
    root = server.token("root")
    ada = await guest(server, "Ada")
    answer = await api(server, "GET", "/me/events")
    assert answer.status_code == 401
    async with following(ada, "/me/events") as stream:
        await stream.until("connected")
        path = f"/admin/connections?participant_id={ada.id}"
        (row,) = (await api(server, "GET", path, root)).json()["connections"]
        assert (row["protocol"], row["state"], row["conversation_id"]) == ("events", "live", "")
        metrics = (await api(server, "GET", "/metrics", root)).text
        assert "salon_event_streams 1.0" in metrics
        await api(server, "POST", "/auth/logout", ada.token)
        assert (await stream.until("closed"))["code"] == 4500
        assert await stream.next() is None
    answer = await api(server, "GET", path, root)
    assert answer.json()["connections"] == []
