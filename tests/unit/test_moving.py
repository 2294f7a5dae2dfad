"""`salon migrate`, and export and import with PostgreSQL: every row comes as it was, or none does."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio

from salon.actors.store import Appended, KeysTaken, StoreError
from salon.persistence import resolve
from salon.persistence.export_rows import TABLES
from salon.persistence.exporting import export
from salon.persistence.sql import SqlStore
from salon.persistence.transfer import move_store, source_of
from tests import processes
from tests.postgres import Databases
from tests.unit.history import History, sources
from tests.unit.stores import filled, log_of
from tests.unit.test_export import FIRST, fill_every_table, nothing, rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    with databases.one() as url:
        yield url


def move(former: object, new: object) -> Any:
    return move_store(str(former), str(new), sources(), lambda _: None)


def file(path: Path) -> str:
    return f"sqlite:///{path}"


def lines_of(url: str, target: Path) -> list[bytes]:
    """The lines of an export, without the first, which names the export."""
    export(source_of(url, sources()), target, None, sources(), nothing)
    return target.read_bytes().splitlines()[1:]


def test_every_row_of_every_table_is_moved_there_and_back_as_it_was(path: Path, url: str) -> None:
    fill_every_table(path)
    there = move(file(path), url)
    assert there.rows == 3 * len(TABLES)
    back = path.with_name("back.db")
    assert move(url, file(back)) == there
    for table in TABLES:
        assert rows(back, table) == rows(path, table), table


def test_a_store_of_the_first_version_is_moved_and_exported_as_it_was(
    path: Path, url: str, tmp_path: Path
) -> None:
    path.write_bytes(gzip.decompress(FIRST.read_bytes()))
    before = path.read_bytes()
    moved = move(file(path), url)
    assert (moved.rows, moved.conversations, moved.events) == (690, 12, 630)
    assert path.read_bytes() == before
    assert lines_of(url, tmp_path / "new") == lines_of(file(path), tmp_path / "old")


async def test_what_was_moved_answers_as_before_and_goes_on(path: Path, url: str) -> None:
    history = await trio.to_thread.run_sync(filled, path)
    with closing(resolve(file(path), sources())) as store:
        former = await log_of(store, history.id)
        epoch = store.epoch
    move(file(path), url)
    with closing(resolve(url, sources())) as store:
        assert await log_of(store, history.id) == former
        assert await store.load(history.id).wait() == history.state
        assert isinstance(await store.append(history.fork().say("k7")).wait(), KeysTaken)
        assert isinstance(await store.append(history.say("new")).wait(), Appended)
        other = History()
        begun = await store.append(other.begin()).wait()
        assert begun == Appended(history.state.number + 1)
        page = await store.common_log(len(former)).wait()
        assert [entry.record.sequence for entry in page.entries] == [len(former) + 1, 1]
        assert store.epoch != epoch


@pytest.mark.parametrize("into", ["file", "database"])
def test_a_move_that_fails_leaves_nothing_behind(path: Path, url: str, into: str) -> None:
    fill_every_table(path)
    former, new = file(path), url
    if into == "file":
        move(former, url)
        former, new = url, file(path.with_name("new.db"))

    def fail(done: int) -> None:
        if done > 3:
            raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        move_store(former, new, sources(), fail)
    left = [each.name for each in path.parent.iterdir() if not each.name.startswith("salon.db")]
    assert left == []
    if into == "database":
        with psycopg.connect(url) as connection:
            for table in (*TABLES, "nodes"):
                assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        assert move(former, url).rows == 3 * len(TABLES)


def test_nothing_is_moved_over_something_or_under_a_server(path: Path, url: str) -> None:
    fill_every_table(path)
    with closing(resolve(url, sources())) as store:
        assert not isinstance(store, SqlStore)
        with pytest.raises(StoreError, match="another server uses this database"):
            move(file(path), url)
    move(file(path), url)
    with pytest.raises(StoreError, match="there is something in it"):
        move(file(path), url)
    with pytest.raises(StoreError, match="exists already"):
        move(url, file(path))


def test_the_commands_move_export_and_import(
    path: Path, url: str, databases: Databases, tmp_path: Path
) -> None:
    filled(path)
    path.with_name("salon.db.key").write_text("k" * 43)
    place = {"XDG_DATA_HOME": str(tmp_path / "data")}

    def run(*words: object) -> str:
        done = processes.run([*map(str, words)], env=place)
        assert done.returncode == 0, done.stderr
        return done.stdout

    told = run("migrate", "--from", file(path), "--to", url)
    assert "1 conversations, 51 events, each compared" in told
    (key,) = (tmp_path / "data" / "salon").glob("postgresql-*.key")
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("k" * 43, 0o600)
    lines = tmp_path / "lines"
    run("export", lines, "--store", url)
    with databases.one() as other:
        assert "as exported" in run("import", lines, "--store", other)
        assert not list((tmp_path / "data" / "salon").glob("*.imported*"))
        assert lines_of(other, tmp_path / "a") == lines_of(url, tmp_path / "b")
        again = processes.run(["import", str(lines), "--store", other], env=place)
        assert "there is something in it" in again.stderr


def test_a_backup_of_a_database_is_its_own_affair(url: str, tmp_path: Path) -> None:
    for words in (["backup", tmp_path / "b"], ["restore", tmp_path / "b"]):
        done = processes.run([*map(str, words), "--store", url], env={})
        assert done.returncode == 1
        assert "see docs/postgresql.md" in done.stderr
