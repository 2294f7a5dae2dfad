"""Where a history begins with joining, a late joiner reads nothing from before, by any way."""

from __future__ import annotations

import pytest

from tests.person import Person, admin, guests
from tests.server import ServerProcess
from tests.shape import refusal

SECRET = "the secret from before"


@pytest.fixture
async def room(server: ServerProcess) -> tuple[Person, Person, str]:
    """Ada, who has said something, and Bob, who has come after it: 1 created, 2 said, 3 joined, 4 said."""
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(history="since_join")
    await ada.say(conversation_id, SECRET)
    await bob.join(conversation_id)
    await ada.say(conversation_id, "welcome")
    return ada, bob, conversation_id


@pytest.mark.parametrize(
    "query", ["", "?after=0", "?after=1", "?before=5", "?before=4", "?before=3"]
)
async def test_no_page_goes_further_back(room: tuple[Person, Person, str], query: str) -> None:
    ada, bob, conversation_id = room
    page = await bob.ask("GET", f"/chat/{conversation_id}/messages{query}")
    before = int(query.removeprefix("?before=")) if "before" in query else 5
    assert [event["sequence_id"] for event in page["events"]] == [
        sequence for sequence in (3, 4) if sequence < before
    ]
    assert (page["has_more"], page["oldest_sequence_id"]) == (False, 3)
    whole = await ada.ask("GET", f"/chat/{conversation_id}/messages{query}")
    assert whole["oldest_sequence_id"] == 1


async def test_paging_back_one_by_one_ends_there(room: tuple[Person, Person, str]) -> None:
    _, bob, conversation_id = room
    path = f"/chat/{conversation_id}/messages?limit=1&before="
    newest = await bob.ask("GET", f"{path}5")
    assert ([each["sequence_id"] for each in newest["events"]], newest["has_more"]) == ([4], True)
    oldest = await bob.ask("GET", f"{path}4")
    assert ([each["sequence_id"] for each in oldest["events"]], oldest["has_more"]) == ([3], False)


@pytest.mark.parametrize("last", [None, 0, 1, 2])
async def test_no_socket_is_sent_more(room: tuple[Person, Person, str], last: int | None) -> None:
    _, bob, conversation_id = room
    async with bob.tab(conversation_id, last) as here:
        connected = here.frames[0]
        assert (connected["first_sequence_id"], connected["oldest_sequence_id"]) == (3, 3)
        assert [event["sequence_id"] for event in here.events] == [3, 4]
        await here.send("sync", last_sequence_id=0)
        await here.until("caught_up")
        assert {event["sequence_id"] for event in here.events} == {3, 4}


async def test_neither_the_object_nor_the_list_nor_a_reply_shows_it(
    room: tuple[Person, Person, str],
) -> None:
    ada, bob, conversation_id = room
    assert SECRET in (await ada.call("GET", f"/chat/conversations/{conversation_id}")).text
    assert SECRET not in (await bob.call("GET", f"/chat/conversations/{conversation_id}")).text
    assert SECRET not in (await bob.call("GET", "/chat/my-conversations")).text
    body = {"content": "what?", "reply_to": f"{conversation_id}-2"}
    problem = "reply_to names no message of this conversation"
    path = f"/chat/{conversation_id}/messages"
    refusal(await bob.call("POST", path, body), 400, "INVALID_FORMAT", problem=problem)


async def test_nobody_changes_answers_or_opens_a_thread_of_what_they_may_not_read(
    room: tuple[Person, Person, str],
) -> None:
    ada, bob, conversation_id = room
    before, since = f"{conversation_id}-2", f"{conversation_id}-4"
    path = f"/chat/{conversation_id}"
    await ada.ask("PUT", f"{path}/messages/{before}/pin")
    await ada.say(conversation_id, "in the thread", thread_id=before)
    refusal(await bob.call("GET", f"{path}/threads/{before}"), 404, "NOT_FOUND")
    response = await bob.call("PUT", f"{path}/messages/{before}/reactions/👍")
    refusal(response, 404, "NOT_FOUND")
    body = {"content": "what?", "thread_id": before}
    assert (await bob.call("POST", f"{path}/messages", body)).status_code == 400
    assert (await bob.see(conversation_id))["pinned"] == []
    assert (await ada.see(conversation_id))["pinned"] == [before]
    await bob.ask("PUT", f"{path}/messages/{since}/reactions/👍")
    await bob.say(conversation_id, "yes", thread_id=since)
    assert len((await bob.ask("GET", f"{path}/threads/{since}"))["replies"]) == 1


async def test_one_who_just_came_has_no_last_message_in_the_list(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(history="since_join")
    await ada.say(conversation_id, SECRET)
    await bob.join(conversation_id)
    (line,) = (await bob.ask("GET", "/chat/my-conversations"))["conversations"]
    assert (line["last_message_preview"], line["unread_count"]) == (None, 0)


async def test_an_admin_reads_all_and_the_owner_may_open_it(
    room: tuple[Person, Person, str], server: ServerProcess
) -> None:
    ada, bob, conversation_id = room
    assert len(await admin(server).history(conversation_id)) == 4
    await ada.ask("PATCH", f"/chat/{conversation_id}", {"history": "all"})
    assert len(await bob.history(conversation_id)) == 5
    await ada.ask("PATCH", f"/chat/{conversation_id}", {"history": "since_join"})
    assert [event["sequence_id"] for event in await bob.history(conversation_id)] == [3, 4, 5, 6]


async def test_our_client_begins_there_and_sees_no_gap(room: tuple[Person, Person, str]) -> None:
    ada, bob, conversation_id = room
    async with bob.client().conversation(conversation_id, 0) as talk:
        seen = [await anext(talk), await anext(talk)]
        await ada.say(conversation_id, "more")
        seen.append(await anext(talk))
    assert [event["sequence_id"] for event in seen] == [3, 4, 5]


async def test_an_edit_of_what_was_said_before_shows_them_nothing(server: ServerProcess) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, history="since_join")
    message_id = (await ada.say(conversation_id, "before"))["message_id"]
    await cleo.join(conversation_id)
    path = f"/chat/{conversation_id}/messages/{message_id}"
    async with bob.tab(conversation_id) as his, cleo.tab(conversation_id) as hers:
        await ada.ask("PATCH", path, {"content": "still from before"})
        assert (await his.until("message_edited"))["content"] == "still from before"
        seen = await hers.until("message_edited")
    assert "content" not in seen
    async with cleo.raw_tab(conversation_id) as again:
        assert await again.until("message_edited") == seen
    page = (await cleo.ask("GET", f"/chat/{conversation_id}/messages"))["events"]
    assert page[-1] == seen
    page = (await bob.ask("GET", f"/chat/{conversation_id}/messages"))["events"]
    assert page[-1]["content"] == "still from before"
