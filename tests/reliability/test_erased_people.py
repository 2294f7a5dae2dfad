"""A person who is erased: nothing they said and no name of theirs is left, whatever stops the server meanwhile."""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import trio

from tests.person import Frame, Person, admin, guests
from tests.reliability.test_deleted import traces
from tests.server import ServerProcess, api
from tests.shape import refusal

LOOK = 0.05  # seconds between two looks at what nobody announces
LEFT = ("message_deleted", "participant_left", "reaction_removed", "participant_updated")


async def state_of(server: ServerProcess, erasure_id: str) -> Frame:
    """How far an erasure is, for whoever knows its id."""
    response = await api(server, "GET", f"/erasures/{erasure_id}")
    assert response.status_code == 200, response.text
    answer: Frame = response.json()
    return answer


async def done(server: ServerProcess, erasure_id: str) -> Frame:
    """The erasure once it is done."""

    while (found := await state_of(server, erasure_id))["state"] != "done":  # noqa: ASYNC110
        await trio.sleep(LOOK)
    return found


async def gone(reader: Person, conversation_id: str, word: str) -> None:
    """Return once a word is in the log no more."""
    while word in json.dumps(await reader.history(conversation_id)):  # noqa: ASYNC110
        await trio.sleep(LOOK)


async def chatter(ada: Person, bob: Person, words: list[str]) -> list[str]:
    """Conversations in which Ada and Bob do all kinds of things; their ids. `words` gets what Ada has said."""

    def word() -> str:
        words.append(secrets.token_hex(12))
        return words[-1]

    ids = [await ada.create(bob, title="Hers"), await bob.create(ada, title="His")]
    direct = await bob.ask("POST", "/chat/direct", {"user_id": ada.id, "name": ada.name})
    for id in (*ids, direct["conversation_id"]):
        first = await bob.say(id, "something of Bob's")
        said = await ada.say(id, word(), client_message_id="k1", metadata={"note": word()})
        await ada.ask("PATCH", f"/chat/{id}/messages/{said['message_id']}", {"content": word()})
        await ada.say(id, word(), thread_id=first["message_id"])
        emoji = f"/chat/{id}/messages/{first['message_id']}/reactions/👍"
        await ada.ask("PUT", emoji)
        await bob.ask("PUT", emoji)
        gone = await ada.say(id, word())
        path = f"/chat/{id}/messages/{gone['message_id']}"
        await ada.ask("DELETE", path, {"reason": word()})
        for number in range(130):  # more than one command takes
            await ada.say(id, f"{word()} {number}")
    await ada.leave(ids[1])
    sent = await ada.call(
        "POST", f"/chat/{ids[0]}/files?name={word()}.txt", content=f"a file {word()}".encode()
    )
    assert sent.status_code == 201, sent.text
    await ada.say(ids[0], "with a file", files=[{"file_id": sent.json()["file_id"]}])
    return [*ids, direct["conversation_id"]]


async def test_nothing_of_an_erased_person_is_left_though_the_server_is_killed_meanwhile(
    own_server: ServerProcess,
) -> None:
    name = f"Ada{secrets.token_hex(6)}"
    ada, bob = await guests(own_server, name, "Bob")
    words = [name]
    ids = await chatter(ada, bob, words)
    folder = Path(own_server.store.removeprefix("sqlite:///")).parent
    assert traces(folder, words), "they were written"
    async with ada.tab(ids[0]) as tab:
        erasure = await ada.ask("DELETE", "/me")
        assert (await tab.closed())[0] == 4500
    refusal(await ada.call("GET", "/auth/me"), 401, "UNAUTHENTICATED")
    own_server.kill()
    own_server.start()
    found = await done(own_server, erasure["erasure_id"])
    assert found["messages"] == 3 * 133 + 1
    assert not traces(folder, words)
    own_server.kill()
    assert not traces(folder, words)
    own_server.start()
    refusal(await ada.call("GET", "/auth/me"), 401, "UNAUTHENTICATED")
    body = {"recovery_code": ada.recovery_code}
    refusal(await api(own_server, "POST", "/auth/recover", json=body), 401, "UNAUTHENTICATED")
    for id in ids:
        events = await bob.history(id)
        assert [each["sequence_id"] for each in events] == list(range(1, len(events) + 1))
        assert ada.id in json.dumps(events), "the sequence keeps its meaning"
        kept = [e["message"] for e in events if e["type"] == "message"]
        assert {m["content"] for m in kept if m["sender_id"] == bob.id} == {"something of Bob's"}
        assert {m["content"] for m in kept if m["sender_id"] == ada.id} == {""}
        assert kept[0]["reactions"] == {"👍": {"count": 1, "participants": [bob.id]}}
        assert {m["sender_name"] for m in kept} == {"[erased]", "Bob"}
        shown = await bob.see(id)
        there = {each["participantId"]: each["displayName"] for each in shown["participants"]}
        assert there.get(ada.id) in (None, "[erased]")


async def test_a_listener_who_folds_the_events_comes_to_what_the_log_has(
    own_server: ServerProcess,
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    for number in range(3):
        await ada.say(conversation_id, f"{number}")
    async with bob.tab(conversation_id) as tab:
        erasure = await ada.ask("DELETE", "/me")
        await tab.until("participant_left")
        await done(own_server, erasure["erasure_id"])
        kinds = [each["type"] for each in tab.events if each["type"] in LEFT]
    assert kinds.count("message_deleted") == 3
    assert kinds[0] == "participant_updated"
    assert kinds[-1] == "participant_left"


async def test_what_is_held_is_erased_when_it_is_released(own_server: ServerProcess) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    root = admin(own_server)
    held, free = await ada.create(bob), await ada.create(bob)
    said = await ada.say(held, "evidence")
    await ada.say(free, "chatter")
    body = {"kind": "conversation", "subject": held, "reason": "case 12"}
    hold = await root.ask("POST", "/admin/holds", body)
    message = f"/chat/{held}/messages/{said['message_id']}"
    refusal(await ada.call("PATCH", message, {"content": "x"}), 409, "LEGAL_HOLD")
    refusal(await ada.call("DELETE", message), 409, "LEGAL_HOLD")
    refusal(await ada.call("DELETE", f"/chat/{held}"), 409, "LEGAL_HOLD")
    erasure = await ada.ask("DELETE", "/me")
    await gone(bob, free, "chatter")
    assert "evidence" in json.dumps(await bob.history(held))
    own_server.restart()
    assert (await state_of(own_server, erasure["erasure_id"]))["state"] == "running"
    await root.ask("DELETE", f"/admin/holds/{hold['hold_id']}")
    await done(own_server, erasure["erasure_id"])
    assert "evidence" not in json.dumps(await bob.history(held))


async def test_who_has_replied_to_others_is_named_nowhere_once_they_are_erased(
    server: ServerProcess,
) -> None:
    name = f"Ada{secrets.token_hex(6)}"
    ada, bob = await guests(server, name, "Bob")
    id = await bob.create(ada)
    root = await bob.say(id, "a question")
    await ada.say(id, "an answer", thread_id=root["message_id"])
    assert name in json.dumps(await bob.history(id))
    await done(server, (await ada.ask("DELETE", "/me"))["erasure_id"])
    assert name not in json.dumps(await bob.history(id))


async def test_who_has_left_and_said_nothing_is_named_nowhere_once_they_are_erased(
    server: ServerProcess,
) -> None:
    name = f"Ada{secrets.token_hex(6)}"
    ada, bob = await guests(server, name, "Bob")
    id = await bob.create(ada)
    await ada.leave(id)
    await ada.join(id)
    await ada.leave(id)
    assert json.dumps(await bob.history(id)).count(name) == 4
    await done(server, (await ada.ask("DELETE", "/me"))["erasure_id"])
    assert name not in json.dumps(await bob.history(id))


async def test_who_has_said_nothing_keeps_their_name_while_it_is_held_and_no_longer(
    server: ServerProcess,
) -> None:
    name = f"Ada{secrets.token_hex(6)}"
    ada, bob = await guests(server, name, "Bob")
    root, id = admin(server), await bob.create(ada)
    body = {"kind": "conversation", "subject": id, "reason": "case 15"}
    hold = await root.ask("POST", "/admin/holds", body)
    erasure = await ada.ask("DELETE", "/me")
    (cleo,) = await guests(server, "Cleo")  # people are erased one after the other: hers was tried
    await done(server, (await cleo.ask("DELETE", "/me"))["erasure_id"])
    held = json.dumps(await bob.history(id))
    assert name in held
    assert "[erased]" not in held
    await root.ask("DELETE", f"/admin/holds/{hold['hold_id']}")
    await done(server, erasure["erasure_id"])
    left = json.dumps(await bob.history(id))
    assert name not in left
    assert "[erased]" in left


async def test_a_held_persons_messages_stay_until_the_hold_is_released(
    own_server: ServerProcess,
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    root = admin(own_server)
    conversation_id = await bob.create(ada)
    said = await ada.say(conversation_id, "evidence")
    body = {"kind": "person", "subject": ada.id, "reason": "case 12"}
    hold = await root.ask("POST", "/admin/holds", body)
    path = f"/chat/{conversation_id}/messages/{said['message_id']}"
    refusal(await bob.call("DELETE", path), 409, "LEGAL_HOLD")
    erasure = await root.ask("POST", f"/admin/people/{ada.id}/erasure")
    assert erasure["state"] == "held"
    assert "evidence" in json.dumps(await bob.history(conversation_id))
    await root.ask("DELETE", f"/admin/holds/{hold['hold_id']}")
    await done(own_server, erasure["erasure_id"])
    assert "evidence" not in json.dumps(await bob.history(conversation_id))
    for name in ("case 13", "case 14"):
        body = {"kind": "person", "subject": bob.id, "reason": name}
        await root.ask("POST", "/admin/holds", body)
    page, pages = await root.ask("GET", "/admin/holds?limit=1"), []
    while pages.append(page["holds"][0]["reason"]) or page["before"]:
        page = await root.ask("GET", f"/admin/holds?limit=1&before={page['before']}")
    assert pages == ["case 14", "case 13", "case 12"]
    of_bob = await root.ask("GET", f"/admin/holds?kind=person&subject={bob.id}")
    assert [each["reason"] for each in of_bob["holds"]] == ["case 14", "case 13"]
    assert (await root.ask("GET", f"/admin/erasures?id={bob.id}"))["erasures"] == []
    listed = (await root.ask("GET", f"/admin/erasures?id={ada.id}"))["erasures"]
    assert [(each["participant_id"], each["state"]) for each in listed] == [(ada.id, "done")]
    assert [
        each["released_at"] is None for each in (await root.ask("GET", "/admin/holds"))["holds"]
    ] == [True, True, False]


async def test_an_export_has_what_a_person_said_and_no_word_of_others(
    own_server: ServerProcess,
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    words: list[str] = []
    ids = await chatter(ada, bob, words)
    response = await ada.call("GET", "/me/export")
    assert response.headers["content-type"] == "application/zip"
    archive = ZipFile(BytesIO(response.content))
    assert archive.testzip() is None
    files = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "something of Bob's" not in "".join(files.values())
    person = json.loads(files["person.json"])
    assert (person["id"], person["name"], person["guest"]) == (ada.id, "Ada", True)
    listed = [json.loads(line) for line in files["conversations.ndjson"].splitlines()]
    assert {each["conversation_id"] for each in listed} == {ids[0], ids[2]}
    events = [json.loads(line) for line in files["events.ndjson"].splitlines()]
    said = [e["message"]["content"] for e in events if e["type"] == "message"]
    assert len(said) == 3 * 133 + 1
    (kept,) = (name for name in files if name.startswith("files/"))
    assert files[kept].startswith("a file ")
    operators = await admin(own_server).call("GET", f"/admin/people/{ada.id}/export")
    assert set(ZipFile(BytesIO(operators.content)).namelist()) == set(files)
    refusal(await bob.call("GET", f"/admin/people/{ada.id}/export"), 403, "FORBIDDEN")


async def test_messages_older_than_their_days_are_deleted(tmp_path: Path) -> None:
    """Seven days on this server, three in one conversation, and what is held stays."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = ServerProcess(folder)
    try:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        shorter, held = await ada.create(bob, retention={"days": 5}), await ada.create(bob)
        route = f"/admin/conversations/{shorter}/retention"
        refusal(await ada.call("PUT", route, {"days": 3}), 403, "FORBIDDEN")
        assert await admin(server).ask("PUT", route, {"days": 3}) == {"days": 3}
        for id in (conversation_id, held):
            await ada.say(id, "an old word")
        await ada.say(shorter, "a word of five days ago")
        body = {"kind": "conversation", "subject": held, "reason": "case 12"}
        await admin(server).ask("POST", "/admin/holds", body)
        server.stop()
        age(server.path, days=8, but=shorter)
        age(server.path, days=5, only=shorter)
        server = ServerProcess(folder, RETENTION__DAYS="7")
        ada, bob = (Person(server, who.token, who.id, who.name) for who in (ada, bob))
        await ada.say(conversation_id, "a young word")
        await gone(bob, conversation_id, "an old word")
        await gone(bob, shorter, "a word of five days ago")
        assert "an old word" in json.dumps(await bob.history(held))
        assert (await ada.see(shorter))["retention"] == {"days": 3}
        events = await bob.history(conversation_id)
        (deleted,) = (each for each in events if each["type"] == "message_deleted")
        assert (deleted["by"], deleted["reason"]) == ("salon", "retention")
        assert "a young word" in json.dumps(events)
    finally:
        server.stop()


def age(path: Path, *, days: int, only: str | None = None, but: str | None = None) -> None:
    """Have what a stopped server has stored be older: in one conversation, or in all but one."""
    chosen = "(SELECT number FROM conversations WHERE ifnull(id = ?2, 1) AND ifnull(id <> ?3, 1))"
    with closing(sqlite3.connect(path)) as connection, connection:
        update = f"UPDATE events SET at = at - ?1 WHERE conversation IN {chosen}"
        connection.execute(update, (days * 86_400_000, only, but))
