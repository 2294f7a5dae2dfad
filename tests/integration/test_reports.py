"""Members report messages to operators, who see each with what was said around it and close it."""

from __future__ import annotations

import pytest

from tests.person import admin, guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP, refusal


async def test_a_report_comes_to_the_operators_with_what_was_said_around_and_is_closed(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    said = [await ada.say(conversation_id, f"number {number}") for number in range(30)]
    message_id = said[14]["message_id"]
    before = await ada.history(conversation_id)
    path = f"/chat/{conversation_id}/messages/{message_id}/report"
    response = await bob.call("POST", path, {"reason": "Rude."})
    assert response.status_code == 201
    report_id = response.json()["report_id"]
    assert (await bob.ask("POST", path, {"reason": "Again."}))["report_id"] == report_id
    assert await ada.history(conversation_id) == before, "members are not told"

    root = admin(server)
    listed = (await root.ask("GET", "/admin/reports"))["reports"]
    (mine,) = [each for each in listed if each["conversation_id"] == conversation_id]
    assert mine == {
        "report_id": report_id,
        "conversation_id": conversation_id,
        "message_id": message_id,
        "sequence_id": said[14]["sequence_id"],
        "reporter_id": bob.id,
        "reason": "Rude.",
        "reported_at": TIMESTAMP,
        "closed_at": None,
        "closed_by": None,
        "outcome": None,
    }
    dossier = await root.ask("GET", f"/admin/reports/{report_id}")
    sequences = [event["sequence_id"] for event in dossier["events"]]
    middle = said[14]["sequence_id"]
    assert sequences == list(range(middle - 10, middle + 11))
    closed = await root.ask("POST", f"/admin/reports/{report_id}/close", {"outcome": "Talked."})
    assert (closed["closed_by"], closed["closed_at"], closed["outcome"]) == (
        *("admin", TIMESTAMP, "Talked."),
    )
    for state, there in (("open", False), ("closed", True)):
        page = await root.ask("GET", f"/admin/reports?state={state}&limit=100")
        assert (report_id in [each["report_id"] for each in page["reports"]]) is there
    deeds = (await root.ask("GET", "/admin/audit"))["deeds"]
    noted = [(each["action"], each["target"], each["outcome"]) for each in deeds]
    assert ("read", f"the report {report_id}", "done") in noted
    assert ("report", str(report_id), "Talked.") in noted


async def test_only_what_one_may_read_can_be_reported(server: ServerProcess) -> None:
    ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(history="since_join")
    said = await ada.say(conversation_id, "before")
    await bob.join(conversation_id)
    body = {"reason": "Rude."}
    for who, message_id in (
        (bob, said["message_id"]),
        (cleo, said["message_id"]),
        (ada, f"{conversation_id}-1"),
        (ada, f"{conversation_id}-99"),
        (ada, "nothing"),
    ):
        path = f"/chat/{conversation_id}/messages/{message_id}/report"
        refusal(await who.call("POST", path, body), 404, "NOT_FOUND")


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 501}])
async def test_a_report_says_why(server: ServerProcess, body: dict[str, str]) -> None:
    (ada,) = await guests(server, "Ada")
    conversation_id = await ada.create()
    said = await ada.say(conversation_id, "hello")
    path = f"/chat/{conversation_id}/messages/{said['message_id']}/report"
    response = await ada.call("POST", path, body)
    assert response.status_code == 400
    assert "reason" in response.json()["problem"]


async def test_the_queue_is_for_operators(server: ServerProcess) -> None:
    (ada,) = await guests(server, "Ada")
    refusal(await ada.call("GET", "/admin/reports"), 403, "FORBIDDEN")
    refusal(await ada.call("GET", "/admin/reports/1"), 403, "FORBIDDEN")
    response = await ada.call("POST", "/admin/reports/1/close", {"outcome": "x"})
    refusal(response, 403, "FORBIDDEN")
    refusal(await admin(server).call("GET", "/admin/reports/999999"), 404, "NOT_FOUND")


async def test_operators_act_from_the_queue_whatever_the_rank_of_who_is_reported(
    server: ServerProcess,
) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    said = await ada.say(conversation_id, "rude")
    message_id = said["message_id"]
    path = f"/chat/{conversation_id}/messages/{message_id}/report"
    report_id = (await bob.ask("POST", path, {"reason": "Rude."}))["report_id"]
    root, queue = admin(server), f"/admin/reports/{report_id}"
    done = {"report_id": report_id, "conversation_id": conversation_id}

    gone = await root.ask("POST", f"{queue}/delete-message", {"reason": "Against the rules."})
    assert gone == {**done, "target": message_id, "sequence_id": said["sequence_id"] + 1}
    again = await root.ask("POST", f"{queue}/delete-message")
    assert again["sequence_id"] is None
    log = await bob.history(conversation_id)
    assert log[-1]["by"] == "admin"
    assert log[-1]["type"] == "message_deleted"
    assert [e["message"]["content"] for e in log if e["type"] == "message"] == [""]

    muted = await root.ask("POST", f"{queue}/mute", {"reason": "A rest."})
    assert muted["target"] == ada.id
    response = await ada.call("POST", f"/chat/{conversation_id}/messages", {"content": "x"})
    assert (response.status_code, response.json()["code"]) == (403, "MUTED")
    async with ada.tab(conversation_id) as hers:
        await root.ask("POST", f"{queue}/ban", {"reason": "For good."})
        assert (await hers.closed())[0] == 4503
    response = await ada.call("POST", f"/chat/{conversation_id}/join", {})
    assert (response.status_code, response.json()["code"]) == (403, "BANNED")
    seen = await bob.see(conversation_id)
    assert [(each["participantId"], each["role"]) for each in seen["participants"]] == [
        (bob.id, "owner")
    ], "somebody has to own it"
    deeds = (await root.ask("GET", "/admin/audit"))["deeds"]
    noted = [(each["action"], each["target"], each["outcome"]) for each in deeds]
    for action, target in (("delete", message_id), ("mute", ada.id), ("ban", ada.id)):
        assert (action, f"{target} in {conversation_id}", "done") in noted
    for deed in ("delete-message", "mute", "ban"):
        refusal(await bob.call("POST", f"{queue}/{deed}", {}), 403, "FORBIDDEN")
        refusal(await root.call("POST", f"/admin/reports/999999/{deed}", {}), 404, "NOT_FOUND")
