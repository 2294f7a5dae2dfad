"""Which files are opened and which are refused, with words that help."""

from __future__ import annotations

import os
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

from salon.actors.store import StoreError
from salon.persistence import file, resolve
from tests.unit.history import sources
from tests.unit.stores import environment, filled, holds, open_store, refusal

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


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


# --- which store -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["", "mysql://x/y", "memory", "memory:x", "/a/path.db", "sqlite", "redis:"]
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


def test_the_disk_knows_a_new_store_by_all_of_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    actual = file.sync

    def noted(path: Path) -> None:
        actual(path)
        synced.append(path)

    monkeypatch.setattr(file, "sync", noted)
    path = tmp_path / "new" / "newer" / "salon.db"
    open_store(path).close()
    assert {tmp_path, tmp_path / "new", tmp_path / "new" / "newer"} <= set(synced)
    synced.clear()
    open_store(path).close()
    assert tmp_path not in synced


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
    other = subprocess.run(
        [sys.executable, "-c", script, f"sqlite:///{path}"],
        check=False,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
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
