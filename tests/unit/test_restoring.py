"""`salon restore` and `salon upgrade`: the store's file is replaced whole or not at all, and tried before it is changed."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from salon.actors.store import StoreError
from salon.persistence import backup, rehearsal
from salon.persistence.migrations import NEWEST
from salon.persistence.rehearsal import rehearse
from salon.persistence.restoring import restore
from tests import processes
from tests.unit.history import History, sources
from tests.unit.stores import environment, filled, holds, open_store

FIRST = Path(__file__).parents[1] / "stores" / "first.db.gz"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Iterator[tuple[Path, History]]:
    """A backup of a store that is there no more."""
    history = filled(path)
    copy = tmp_path / "copies" / "salon.db"
    copy.parent.mkdir()
    backup(f"sqlite:///{path}", copy)
    before = copy.read_bytes()
    path.unlink()
    yield copy, history
    assert copy.read_bytes() == before


def files(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.parent.iterdir() if each.is_file()} | {
        f"{path.name}.lock": b""
    }


def epoch(path: Path) -> str:
    store = open_store(path)
    store.close()
    return store.epoch


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_the_former_store_is_moved_aside_whole(path: Path, copy: tuple[Path, History]) -> None:
    former = filled(path)
    before = epoch(path)
    # As a killed server leaves it: what was said last is in the log alone.
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("INSERT INTO meta VALUES ('said last', 'and kept')")
    writer.commit()
    for part in ("", "-wal"):
        shutil.copy(f"{path}{part}", f"{path.with_name('killed')}{part}")
    writer.close()
    for part in ("", "-wal"):
        Path(f"{path.with_name('killed')}{part}").replace(f"{path}{part}")
    done = restore(path, copy[0], "aside")
    assert (done.conversations, done.events, done.contents) == (1, 51, ())
    assert done.aside == path.with_name("salon.db.aside")
    assert path.stat().st_mode & 0o777 == 0o600
    assert holds(path, copy[1])
    assert epoch(path) != before
    assert holds(done.aside, former)
    with closing(sqlite3.connect(done.aside)) as connection:
        assert connection.execute("SELECT 1 FROM meta WHERE name = 'said last'").fetchone()


def test_a_store_that_is_damaged_is_moved_aside_as_it_is(
    path: Path, copy: tuple[Path, History]
) -> None:
    path.write_bytes(b"damage" * 1000)
    Path(f"{path}-wal").write_bytes(b"its log")
    done = restore(path, copy[0], "aside")
    assert done.aside is not None
    assert done.aside.read_bytes() == b"damage" * 1000
    assert Path(f"{done.aside}-wal").read_bytes() == b"its log"
    assert holds(path, copy[1])


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from salon.persistence import restoring
store, copy, folder = map(Path, sys.argv[1:])
sync, steps = restoring.sync, 0
def step(path):
    global steps
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(path)
restoring.sync = step
for last in range(1, 20):
    place = folder / str(last)
    place.mkdir()
    shutil.copy(store, place / "salon.db")
    child = os.fork()
    if not child:
        restoring.restore(place / "salon.db", copy, "aside")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
"""


def test_a_restoring_that_is_killed_leaves_the_former_store_whole_in_one_place(
    path: Path, copy: tuple[Path, History], tmp_path: Path
) -> None:
    former = filled(path)
    folder = tmp_path / "killed"
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-c", KILLED, path, copy[0], folder], env=environment(), check=True
    )
    places = sorted(folder.iterdir(), key=lambda each: int(each.name))
    assert len(places) > 4
    for place in places:
        store, aside = place / "salon.db", place / "salon.db.aside"
        kept = aside if aside.exists() else store
        assert holds(kept, former)
        if place == places[-1]:  # which was not killed
            assert holds(store, copy[1])
        done = restore(store, copy[0], "again")
        assert holds(store, copy[1])
        assert done.aside is None or done.aside.exists()
        assert holds(kept if kept.exists() and kept != store else place / "salon.db.again", former)


def test_a_copy_that_is_no_whole_store_changes_nothing(
    path: Path, copy: tuple[Path, History], tmp_path: Path
) -> None:
    former = filled(path)
    wrong = tmp_path / "wrong.db"
    statements = {
        "DELETE FROM events WHERE sequence = 7": "events of the conversation .* are missing",
        "UPDATE alembic_version SET version_num = '9999'": "a newer version wrote it",
        "DROP TABLE alembic_version": "another program",
    }
    for statement, said in statements.items():
        shutil.copy(copy[0], wrong)
        change(wrong, statement)
        refused(path, wrong, said)
    content = bytearray(copy[0].read_bytes())
    page = int.from_bytes(content[16:18], "big")
    content[-3 * page : -2 * page] = b"\xff" * page
    wrong.write_bytes(content)
    refused(path, wrong, "damaged")
    wrong.write_bytes(b"notes" * 1000)
    refused(path, wrong, "this is no backup")
    refused(path, tmp_path / "nowhere.db", "no such backup")
    refused(path, path, "the store itself")
    assert holds(path, former)


def refused(path: Path, copy: Path, said: str) -> None:
    before = files(path)
    with pytest.raises(StoreError, match=said) as caught:
        restore(path, copy, "aside")
    assert str(caught.value).startswith(f"{copy}: ")
    assert files(path) == before


def test_nothing_is_restored_under_a_server(path: Path, copy: tuple[Path, History]) -> None:
    former = filled(path)
    server = open_store(path)
    with pytest.raises(StoreError, match="another server has it open"):
        restore(path, copy[0], "aside")
    server.close()
    assert holds(path, former)


def test_the_command_says_where_the_former_store_is(path: Path, copy: tuple[Path, History]) -> None:
    store = ["--store", f"sqlite:///{path}"]
    first = processes.run(["restore", copy[0], *store], env={})
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"Restored {path}: 1 conversations, 51 events\n"
    assert f"there is no key at {path}.key" in first.stderr
    Path(f"{path}.key").touch()
    second = processes.run(["restore", copy[0], *store], env={})
    assert second.stderr == ""
    aside = Path(second.stdout.rpartition("The former store is ")[2].strip())
    assert holds(aside, copy[1])
    wrong = processes.run(["restore", aside.with_name("nothing"), *store], env={})
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "nothing: there is no such backup" in wrong.stderr


def test_contents_that_were_deleted_since_the_backup_are_counted(
    path: Path, tmp_path: Path
) -> None:
    filled(path)
    for number in range(3):
        change(
            path,
            "INSERT INTO files (file_id, conversation, uploader, content, name, media_type, size, uploaded_at, gone) "
            f"VALUES ('f{number}', 1, 'ada', 'ab{number}', 'a.txt', 'text/plain', 1, 0, {number == 2})",
        )
    backup(f"sqlite:///{path}", tmp_path / "copy.db")
    content = Path(f"{path}.files/contents/ab/0")
    content.parent.mkdir(parents=True)
    content.touch()
    words = ["restore", tmp_path / "copy.db", "--store", f"sqlite:///{path}"]
    done = processes.run(words, env={})
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("salon: the contents of 1 files were deleted since the backup")


def test_an_upgrade_is_tried_without_changing_the_store(path: Path) -> None:
    path.write_bytes(gzip.decompress(FIRST.read_bytes()))
    before = path.read_bytes()
    found = rehearse(path, sources())
    assert found.revision == "0001"
    assert [revision for revision, _ in found.migrations][-1] == NEWEST
    assert found.seconds is not None
    assert found.grown is not None
    assert found.grown > 0
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]

    store = ["--store", f"sqlite:///{path}"]
    said = processes.run(["upgrade", "--check", *store], env={})
    assert said.returncode == 0, said.stderr
    assert f"  {NEWEST}  " in said.stdout
    assert path.read_bytes() == before
    assert processes.run(["upgrade", *store], env={}).returncode == 0
    assert rehearse(path, sources()).migrations == []
    assert (
        "nothing is to be migrated" in processes.run(["upgrade", "--check", *store], env={}).stdout
    )


def test_an_upgrade_that_cannot_be_done_is_said_before_it_is_tried(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="no such store"):
        rehearse(path, sources())
    path.write_bytes(gzip.decompress(FIRST.read_bytes()))
    with monkeypatch.context() as patch:
        patch.setattr(rehearsal, "_free", lambda _: 3 * path.stat().st_size - 1)
        with pytest.raises(StoreError, match="1 MB are needed"):
            rehearse(path, sources())
    change(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="a newer version wrote it"):
        rehearse(path, sources())
    said = processes.run(["upgrade", "--check", "--store", f"sqlite:///{path}"], env={})
    assert said.returncode == 1
    assert "install that version again" in said.stderr


def test_an_upgrade_can_be_tried_while_a_server_runs(path: Path) -> None:
    filled(path)
    store = open_store(path)
    assert rehearse(path, sources()).migrations == []
    store.close()
