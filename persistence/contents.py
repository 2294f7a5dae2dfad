"""Where files are: their contents, what is on its way in, and previews that can be made again."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from salon.actors.store import StoreError

from .folder import Folder, empty, explained
from .s3_options import S3Options

if TYPE_CHECKING:
    from salon.actors.files import Contents


class IncomingFile:
    """A file on its way in, in a folder of such; a restart empties the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with explained(path):
            self._file = path.open("xb", buffering=0)

    def write(self, data: bytes) -> None:
        """Add bytes at the end. Raises `StoreError`."""
        with explained(self.path):
            rest = memoryview(data)
            while rest:  # a disk that gets full takes a part
                rest = rest[self._file.write(rest) or 0 :]

    def close(self) -> None:
        """No more bytes come."""
        self._file.close()

    def drop(self) -> None:
        """Delete it, unless it is used up."""
        self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


class LocalRoom:
    """Implements `FileRoom` in a folder; the contents may be elsewhere."""

    def __init__(self, path: Path | None, url: str | None, s3: S3Options | None) -> None:
        self._temporary = None if path else tempfile.TemporaryDirectory(prefix="salon-files-")
        root = path or Path(self._temporary.name if self._temporary else "")
        self._incoming, self._previews = root / "incoming", root / "previews"
        self._numbers = count(1)
        self.contents = open_contents(root, url, s3)
        empty(self._incoming)
        with explained(root):
            self._previews.mkdir(mode=0o700, exist_ok=True)

    def receive(self) -> IncomingFile:
        """A new file on its way in. Raises `StoreError`."""
        return IncomingFile(self._incoming / str(next(self._numbers)))

    def preview(self, content: str, side: int) -> bytes | None:
        """The preview of a content that was kept for this side, or None."""
        with explained(self._previews):
            try:
                return self._place(content, side).read_bytes()
            except FileNotFoundError:
                return None

    def keep_preview(self, content: str, side: int, picture: bytes) -> None:
        """Keep a preview. It can be made again, so it is not synced; but it is there whole or not at all."""
        place = self._place(content, side)
        half = self._incoming / str(next(self._numbers))
        with explained(place):
            place.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                half.write_bytes(picture)
                half.rename(place)
            finally:
                half.unlink(missing_ok=True)

    def drop_previews(self, content: str) -> None:
        """Delete all previews of a content."""
        folder = self._previews / content[:2]
        with explained(folder):
            for each in folder.glob(f"{content[2:]}.*"):
                each.unlink(missing_ok=True)

    def close(self) -> None:
        """Delete what does not outlive a store in memory. Blocks."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def _place(self, content: str, side: int) -> Path:
        return self._previews / content[:2] / f"{content[2:]}.{side}.webp"


def open_files(path: Path | None, url: str | None = None, s3: S3Options | None = None) -> LocalRoom:
    """Open the room at `path`, or a temporary one; the contents are there, or at `url`. Blocks; raises `StoreError`.

    `url` is `file:///PATH` or `s3://BUCKET/PREFIX`.
    """
    return LocalRoom(path, url, s3)


def open_contents(path: Path, url: str | None = None, s3: S3Options | None = None) -> Contents:
    """Only the contents: what is under way in the room at `path` stays as it is. Blocks; raises `StoreError`."""
    return Folder(path / "contents") if url is None else _open(url, s3)


def _open(url: str, s3: S3Options | None) -> Contents:
    if url.startswith("file:///"):
        return Folder(Path(url.removeprefix("file://")))
    if url.startswith("s3://"):
        from .bucket import Bucket  # noqa: PLC0415 - its library is an extra

        return Bucket(url, s3 or S3Options())
    raise StoreError(f"{url}: unknown place for files: file:///PATH and s3://BUCKET are known")
