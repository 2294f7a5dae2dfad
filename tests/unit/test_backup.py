"""Copies of a store, live or not."""

from __future__ import annotations

import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from salon.actors.store import StoreError
from salon.persistence import backup, snapshot
from tests.disk import mounted
from tests.unit.history import History
from tests.unit.stores import begin, environment, filled, holds, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "salon.db"


async def test_a_backup_of_a_live_store_is_whole(path: Path, tmp_path: Path) -> None:
    store = open_store(path)
    histories: list[History] = []

    async def talk() -> None:
        history = await begin(store)
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
        env=environment(),
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


def test_a_backup_can_be_made_where_files_have_one_name_only(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    history = filled(path)
    monkeypatch.setattr(snapshot.os, "link", refuse)
    backup(f"sqlite:///{path}", tmp_path / "copy.db")
    assert list(tmp_path.glob("*copy*")) == [tmp_path / "copy.db"]
    assert holds(tmp_path / "copy.db", history)


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
    with pytest.raises(StoreError, match="there is no such folder"):
        backup(f"sqlite:///{path}", tmp_path / "nowhere" / "copy.db")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(StoreError, match="full"):
            backup(f"sqlite:///{path}", tmp_path / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.glob("*copy*")) == []


def test_a_full_disk_is_named_and_nothing_is_left_on_it(path: Path, tmp_path: Path) -> None:
    filled(path)
    small = tmp_path / "small"
    small.mkdir()
    with mounted(small, "-t", "tmpfs", "-o", "size=40k", "tmpfs") as can:
        if not can:
            pytest.skip("nothing may be mounted here")
        with pytest.raises(
            StoreError, match=f"^{small}/copy.db: the disk is full: make room, then call"
        ):
            backup(f"sqlite:///{path}", small / "copy.db")
        assert list(small.iterdir()) == []
