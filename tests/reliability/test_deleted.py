"""Deleted is gone: from the file, its write-ahead log and every backup made afterwards, read byte by byte."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

from salon.actors.model import Participant
from salon.actors.store import Appended
from tests import processes
from tests.person import Frame, Person, guests
from tests.server import ServerProcess
from tests.traffic import until
from tests.unit.history import History
from tests.unit.stores import open_store

LONG = 6_000  # characters: the text has pages of its own


async def put(who: Person, method: str, message_id: str, body: Frame | None = None) -> None:
    conversation_id = message_id.rpartition("-")[0]
    await who.ask(method, f"/chat/{conversation_id}/messages/{message_id}", body)


def traces(folder: Path, texts: list[str]) -> dict[str, list[str]]:
    """The files of the store, and of its folder of files, that hold any of the texts, with those."""
    found = {}
    for path in (*folder.glob("*.db*"), *folder.glob("*.files/**/*")):
        data = path.read_bytes() if path.is_file() else b""
        there = [text for text in texts if text.encode() in data]
        if there:
            found[path.name] = there
    return found


async def test_no_byte_of_a_deleted_message_is_left(
    own_server: ServerProcess, tmp_path: Path
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    folder = Path(own_server.store.removeprefix("sqlite:///")).parent
    ids, gone = [], []
    for number in range(12):
        size = LONG if number % 4 == 0 else 40
        texts = [f"{secrets.token_hex(16)} {'x' * size}" for _ in range(3)]
        sent = await ada.say(conversation_id, texts[0], metadata={"note": texts[0][:32]})
        await put(ada, "PATCH", sent["message_id"], {"content": texts[1]})
        await put(ada, "PATCH", sent["message_id"], {"content": texts[2]})
        await bob.say(conversation_id, f"kept {number}", reply_to=sent["message_id"])
        ids.append(sent["message_id"])
        gone += [text[:32] for text in texts]
    assert traces(folder, gone), "they were written"
    kept = [f"kept {number}" for number in range(12)]
    for message_id in ids:
        await put(ada, "DELETE", message_id)
    await until(lambda: not traces(folder, gone))
    copy = tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    await processes.run_beside(["backup", copy, "--store", own_server.store])
    assert not traces(copy.parent, gone)
    assert traces(copy.parent, kept)
    own_server.kill()
    assert not traces(folder, gone)
    own_server.start()
    page = await bob.history(conversation_id)
    assert [event["message"]["content"] for event in page if event["type"] == "message"] == [
        text for number in range(12) for text in ("", f"kept {number}")
    ]
    own_server.stop()
    assert not traces(folder, gone)
    assert traces(folder, kept)


async def test_what_is_deleted_while_somebody_reads_the_file_is_gone_once_they_have_read(
    own_server: ServerProcess,
) -> None:
    (ada,) = await guests(own_server, "Ada")
    conversation_id = await ada.create()
    path = Path(own_server.store.removeprefix("sqlite:///"))
    text = secrets.token_hex(16)
    sent = await ada.say(conversation_id, text)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()
        await put(ada, "DELETE", sent["message_id"])
        for number in range(20):
            await ada.say(conversation_id, f"{number}")  # and nobody waits for the reader
        assert traces(path.parent, [text])
        reader.execute("COMMIT")
    await until(lambda: not traces(path.parent, [text]))


async def test_a_server_killed_before_it_could_erase_does_so_when_it_starts(
    own_server: ServerProcess,
) -> None:
    (ada,) = await guests(own_server, "Ada")
    conversation_id = await ada.create()
    path = Path(own_server.store.removeprefix("sqlite:///"))
    text = secrets.token_hex(16)
    sent = await ada.say(conversation_id, text)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM events").fetchall()
        await put(ada, "DELETE", sent["message_id"])
        own_server.kill()
        own_server.start()
        assert traces(path.parent, [text])
        reader.execute("COMMIT")
        await until(lambda: not traces(path.parent, [text]))


async def mine(who: Person) -> list[Frame]:
    """The conversations of this person, as they are listed."""
    listed: list[Frame] = (await who.ask("GET", "/chat/my-conversations"))["conversations"]
    return listed


async def test_no_byte_of_a_deleted_conversation_is_left(own_server: ServerProcess) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    kept = await ada.create(bob)
    await ada.say(kept, "kept forever")
    title, note, emoji = (secrets.token_hex(16) for _ in range(3))
    conversation_id = await ada.create(bob, title=title, metadata={"note": note})
    folder = own_server.path.parent
    gone = [title, note, emoji]
    for number in range(12):
        size = LONG if number % 4 == 0 else 40
        texts = [f"{secrets.token_hex(16)} {'x' * size}" for _ in range(2)]
        sent = await ada.say(
            conversation_id, texts[0], mentions=[bob.id], client_message_id=texts[1][:32]
        )
        await put(ada, "PATCH", sent["message_id"], {"content": texts[1]})
        await put(bob, "PUT", f"{sent['message_id']}/reactions/:{emoji[:20]}:")
        gone += [text[:32] for text in texts]
    gone[2] = emoji[:20]
    name, content = secrets.token_hex(16), secrets.token_hex(16)
    for uploaded in (0, 1):  # one is sent, the other not
        path = f"/chat/{conversation_id}/files"
        named = {"name": f"{name}.txt"}
        data = f"{content} {uploaded}".encode()
        file = (await ada.call("POST", path, content=data, params=named)).json()
    await ada.say(conversation_id, "look", files=[{"file_id": file["file_id"]}])
    gone += [name, content]
    why = secrets.token_hex(16)
    gone.append(why)
    await ada.ask("PUT", f"/chat/{conversation_id}/participants/{bob.id}/mute", {"reason": why})
    found = traces(folder, gone)
    assert {each for there in found.values() for each in there} == set(gone), "they were written"
    await ada.ask("DELETE", f"/chat/{conversation_id}")
    await until(lambda: not traces(folder, gone))
    assert traces(folder, ["kept forever"])
    own_server.kill()
    own_server.start()
    assert [each["conversation_id"] for each in await mine(ada)] == [kept]
    own_server.stop()
    assert not traces(folder, gone)


async def test_a_server_killed_while_it_erases_a_long_conversation_goes_on_at_its_start(
    own_server: ServerProcess,
) -> None:
    (ada,) = await guests(own_server, "Ada")
    kept = await ada.create()
    own_server.stop()
    long, text = await with_messages(own_server, ada, 20_000)
    own_server.start()
    assert traces(own_server.path.parent, [text])
    await ada.ask("DELETE", f"/chat/{long.id}")
    await ada.say(kept, "others are served meanwhile")
    with closing(sqlite3.connect(own_server.path)) as reader:
        asked = "SELECT count(*) FROM events WHERE conversation = ?"
        assert reader.execute(asked, (long.state.number,)).fetchone()[0] > 1
    own_server.kill()
    own_server.start()
    response = await ada.call("GET", f"/chat/conversations/{long.id}")
    assert response.status_code == 404
    await until(lambda: not traces(own_server.path.parent, [text]))
    assert [each["conversation_id"] for each in await mine(ada)] == [kept]


async def with_messages(server: ServerProcess, who: Person, count: int) -> tuple[History, str]:
    """A conversation of this person's with so many messages, and a word of each, in the store of a stopped server."""
    store = open_store(server.path)
    owner, text = Participant(who.id, who.name), secrets.token_hex(16)
    history = History(owner=owner)
    begun = await store.append(history.begin()).wait()
    assert isinstance(begun, Appended)
    history.state.number = begun.number
    for number in range(0, count, 500):
        texts = [f"{text} number {number + each}" for each in range(500)]
        await store.append(history.tell(*texts, sender=owner)).wait()
    store.close()
    return history, text
