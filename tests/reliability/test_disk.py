"""Disks that are full, read-only or taken away. What cannot be stored is refused, and all goes on afterwards."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from tests.disk import SIZE, check, mounted, say
from tests.person import PATIENCE, Frame, guests
from tests.server import ServerProcess
from tests.traffic import Listener, Speaker, keys, numbers, until


class SmallFiles:
    """A server whose files may get no longer than a limit says."""

    def __init__(self, folder: Path) -> None:
        self.server = ServerProcess(folder)

    def shrink(self, left: int) -> None:
        """Leave so many bytes."""
        log = self.server.path.with_name("salon.db-wal")
        self._limit(log.stat().st_size + left)

    def grow(self) -> None:
        """Leave all there is."""
        self._limit(1 << 40)

    def _limit(self, size: int) -> None:
        _, most = resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE)
        soft = size if most == resource.RLIM_INFINITY else min(size, most)
        resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE, (soft, most))


class SmallDisk(SmallFiles):
    """A server on a file system of its own, with a file that takes up what is left."""

    def shrink(self, left: int) -> None:
        self.grow()
        disk = os.statvfs(self._filler.parent)
        self._filler.write_bytes(bytes(max(0, disk.f_bavail * disk.f_bsize - left)))

    def grow(self) -> None:
        self._filler.unlink(missing_ok=True)

    @property
    def _filler(self) -> Path:
        return self.server.path.with_name("filler")


@pytest.fixture
def small_disk(tmp_path: Path, tell: Callable[[str], None]) -> Iterator[SmallDisk]:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=8m", "tmpfs") as may:
        if not may:
            tell(
                "NOT TRIED: a full file system, since nothing may be mounted here; full files were"
            )
            pytest.skip("nothing may be mounted here")
        disk = SmallDisk(tmp_path)
        yield disk
        disk.grow()
        disk.server.stop()


@pytest.fixture
def small_files(tmp_path: Path) -> Iterator[SmallFiles]:
    files = SmallFiles(tmp_path)
    yield files
    files.server.stop()


@pytest.fixture(params=["small_disk", "small_files"])
def room(request: pytest.FixtureRequest) -> SmallFiles:
    """Where a server has room or has not, by both ways."""
    found: SmallFiles = request.getfixturevalue(request.param)
    return found


async def test_a_full_disk_refuses_what_it_cannot_store_and_goes_on_once_there_is_room(
    room: SmallFiles,
) -> None:
    server = room.server
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    listener = Listener(bob)
    stored: dict[str, Frame] = {}
    refused: dict[str, Frame] = {}
    with trio.fail_after(4 * PATIENCE):
        async with trio.open_nursery() as nursery, ada.tab(conversation_id) as tab:
            nursery.start_soon(listener.listen, conversation_id, 1_000_000)
            await say(tab, stored, refused, [f"before {n}" for n in range(20)])
            assert not refused
            room.shrink(100_000)
            for n in range(1000):
                await say(tab, stored, refused, [f"while {n}"])
                if len(refused) >= 5:
                    break
            assert len(refused) == 5
            for refusal in refused.values():
                assert refusal["code"] == "STORE_UNAVAILABLE"
                assert refusal["temporary"]
                assert refusal["retry_after"] > 0
            # Over HTTP too; what is there can still be read, and the server says that it is up.
            answer = await ada.call(
                "POST", f"/chat/{conversation_id}/messages", {"content": "x" * SIZE}
            )
            assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
            assert int(answer.headers["Retry-After"]) > 0
            assert set(keys(await bob.history(conversation_id))) == set(stored)
            assert (await ada.call("GET", "/health")).status_code == 200
            assert "make room" in server.log or "whether it is full" in server.log

            room.grow()
            again = list(refused)
            refused.clear()
            await say(tab, stored, refused, [*again, *(f"after {n}" for n in range(20))])
            assert not refused
            await listener.wait_heard(len(stored) + 1)
            nursery.cancel_scope.cancel()
    log = await check(ada, conversation_id, stored)
    assert listener.events == log
    server.kill()
    server.start()
    assert await check(ada, conversation_id, stored) == log
    assert "Traceback" not in server.log


async def test_a_disk_that_is_full_when_the_log_is_copied_into_the_file_costs_nothing_that_was_stored(
    small_disk: SmallDisk,
) -> None:
    server = small_disk.server
    ada = (await guests(server, "Ada"))[0]
    conversation_id = await ada.create()
    speaker = Speaker(ada, 600, window=50, size=SIZE)  # so much is worth copying
    stored: dict[str, Frame] = {}
    refused: dict[str, Frame] = {}
    with trio.fail_after(4 * PATIENCE):
        await speaker.speak(conversation_id)
        small_disk.shrink(400_000)
        await until(lambda: "make room" in server.log)  # the file would have to grow by all of it
        async with ada.tab(conversation_id) as tab:
            await say(tab, stored, refused, ["what", "still", "fits"])
        assert {refusal["code"] for refusal in refused.values()} <= {"STORE_UNAVAILABLE"}
        server.kill()
        server.start()
        await check(ada, conversation_id, stored | speaker.receipts)

        server.kill()
        small_disk.shrink(0)
        server.start()  # what is there can be read without any room
        await check(ada, conversation_id, stored | speaker.receipts)
        small_disk.grow()
        assert server.stop() == 0
        server.start()
        await check(ada, conversation_id, stored | speaker.receipts)


@contextmanager
def read_only(folder: Path) -> Iterator[bool]:
    """Nobody can write there; whether this can be had."""
    if os.geteuid():
        folder.chmod(0o500)
        yield True
        folder.chmod(0o700)
        return
    with mounted(folder, "--bind", f"{folder}") as may:
        yield may and not subprocess.call(["mount", "-o", "remount,bind,ro", f"{folder}"])


async def test_a_file_that_cannot_be_written_is_refused_at_the_start_and_taken_once_it_can(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    server = ServerProcess(tmp_path)
    ada = (await guests(server, "Ada"))[0]
    conversation_id = await ada.create()
    await ada.say(conversation_id, "before")
    server.kill()
    data = tmp_path / "data"
    data.mkdir()
    for suffix in ("", "-wal", "-shm", ".key"):
        server.path.with_name(f"salon.db{suffix}").rename(data / f"salon.db{suffix}")
    server.store = f"sqlite:///{data / 'salon.db'}"
    with read_only(data) as may:
        if not may:
            tell("NOT TRIED: a file system that is read-only, since nothing may be mounted here")
            pytest.skip("nothing may be mounted here")
        with pytest.raises(
            AssertionError, match=r"(read-only file system|permission denied): see who owns it"
        ):
            server.start()
    server.start()
    await ada.say(conversation_id, "after")
    assert numbers(await ada.history(conversation_id)) == [1, 2, 3]
    server.stop()


@pytest.mark.parametrize("suffix", ["", "-wal"], ids=["the file", "its log"])
async def test_what_is_moved_away_in_use_is_missed_at_once_and_taken_back(
    own_server: ServerProcess, suffix: str
) -> None:
    ada = (await guests(own_server, "Ada"))[0]
    conversation_id = await ada.create()
    stored: dict[str, Frame] = {}
    refused: dict[str, Frame] = {}
    path = own_server.path.with_name(f"salon.db{suffix}")
    async with ada.tab(conversation_id) as tab:
        await say(tab, stored, refused, ["before"])
        path.rename(path.with_name("elsewhere"))
        await say(tab, stored, refused, ["while"])
        assert refused.pop("while")["code"] == "STORE_UNAVAILABLE"
        assert (await ada.call("POST", "/auth/guest", {"name": "Bob"})).status_code == 503
        assert "put them back, and writing goes on by itself" in own_server.log
        path.touch()  # something else in its place is no better
        await say(tab, stored, refused, ["while"])
        assert refused.pop("while")["code"] == "STORE_UNAVAILABLE"
        path.with_name("elsewhere").rename(path)
        await say(tab, stored, refused, ["while", "after"])
    assert not refused
    own_server.kill()
    own_server.start()
    await check(ada, conversation_id, stored)
