"""What is done to messages: edited, deleted, reacted to, pinned; each an event, and a page shows what is true now."""

from __future__ import annotations

from typing import Any

from tests.person import Person, guests
from tests.server import ServerProcess


async def change(
    who: Person, method: str, conversation_id: str, rest: str, body: Any = None, **headers: str
) -> dict[str, Any]:
    """The answer to a change of a message."""
    return await who.ask(method, f"/chat/{conversation_id}/messages/{rest}", body, **headers)


async def log(who: Person, conversation_id: str) -> list[dict[str, Any]]:
    """The last page of the log."""
    page = await who.ask("GET", f"/chat/{conversation_id}/messages")
    return page["events"]


async def test_an_edit_is_an_event_and_the_page_has_the_new_content(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    async with bob.tab(conversation_id) as tab:
        sent = await ada.say(conversation_id, "helo")
        answer = await change(
            ada, "PATCH", conversation_id, sent["message_id"], {"content": "hello"}
        )
        event = await tab.until("message_edited")
    assert answer["revision"] == 2
    assert answer["message"]["content"] == "hello"
    assert answer["message"]["as_of"] == answer["sequence_id"] == event["sequence_id"]
    assert (event["content"], event["revision"], event["by"]) == ("hello", 2, ada.id)
    page = await log(bob, conversation_id)
    assert page[1]["message"] == answer["message"]
    assert page[2] == event
