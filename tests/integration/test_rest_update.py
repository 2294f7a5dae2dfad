"""Changing a conversation's title and metadata: by the owner, told to everybody, there after a restart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from salon.web.client import Refused
from tests.person import guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP, refusal


async def test_the_owner_renames_it_and_everybody_in_it_is_told(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob, metadata={"a": 1})
    async with bob.tab(conversation_id) as tab:
        answer = await ada.ask("PATCH", f"/chat/{conversation_id}", {"title": " Supper "})
        event = await tab.until("conversation_updated")
    assert event == {
        "type": "conversation_updated",
        "sequence_id": 2,
        "conversation_id": conversation_id,
        "title": "Supper",
        "by": ada.id,
        "timestamp": TIMESTAMP,
    }
    assert answer == await ada.see(conversation_id)
    assert (answer["title"], answer["metadata"]) == ("Supper", {"a": 1})
    assert (await bob.history(conversation_id))[-1] == event
    listed = await bob.ask("GET", "/chat/my-conversations")
    assert [line["title"] for line in listed["conversations"]] == ["Supper"]


async def test_metadata_is_replaced_whole_and_null_removes_it(server: ServerProcess) -> None:
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create(metadata={"a": 1, "b": 2})
    path = f"/chat/{conversation_id}"
    assert (await ada.ask("PATCH", path, {"metadata": {"c": [3]}}))["metadata"] == {"c": [3]}
    assert (await ada.ask("PATCH", path, {"metadata": None}))["metadata"] is None
    replaced, removed = (await ada.history(conversation_id))[-2:]
    assert replaced["metadata"] == {"c": [3]}
    assert removed["metadata"] is None
    assert "title" not in removed


async def test_what_changes_nothing_is_no_event(server: ServerProcess) -> None:
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create(title="Lunch", metadata={"a": 1, "b": [True]})
    for body in (
        {"title": "Lunch"},
        {"metadata": {"a": 1, "b": [True]}},
        {"metadata": {"b": [True], "a": 1}},
        {"title": "Lunch", "metadata": {"a": 1, "b": [True]}},
    ):
        answer = await ada.ask("PATCH", f"/chat/{conversation_id}", body)
        assert answer["head_sequence_id"] == 1
    for number, other in enumerate(({"a": 1, "b": [1]}, {"a": 1.0, "b": [1]}), 2):
        answer = await ada.ask("PATCH", f"/chat/{conversation_id}", {"metadata": other})
        assert answer["head_sequence_id"] == number
    plain = await ada.create()
    answer = await ada.ask("PATCH", f"/chat/{plain}", {"metadata": None})
    assert answer["head_sequence_id"] == 1


async def test_only_the_owner_may_and_strangers_are_not_told_that_it_exists(
    server: ServerProcess,
) -> None:
    ada, bob, eve = await guests(server, "Ada", "Bob", "Eve")
    conversation_id = await ada.create(bob)
    path = f"/chat/{conversation_id}"
    refusal(await bob.call("PATCH", path, {"title": "Mine"}), 403, "FORBIDDEN")
    refusal(await eve.call("PATCH", path, {"title": "Mine"}), 404, "NOT_FOUND")
    refusal(await eve.call("PATCH", f"/chat/{'A' * 22}", {"title": "Mine"}), 404, "NOT_FOUND")
    assert (await ada.see(conversation_id))["head_sequence_id"] == 1


async def test_without_a_token_nobody_may(server: ServerProcess) -> None:
    from tests.person import api

    response = await api(server, "PATCH", f"/chat/{'A' * 22}", None, {"title": "Mine"})
    refusal(response, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "says nothing to change: title, metadata,"),
        ({"titel": "Supper"}, "says nothing to change: title, metadata,"),
        ({"title": None}, "title cannot be removed"),
        ({"title": " \n"}, "title: is blank"),
        ({"title": "x" * 201}, "title: has 201 characters; at most 200 are allowed"),
        ({"metadata": [1]}, "metadata"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused_and_says_why(
    server: ServerProcess, body: dict[str, object], problem: str
) -> None:
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create()
    response = await ada.call("PATCH", f"/chat/{conversation_id}", body)
    refused = refusal(response, 400, "MALFORMED_REQUEST", problem=response.json().get("problem"))
    assert problem in refused["problem"]
    assert (await ada.see(conversation_id))["head_sequence_id"] == 1


async def test_after_a_kill_it_is_still_called_that(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server()
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create(metadata={"a": 1})
    await ada.ask("PATCH", f"/chat/{conversation_id}", {"title": "Supper", "metadata": None})
    before = await ada.see(conversation_id)
    server.kill()
    server.start()
    assert await ada.see(conversation_id) == before
    listed = await ada.ask("GET", "/chat/my-conversations")
    assert listed["conversations"][0]["title"] == "Supper"


async def test_the_client_has_a_call_for_each_change(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob, title="Lunch")
    async with ada.client() as client, bob.tab(conversation_id) as tab:
        assert (await client.update(conversation_id, title="Supper"))["title"] == "Supper"
        changed = await client.update(conversation_id, metadata={"a": 1})
        assert (changed["title"], changed["metadata"]) == ("Supper", {"a": 1})
        with pytest.raises(Refused, match="title: is blank"):
            await client.update(conversation_id, title=" ")
        await client.rename("Ada L.")
        await tab.until("participant_updated")
    async with bob.client() as client:
        with pytest.raises(Refused, match="FORBIDDEN"):
            await client.update(conversation_id, title="Breakfast")
    kinds = [event["type"] for event in await bob.history(conversation_id)]
    assert kinds[1:] == ["conversation_updated", "conversation_updated", "participant_updated"]
    shown = (await bob.see(conversation_id))["participants"]
    assert {member["displayName"] for member in shown} == {
        "Ada L.",
        "Bob",
    }
