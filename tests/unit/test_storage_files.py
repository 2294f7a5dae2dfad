"""What every store keeps of files: whose they are, which message has them, and what is left once they are deleted."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from salon.actors.files import FileUse, StoredFile
from salon.actors.messages import Post
from salon.actors.store import Appended, Changes, Store, StoreError
from salon.persistence import MemoryStore
from tests.unit.history import ADA, BEN, History, sources
from tests.unit.stores import begin, open_store

SECRET_NAME = "what-nobody-may-find-again.pdf"
FULL = StoredFile(
    file_id="f",
    conversation=1,
    uploader=ADA.id,
    content="c" * 64,
    name="Ünïcode \x00 'quoted'.png",
    media_type="image/png",
    size=3_000_000_000,
    uploaded_at=1_700_000_000_000,
    width=640,
    height=480,
)


async def add(store: Store, history: History, id: str, **fields: Any) -> StoredFile:
    """A file of this conversation that is stored."""
    fields = {"file_id": id, "conversation": history.state.number, **fields}
    file = FULL._replace(**fields)
    await store.announce_file(file).wait()
    await store.add_file(file.file_id).wait()
    return file


async def send(store: Store, history: History, key: str | None, *files: StoredFile) -> int:
    """A message that has these files; its sequence."""
    changes = history.turn(Post(history.id, ADA, "look", key))
    sequence = changes.records[-1].sequence
    sent = tuple((file.file_id, sequence) for file in files)
    outcome = await store.append(Changes(**fields_of(changes) | {"sent_files": sent})).wait()
    assert isinstance(outcome, Appended)
    return sequence


async def delete(store: Store, history: History, *sequences: int) -> None:
    """A turn that deletes the files of these messages."""
    changes = history.turn(Post(history.id, ADA, "deleted"))
    outcome = await store.append(Changes(**fields_of(changes) | {"gone_files": sequences})).wait()
    assert isinstance(outcome, Appended)


def fields_of(changes: Changes) -> dict[str, Any]:
    return {name: getattr(changes, name) for name in Changes.__slots__}


async def test_a_file_is_found_as_it_was_stored(store: Store) -> None:
    history = await begin(store)
    file = await add(store, history, "f")
    plain = await add(store, history, "g", width=None, height=None, size=1, name="n")
    assert await store.file("f").wait() == file
    assert await store.file("g").wait() == plain
    assert await store.file("nobody's").wait() is None


async def test_an_id_is_used_once(store: Store) -> None:
    history = await begin(store)
    file = await add(store, history, "f")
    with pytest.raises(StoreError):
        await add(store, history, "f", name="another")
    assert await store.file("f").wait() == file


async def test_files_are_found_in_their_own_conversation_alone(store: Store) -> None:
    here, there = await begin(store), await begin(store)
    mine = await add(store, here, "f")
    await add(store, there, "g")
    assert await store.files_among(here.state.number, ["f", "g", "h"]).wait() == {"f": mine}
    assert await store.files_among(here.state.number, []).wait() == {}


async def test_a_file_that_is_sent_has_the_sequence_and_the_key_of_its_message(
    store: Store,
) -> None:
    history = await begin(store)
    file, unsent = await add(store, history, "f"), await add(store, history, "g")
    keyless = await add(store, history, "h")
    first = await send(store, history, "k", file)
    second = await send(store, history, None, keyless)
    assert await store.files_among(history.state.number, ["f", "g", "h"]).wait() == {
        "f": file._replace(sequence=first, key="k"),
        "g": unsent,
        "h": keyless._replace(sequence=second),
    }
    assert await store.file("f").wait() == file._replace(sequence=first)


async def test_a_message_cannot_take_the_file_of_another_conversation(store: Store) -> None:
    here, there = await begin(store), await begin(store)
    file = await add(store, there, "f")
    await send(store, here, "k", file)
    assert await store.file("f").wait() == file


async def test_what_a_person_has_uploaded_is_counted_and_what_is_gone_is_not(
    store: Store,
) -> None:
    history = await begin(store)
    assert await store.file_use(ADA.id).wait() == FileUse(0, 0)
    sent = await add(store, history, "f", size=5)
    await add(store, history, "g", size=7)
    await add(store, history, "h", size=11, uploader=BEN.id)
    sequence = await send(store, history, "k", sent)
    assert await store.file_use(ADA.id).wait() == FileUse(1, 12)
    await delete(store, history, sequence)
    assert await store.file_use(ADA.id).wait() == FileUse(1, 7)


async def test_the_files_of_a_deleted_message_are_gone_with_the_same_commit(store: Store) -> None:
    history = await begin(store)
    file, other = await add(store, history, "f"), await add(store, history, "g", content="d" * 64)
    sequence = await send(store, history, "k", file)
    await delete(store, history, sequence)
    assert await store.file("f").wait() is None
    assert await store.file("g").wait() == other
    left = (await store.files_among(history.state.number, ["f"]).wait())["f"]
    assert (left.gone, left.name, left.media_type, left.size) == (True, "", "", 0)
    assert (left.width, left.height) == (None, None)
    assert (left.sequence, left.key, left.uploader) == (sequence, "k", ADA.id)


async def test_a_content_is_gone_with_the_last_file_that_has_it(store: Store) -> None:
    history = await begin(store)
    files = [await add(store, history, id) for id in ("f", "g")]
    sequences = [await send(store, history, file.file_id, file) for file in files]
    assert await store.gone_contents(10).wait() == ()
    await delete(store, history, sequences[0])
    assert await store.gone_contents(10).wait() == (FULL.content,)
    assert await store.needs_content(FULL.content).wait()
    await store.forget_content(FULL.content).wait()
    assert await store.gone_contents(10).wait() == ()
    await delete(store, history, sequences[1])
    assert await store.gone_contents(10).wait() == (FULL.content,)
    assert not await store.needs_content(FULL.content).wait()
    await store.forget_content(FULL.content).wait()
    assert await store.gone_contents(10).wait() == ()
    assert not await store.needs_content(FULL.content).wait()


async def test_only_so_many_contents_are_named_at_once(store: Store) -> None:
    history = await begin(store)
    for n in range(5):
        await add(store, history, f"f{n}", content=f"{n}" * 64)
    assert await store.expire_files(FULL.uploaded_at + 1).wait() == 5
    assert len(await store.gone_contents(3).wait()) == 3
    assert len(await store.gone_contents(9).wait()) == 5


async def test_what_was_never_sent_is_gone_after_its_time_and_leaves_nothing(store: Store) -> None:
    history = await begin(store)
    sent = await add(store, history, "sent")
    await send(store, history, "k", sent)
    await add(store, history, "old", content="o" * 64)
    young = await add(store, history, "young", uploaded_at=FULL.uploaded_at + 1, content="y" * 64)
    assert await store.expire_files(FULL.uploaded_at + 1).wait() == 1
    assert await store.expire_files(FULL.uploaded_at + 1).wait() == 0
    assert await store.file("old").wait() is None
    assert await store.file("young").wait() == young
    assert await store.file("sent").wait() is not None
    assert await store.gone_contents(10).wait() == ("o" * 64,)
    await store.forget_content("o" * 64).wait()
    found = await store.files_among(history.state.number, ["old", "young", "sent"]).wait()
    assert set(found) == {"young", "sent"}


async def test_a_file_that_is_only_announced_is_nowhere_but_its_content_can_be_collected(
    store: Store,
) -> None:
    history = await begin(store)
    file = FULL._replace(conversation=history.state.number)
    await store.announce_file(file).wait()
    assert await store.file("f").wait() is None
    assert await store.file_use(ADA.id).wait() == FileUse(0, 0)
    assert (await store.files_among(file.conversation, ["f"]).wait())["f"].gone
    assert await store.gone_contents(10).wait() == (FULL.content,)
    await store.add_file("f").wait()
    assert await store.file("f").wait() == file
    assert await store.gone_contents(10).wait() == ()


async def test_an_append_that_is_refused_sends_no_file(store: Store) -> None:
    history = await begin(store)
    file = await add(store, history, "f")
    await send(store, history, "k")
    again = history.fork()
    changes = again.turn(Post(history.id, ADA, "look", "k"))
    sent = ((file.file_id, changes.records[-1].sequence),)
    outcome = await store.append(Changes(**fields_of(changes) | {"sent_files": sent})).wait()
    assert not isinstance(outcome, Appended)
    assert await store.file("f").wait() == file


async def test_both_stores_say_the_same_after_any_history(tmp_path: Path) -> None:
    chance = random.Random(12)
    both = (MemoryStore(sources()), open_store(tmp_path / "salon.db"))
    history = History()
    for store in both:
        assert isinstance(await store.append(history.fork().begin()).wait(), Appended)
    history.begin()
    files: list[str] = []
    sequences = [1]
    number = 1
    for step in range(300):
        what = chance.choice(("add", "add", "send", "send", "delete", "expire", "forget"))
        changes = history.turn(Post(history.id, ADA, f"{step}", f"k{step}"))
        at = changes.records[-1].sequence
        fields = fields_of(changes) | {"number": number}
        file = FULL._replace(
            file_id=f"f{step}",
            content=chance.choice("abcde") * 64,
            uploaded_at=step,
            size=step,
            uploader=chance.choice((ADA, BEN)).id,
        )
        before = chance.randrange(step + 1)
        chosen = tuple(
            (id, at) for id in chance.sample(files, min(len(files), chance.randrange(3)))
        )
        content = chance.choice("abcde") * 64
        gone = tuple(chance.sample(sequences, min(len(sequences), 2)))
        for store in both:
            if what == "add":
                await store.announce_file(file).wait()
                if step % 4:
                    await store.add_file(file.file_id).wait()
            elif what == "expire":
                await store.expire_files(before).wait()
            elif what == "forget":
                await store.forget_content(content).wait()
            if what == "send":
                fields["sent_files"] = chosen
            elif what == "delete":
                fields["gone_files"] = gone
            assert isinstance(await store.append(Changes(**fields)).wait(), Appended)
        if what == "add":
            files.append(file.file_id)
        elif what == "send":
            files = [id for id in files if id not in dict(chosen)]
            sequences.append(at)
        said = [
            (
                await store.files_among(number, [f"f{n}" for n in range(step + 1)]).wait(),
                sorted(await store.gone_contents(100).wait()),
                await store.file_use(ADA.id).wait(),
                [await store.needs_content(letter * 64).wait() for letter in "abcde"],
            )
            for store in both
        ]
        assert said[0] == said[1], f"after {what} in step {step}"
    both[1].close()


async def test_nothing_of_a_deleted_file_is_left_in_the_database(tmp_path: Path) -> None:
    path = tmp_path / "salon.db"
    store = open_store(path)
    history = await begin(store)
    file = await add(store, history, "f", name=SECRET_NAME)
    sequence = await send(store, history, "k", file)
    await delete(store, history, sequence)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM files").fetchall()
    assert len(rows) == 1
    assert SECRET_NAME not in str(rows)
