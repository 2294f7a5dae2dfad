"""Takes files in, gives them out, and removes what is deleted. It is the only owner of what is under way with the contents.

A content is claimed while a file with it is being stored, and awaited while it is being removed; so the bytes that one file needs
are never removed with another, though both have the same. All that has to outlive a restart is in the store.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import aclosing, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import trio

from salon.actors.files import SWEPT, StoredFile
from salon.actors.refusals import Code, Refusal
from salon.actors.store import StoreError

from .kinds import HEAD, OTHER, allowed, media_type
from .names import file_name
from .pictures import PICTURES, Pictures, Size, TooLarge
from .previews import Previews

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from salon.actors.files import FileRoom, FileStore, Incoming
    from salon.actors.sources import Sources

    from ..settings import Settings

T = TypeVar("T")

WRITE = 262_144  # bytes written at once: a thread is asked for each
THREADS = 8  # that wait for the disk or the bucket: more would take the processor from the chat
SWEEP = 600.0  # seconds between two looks for files that were never sent
COLLECTED = 100  # contents looked up at once
RETRY = 1.0  # seconds: an upload takes that long, more or less

logger = logging.getLogger(__name__)


class Upload(NamedTuple):
    """A file that somebody sends. `announced` is the number of bytes that the client has said, None where it has said none."""

    conversation: int
    uploader: str
    name: str
    pieces: AsyncGenerator[bytes]
    announced: int | None = None


class Taken(NamedTuple):
    """What has come: its size, its hash, and what its first bytes say that it is."""

    size: int
    content: str
    media_type: str


class FileShelf:
    """The files of one server. Implements `FileHost`."""

    def __init__(
        self,
        settings: Settings,
        store: FileStore,
        room: FileRoom,
        sources: Sources,
        report: Callable[[StoreError], None],
    ) -> None:
        self._limits = settings.limits
        self._kinds = settings.files.kinds
        self._store = store
        self._room = room
        self._sources = sources
        self._report = report
        self._pictures = Pictures(settings.limits.picture_pixels)
        self._threads = trio.CapacityLimiter(THREADS)
        self._uploads: Counter[str] = Counter()  # under way, by uploader
        self._claims: Counter[str] = Counter()  # contents that files under way have
        self._removing: dict[str, trio.Event] = {}  # contents
        self._previews = Previews(self, store, room, self._pictures)
        self._woken = trio.Event()
        self.taken = self.bytes_taken = self.removed = 0  # since the start, for operators

    @property
    def uploads(self) -> int:
        """How many files are on their way in."""
        return self._uploads.total()

    # --- in ---------------------------------------------------------------------------------------------------------------

    async def take(self, upload: Upload) -> StoredFile | Refusal:
        """Store a file, or say why not. Raises `StoreError`. What has come of a file is dropped if the caller is cancelled."""
        async with aclosing(upload.pieces):
            return await self._take(upload)

    async def _take(self, upload: Upload) -> StoredFile | Refusal:
        # Counted before anything is waited for: those that begin together see each other.
        with _counted(self._uploads, upload.uploader):
            refusal = await self._refusal(upload)
            if refusal is not None:
                return refusal
            incoming = await self.call(self._room.receive)
            try:
                taken = await self._receive(upload, incoming)
                if isinstance(taken, Refusal):
                    return taken
                return await self._add(upload, incoming, taken)
            finally:
                incoming.drop()

    async def _refusal(self, upload: Upload) -> Refusal | None:
        """Why nothing of this upload is read."""
        limits, under_way = self._limits, self._uploads[upload.uploader] - 1  # without this one
        if limits.uploads_per_person and under_way >= limits.uploads_per_person:
            facts = {"limit": limits.uploads_per_person}
            return Refusal(Code.TOO_MANY_UPLOADS, facts, retry_after=RETRY, scope="participant")
        size = upload.announced or 0
        if limits.file_size and size > limits.file_size:
            return Refusal(Code.FILE_TOO_LARGE, {"max_size": limits.file_size})
        use = await self._store.file_use(upload.uploader).wait()
        if limits.unsent_files and use.unsent + under_way >= limits.unsent_files:
            return Refusal(Code.TOO_MANY_FILES, {"limit": limits.unsent_files})
        return self._over_quota(use.size, size)

    def _over_quota(self, there: int, size: int) -> Refusal | None:
        quota = self._limits.file_quota
        if not quota or there + size <= quota:
            return None
        return Refusal(Code.FILE_QUOTA_EXCEEDED, {"actual_size": there, "max_size": quota})

    async def _receive(self, upload: Upload, incoming: Incoming) -> Taken | Refusal:
        """Write what comes, at most one piece in memory."""
        most, size, digest, waiting = self._limits.file_size, 0, sha256(), bytearray()
        kind: str | None = None

        def write(data: bytes) -> None:
            digest.update(data)
            incoming.write(data)

        async for piece in upload.pieces:
            size += len(piece)
            if most and size > most:
                return Refusal(Code.FILE_TOO_LARGE, {"max_size": most})
            waiting += piece
            if kind is None and len(waiting) >= HEAD:
                kind = media_type(bytes(waiting[:HEAD]))
                if not allowed(kind, self._kinds):
                    return self._not_allowed(kind)
            if len(waiting) >= WRITE:
                await self.call(write, bytes(waiting))
                waiting.clear()
        if not size:
            return Refusal(Code.MALFORMED_REQUEST, {"problem": "the file is empty"})
        if kind is None:
            kind = media_type(bytes(waiting))
            if not allowed(kind, self._kinds):
                return self._not_allowed(kind)
        await self.call(write, bytes(waiting))
        incoming.close()
        return Taken(size, digest.hexdigest(), kind)

    def _not_allowed(self, kind: str) -> Refusal:
        facts = {"media_type": kind, "accepted": ", ".join(self._kinds)}
        return Refusal(Code.FILE_KIND_NOT_ALLOWED, facts)

    async def _add(self, upload: Upload, incoming: Incoming, taken: Taken) -> StoredFile | Refusal:
        size: Size | TooLarge | None = None
        kind = taken.media_type
        if kind in PICTURES:
            size = await self._pictures.size(incoming.path)
            if isinstance(size, TooLarge):
                facts = {"pixels": size.pixels, "max_pixels": self._limits.picture_pixels}
                return Refusal(Code.PICTURE_TOO_LARGE, facts)
            if size is None:  # it begins like one, and is none
                kind = OTHER
                if not allowed(kind, self._kinds):
                    return self._not_allowed(kind)
        use = await self._store.file_use(upload.uploader).wait()
        refusal = self._over_quota(use.size, taken.size)
        if refusal is not None:
            return refusal
        file = StoredFile(
            self._sources.new_id(),
            upload.conversation,
            upload.uploader,
            taken.content,
            file_name(upload.name),
            kind,
            taken.size,
            self._sources.now(),
            *(size or (None, None)),
        )
        await self._keep(file, incoming)
        self.taken += 1
        self.bytes_taken += taken.size
        return file

    async def _keep(self, file: StoredFile, incoming: Incoming) -> None:
        while file.content in self._removing:
            await self._removing[file.content].wait()
        with _counted(self._claims, file.content):
            await self._store.announce_file(file).wait()
            await self.call(self._room.contents.put, file.content, incoming.path)
            await self._store.add_file(file.file_id).wait()

    # --- out --------------------------------------------------------------------------------------------------------------

    async def find(self, file_id: str) -> StoredFile | None:
        """A file that is there, or None. Raises `StoreError`."""
        return await self._store.file(file_id).wait()

    async def read(self, file: StoredFile, start: int, end: int) -> AsyncGenerator[bytes]:
        """The bytes from `start` up to `end`, in pieces, as fast as they are taken. Raises `StoreError`."""
        pieces = self._room.contents.read(file.content, start, end)
        while (piece := await self.call(_next, pieces)) is not None:
            yield piece

    async def preview(self, file: StoredFile, side: int) -> bytes | None:
        """A WebP picture with sides of at least `side` if there are such, without metadata; None where there can be none."""
        return await self._previews.get(file, side)

    # --- away -------------------------------------------------------------------------------------------------------------

    def gone(self) -> None:
        """Files were deleted with their messages: remove their contents soon."""
        self._woken.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Remove contents whenever files are gone, and files that were never sent."""
        task_status.started()
        while True:
            self._woken = trio.Event()
            try:
                await self._store.expire_files(self._sources.now() - SWEPT).wait()
                await self.collect()
            except StoreError as error:
                self._report(error)
            with trio.move_on_after(SWEEP):
                await self._woken.wait()

    async def collect(self) -> None:
        """Remove the contents of files that are gone. Raises `StoreError`; what is left then is removed the next time."""
        more = True
        while more:
            contents = await self._store.gone_contents(COLLECTED).wait()
            more = False
            for content in contents:
                if content not in self._claims and content not in self._removing:
                    await self._remove(content)
                    more = True

    async def _remove(self, content: str) -> None:
        self._removing[content] = trio.Event()
        try:
            if not await self._store.needs_content(content).wait():
                await self.call(self._room.drop_previews, content)
                await self.call(self._room.contents.delete, content)
                self.removed += 1
            await self._store.forget_content(content).wait()
        finally:
            self._removing.pop(content).set()

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """The result of a call that blocks."""
        return await trio.to_thread.run_sync(function, *args, limiter=self._threads)


def _next(pieces: Iterator[bytes]) -> bytes | None:
    return next(pieces, None)


@contextmanager
def _counted(counter: Counter[str], key: str) -> Iterator[None]:
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
