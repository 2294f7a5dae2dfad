"""`salon export` and `salon import`: every row comes back as it was, whatever ends either of them on the way."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trio

from salon.actors.store import Appended, KeysTaken, StoreError
from salon.persistence import MemoryStore, exporting, file, importing, migration
from salon.persistence.contents import open_contents
from salon.persistence.erasing import hide
from salon.persistence.export_rows import DERIVED, TABLES
from salon.persistence.exporting import PIECE, export
from salon.persistence.importing import import_export
from salon.persistence.schema import metadata
from tests import processes
from tests.unit.history import BEN, CLEO, DAN, History, sources
from tests.unit.stores import environment, filled, holds, open_store
from tests.unit.test_migrations import NEXT

FIRST = Path(__file__).parents[1] / "stores" / "first.db.gz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "old" / "salon.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "salon.db"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return tmp_path / "salon.ndjson"


def nothing(done: int, of: int) -> None:
    assert 0 < done <= of


class Cut(BaseException):
    """What ends an export on its way."""


def cut_at(line: int) -> Callable[[int, int], None]:
    def progress(done: int, _: int) -> None:
        if done == line:
            raise Cut

    return progress


def write(path: Path, lines: Path, *, files: bool = False, progress: Any = nothing) -> Any:
    contents = open_contents(path.with_name("files")) if files else None
    return export(exporting.FileSource(path), lines, contents, sources(), progress)


def read(target: Path, lines: Path, *, progress: Any = nothing) -> Any:
    target.parent.mkdir(exist_ok=True)
    contents = open_contents(target.with_name("files"))
    return import_export(target, lines, contents, sources(), progress)


def rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)


def fill_every_table(path: Path) -> None:
    """Three rows in each table, with text that needs care and bytes that are no text."""
    open_store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        for table in (metadata.tables[name] for name in TABLES):
            for number in range(1, 4):
                row = {}
                for place, column in enumerate(table.columns):
                    value: Any = number * 100 + place
                    if column.type.python_type is str:
                        value = f'"{number}\\ ✓\u2028\x7f\n{column.name}'
                    elif column.type.python_type is bytes:
                        value = [b'{"a":"\xe2\x9c\x93"}', b"\xff\0", b""][number - 1]
                        if column.name == "recovery_hash":
                            value = bytes([number]) * 32
                    if column.nullable and number == 2:
                        value = None
                    row[column.name] = value
                connection.execute(
                    f"INSERT INTO {table.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                    tuple(row.values()),
                )
        connection.commit()


def test_every_row_of_every_table_comes_back_as_it_was(
    path: Path, lines: Path, target: Path
) -> None:
    fill_every_table(path)
    done = write(path, lines)
    assert done.rows == 3 * len(TABLES)
    assert lines.stat().st_mode & 0o777 == 0o600
    assert list(lines.parent.glob("salon.ndjson?*")) == []
    assert read(target, lines).rows == done.rows
    assert set(metadata.tables) == set(TABLES) | DERIVED
    for table in TABLES:
        assert rows(target, table) == rows(path, table), table
    with closing(sqlite3.connect(path)) as connection:
        said = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    with closing(sqlite3.connect(target)) as connection:
        assert {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")} == said
    assert sorted(each.name for each in target.parent.iterdir()) == [
        "files",
        "salon.db",
        "salon.db.lock",
    ]


def test_a_store_of_the_first_version_comes_back_as_it_was(
    path: Path, lines: Path, target: Path
) -> None:
    path.parent.mkdir()
    path.write_bytes(gzip.decompress(FIRST.read_bytes()))
    before = path.read_bytes()
    assert write(path, lines).rows == read(target, lines).rows == 690
    assert path.read_bytes() == before
    open_store(path).close()
    for table in TABLES:
        assert rows(target, table) == rows(path, table), table
    epochs = {open_and_close(path), open_and_close(target)}
    assert len(epochs) == 2
    again = lines.with_name("again")
    write(target, again)
    assert lines.read_bytes().splitlines()[1:] == again.read_bytes().splitlines()[1:]


def open_and_close(path: Path) -> str:
    store = open_store(path)
    store.close()
    return store.epoch


def test_a_key_that_was_used_stays_used(
    path: Path, lines: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "KEYS_AT_ONCE", 7)
    path.parent.mkdir()
    history = filled(path)
    write(path, lines)
    read(target, lines)
    assert holds(target, history)

    async def say_again() -> None:
        store = open_store(target)
        for number in (0, 24, 49):
            again = history.fork()
            taken = await store.append(again.say(f"k{number}")).wait()
            assert isinstance(taken, KeysTaken)
        store.close()

    trio.run(say_again)


def test_an_imported_store_answers_as_the_store_in_memory_does(
    path: Path, lines: Path, target: Path
) -> None:
    async def compare() -> None:
        memory, store = MemoryStore(sources()), open_store(path)
        history = History(BEN, CLEO)
        turns = [history.begin()]
        history.state.number = 1
        turns += [history.say("a", None, "b"), history.tell("to Ben", sender=BEN)]
        turns += [history.join(DAN), history.mark(3, CLEO), history.leave(BEN), history.say("c")]
        for turn in turns:
            for each in (memory, store):
                outcome = await each.append(turn).wait()
                assert isinstance(outcome, Appended)
        store.close()
        write(path, lines)
        read(target, lines)
        imported = open_store(target)
        state = await memory.load(history.id).wait()
        assert state is not None
        assert await imported.load(history.id).wait() == state
        questions: list[Callable[[Any], Any]] = [
            lambda each: each.read(1, limit=9),
            lambda each: each.read(1, after=3, limit=2),
            lambda each: each.keys_among(1, [("ada", "a"), ("ada", "b"), ("ada", "never")]),
            lambda each: each.messages_after(1, 3),
            lambda each: each.senders_among(1, range(9)),
            lambda each: each.listing(CLEO.id, limit=9),
            lambda each: each.listing(DAN.id, limit=9),
        ]
        for ask in questions:
            answers = [await ask(each).wait() for each in (memory, imported)]
            assert answers[0] == answers[1]
            assert answers[0]
        imported.close()

    trio.run(compare)


def test_an_export_that_is_ended_goes_on_where_it_was(path: Path, lines: Path) -> None:
    path.parent.mkdir()
    history = filled(path)
    write(path, lines)
    whole = lines.read_bytes().splitlines()
    lines.unlink()
    for line in (1, 20, len(whole) - 2):
        with pytest.raises(Cut):
            write(path, lines, progress=cut_at(line))
        partial = lines.with_name("salon.ndjson.partial")
        partial.write_bytes(
            partial.read_bytes()[:-3]
        )  # a line of which a power cut has left a part

    async def talk() -> None:
        store = open_store(path)
        await store.append(history.say("later")).wait()
        store.close()

    trio.run(talk)
    write(path, lines)
    assert lines.read_bytes().splitlines()[1:] == whole[1:]


KILLED = """
import os, signal, sys
from pathlib import Path
from salon.persistence import importing
from salon.persistence.contents import open_contents
from tests.unit.history import sources
importing.BATCH = 10
def progress(done, of):
    if done == 35:
        os.kill(os.getpid(), signal.SIGKILL)
target, lines = map(Path, sys.argv[1:])
importing.import_export(target, lines, open_contents(target.with_name("files")), sources(), progress)
"""


def test_an_import_that_is_killed_goes_on_where_it_was(
    path: Path, lines: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    history = filled(path)
    write(path, lines)
    target.parent.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, target, lines], env=environment(), check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert not target.exists()
    with closing(sqlite3.connect(f"{target}.importing")) as connection:
        taken = connection.execute("SELECT count(*) FROM events").fetchone()[0]
    assert 0 < taken < 51
    stored: list[object] = []
    insert = importing.insert_of
    monkeypatch.setattr(importing, "insert_of", lambda shape: stored.append(0) or insert(shape))
    done = read(target, lines)
    assert done.rows - len(stored) == 30  # of 35, three batches were committed
    assert holds(target, history)


def test_contents_of_files_come_with_their_rows(path: Path, lines: Path, target: Path) -> None:
    contents = [b"", b"small", os.urandom(PIECE), os.urandom(2 * PIECE + 1), b"deleted"]
    names = add_files(path, contents)
    folder = open_contents(path.with_name("files"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE files SET gone = 1 WHERE content = ?", (names[-1],))
        connection.commit()
    folder.delete(names[-1])
    for line in range(6, 11):  # after each of their lines
        with pytest.raises(Cut):
            write(path, lines, files=True, progress=cut_at(line))
    assert write(path, lines, files=True)[1:] == (4, 0)
    assert read(target, lines)[1:] == (4, 0)
    copied = open_contents(target.with_name("files"))
    for name, content in zip(names[:-1], contents, strict=False):
        assert b"".join(copied.read(name, 0, len(content))) == content


def test_a_content_that_was_deleted_meanwhile_is_left_out_and_one_that_fails_is_not(
    path: Path, lines: Path, target: Path
) -> None:
    names = add_files(path, [b"one", b"two", b"three"])
    folder = open_contents(path.with_name("files"))
    folder.delete(names[1])
    with pytest.raises(StoreError, match="no such file"):
        write(path, lines, files=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE files SET gone = 1 WHERE content = ?", (names[1],))
        connection.commit()
    assert write(path, lines, files=True)[1:] == (2, 1)
    assert read(target, lines)[1:] == (2, 1)


def add_files(path: Path, contents: list[bytes]) -> list[str]:
    open_store(path).close()
    folder = open_contents(path.with_name("files"))
    names = [sha256(content).hexdigest() for content in contents]
    with closing(sqlite3.connect(path)) as connection:
        for name, content in zip(names, contents, strict=True):
            given = path.with_name("given")
            given.write_bytes(content)
            folder.put(name, given)
            connection.execute(
                "INSERT INTO files (file_id, conversation, uploader, content, name, media_type, size, uploaded_at) "
                "VALUES (?, 1, 'ada', ?, 'a.txt', 'text/plain', ?, 0)",
                (name[:20], name, len(content)),
            )
        connection.commit()
    return names


def test_what_was_deleted_is_not_exported(path: Path, lines: Path) -> None:
    path.parent.mkdir()
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        hide(connection, 1, 1_700_000_000_000)  # as a server that is killed before it erases
    write(path, lines)
    assert b"say k" not in lines.read_bytes()
    assert b"conversation_created" not in lines.read_bytes()
    assert json.loads(lines.read_bytes().splitlines()[0])["rows"]["events"] == 1


def wrong(path: Path) -> Iterator[tuple[bytes, str]]:
    """Exports that are not as they were written, and what is said about each."""
    text = path.read_bytes()
    first, *others = text.splitlines(keepends=True)
    head = json.loads(first)
    yield b"notes\n" + text, "line 1: this is no export"
    yield b"", "line 1: this is no export"
    yield json.dumps(head | {"salon_export": 2}).encode() + b"\n", "line 1: it has the form 2"
    yield json.dumps(head | {"schema": "9999"}).encode() + b"\n", "a newer version wrote it"
    yield text[: len(text) // 2], "it is cut off or changed"
    yield first + b"".join(others[:-1]), "it is cut off"
    yield first + b"".join(others[1:]), "the rows of .* are not those that were exported"
    yield first + others[0] + b"".join(others), "conversations cannot have it: UNIQUE"
    yield text.replace(b"say k7", b"say k8"), "the rows of events are not those"
    yield first + b'{"table":"meta","row":{}}\n', "line 2: there is no table 'meta'"
    yield first + b'{"table":"events; DROP","row":{}}\n', "line 2: there is no table 'events; DROP'"
    yield first + b'{"table":"events","row":{"at":1}}\n', "line 2: events has the columns position"
    yield first + b'{"content":"ab","at":5,"size":9,"data":""}\n', "does not go on here"
    content = {"content": "ab", "at": 0, "size": 1, "data": base64.b64encode(b"x").decode()}
    yield first + json.dumps(content).encode() + b"\n", "line 2: the content ab is another"
    yield first + b'{"row":1}\n', "line 2: it is no row and no content"


def test_an_export_that_is_not_as_it_was_written_makes_no_store(
    path: Path, lines: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 1)
    path.parent.mkdir()
    history = filled(path)
    write(path, lines)
    faulty = lines.with_name("faulty")
    for number, (text, said) in enumerate(wrong(lines)):
        faulty.write_bytes(text)
        place = target.with_name(f"{number}.db")
        with pytest.raises(StoreError, match=said):
            read(place, faulty, progress=lambda *_: None)
        assert not place.exists()
    # What another export has begun is not mixed with this.
    with pytest.raises(Cut):
        read(target, lines, progress=cut_at(20))
    write(path, lines.with_name("other"))
    with pytest.raises(StoreError, match="another export was begun"):
        read(target, lines.with_name("other"))
    read(target, lines)
    assert holds(target, history)


def test_nothing_is_imported_over_something(path: Path, lines: Path, target: Path) -> None:
    path.parent.mkdir()
    history = filled(path)
    write(path, lines)
    with pytest.raises(StoreError, match="there is something in it"):
        read(path, lines)
    server = open_store(path)
    with pytest.raises(StoreError, match="another server has it open"):
        read(path, lines)
    server.close()
    assert holds(path, history)
    open_store(target).close()  # empty
    read(target, lines)
    assert holds(target, history)
    with pytest.raises(StoreError, match="exists already"):
        write(path, lines)


def test_a_later_version_takes_an_export_of_this_one(
    path: Path, lines: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_every_table(path)
    write(path, lines)
    scripts = tmp_path / "newer"
    shutil.copytree(migration.SCRIPTS, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "9999_another.py").write_text(
        NEXT.format(newest=exporting.NEWEST, end="")
    )
    monkeypatch.setattr(migration, "SCRIPTS", scripts)
    monkeypatch.setattr(file, "NEWEST", "9999")
    read(target, lines)
    assert rows(target, "alembic_version") == [("9999",)]
    assert rows(target, "events") == rows(path, "events")
    assert [row[:-1] for row in rows(target, "guests")] == rows(path, "guests")


def test_the_commands_say_what_they_have_done(path: Path, lines: Path, target: Path) -> None:
    add_files(path, [b"one"])
    old, new = (["--store", f"sqlite:///{each}"] for each in (path, target))
    shutil.move(path.with_name("files"), f"{path}.files")
    done = processes.run(["export", lines, *old], env={})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Wrote {lines}: 1 rows, 0 contents of files\n"
    done = processes.run(["import", lines, *new], env={})
    assert done.stdout == f"Filled {target}: 1 rows, 0 contents, as exported\n"
    assert f"1 contents of files are not in the export: copy them to {target}.files" in done.stderr
    again = processes.run(["import", lines, *new], env={})
    assert (again.returncode, again.stdout) == (1, "")
    assert "there is something in it" in again.stderr
