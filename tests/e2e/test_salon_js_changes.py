"""What salon.js makes of changes on a real server that is killed under it: two people, one of whom has seen only half."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.script_person import ScriptPerson
from tests.server import ServerProcess

ADA, BOB = "test_token_1", "test_token_2"
EMOJI = ("👍", "🎉", ":tada:")
Enter = Callable[..., ScriptPerson]


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Enter]:
    """Lets one more person in to a server, by token."""
    people: list[ScriptPerson] = []

    def enter_one(server: ServerProcess, token: str) -> ScriptPerson:
        people.append(ScriptPerson(tmp_path, server.url, token))
        return people[-1]

    yield enter_one
    for each in people:
        each.close()


def two_at_tea(server: ServerProcess, enter: Enter) -> tuple[ScriptPerson, ScriptPerson, str]:
    ada, bob = enter(server, ADA), enter(server, BOB)
    others = [{"user_id": "test_user_2", "name": "Bob"}]
    tea: str = ada.call("create", {"title": "Tea", "participants": others})["conversation_id"]
    for each in (ada, bob):
        each.open(tea)
        each.wait_state("live")
    return ada, bob, tea


def settle(*people: ScriptPerson) -> None:
    for each in people:
        each.wait_state("live")
        for what in ("outbox", "changes"):
            each.wait(f"emptied {what}", lambda each=each, what=what: each.get(what) == [])  # type: ignore[misc]


def test_what_is_done_to_a_message_before_its_receipt_follows_it(
    own_server: ServerProcess, enter: Enter
) -> None:
    ada, bob, tea = two_at_tea(own_server, enter)
    own_server.kill()
    ada.wait_state("offline")
    key = ada.do("send", "one")["key"]
    ada.do("edit", key, "two")
    ada.do("react", key, "👍")
    ada.do("edit", key, "three")
    dropped = ada.do("send", "never")["key"]
    ada.do("react", dropped, "👍")
    ada.do("delete", dropped)
    own_server.start()
    settle(ada)
    bob.wait("heard it", lambda: any(it["type"] == "reaction_added" for it in bob.values("event")))
    events = [(it["type"], it.get("content", it.get("emoji"))) for it in bob.values("event")[1:]]
    assert events == [("message", None), ("message_edited", "three"), ("reaction_added", "👍")]
    message_id = ada.values("receipt")[0]["message_id"]
    assert ada.do("message", message_id)["content"] == "three"
    # The message has left the outbox, and its key still names it.
    ada.do("edit", key, "four")
    settle(ada)
    assert ada.call("messages", tea)["events"][1]["message"]["content"] == "four"


def test_a_refused_change_is_undone_and_stays_with_its_reason(
    server: ServerProcess, enter: Enter
) -> None:
    ada, bob, _ = two_at_tea(server, enter)
    ada.do("send", "mine")
    bob.wait("heard it", lambda: bob.contents == ["mine"])
    message_id = bob.values("event")[-1]["message"]["message_id"]
    key = bob.do("edit", message_id, "yours")["key"]
    bob.wait("was refused", lambda: any(it["state"] == "refused" for it in bob.get("changes")))
    [change] = bob.get("changes")
    assert (change["key"], change["refusal"]["code"]) == (key, "FORBIDDEN")
    assert bob.do("message", message_id)["content"] == "mine"
    bob.do("discard", key)
    assert bob.get("changes") == []


@pytest.mark.parametrize("seed", range(3))
def test_after_any_history_both_have_what_the_page_shows(
    own_server: ServerProcess, enter: Enter, seed: int
) -> None:
    ada, bob, tea = two_at_tea(own_server, enter)
    chance = random.Random(seed)
    keys: dict[ScriptPerson, list[str]] = {
        each: [each.do("send", "first")["key"]] for each in (ada, bob)
    }
    plain = {each for mine in keys.values() for each in mine}
    for number in range(60):
        if number == 20:
            own_server.kill()
        if number == 45:
            own_server.start()
        who = chance.choice((ada, bob))
        message = chance.choice(keys[who])
        match chance.choice(("send", "reply", "edit", "edit", "react", "unreact", "pin", "remove")):
            case "send":
                keys[who].append(who.do("send", f"{number}")["key"])
                plain.add(keys[who][-1])
            case "reply":
                # A reply has no thread: it would be refused, and what is done to it would wait for its sender.
                roots = [
                    each["message_id"]
                    for each in who.values("receipt")
                    if each["client_message_id"] in plain
                ]
                if roots:
                    reply = who.do("send", f"{number}", {"thread_id": chance.choice(roots)})
                    keys[who].append(reply["key"])
            case "edit":
                who.do("edit", message, f"edit {number}")
            case "react" | "unreact" as deed:
                who.do(deed, message, chance.choice(EMOJI))
            case "pin":
                who.do("pin", message)
            case "remove" if number % 3 == 0 and len(keys[who]) > 2:
                keys[who].remove(message)
                who.do("delete", message)
    for each in (ada, bob):
        each.wait_state("live")
        each.wait(
            "settled",
            lambda each=each: all(  # type: ignore[misc]
                it["state"] == "refused" for it in [*each.get("changes"), *each.get("outbox")]
            ),
        )
    page: list[Any] = ada.call("messages", tea)["events"]
    last = page[-1]["sequence_id"]
    for each in (ada, bob):
        each.wait("heard all", lambda each=each: each.get("position") >= last)  # type: ignore[misc]
        for event in page:
            if event["type"] == "message":
                message_id = event["message"]["message_id"]
                assert each.do("message", message_id) == event["message"]
