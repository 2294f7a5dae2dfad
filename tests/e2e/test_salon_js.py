"""salon.js as it is served, in node, against a real server that is killed, drained and restored under it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.script_person import Heard, ScriptError, ScriptPerson
from tests.server import ServerProcess

ADA, BOB = "test_token_1", "test_token_2"

Enter = Callable[..., ScriptPerson]


@pytest.fixture
def enter(tmp_path: Path) -> Iterator[Enter]:
    """Lets one more person in to a server, by token or as nobody yet."""
    people: list[ScriptPerson] = []

    def enter_one(server: ServerProcess, token: str = "") -> ScriptPerson:
        people.append(ScriptPerson(tmp_path, server.url, token))
        return people[-1]

    yield enter_one
    for each in people:
        each.close()


def test_two_people_talk(server: ServerProcess, enter: Enter) -> None:
    ada, bob = enter(server, ADA), enter(server)
    guest = bob.call("guest", "Bob")
    assert bob.call("me")["id"] == guest["participant"]["id"]
    created = ada.call("create", {"title": "Tea"})
    bob.call("join", created["conversation_id"])
    for each in (ada, bob):
        each.open(created["conversation_id"])
        each.wait_state("live")

    sent = ada.do("send", "Hello")
    bob.do("typing", True)

    bob.wait("heard Ada", lambda: bob.contents == ["Hello"])
    ada.wait("saw Bob typing", lambda: bool(ada.values("typing")))
    ada.wait("emptied the outbox", lambda: ada.values("outbox")[-1:] == [[]])
    assert ada.values("receipt")[0]["client_message_id"] == sent["key"]
    assert ada.sequence == bob.sequence == [1, 2, 3]
    assert {it["displayName"] for it in bob.get("participants")} == {"Bob", "Ada"}


def test_nothing_is_lost_or_doubled_when_the_server_is_killed(
    own_server: ServerProcess, enter: Enter
) -> None:
    ada, bob = enter(own_server, ADA), enter(own_server, BOB)
    created = ada.call(
        "create", {"title": "Tea", "participants": [{"user_id": "test_user_2", "name": "Bob"}]}
    )
    for each in (ada, bob):
        each.open(created["conversation_id"])
        each.wait_state("live")
    texts = [f"message {number}" for number in range(60)]
    for text in texts[:30]:
        ada.do("send", text)
    own_server.kill()
    for text in texts[30:]:
        ada.do("send", text)
    ada.wait_state("offline")
    assert ada.state["retryAt"] > 0
    own_server.start()

    for each in (ada, bob):
        each.wait("heard all", lambda each=each: len(each.contents) >= len(texts))  # type: ignore[misc]
        each.wait_state("live")
        assert each.contents == texts
        assert each.sequence == list(range(1, len(texts) + 2))
    ada.wait("had all receipts", lambda: len(ada.values("receipt")) >= len(texts))
    assert len(ada.values("receipt")) == len(texts)
    assert not [name for name in ada.stored() if "outbox" in name]


def test_a_drained_server_is_met_again_in_the_slot_it_gave(
    own_server: ServerProcess, enter: Enter
) -> None:
    ada = enter(own_server, ADA)
    ada.open(ada.call("create", {"title": "Tea"})["conversation_id"])
    ada.wait_state("live")
    own_server.restart()
    ada.wait("was cut off", lambda: bool(cut_off(ada)))
    [offline] = cut_off(ada)
    assert offline["reason"]["code"] == "RESTARTING"
    ada.wait_state("live")


def test_who_missed_more_than_a_socket_gives_gets_it_all_by_pages(
    start_server: Callable[..., ServerProcess], enter: Enter
) -> None:
    server = start_server(LIMITS__RESUME_LIMIT="20", LIMITS__MESSAGE_RATE="0")
    ada, bob = enter(server, ADA), enter(server, BOB)
    created = ada.call(
        "create", {"title": "Tea", "participants": [{"user_id": "test_user_2", "name": "Bob"}]}
    )
    bob.open(created["conversation_id"])
    bob.wait_state("live")
    kept = {"lastSequenceId": bob.get("position"), "epoch": bob.get("epoch")}
    bob.do("close")
    path = f"/chat/{created['conversation_id']}/messages"
    for number in range(250):
        ada.call("request", "POST", path, {"content": str(number)})

    bob.open(created["conversation_id"], **kept)

    bob.wait("heard all", lambda: len(bob.contents) == 250)
    bob.wait_state("live")
    assert bob.sequence == list(range(1, 252))
    assert bob.values("reset") == []

    newest = enter(server, BOB)
    newest.open(created["conversation_id"], **kept, resume="newest")
    newest.wait_state("live")
    assert newest.values("reset") == [{"why": "gap", "first_sequence_id": newest.sequence[0]}]
    assert newest.sequence == list(range(newest.sequence[0], 252))


def test_a_log_that_is_another_one_is_told_and_begun_anew(
    own_server: ServerProcess, enter: Enter
) -> None:
    ada = enter(own_server, ADA)
    ada.open(
        ada.call("create", {"title": "Tea"})["conversation_id"], lastSequenceId=1, epoch="another"
    )
    ada.wait("was told", lambda: ada.values("reset") == [{"why": "epoch"}])
    ada.wait_state("live")
    assert ada.sequence == [1]


def test_what_was_read_of_another_log_is_not_read_of_this_one(
    own_server: ServerProcess, enter: Enter
) -> None:
    ada, bob = enter(own_server, ADA), enter(own_server, BOB)
    room = ada.call(
        "create", {"title": "Tea", "participants": [{"user_id": "test_user_2", "name": "Bob"}]}
    )["conversation_id"]
    for number in range(3):
        bob.call("request", "POST", f"/chat/{room}/messages", {"content": str(number)})
    os.kill(own_server.pid, signal.SIGSTOP)  # it is said before the server can answer
    ada.open(room, lastSequenceId=9, epoch="another")
    ada.do("read", 9)
    os.kill(own_server.pid, signal.SIGCONT)
    ada.wait("was told", lambda: ada.values("reset") == [{"why": "epoch"}])
    ada.wait_state("live")
    ada.wait("heard all", lambda: len(ada.contents) == 3)
    ada.do("typing", True)
    bob.open(room)
    bob.wait_state("live")
    assert ada.call("look", room)["unread_count"] == 3


def test_who_is_refused_is_told_why_and_does_not_come_back(
    server: ServerProcess, enter: Enter
) -> None:
    ada, stranger = enter(server, ADA), enter(server)
    stranger.open(ada.call("create", {"title": "Tea"})["conversation_id"])
    assert stranger.wait_state("ended")["reason"]["code"] == "UNAUTHENTICATED"
    stranger.do("close")
    stranger.call("guest")
    stranger.open(ada.call("create", {"title": "Tea"})["conversation_id"])
    stranger.wait(
        "was refused", lambda: stranger.state.get("reason", {}).get("code") == "NOT_FOUND"
    )

    with pytest.raises(ScriptError) as thrown:
        ada.call("look", "nothing")
    assert thrown.value.thrown["status"] == 404
    assert thrown.value.thrown["refusal"]["code"] == "NOT_FOUND"


def test_a_refused_message_stays_with_its_reason_until_it_is_discarded(
    server: ServerProcess, enter: Enter
) -> None:
    ada = enter(server, ADA)
    ada.open(ada.call("create", {"title": "Tea"})["conversation_id"])
    ada.wait_state("live")
    sent = ada.do("send", "x" * 10_001)
    ada.wait("was refused", lambda: ada.values("outbox")[-1][0]["state"] == "refused")
    assert ada.get("outbox")[0]["refusal"]["code"] == "MESSAGE_TOO_LARGE"
    ada.do("send", "short enough")
    ada.wait("went on", lambda: ada.contents == ["short enough"])
    ada.do("discard", sent["key"])
    assert ada.get("outbox") == []


def test_a_frame_that_the_server_closes_for_is_refused_and_the_rest_goes_on(
    start_server: Callable[..., ServerProcess], enter: Enter
) -> None:
    server = start_server(LIMITS__MAX_FRAME_SIZE="2000")
    ada = enter(server, ADA)
    ada.open(ada.call("create", {"title": "Tea"})["conversation_id"])
    ada.wait_state("live")
    ada.do("send", "x" * 3000)
    ada.do("send", "short enough")
    ada.wait("went on", lambda: ada.contents == ["short enough"])
    ada.wait(
        "kept the other", lambda: [it["state"] for it in ada.values("outbox")[-1]] == ["refused"]
    )


def test_messages_over_the_rate_wait_as_long_as_told_and_all_arrive(
    start_server: Callable[..., ServerProcess], enter: Enter
) -> None:
    server = start_server(LIMITS__MESSAGE_RATE="50", LIMITS__MESSAGE_BURST="5")
    ada = enter(server, ADA)
    ada.open(ada.call("create", {"title": "Tea"})["conversation_id"])
    ada.wait_state("live")
    texts = [str(number) for number in range(40)]
    for text in texts:
        ada.do("send", text)
    ada.wait("sent all", lambda: len(ada.contents) == len(texts))
    assert sorted(ada.contents, key=int) == texts
    assert all(it["state"] != "refused" for box in ada.values("outbox") for it in box)


def test_the_outbox_is_bounded(server: ServerProcess, enter: Enter) -> None:
    ada = enter(server, ADA)
    ada.open("nowhere")
    ada.wait_state("ended")
    for number in range(200):
        ada.do("send", str(number))
    with pytest.raises(ScriptError) as thrown:
        ada.do("send", "one too many")
    assert thrown.value.thrown["refusal"]["code"] == "OUTBOX_FULL"


def cut_off(person: ScriptPerson) -> list[Heard]:
    """The states without a connection that they were told."""
    return [state for state in person.values("state") if state["status"] == "offline"]
