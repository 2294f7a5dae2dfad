"""Files taken in and removed at the same time, disks that fail in between, and limits: what is promised holds in any order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from salon.actors.files import SWEPT, StoredFile
from salon.actors.future import Future
from salon.actors.messages import Post
from salon.actors.refusals import Code, Refusal
from salon.actors.sources import Sources
from salon.actors.store import Changes, StoreError
from salon.persistence import MemoryStore
from salon.persistence.contents import LocalRoom, open_files
from salon.persistence.folder import Folder
from salon.web.files.shelf import FileShelf, Upload
from salon.web.settings.model import Settings
from tests.pictures import bomb, picture
from tests.traffic import until
from tests.unit.history import ADA, BEN, History, sources

TEXT = b"some text"


class Bench:
    """A shelf over a store in memory and a real folder, with a clock that is set by hand."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self._folder = folder
        self.now = 1_000_000
        own = sources()
        self.sources = Sources(lambda: self.now, own.new_id, own.entropy, own.chance)
        self.store = MemoryStore(self.sources)
        self.room: LocalRoom = open_files(folder)
        contents = self.room.contents
        assert isinstance(contents, Folder)
        self._names = contents.names
        self.reported: list[StoreError] = []
        settings = Settings.model_validate({"limits": limits})
        self.shelf = FileShelf(settings, self.store, self.room, self.sources, self.reported.append)

    async def take(
        self, data: bytes = TEXT, who: str = ADA.id, *, announced: int | None = None, size: int = 4
    ) -> StoredFile | Refusal:
        """A file that comes in pieces of this size."""

        async def pieces() -> AsyncGenerator[bytes]:
            for at in range(0, len(data), size):
                yield data[at : at + size]

        return await self.shelf.take(Upload(1, who, "a.txt", pieces(), announced))

    async def taken(self, data: bytes = TEXT, who: str = ADA.id) -> StoredFile:
        file = await self.take(data, who, size=100_000)
        assert isinstance(file, StoredFile), file
        return file

    async def read(self, file: StoredFile) -> bytes:
        return b"".join([piece async for piece in self.shelf.read(file, 0, file.size)])

    async def expire(self) -> None:
        """Let all files that were not sent be too old, and remove them."""
        await self.store.expire_files(self.now + 1).wait()
        await self.shelf.collect()

    @property
    def contents(self) -> list[str]:
        return sorted(self._names())

    @property
    def on_the_way(self) -> list[Path]:
        return list((self._folder / "incoming").iterdir())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def refused(outcome: StoredFile | Refusal, code: Code, **facts: Any) -> None:
    assert isinstance(outcome, Refusal), outcome
    assert (outcome.code, dict(outcome.facts or {})) == (code, facts)


async def test_a_file_in_any_pieces_is_the_same_file(bench: Bench) -> None:
    data = bytes(range(1, 100)) * 9000
    files = []
    for size in (1000, 70_000, 900_000):
        file = await bench.take(b"%PDF-" + data, size=size)
        assert isinstance(file, StoredFile)
        assert await bench.read(file) == b"%PDF-" + data
        files.append(file)
    assert len({file.content for file in files}) == 1
    assert bench.contents == [files[0].content]
    assert bench.on_the_way == []


@pytest.mark.parametrize(("size", "fits"), [(99, True), (100, True), (101, False), (10_000, False)])
async def test_a_file_has_at_most_so_many_bytes_whatever_was_announced(
    tmp_path: Path, size: int, fits: bool
) -> None:
    bench = Bench(tmp_path, file_size=100)
    for announced in (None, 0, 5, size):
        outcome = await bench.take(b"x" * size, announced=announced)
        if fits:
            assert isinstance(outcome, StoredFile)
        else:
            refused(outcome, Code.FILE_TOO_LARGE, max_size=100)
    assert bench.on_the_way == []


async def test_what_is_announced_as_too_large_is_not_read(tmp_path: Path) -> None:
    bench = Bench(tmp_path, file_size=100)
    read = []

    async def pieces() -> AsyncGenerator[bytes]:
        read.append(1)
        yield b"x"

    outcome = await bench.shelf.take(Upload(1, ADA.id, "a", pieces(), 101))
    refused(outcome, Code.FILE_TOO_LARGE, max_size=100)
    assert not read


async def test_an_empty_file_is_none(bench: Bench) -> None:
    outcome = await bench.take(b"")
    refused(outcome, Code.MALFORMED_REQUEST, problem="the file is empty")


async def test_a_kind_that_is_not_taken_is_refused_with_its_first_bytes(bench: Bench) -> None:
    read = 0

    async def pieces() -> AsyncGenerator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 4096
            yield b"\x7fELF" + bytes(4092)

    outcome = await bench.shelf.take(Upload(1, ADA.id, "a.png", pieces()))
    assert isinstance(outcome, Refusal)
    assert outcome.code is Code.FILE_KIND_NOT_ALLOWED
    assert read <= 8192


async def test_what_only_begins_like_a_picture_is_no_picture(bench: Bench, tmp_path: Path) -> None:
    cut = picture()[:30]
    outcome = await bench.take(cut)
    assert isinstance(outcome, Refusal)
    assert (outcome.facts or {})["media_type"] == "application/octet-stream"
    assert bench.contents == []
    taking_all = Bench(tmp_path / "all")
    taking_all.shelf._kinds = ("*/*",)
    file = await taking_all.take(cut)
    assert isinstance(file, StoredFile)
    assert (file.media_type, file.width) == ("application/octet-stream", None)
    assert await taking_all.shelf.preview(file, 100) is None


async def test_a_bomb_leaves_nothing(bench: Bench) -> None:
    outcome = await bench.take(bomb(), size=60_000)
    refused(outcome, Code.PICTURE_TOO_LARGE, pixels=2_500_000_000, max_pixels=50_000_000)
    assert (bench.contents, bench.on_the_way) == ([], [])


async def test_one_person_has_so_many_files_that_are_not_sent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, unsent_files=2)
    for n in range(2):
        await bench.taken(b"text %d" % n)
    refused(await bench.take(), Code.TOO_MANY_FILES, limit=2)
    await bench.taken(TEXT, BEN.id)


async def test_those_that_begin_together_see_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, uploads_per_person=2)
    use, asked = bench.store.file_use(ADA.id).get(), list[Future[Any]]()

    def slow(_: str) -> Future[Any]:
        asked.append(Future())
        return asked[-1]

    monkeypatch.setattr(bench.store, "file_use", slow)
    outcomes: list[StoredFile | Refusal] = []

    async def take() -> None:
        outcomes.append(await bench.take())

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked()
        monkeypatch.undo()
        for future in asked:
            future.set(use)
    refusals = [each for each in outcomes if isinstance(each, Refusal)]
    assert [each.code for each in refusals] == [Code.TOO_MANY_UPLOADS] * 3


async def test_one_person_has_so_many_bytes(tmp_path: Path) -> None:
    bench = Bench(tmp_path, file_quota=20)
    await bench.taken(b"x" * 15)
    refused(await bench.take(b"y" * 6), Code.FILE_QUOTA_EXCEEDED, actual_size=15, max_size=20)
    refused(
        await bench.take(b"y", announced=6), Code.FILE_QUOTA_EXCEEDED, actual_size=15, max_size=20
    )
    await bench.taken(b"y" * 5)
    await bench.taken(b"z" * 6, BEN.id)


async def test_so_many_files_of_one_person_come_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, uploads_per_person=2)
    go, waiting = trio.Event(), trio.Semaphore(0)

    async def slow() -> AsyncGenerator[bytes]:
        waiting.release()
        await go.wait()
        yield TEXT

    outcomes = []

    async def take() -> None:
        outcomes.append(await bench.shelf.take(Upload(1, ADA.id, "a", slow())))

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(take)
        for _ in range(2):
            await waiting.acquire()
        assert bench.shelf.uploads == 2
        outcome = await bench.take()
        assert isinstance(outcome, Refusal)
        assert (outcome.code, outcome.retry_after) == (Code.TOO_MANY_UPLOADS, 1.0)
        await bench.taken(TEXT, BEN.id)
        go.set()
    assert all(isinstance(each, StoredFile) for each in outcomes)
    assert bench.shelf.uploads == 0
    await bench.taken()


async def test_an_upload_that_is_cut_leaves_nothing(bench: Bench) -> None:
    written = trio.Event()

    async def cut() -> AsyncGenerator[bytes]:
        yield b"x" * 500_000
        written.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.shelf.take, Upload(1, ADA.id, "a", cut()))
        await written.wait()
        assert [path.stat().st_size for path in bench.on_the_way] == [500_000]
        nursery.cancel_scope.cancel()
    assert (bench.shelf.uploads, bench.on_the_way, bench.contents) == (0, [], [])
    assert (await bench.store.file_use(ADA.id).wait()).size == 0


async def test_a_full_disk_is_a_failure_of_the_store_that_leaves_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device /dev/full takes nothing, as a full disk does."""
    receive = bench.room.receive
    with monkeypatch.context() as patch:

        def onto_a_full_disk() -> Any:
            incoming = receive()
            incoming._file.close()
            incoming._file = open("/dev/full", "wb", buffering=0)  # noqa: PTH123, SIM115
            return incoming

        patch.setattr(bench.room, "receive", onto_a_full_disk)
        with pytest.raises(StoreError, match="make room"):
            await bench.take()
    assert (bench.on_the_way, bench.contents) == ([], [])
    await bench.taken()


async def test_a_content_that_could_not_be_kept_is_collected(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def fails(name: str, path: Path) -> None:
            raise StoreError("the disk is full: make room")

        patch.setattr(bench.room.contents, "put", fails)
        with pytest.raises(StoreError, match="make room"):
            await bench.take()
    assert await bench.store.gone_contents(10).wait() != ()
    await bench.shelf.collect()
    assert await bench.store.gone_contents(10).wait() == ()
    assert (bench.on_the_way, bench.contents) == ([], [])


async def test_a_file_whose_store_failed_after_its_content_was_kept_is_collected(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def fails(file_id: str) -> None:
            raise StoreError("locked")

        patch.setattr(bench.store, "add_file", fails)
        with pytest.raises(StoreError):
            await bench.take()
    assert len(bench.contents) == 1
    await bench.shelf.collect()
    assert bench.contents == []


async def test_the_bytes_of_one_file_stay_when_another_with_the_same_goes(bench: Bench) -> None:
    await bench.taken()
    bench.now += 10
    kept = await bench.taken(who=BEN.id)
    await bench.store.expire_files(bench.now).wait()
    await bench.shelf.collect()
    assert await bench.read(kept) == TEXT
    await bench.expire()
    assert bench.contents == []
    with pytest.raises(StoreError):
        await bench.read(kept)


async def test_a_file_that_comes_while_its_bytes_are_being_removed_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await bench.taken()
    await bench.store.expire_files(bench.now + 1).wait()
    deleting, go = trio.Event(), trio.Event()
    delete = bench.room.contents.delete

    def slowly(name: str) -> None:
        trio.from_thread.run_sync(deleting.set)
        trio.from_thread.run(go.wait)
        delete(name)

    monkeypatch.setattr(bench.room.contents, "delete", slowly)
    new: list[StoredFile] = []

    async def take() -> None:
        new.append(await bench.taken(who=BEN.id))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(bench.shelf.collect)
        await deleting.wait()
        nursery.start_soon(take)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert not new, "it waits"
        go.set()
    assert new[0].content == old.content
    assert await bench.read(new[0]) == TEXT


async def test_bytes_that_are_just_coming_are_not_removed_with_an_older_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.taken()
    await bench.store.expire_files(bench.now + 1).wait()
    putting, go = trio.Event(), trio.Event()
    put: Callable[[str, Path], None] = bench.room.contents.put

    def slowly(name: str, path: Path) -> None:
        put(name, path)
        trio.from_thread.run_sync(putting.set)
        trio.from_thread.run(go.wait)

    monkeypatch.setattr(bench.room.contents, "put", slowly)
    new: list[StoredFile] = []

    async def take() -> None:
        new.append(await bench.taken(who=BEN.id))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await putting.wait()
        await bench.shelf.collect()
        go.set()
    assert await bench.read(new[0]) == TEXT
    await bench.shelf.collect()
    assert await bench.read(new[0]) == TEXT


async def test_what_was_never_sent_is_removed_and_what_was_sent_is_not(
    bench: Bench, nursery: trio.Nursery
) -> None:
    history = History(id="talk")
    await bench.store.append(history.begin()).wait()
    history.state.number = 1
    sent, unsent = await bench.taken(b"sent"), await bench.taken(b"unsent")
    changes = history.turn(Post("talk", ADA, "x", files=()))
    sequence = changes.records[0].sequence
    fields = {name: getattr(changes, name) for name in Changes.__slots__}
    fields["sent_files"] = ((sent.file_id, sequence),)
    await bench.store.append(Changes(**fields)).wait()
    bench.now += SWEPT
    await nursery.start(bench.shelf.run)
    await trio.testing.wait_all_tasks_blocked(0.05)
    assert len(bench.contents) == 2, "not yet"
    bench.now += 1
    bench.shelf.gone()
    await until(lambda: len(bench.contents) != 2)
    assert bench.contents == [sent.content]
    assert await bench.shelf.find(unsent.file_id) is None
    assert await bench.read(sent) == b"sent"


async def test_a_collection_that_fails_is_reported_and_made_up_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    await bench.taken()
    await bench.store.expire_files(bench.now + 1).wait()
    with monkeypatch.context() as patch:

        def fails(name: str) -> None:
            raise StoreError("read-only")

        patch.setattr(bench.room.contents, "delete", fails)
        await nursery.start(bench.shelf.run)
        await until(lambda: bool(bench.reported))
    assert len(bench.contents) == 1
    bench.shelf.gone()
    await until(lambda: not bench.contents)


async def test_a_preview_is_made_once_for_all_who_ask_and_never_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await bench.taken(picture(width=400, height=300))
    made = []
    make = bench.shelf._pictures.preview

    async def counted(path: Path, side: int) -> bytes | None:
        made.append(side)
        return await make(path, side)

    monkeypatch.setattr(bench.shelf._pictures, "preview", counted)
    seen: list[bytes | None] = []

    async def look(side: int) -> None:
        seen.append(await bench.shelf.preview(file, side))

    async with trio.open_nursery() as nursery:
        for side in (1, 100, 160, 160, 161, 320):
            nursery.start_soon(look, side)
    await look(160)
    assert sorted(made) == [160, 320]
    assert len(set(seen)) == 2
    assert None not in seen


async def test_a_preview_of_what_is_deleted_meanwhile_is_not_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await bench.taken(picture())
    make = bench.shelf._pictures.preview

    async def deleted_meanwhile(path: Path, side: int) -> bytes | None:
        await bench.expire()
        return await make(path, side)

    monkeypatch.setattr(bench.shelf._pictures, "preview", deleted_meanwhile)
    await bench.shelf.preview(file, 160)
    assert bench.room.preview(file.content, 160) is None
