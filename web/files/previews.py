"""Small pictures of pictures: made when they are first asked for, once for all who ask, and kept until the picture goes."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import trio

from .pictures import PICTURES, Pictures

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from salon.actors.files import FileRoom, FileStore, StoredFile

T = TypeVar("T")

SIDES = (160, 320, 640, 1280)  # few, so that few are kept


class Shelf(Protocol):
    """Gives out files, and makes calls that block."""

    def read(self, file: StoredFile, start: int, end: int) -> AsyncGenerator[bytes]:
        """The bytes from `start` up to `end`, in pieces."""

    async def call(self, function: Callable[..., T], *args: Any) -> T:
        """The result of a call that blocks."""


class Previews:
    """The previews of one server."""

    def __init__(self, shelf: Shelf, store: FileStore, room: FileRoom, pictures: Pictures) -> None:
        self._shelf = shelf
        self._store = store
        self._room = room
        self._pictures = pictures
        self._making: dict[tuple[str, int], trio.Event] = {}  # by content and side

    async def get(self, file: StoredFile, side: int) -> bytes | None:
        """The preview of a file, as `FileShelf.preview` describes it."""
        if file.media_type not in PICTURES:
            return None
        side = next((each for each in SIDES if each >= side), SIDES[-1])
        made = file.content, side
        while made in self._making:
            await self._making[made].wait()
        self._making[made] = trio.Event()
        try:
            picture = await self._shelf.call(self._room.preview, *made)
            if picture is None:
                picture = await self._make(file, side)
        finally:
            self._making.pop(made).set()
        return picture or None

    async def _make(self, file: StoredFile, side: int) -> bytes | None:
        call = self._shelf.call
        incoming = await call(self._room.receive)
        try:
            async with aclosing(self._shelf.read(file, 0, file.size)) as pieces:
                async for piece in pieces:
                    await call(incoming.write, piece)
            incoming.close()
            picture = await self._pictures.preview(incoming.path, side)
        finally:
            incoming.drop()
        if picture is not None:
            await call(self._room.keep_preview, file.content, side, picture)
            if not await self._store.needs_content(file.content).wait():
                await call(self._room.drop_previews, file.content)  # deleted meanwhile
        return picture
