"""What is opened and what is refused, with words that help; migrations and backups."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import StaticPool, create_engine

from salon.actors.store import Appended, StoreError
from salon.persistence import backup, file, migrations, resolve
from salon.persistence.file import File
from salon.persistence.schema import metadata
from salon.persistence.sql import SqlStore
from tests.unit.history import History, sources

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


def open_store(path: Path) -> SqlStore:
    return SqlStore.open(f"sqlite:///{path}", sources())


def refusal(path: Path) -> str:
    """What the operator reads; and the file must not be held after it."""
    with pytest.raises(StoreError) as caught:
        open_store(path)
    return str(caught.value)


def filled(path: Path, messages: int = 50) -> History:
    """A closed store of one conversation."""
    history = History()

    async def fill() -> None:
        store = open_store(path)
        outcome = await store.append(history.begin()).wait()
        assert isinstance(outcome, Appended)
        history.state.number = outcome.number
        for n in range(messages):
            await store.append(history.say(f"k{n}")).wait()
        store.close()

    trio.run(fill)
    return history


def holds(path: Path, history: History) -> bool:
    """Whether a store at the path has the conversation, as it should be."""

    async def look() -> bool:
        store = open_store(path)
        try:
            return bool(await store.load(history.id).wait() == history.state)
        finally:
            store.close()

    return trio.run(look)


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom permissions stop: root they do not."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


# --- which store --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "postgresql://x/y", "memory", "memory:x", "/a/path.db", "sqlite", "redis:"]
)
def test_an_unknown_url_is_refused_with_those_that_are_known(url: str) -> None:
    with pytest.raises(StoreError, match="memory: and sqlite:///PATH"):
        resolve(url, sources())


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_store_without_a_path_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="sqlite:///PATH"):
        resolve(url, sources())


def test_a_path_may_hold_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "a ?b#c%20é" / "x;y&mode=ro.db"
    history = filled(path)
    assert path.is_file()
    assert holds(path, history)


def test_a_relative_path_begins_where_the_server_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resolve("sqlite:///x.db", sources()).close()
    assert (tmp_path / "x.db").is_file()


def test_a_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    resolve("sqlite:///~/x.db", sources()).close()
    assert (tmp_path / "x.db").is_file()


# --- making and locking -------------------------------------------------------------------------------------------------


def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "newer" / "salon.db"
    store = open_store(path)
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    store.close()


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    open_store(path).close()


def test_a_second_server_is_refused_while_the_first_runs(path: Path, tmp_path: Path) -> None:
    store = open_store(path)
    (tmp_path / "link.db").symlink_to(path)
    script = (
        "import sys; from salon.persistence.sql import SqlStore\n"
        "from tests.unit.history import sources\n"
        "SqlStore.open(sys.argv[1], sources())"
    )
    root = str(Path(__file__).parents[2])
    other = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{path}"],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, root])},
    )
    for text in (other.stderr, refusal(path), refusal(tmp_path / "link.db")):
        assert f"another server has it open (process {os.getpid()})" in text
        assert "stop that one first" in text
    store.close()
    open_store(path).close()


def test_a_server_that_could_not_start_holds_nothing(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)
    refusal(path)
    path.unlink()
    open_store(path).close()


# --- what is refused ----------------------------------------------------------------------------------------------------


def test_what_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    content = b"Dear diary, " * 1000
    path.write_bytes(content)
    assert "no SQLite database: name another with --store" in refusal(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url)")
    other.close()
    content = path.read_bytes()
    assert "a database of another program" in refusal(path)
    assert path.read_bytes() == content


def test_a_directory_is_refused(path: Path) -> None:
    path.mkdir()
    assert "this is no file" in refusal(path)


def test_a_path_through_a_file_is_refused(path: Path) -> None:
    path.write_text("")
    text = refusal(path / "below" / "salon.db")
    assert str(path) in text
    assert "directory" in text


def test_a_damaged_file_says_what_to_do(path: Path) -> None:
    history = filled(path, messages=300)
    content = bytearray(path.read_bytes())
    for at in range(4096, len(content), 4096):  # every page but the first
        content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)
    assert "the file is damaged" in refusal(path)
    assert "restore a backup" in refusal(path)
    assert path.read_bytes() == content
    assert history.records


def test_damage_that_shows_later_fails_what_meets_it(path: Path) -> None:
    history = filled(path, messages=300)
    connection = sqlite3.connect(path)
    of_events = "SELECT rootpage FROM sqlite_schema WHERE name = 'events'"
    page = connection.execute(of_events).fetchone()[0]
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : (page - 1) * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    if "damaged" in (text := refusal_or_nothing(path)):
        return  # what the start looks at was hit

    async def meet() -> None:
        store = open_store(path)
        with pytest.raises(StoreError, match="the file is damaged"):
            await store.read(history.state.number).wait()
        store.close()

    assert not text
    trio.run(meet)


def refusal_or_nothing(path: Path) -> str:
    try:
        open_store(path).close()
    except StoreError as error:
        return str(error)
    return ""


@pytest.fixture
def of_nobody() -> Iterator[Path]:
    """A directory that an unprivileged user owns, on a path that they can walk; pytest's own is for its owner alone."""
    directory = Path(tempfile.mkdtemp())
    if not os.geteuid():
        os.chown(directory, NOBODY, NOBODY)
    yield directory
    directory.chmod(0o700)
    shutil.rmtree(directory)


def test_a_directory_that_cannot_be_written_is_refused(of_nobody: Path) -> None:
    of_nobody.chmod(0o500)
    with unprivileged():
        text = refusal(of_nobody / "salon.db")
        assert "permission denied: see who owns it" in text
        text = refusal(of_nobody / "below" / "salon.db")
        assert "permission denied: see who owns it" in text


@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_a_file_that_cannot_be_written_is_refused(of_nobody: Path, mode: int) -> None:
    path = of_nobody / "salon.db"
    with unprivileged():
        open_store(path).close()
        path.chmod(mode)
        assert "permission denied: see who owns it" in refusal(path)
        path.chmod(0o600)
        open_store(path).close()


def test_a_file_that_another_program_writes_to_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(path)
    monkeypatch.setattr(file, "BUSY", 0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "another program holds it locked" in refusal(path)
    other.execute("ROLLBACK")
    other.close()
    open_store(path).close()


# --- migrations ---------------------------------------------------------------------------------------------------------

NEXT = '''
"""Another."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "0001"

def upgrade():
    op.create_table("added", sa.Column("id", sa.Integer, primary_key=True))
    op.add_column("guests", sa.Column("added", sa.Text))
    {end}
'''


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The scripts of a later version."""
    scripts = tmp_path / "100% newer"
    shutil.copytree(migrations.HERE, scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "versions" / "9999_another.py").write_text(NEXT.format(end=""))
    return scripts


def schema_of(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    connection.close()
    return names


def test_the_migrations_make_the_schema_that_the_code_describes(path: Path) -> None:
    open_store(path).close()
    connection = sqlite3.connect(path)
    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    with engine.connect() as alchemy:
        assert compare_metadata(MigrationContext.configure(alchemy), metadata) == []
    without_rowid = {
        row[0]
        for row in connection.execute(
            "SELECT name FROM sqlite_schema WHERE sql LIKE '%WITHOUT ROWID%'"
        )
    }
    described = {
        name
        for name, table in metadata.tables.items()
        if not table.dialect_options["sqlite"]["with_rowid"]
    }
    assert without_rowid == described
    connection.close()


def test_an_older_file_is_upgraded(
    path: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(path)
    monkeypatch.setattr(migrations, "HERE", newer)
    assert holds(path, history)
    assert "added" in schema_of(path)


def test_an_upgrade_that_fails_changes_nothing(
    path: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(path)
    failing = NEXT.format(end='op.execute("INSERT INTO nowhere VALUES (1)")')
    (newer / "versions" / "9999_another.py").write_text(failing)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "HERE", newer)
        assert "nowhere" in refusal(path)
    assert "added" not in schema_of(path)
    assert holds(path, history)


def test_a_newer_file_is_refused_and_left_alone(
    path: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = filled(path)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "HERE", newer)
        open_store(path).close()
        content = path.read_bytes()
    text = refusal(path)
    assert "a newer version wrote it (schema 9999)" in text
    assert "install that version" in text
    assert path.read_bytes() == content
    monkeypatch.setattr(migrations, "HERE", newer)
    assert holds(path, history)


# --- backups ------------------------------------------------------------------------------------------------------------


async def test_a_backup_of_a_live_store_is_whole(path: Path, tmp_path: Path) -> None:
    store = open_store(path)
    histories: list[History] = []

    async def talk() -> None:
        history = History()
        outcome = await store.append(history.begin()).wait()
        assert isinstance(outcome, Appended)
        history.state.number = outcome.number
        histories.append(history)
        while True:
            await store.append(history.say(None, None, None)).wait()

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(talk)
        for n in range(5):
            await store.backup(tmp_path / f"copy{n}.db").wait()
        nursery.cancel_scope.cancel()
    for n in range(5):
        copy = open_store(tmp_path / f"copy{n}.db")
        for history in histories:
            state = await copy.load(history.id).wait()
            if state is not None:
                assert state.head % 3 == 1  # a turn is all there or not at all
                page = await copy.read(state.number, before=state.head + 1, limit=9).wait()
                assert page.records == tuple(history.records[: state.head][-9:])
        copy.close()
    store.close()


def test_a_backup_is_one_file_for_its_owner_alone(path: Path, tmp_path: Path) -> None:
    filled(path)
    backup(f"sqlite:///{path}", tmp_path / "copy.db")
    assert list(tmp_path.glob("*copy*")) == [tmp_path / "copy.db"]
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert (tmp_path / "copy.db").read_bytes()[
        18:20
    ] == b"\x01\x01"  # no write-ahead log belongs to it


def test_a_backup_can_be_made_from_another_process_while_a_server_runs(
    path: Path, tmp_path: Path
) -> None:
    history = filled(path)
    store = open_store(path)
    script = "import sys; from salon.persistence import backup; backup(sys.argv[1], sys.argv[2])"
    subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{path}", tmp_path / "copy.db"],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    store.close()
    assert holds(tmp_path / "copy.db", history)


def test_a_restored_copy_has_another_epoch_each_time(path: Path, tmp_path: Path) -> None:
    filled(path)
    store = open_store(path)
    epochs = {store.epoch}
    store.close()
    backup(f"sqlite:///{path}", tmp_path / "copy.db")
    for n in range(2):
        restored = tmp_path / f"restored{n}.db"
        restored.write_bytes((tmp_path / "copy.db").read_bytes())
        store = open_store(restored)
        epochs.add(store.epoch)
        store.close()
        store = open_store(restored)
        assert store.epoch in epochs
        store.close()
    assert len(epochs) == 3


def test_a_backup_never_takes_the_place_of_a_file(path: Path, tmp_path: Path) -> None:
    filled(path)
    for target in (tmp_path / "notes.txt", path):
        content = target.read_bytes() if target.exists() else b"precious"
        target.write_bytes(content)
        with pytest.raises(StoreError, match="exists already"):
            backup(f"sqlite:///{path}", target)
        assert target.read_bytes() == content


def test_a_backup_of_nothing_makes_nothing(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such store"):
        backup(f"sqlite:///{path}", tmp_path / "copy.db")
    with pytest.raises(StoreError, match="only a store at sqlite:///PATH"):
        backup("memory:", tmp_path / "copy.db")
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="no SQLite database"):
        backup(f"sqlite:///{path}", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == [path]


def test_a_backup_that_finds_no_place_leaves_nothing(path: Path, tmp_path: Path) -> None:
    filled(path)
    with pytest.raises(StoreError, match="no such file or directory"):
        backup(f"sqlite:///{path}", tmp_path / "nowhere" / "copy.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(StoreError, match="full"):
            backup(f"sqlite:///{path}", tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.glob("*copy*")) == []


def test_a_file_object_gives_its_lock_back(path: Path) -> None:
    first = File(path)
    first.open(sources()).close()
    first.release()
    second = File(path)
    second.open(sources()).close()
    second.release()
