"""What is done to messages: edits, deletions, reactions, pins, threads. Each is an event; a page shows what is true now."""

from __future__ import annotations

from typing import Any

import pytest

from salon.web.client import Refused
from tests.person import Frame, Person, guests
from tests.server import ServerProcess

MOST_REACTIONS, MOST_PINNED = 20, 50


async def change(
    who: Person, method: str, message_id: str, rest: str = "", body: Any = None, **options: Any
) -> Frame:
    """The answer to a change of a message."""
    conversation_id = message_id.rpartition("-")[0]
    path = f"/chat/{conversation_id}/messages/{message_id}{rest}"
    return await ask(who, method, path, body, **options)


async def ask(who: Person, method: str, path: str, body: Any = None, **options: Any) -> Frame:
    """One request; its answer. Raises what the server refused."""
    response = await who.call(method, path, body, **options)
    answer: Frame = response.json()
    if not response.is_success:
        raise Refused(answer, response.status_code)
    return answer


async def say(who: Person, conversation_id: str, content: str, **fields: Any) -> Frame:
    path = f"/chat/{conversation_id}/messages"
    return await ask(who, "POST", path, {"content": content, **fields})


async def edit(who: Person, message_id: str, content: str, **fields: Any) -> Frame:
    return await change(who, "PATCH", message_id, body={"content": content, **fields})


async def refused(code: str, call: Any) -> Refused:
    """What the refusal of a call says; its code has to be this one."""
    with pytest.raises(Refused) as caught:
        await call
    assert caught.value.code == code
    return caught.value


async def log(who: Person, conversation_id: str) -> list[Frame]:
    """The last page of the log."""
    events: list[Frame] = (await who.ask("GET", f"/chat/{conversation_id}/messages"))["events"]
    return events


async def first(who: Person, conversation_id: str) -> Frame:
    """The first message as a page shows it."""
    message: Frame = (await log(who, conversation_id))[1]["message"]
    return message


async def unread(who: Person) -> int:
    """The unread messages in their list's first line."""
    lines = (await who.ask("GET", "/chat/my-conversations"))["conversations"]
    count: int = lines[0]["unread_count"]
    return count


async def test_an_edit_is_an_event_and_the_page_has_the_new_content(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with bob.tab(conversation_id) as tab:
        sent = await ada.say(conversation_id, "helo", metadata={"a": 1})
        answer = await edit(ada, sent["message_id"], "hello @bob")
        event = await tab.until("message_edited")
    assert answer["revision"] == 2
    assert answer["message"]["content"] == "hello @bob"
    assert answer["message"]["as_of"] == answer["sequence_id"] == event["sequence_id"]
    assert (event["content"], event["revision"], event["by"]) == ("hello @bob", 2, ada.id)
    assert (event["mentions"], event["metadata"]) == ([bob.id], {"a": 1})
    page = await log(bob, conversation_id)
    assert page[1]["message"] == answer["message"]
    assert page[2] == event
    assert (await bob.see(conversation_id))["mention_count"] == 1
    await edit(ada, sent["message_id"], "hello", metadata=None)
    shown = await first(bob, conversation_id)
    assert "metadata" not in shown
    assert (await bob.see(conversation_id))["mention_count"] == 0


async def test_only_their_own_message_is_edited_and_nothing_that_shows_nothing(
    server: ServerProcess,
) -> None:
    ada, bob, eve = await guests(server, "Ada", "Bob", "Eve")
    conversation_id = await ada.create(bob)
    sent = await bob.say(conversation_id, "mine")
    await refused("FORBIDDEN", edit(ada, sent["message_id"], "yours"))
    await refused("NOT_PARTICIPANT", edit(eve, sent["message_id"], "ours"))
    await refused("INVALID_FORMAT", edit(bob, sent["message_id"], " \u200b"))
    await refused("MESSAGE_TOO_LARGE", edit(bob, sent["message_id"], "x" * 10_001))
    await refused("NOT_FOUND", edit(bob, f"{conversation_id}-1", "an event that is no message"))
    await refused("NOT_FOUND", edit(bob, f"{conversation_id}-99", "nothing"))
    await refused("MALFORMED_REQUEST", edit(bob, sent["message_id"], "x", revision=0))
    assert (await first(ada, conversation_id))["content"] == "mine"


async def test_an_edit_of_what_was_edited_meanwhile_is_refused(server: ServerProcess) -> None:
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create()
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    await edit(ada, message_id, "two", revision=1)
    conflict = await refused("REVISION_CONFLICT", edit(ada, message_id, "three", revision=1))
    assert conflict.details["revision"] == 2
    path = f"/chat/{conversation_id}/messages/{message_id}"
    late = await ada.call("PATCH", path, {"content": "four"}, headers={"If-Match": '"1"'})
    assert late.status_code == 409
    for unclear in ('"2', '2"', '""', "two", 'W/"2"', ""):
        call = await ada.call("PATCH", path, {"content": "4"}, headers={"If-Match": unclear})
        assert call.status_code == 400
    fine = await ada.call("PATCH", path, {"content": "four"}, headers={"If-Match": '"2"'})
    assert (fine.status_code, fine.headers["ETag"]) == (200, '"3"')
    odd = await ada.call("PATCH", path, {"content": "x"}, headers={"If-Match": "abc"})
    assert odd.status_code == 400


async def test_what_is_so_already_makes_no_event(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    calls = [
        ("PATCH", "", {"content": "two"}),
        ("PUT", "/reactions/👍", None),
        ("PUT", "/pin", None),
        ("DELETE", "/pin", None),
        ("DELETE", "/reactions/👍", None),
        ("DELETE", "", None),
    ]
    for method, rest, body in calls:
        done = await change(ada, method, message_id, rest, body)
        head = (await ada.see(conversation_id))["head_sequence_id"]
        assert done["sequence_id"] == head
        again = change(ada, method, message_id, rest, body)
        if method == "PATCH" or rest:
            assert "sequence_id" not in await again
        else:
            assert (await again)["message"]["deleted"]
        assert (await ada.see(conversation_id))["head_sequence_id"] == head


async def test_a_retry_with_its_key_is_the_same_change(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    message_id = (await ada.say(conversation_id, "one", client_message_id="m"))["message_id"]
    once = await edit(ada, message_id, "two", client_message_id="k")
    await refused("KEY_REUSED", edit(ada, message_id, "four", client_message_id="k"))
    await edit(ada, message_id, "three", client_message_id="l")
    again = await edit(ada, message_id, "two", client_message_id="k")
    assert again["sequence_id"] == once["sequence_id"]
    assert again["event_hash"] == once["event_hash"]
    assert again["message"]["content"] == "three"
    # What the edit had as its content, nobody knows any more.
    assert (await edit(ada, message_id, "four", client_message_id="k")) == again
    await refused("KEY_REUSED", edit(ada, message_id, "four", client_message_id="m"))
    await refused("KEY_REUSED", say(ada, conversation_id, "five", client_message_id="k"))
    reused = {"headers": {"Idempotency-Key": "k"}}
    await refused("KEY_REUSED", change(ada, "DELETE", message_id, **reused))
    same = await ada.say(conversation_id, "one", client_message_id="m")
    assert same["message_id"] == message_id, "an edited message is still the one that was sent"
    other = edit(bob, message_id, "six", client_message_id="k")
    await refused("FORBIDDEN", other)


async def test_a_retry_is_the_same_change_even_where_it_could_not_be_made_any_more(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    once = await edit(ada, message_id, "two", client_message_id="e", revision=1)
    again = await edit(ada, message_id, "two", client_message_id="e", revision=1)
    assert again == once, "its own edit is no conflict"
    named = {"headers": {"Idempotency-Key": "r"}}
    reacted = await change(bob, "PUT", message_id, "/reactions/👍", **named)
    assert await change(bob, "PUT", message_id, "/reactions/👍", **named) == reacted
    await refused("KEY_REUSED", change(bob, "PUT", message_id, "/reactions/🎉", **named))
    named = {"headers": {"Idempotency-Key": "d"}}
    deleted = await change(ada, "DELETE", message_id, **named)
    assert await change(ada, "DELETE", message_id, **named) == deleted
    late = await edit(ada, message_id, "two", client_message_id="e", revision=1)
    assert late["sequence_id"] == once["sequence_id"]
    assert late["message"]["content"] == ""
    await refused("MESSAGE_DELETED", edit(ada, message_id, "two", client_message_id="f"))


async def test_a_deleted_message_keeps_its_place_and_nothing_else(server: ServerProcess) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    sent = await bob.say(
        conversation_id, "@Cleo a secret", metadata={"s": 1}, client_message_id="m"
    )
    message_id = sent["message_id"]
    await edit(bob, message_id, "@Cleo another secret")
    await change(cleo, "PUT", message_id, "/reactions/👍")
    await change(ada, "PUT", message_id, "/pin")
    assert await unread(cleo) == 1
    async with cleo.tab(conversation_id) as tab:
        done = await change(ada, "DELETE", message_id, body={"reason": "rude"})
        event = await tab.until("message_deleted", lambda frame: frame["sequence_id"] > 4)
    assert (event["by"], event["reason"]) == (ada.id, "rude")
    shown = done["message"]
    assert (shown["content"], shown["deleted"], shown["sender_id"]) == ("", True, bob.id)
    assert not {"metadata", "mentions", "reactions", "pinned"} & shown.keys()
    page = await log(cleo, conversation_id)
    assert "secret" not in str(page)
    assert page[1]["message"] == shown
    assert "content" not in page[2]
    view = await cleo.see(conversation_id)
    assert (view["unread_count"], view["mention_count"]) == (0, 0)
    assert await unread(cleo) == 0
    again = await bob.say(
        conversation_id, "@Cleo a secret", metadata={"s": 1}, client_message_id="m"
    )
    assert (again["message_id"], again["event_hash"]) == (message_id, sent["event_hash"])
    for call in (
        edit(bob, message_id, "back"),
        change(cleo, "PUT", message_id, "/reactions/👍"),
        change(ada, "PUT", message_id, "/pin"),
    ):
        await refused("MESSAGE_DELETED", call)


async def test_an_emoji_is_one_kind_however_it_is_typed(server: ServerProcess) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    for by, emoji in (
        (bob, "\u2764"),
        (cleo, "\u2764\ufe0f"),
        (bob, "e\u0301"),
        (cleo, "\u00e9"),
        (bob, "\U0001f44d\ufe0f"),
        (cleo, "\U0001f44d"),
    ):
        await change(by, "PUT", message_id, f"/reactions/{emoji}")
    both = {"count": 2, "participants": [bob.id, cleo.id]}
    expected = {"\u2764\ufe0f": both, "\u00e9": both, "\U0001f44d": both}
    assert (await first(ada, conversation_id))["reactions"] == expected
    again = await change(bob, "PUT", message_id, "/reactions/\u2764\ufe0e")
    assert again.get("sequence_id") is None
    await refused("MALFORMED_REQUEST", change(bob, "PUT", message_id, "/reactions/\ufe0f"))
    for by in (bob, cleo):
        await change(by, "DELETE", message_id, "/reactions/\u2764")
    assert [*(await first(ada, conversation_id))["reactions"]] == ["\u00e9", "\U0001f44d"]


async def test_a_reaction_is_one_grapheme_or_a_name_and_one_of_a_kind(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    family = "👨‍👩‍👧‍👦"
    for emoji in (family, ":tada:", "é", "❤️", "🇩🇪"):
        await change(bob, "PUT", message_id, f"/reactions/{emoji}")
    for emoji in ("👍👍", "ab", ":Tada:", "%20", "%E2%80%8B", "::"):
        await refused("MALFORMED_REQUEST", change(bob, "PUT", message_id, f"/reactions/{emoji}"))
    await change(ada, "PUT", message_id, f"/reactions/{family}")
    shown = await first(bob, conversation_id)
    assert shown["reactions"][family] == {"count": 2, "participants": [bob.id, ada.id]}
    await change(bob, "DELETE", message_id, f"/reactions/{family}")
    shown = await first(bob, conversation_id)
    assert shown["reactions"][family] == {"count": 1, "participants": [ada.id]}


async def test_a_message_has_so_many_kinds_of_reaction(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    for n in range(MOST_REACTIONS):
        await change(bob, "PUT", message_id, f"/reactions/:e{n}:")
    full = change(ada, "PUT", message_id, "/reactions/:more:")
    assert (await refused("TOO_MANY_REACTIONS", full)).details["limit"] == MOST_REACTIONS
    await change(ada, "PUT", message_id, "/reactions/:e0:")


async def test_moderators_pin_and_so_many(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    sent = [await ada.say(conversation_id, f"{n}") for n in range(MOST_PINNED + 1)]
    await refused("FORBIDDEN", change(bob, "PUT", sent[0]["message_id"], "/pin"))
    for receipt in sent[:MOST_PINNED]:
        await change(ada, "PUT", receipt["message_id"], "/pin")
    full = change(ada, "PUT", sent[-1]["message_id"], "/pin")
    assert (await refused("TOO_MANY_PINNED", full)).details["limit"] == MOST_PINNED
    assert (await bob.see(conversation_id))["pinned"] == [
        receipt["message_id"] for receipt in sent[:MOST_PINNED]
    ]
    await change(ada, "DELETE", sent[0]["message_id"], "/pin")
    await change(ada, "PUT", sent[-1]["message_id"], "/pin")


async def test_a_thread_beside_the_log(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    root = (await ada.say(conversation_id, "Lunch?"))["message_id"]
    await bob.ask("POST", f"/chat/{conversation_id}/read", {"sequence_id": 2})
    replies = [await ada.say(conversation_id, f"{n}", thread_id=root) for n in range(3)]
    aloud = await ada.say(conversation_id, "for all", thread_id=root, also_in_channel=True)
    assert await unread(bob) == 1, "of the replies the log shows one"
    shown = await first(bob, conversation_id)
    assert shown["thread"]["replies"] == 4
    assert shown["thread"]["last_at"] == aloud["timestamp"]
    view = await bob.see(conversation_id)
    assert [m["content"] for m in view["messages"]] == ["Lunch?", "for all"]
    path = f"/chat/{conversation_id}/threads/{root}"
    thread = await bob.ask("GET", path)
    assert [m["content"] for m in thread["replies"]] == ["0", "1", "2", "for all"]
    assert (thread["root"], thread["unread_count"]) == (shown, 4)
    read = {"sequence_id": replies[1]["sequence_id"], "thread_id": root}
    async with bob.tab(conversation_id) as tab:
        answer = await bob.ask("POST", f"/chat/{conversation_id}/read", read)
        signal = await tab.until("read")
    assert answer["unread_count"] == 2
    assert (signal["thread_id"], signal["sequence_id"]) == (root, read["sequence_id"])
    await change(ada, "DELETE", replies[2]["message_id"])
    thread = await bob.ask("GET", f"{path}?after={replies[0]['sequence_id']}&limit=2")
    assert thread["unread_count"] == 1
    assert [m["content"] for m in thread["replies"]] == ["1", ""]
    assert thread["has_more"]
    assert thread["root"]["thread"]["replies"] == 3
    assert (await ada.ask("GET", path))["unread_count"] == 0, "who writes has read"
    nested = say(ada, conversation_id, "deeper", thread_id=replies[0]["message_id"])
    await refused("INVALID_FORMAT", nested)
    await refused(
        "INVALID_FORMAT", say(ada, conversation_id, "x", thread_id=f"{conversation_id}-1")
    )
    await refused("NOT_FOUND", ask(ada, "GET", f"/chat/{conversation_id}/threads/nothing"))


async def test_marked_as_unread_from_here(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    for n in range(5):
        await ada.say(conversation_id, f"{n}")
    path = f"/chat/{conversation_id}/read"
    await bob.ask("POST", path, {"sequence_id": 6})
    async with bob.tab(conversation_id) as tab:
        back = await bob.ask("POST", path, {"sequence_id": 3, "force": True})
        assert (await tab.until("read"))["sequence_id"] == 3
    assert (back["read_sequence_id"], back["unread_count"]) == (3, 3)
    assert await unread(bob) == 3
    still = await bob.ask("POST", path, {"sequence_id": 2})
    assert still["read_sequence_id"] == 3, "without force it never goes back"
    await bob.say(conversation_id, "I am here")
    assert await unread(bob) == 0


async def test_over_a_socket_a_change_has_its_frame_and_its_answer(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    async with ada.tab(conversation_id) as tab:
        frames: list[Frame] = [
            {"type": "message_edited", "content": "two", "client_message_id": "k"},
            {"type": "reaction_added", "emoji": "👍"},
            {"type": "message_pinned"},
            {"type": "message_unpinned"},
            {"type": "reaction_removed", "emoji": "👍"},
            {"type": "message_deleted", "reason": "enough"},
        ]
        for frame in frames:
            kind = frame.pop("type")
            await tab.send(kind, message_id=message_id, **frame)
            answer = await tab.until("change_ack")
            assert answer["message_id"] == message_id
            assert answer.get("client_message_id") == frame.get("client_message_id")
            event = await tab.until(kind)
            assert event["sequence_id"] == answer["sequence_id"]
        await tab.send("message_edited", message_id=message_id, content="x", client_message_id="e")
        error = await tab.until("error")
        assert (error["code"], error["client_message_id"]) == ("MESSAGE_DELETED", "e")
        await tab.send("reaction_added", message_id=message_id, emoji="no emoji")
        assert (await tab.until("error"))["code"] == "INVALID_FORMAT"


async def test_all_of_it_is_there_after_a_kill(own_server: ServerProcess) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    ids = [(await ada.say(conversation_id, f"{n}"))["message_id"] for n in range(4)]
    await edit(ada, ids[0], "edited")
    await change(bob, "PUT", ids[1], "/reactions/👍")
    await change(ada, "PUT", ids[1], "/pin")
    await change(ada, "DELETE", ids[2])
    await bob.say(conversation_id, "a reply", thread_id=ids[3])
    await ada.ask("POST", f"/chat/{conversation_id}/read", {"sequence_id": 3, "force": True})
    views = [await who.see(conversation_id) for who in (ada, bob)]
    pages = await log(bob, conversation_id)
    own_server.kill()
    own_server.start()
    assert await log(bob, conversation_id) == pages
    for who, before in zip((ada, bob), views, strict=True):
        after = await who.see(conversation_id)
        for view in (before, after):
            for member in view["participants"]:
                member.pop("isOnline")
        assert after == before
    await edit(ada, ids[0], "again", revision=2)
    assert (await first(bob, conversation_id))["revision"] == 3


async def test_who_resumes_gets_what_is_true_now_and_who_was_there_comes_to_the_same(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    message_id = (await ada.say(conversation_id, "one"))["message_id"]
    await edit(ada, message_id, "two")
    await change(ada, "DELETE", message_id)
    async with bob.raw_tab(conversation_id, last_sequence_id=0) as tab:
        shown = await tab.until("message")
        assert shown["message"]["deleted"]
        assert "content" not in await tab.until("message_edited")
        await tab.until("message_deleted")
