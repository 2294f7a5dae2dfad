"""A conversation's events as a stream over HTTP: the frames and the resuming of a WebSocket."""

from __future__ import annotations

import pytest

from tests.events import following
from tests.person import Person, guest, guests
from tests.server import ServerProcess, api


def url(conversation_id: str) -> str:
    return f"/chat/{conversation_id}/events"


async def talk(who: Person, conversation_id: str, *texts: str) -> None:
    for text in texts:
        await who.say(conversation_id, text)


async def test_it_gives_what_a_socket_gives_and_says_how_far_it_is(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    id = await ada.create(bob)
    await talk(ada, id, "one\ntwo", "three")
    async with following(bob, url(id)) as stream, bob.raw_tab(id) as tab:
        await stream.until("caught_up")
        await tab.until("caught_up")
        assert stream.last_event_id == "3"
        assert [frame["type"] for frame in stream.frames[:2]] == ["connected", "participant_list"]
        assert stream.headers["content-type"] == "text/event-stream"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-content-type-options"] == "nosniff"
        await talk(ada, id, "live")
        await stream.until_sequence(4)
        await tab.until_sequence(4)
        assert stream.events == tab.events == await bob.history(id)
        assert stream.last_event_id == "4"
        await ada.ask("PATCH", f"/chat/{id}/messages/{id}-4", {"content": "edited"})
        assert (await stream.until("message_edited"))["sequence_id"] == 5


async def test_it_goes_on_behind_the_last_event_that_the_client_had(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    id = await ada.create()
    await talk(ada, id, *"abc")
    async with following(ada, url(id), "2") as stream:
        await stream.until("caught_up")
        assert [event["sequence_id"] for event in stream.events] == [3, 4]
        assert stream.frames[0]["resume"] == "complete"
    async with following(ada, f"{url(id)}?last_sequence_id=1", "3") as stream:
        await stream.until("caught_up")
        assert [event["sequence_id"] for event in stream.events] == [4], "the header is the newer"
    async with following(ada, f"{url(id)}?last_sequence_id=3") as stream:
        await stream.until("caught_up")
        assert [event["sequence_id"] for event in stream.events] == [4]
    async with following(ada, url(id), "99") as stream:
        assert (await stream.until("connected"))["resume"] == "reset"


async def test_whoever_may_not_open_a_socket_may_not_open_a_stream(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    id = await ada.create()
    for token, path, status in (
        (bob.token, url(id), 403),
        (bob.token, url("nowhere"), 404),
        (None, url(id), 401),
        (ada.token, f"{url(id)}?last_sequence_id=x", 400),
    ):
        answer = await api(server, "GET", path, token)
        assert answer.status_code == status, answer.text
        assert answer.json()["code"]
    elsewhere = {"Origin": "https://elsewhere.example"}
    answer = await api(server, "GET", url(id), ada.token, headers=elsewhere)
    assert answer.status_code == 403
    answer = await api(server, "HEAD", url(id), ada.token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert await connections(server, ada) == []


async def connections(server: ServerProcess, of: Person) -> list[str]:
    """The protocols of somebody's open connections."""
    root = server.token("root")
    answer = await api(server, "GET", f"/admin/connections?participant_id={of.id}", root)
    return [row["protocol"] for row in answer.json()["connections"]]


async def test_it_is_counted_and_shown_as_the_sockets_are(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    id = await ada.create()
    async with following(ada, url(id)) as stream:
        await stream.until("caught_up")
        assert await connections(server, ada) == ["events"]


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", ""), ("PUT", "/ban")], ids=["removed", "banned"]
)
async def test_who_is_removed_or_banned_is_told_so_and_the_stream_ends(
    method: str, path: str, server: ServerProcess
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    id = await ada.create(bob)
    async with following(bob, url(id)) as stream:
        await stream.until("caught_up")
        await ada.ask(method, f"/chat/{id}/participants/{bob.id}{path}", {})
        closed = await stream.until("closed")
        assert closed["code"] == 4503
        assert await stream.next() is None
    answer = await api(server, "GET", url(id), bob.token)
    assert answer.status_code == 403


async def test_the_streams_of_an_identity_end_with_it_and_are_told_which_end_it_was(
    server: ServerProcess,
) -> None:
    boss = Person(server, "admin_token", "admin", "Admin")
    id = await boss.create(participants=[{"user_id": "uma", "name": "Uma"}])
    ends = {"expires_in": 6}, {}
    for each, reason in zip(ends, ("identity expired", "identity revoked"), strict=True):
        issued = await boss.ask("POST", "/admin/tokens", {"id": "uma", "name": "Uma"} | each)
        uma = Person(server, issued["token"], "uma", "Uma")
        async with following(uma, url(id)) as stream, following(uma, "/me/events") as personal:
            await stream.until("caught_up")
            await personal.until("connected")
            if not each:
                answer = await boss.call("DELETE", f"/admin/tokens/{issued['token_id']}")
                assert answer.is_success
            for one in (stream, personal):
                closed = await one.until("closed")
                assert (closed["code"], closed["reason"]) == (4500, reason)
                assert await one.next() is None
