"""What salon.js does besides talking, at a real server: search, files, roles, invites, requests, two alone, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.script_person import ScriptPerson
from tests.server import ServerProcess

ADA, BOB, CLEO = "test_token_1", "test_token_2", "test_token_3"
BOB_ID, CLEO_ID = "test_user_2", "test_user_3"
Enter = Callable[[str], ScriptPerson]


@pytest.fixture
def enter(server: ServerProcess, tmp_path: Path) -> Iterator[Enter]:
    """Lets one more person in to the server, by token."""
    people: list[ScriptPerson] = []

    def enter_one(token: str) -> ScriptPerson:
        people.append(ScriptPerson(tmp_path, server.url, token))
        return people[-1]

    yield enter_one
    for each in people:
        each.close()


def test_what_was_said_is_found_and_a_file_goes_with_a_message(enter: Enter) -> None:
    ada = enter(ADA)
    tea = ada.call("create", {"title": "Tea"})["conversation_id"]
    ada.open(tea)
    ada.wait_state("live")
    view = ada.upload(tea, "Soup, noodles and cake.", "menu.txt")
    assert (view["name"], view["media_type"], view["size"]) == ("menu.txt", "text/plain", 23)
    assert ada.values("progress")[-1] == {"sent": 23, "size": 23}
    ada.do("send", "The marzipan menu", {"files": [{**view, "alt": "What there is"}]})
    ada.wait("sent it", lambda: ada.values("receipt") != [])
    ada.wait("heard it", lambda: any(it["type"] == "message" for it in ada.values("event")))
    message = ada.values("event")[-1]["message"]
    assert message["files"] == [{**view, "alt": "What there is"}]
    page = ada.call("search", "marzipan", {"conversation_id": tea, "has": "file"})
    [hit] = page["hits"]
    assert hit["message_id"] == message["message_id"]
    assert {"text": "marzipan", "match": True} in hit["snippet"]
    assert ada.downloaded(tea, view["file_id"]) == "Soup, noodles and cake."


def test_somebody_comes_in_by_an_invite_is_raised_and_put_out(enter: Enter) -> None:
    ada, bob, cleo = enter(ADA), enter(BOB), enter(CLEO)
    tea = ada.call("create", {"title": "Tea", "join": "invite"})["conversation_id"]
    invite = ada.call("createInvite", tea, {"max_uses": 1, "expires_in": 3600})
    assert ada.call("invites", tea)[0]["invite_id"] == invite["invite_id"]
    assert bob.call("acceptInvite", invite["code"])["id"] == tea
    assert cleo.refused("acceptInvite", invite["code"]) == "INVITE_EXPIRED"
    other = ada.call("createInvite", tea)
    ada.call("revokeInvite", tea, other["invite_id"])
    assert cleo.refused("acceptInvite", other["code"]) == "INVITE_EXPIRED"

    cleo.call("askToJoin", tea, "I bring cake")
    [asked] = bob.call("joinRequests", tea)
    assert (asked["participant"]["id"], asked["reason"]) == (CLEO_ID, "I bring cake")
    bob.call("approveJoin", tea, CLEO_ID)

    assert bob.refused("setRole", tea, CLEO_ID, "moderator") == "FORBIDDEN"
    ada.call("setRole", tea, BOB_ID, "moderator", "he knows them all")
    roles = {it["participantId"]: it["role"] for it in ada.call("members", tea)["participants"]}
    assert (roles[BOB_ID], roles[CLEO_ID]) == ("moderator", "member")
    bob.call("mute", tea, CLEO_ID, {"until": "2090-01-01T00:00:00Z", "reason": "shouts"})
    [muted] = bob.call("mutes", tea)
    assert (muted["participant"]["id"], muted["reason"]) == (CLEO_ID, "shouts")
    assert bob.call("unmute", tea, CLEO_ID)["sequence_id"] is not None
    assert bob.call("unmute", tea, CLEO_ID)["sequence_id"] is None
    bob.call("remove", tea, CLEO_ID, "a break")
    bob.call("ban", tea, CLEO_ID)
    assert cleo.refused("askToJoin", tea) == "BANNED"
    assert [it["participant"]["id"] for it in ada.call("bans", tea)] == [CLEO_ID]
    ada.call("unban", tea, CLEO_ID)
    cleo.call("askToJoin", tea)
    bob.call("denyJoin", tea, CLEO_ID, "full")
    assert bob.call("joinRequests", tea) == []


def test_two_people_have_one_conversation_and_a_message_is_reported_once(enter: Enter) -> None:
    ada, bob = enter(ADA), enter(BOB)
    one = ada.call("direct", BOB_ID, "Bob")["conversation_id"]
    assert bob.call("direct", "test_user_1")["conversation_id"] == one
    bob.open(one)
    bob.wait_state("live")
    bob.do("send", "something rude")
    bob.wait("sent it", lambda: bob.values("receipt") != [])
    rude = bob.values("receipt")[0]["message_id"]
    report = ada.call("report", one, rude, "rude")
    assert ada.call("report", one, rude, "rude") == report


def test_a_conversation_is_kept_for_oneself_and_deleted_for_everybody(enter: Enter) -> None:
    ada, bob = enter(ADA), enter(BOB)
    tea, cake = [ada.call("create", {"title": title})["conversation_id"] for title in "ab"]
    bob.call("join", tea)
    bob.open(tea)
    ada.open(tea)
    for each in (ada, bob):
        each.wait_state("live")
    kept = ada.call("setPreferences", tea, {"pinned": True, "muted": True})
    assert (kept["pinned"], kept["muted"], kept["archived"]) == (True, True, False)
    ada.wait("told", lambda: ada.values("preferences") != [])
    assert ada.values("preferences") == [{"archived": False, "muted": True, "pinned": True}]
    page = ada.call("conversations", {"limit": 1})
    assert [it["conversation_id"] for it in page["conversations"]] == [tea]
    page = ada.call("conversations", {"limit": 1, "before": page["before"]})
    assert [it["conversation_id"] for it in page["conversations"]] == [cake]
    ada.call("setPreferences", tea, {"archived": True})
    listed = [ada.call("conversations", {"archived": which}) for which in (False, True)]
    assert [cake in str(page) for page in listed] == [True, False]
    assert [tea in str(page) for page in listed] == [False, True]
    assert ada.call("held", tea)["held"] == []
    assert bob.refused("deleteConversation", tea) == "FORBIDDEN"
    ada.call("deleteConversation", tea)
    bob.wait_state("ended")
    assert bob.state["reason"]["code"] == "DELETED"
    assert ada.refused("look", tea) == "NOT_FOUND"
