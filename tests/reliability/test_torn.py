"""Files that are torn or cut short: what is opened is a true beginning of the log, and what is not says what to do."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from salon.actors.store import StoreError
from salon.persistence.sql import SqlStore
from tests import processes
from tests.person import Person, static
from tests.server import ServerProcess
from tests.traffic import Speaker
from tests.unit.history import sources
from tests.unit.stores import log_of

CUTS = 40
REFUSED = "refused: "  # at the start
SECTOR = 512
FRAME = 24 + 4096  # bytes of a page in the write-ahead log, with its header
KEPT = 300  # messages in the file
LOGGED = 150  # messages after them, in the write-ahead log alone


@dataclass(frozen=True)
class Remains:
    """What a killed server left: its files, and what was in its log."""

    folder: Path
    conversation_id: str
    bodies: list[bytes]

    @property
    def file(self) -> bytes:
        return (self.folder / "salon.db").read_bytes()

    @property
    def log(self) -> bytes:
        return (self.folder / "salon.db-wal").read_bytes()

    def laid_out(self, target: Path, file: bytes | None = None, log: bytes | None = None) -> Path:
        """The files in another folder, these two replaced."""
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (target / "salon.db").write_bytes(self.file if file is None else file)
        if log != b"":
            (target / "salon.db-wal").write_bytes(self.log if log is None else log)
        return target / "salon.db"


def member(server: ServerProcess) -> Person:
    """Somebody who needs nothing but the configuration."""
    return static(server, "test_token_1", "test_user_1", "Ada")


@pytest.fixture(scope="module")
def remains(tmp_path_factory: pytest.TempPathFactory) -> Remains:
    folder = tmp_path_factory.mktemp("remains")
    server = ServerProcess(folder)

    async def fill() -> str:
        ada = member(server)
        conversation_id = await ada.create()
        await Speaker(ada, KEPT, size=500).speak(conversation_id)
        server.restart()  # what is said so far is in the file
        late = Speaker(ada, KEPT + LOGGED, size=6_000)  # over several pages
        late.messages = dict(list(late.messages.items())[KEPT:])
        late.window = 4  # many commits
        await late.speak(conversation_id)
        server.kill()
        return conversation_id

    conversation_id = trio.run(fill)
    copy = folder / "copy"
    copy.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(folder / f"salon.db{suffix}", copy)
    bodies = trio.run(opened, copy / "salon.db", conversation_id)
    assert isinstance(bodies, list)
    assert len(bodies) == 1 + KEPT + LOGGED
    return Remains(folder, conversation_id, bodies)


async def opened(path: Path, conversation_id: str) -> list[bytes] | str:
    """All that a server would find there, or what it would say."""
    try:
        store = SqlStore.open(f"sqlite:///{path}", sources())
    except StoreError as error:
        return f"{REFUSED}{error}"
    try:
        return [record.body for record in await log_of(store, conversation_id)]
    except StoreError as error:
        return str(error)
    finally:
        store.close()


async def test_a_log_that_is_cut_anywhere_leaves_a_true_beginning(
    remains: Remains, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    whole = remains.log
    luck = random.Random(1)
    ends = [0, 1, 31, 32, 33, 32 + FRAME - 1, 32 + FRAME, len(whole) - 1]
    ends += [luck.randrange(len(whole)) for _ in range(CUTS)]
    lengths = set()
    for end in ends:
        path = remains.laid_out(tmp_path / "cut", log=whole[:end])
        left = await opened(path, remains.conversation_id)
        assert left == remains.bodies[: len(left)], f"cut after {end} bytes"
        assert len(left) > KEPT
        lengths.add(len(left))
    assert len(lengths) > 10
    tell(
        f"the log cut at {len(ends)} places: {min(lengths)} to {max(lengths)} events left, all true"
    )


@pytest.mark.parametrize("rubbish", ["zeros", "noise", "an older sector"])
async def test_a_log_with_torn_sectors_leaves_a_true_beginning(
    remains: Remains, tmp_path: Path, rubbish: str
) -> None:
    whole = remains.log
    luck = random.Random(2)
    for _ in range(CUTS // 2):
        torn = bytearray(whole)
        at = luck.randrange(len(whole) // SECTOR) * SECTOR
        older = max(0, at - FRAME)
        torn[at : at + SECTOR] = {
            "zeros": bytes(SECTOR),
            "noise": luck.randbytes(SECTOR),
            "an older sector": whole[older : older + SECTOR],
        }[rubbish]
        path = remains.laid_out(tmp_path / "torn", log=bytes(torn[: len(whole)]))
        left = await opened(path, remains.conversation_id)
        assert left == remains.bodies[: len(left)], f"torn at {at}"
        assert len(left) > KEPT


async def test_an_index_of_the_log_that_is_rubbish_is_made_anew(
    remains: Remains, tmp_path: Path
) -> None:
    for size in (0, 100, 32_768):
        path = remains.laid_out(tmp_path / "index")
        path.with_name("salon.db-shm").write_bytes(random.Random(size).randbytes(size))
        assert await opened(path, remains.conversation_id) == remains.bodies


@pytest.mark.parametrize("log", [None, b""], ids=["with its log", "without"])
async def test_a_file_that_is_cut_short_is_never_taken_for_a_whole_one(
    remains: Remains, tmp_path: Path, log: bytes | None
) -> None:
    whole = remains.file
    luck = random.Random(3)
    ends = [1, 99, 100, 4095, 4096, len(whole) - 4096, len(whole) - 1]
    ends += [luck.randrange(len(whole)) for _ in range(CUTS)]
    ends += range(
        6144, len(whole), 4096
    )  # in the midst of each page: where a long text goes on nothing else tells
    ends += [0] if log is None else []  # nothing at all is a new store
    refused = 0
    for end in ends:
        path = remains.laid_out(tmp_path / "cut", file=whole[:end], log=log)
        left = await opened(path, remains.conversation_id)
        if isinstance(left, str):
            refused += 1
            assert "the file is damaged: stop the server" in left, f"cut after {end} bytes"
            if left.startswith(REFUSED):  # as it was, for whoever wants to rescue something
                assert path.read_bytes() == whole[:end], f"cut after {end} bytes: {left}"
                if log is None:
                    assert path.with_name("salon.db-wal").read_bytes() == remains.log
        else:  # nothing was cut off that the log does not have, or that anything was in
            assert left == remains.bodies[: len(left)], f"cut after {end} bytes"
            assert len(left) > KEPT
    assert refused > CUTS // 2


async def test_a_server_on_a_damaged_file_says_what_to_do_and_serves_the_backup(
    remains: Remains, tmp_path: Path
) -> None:
    path = remains.laid_out(tmp_path / "data")
    await processes.run_beside(["backup", tmp_path / "backup.db", "--store", f"sqlite:///{path}"])
    cut = path.read_bytes()[:20_000]
    path.write_bytes(cut)
    with pytest.raises(AssertionError, match=r"restore a backup or try `sqlite3 FILE .recover`"):
        ServerProcess(path.parent)
    assert path.read_bytes() == cut

    for each in path.parent.glob("salon.db*"):
        each.unlink()
    shutil.copy(tmp_path / "backup.db", path)
    server = ServerProcess(path.parent)
    log = await member(server).history(remains.conversation_id)
    assert [frame["sequence_id"] for frame in log] == list(range(1, len(remains.bodies) + 1))
    assert log == [json.loads(body) for body in remains.bodies]
    server.stop()
