"""Files that people send with their messages: what the store keeps of each, and the interface of where their contents are.

A file is bound to the conversation and the uploader that it came from. Until it is sent in a message, only its uploader sees it.
Times are whole milliseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .future import Future

HOUR = 3_600_000  # milliseconds
# An uploaded file can be sent for a day, longer than anybody is offline between choosing a file and sending it. It is removed
# an hour after that, so that no message can be under way with it.
SENDABLE = 24 * HOUR
SWEPT = SENDABLE + HOUR


class Attachment(NamedTuple):
    """A file that a message is to carry, and its text for those who do not see it."""

    file_id: str
    alt: str | None = None


class StoredFile(NamedTuple):
    """A file as the store keeps it. `content` is the SHA-256 of its bytes in hexadecimal digits, and the name of its content.

    `sequence` is that of the message that has it, 0 before it is sent. `key` is that message's key, set by the store's answers
    alone: a message that comes again with its key names files that are sent already. `gone`: the file was deleted, and nothing
    is left of it but its place.
    """

    file_id: str
    conversation: int  # the store's number
    uploader: str
    content: str
    name: str
    media_type: str
    size: int
    uploaded_at: int
    width: int | None = None  # of a picture, as it is shown
    height: int | None = None
    sequence: int = 0
    gone: bool = False
    key: str | None = None


class FileUse(NamedTuple):
    """What one person has uploaded: the files that they have not sent yet, and the bytes of all that are there."""

    unsent: int
    size: int


class Contents(Protocol):
    """Where the contents of files are kept, by name. A name stands for one content for ever, so nothing is ever replaced.

    Every call blocks, and is made in a thread. It raises `StoreError` where the content cannot be stored or read now.
    """

    def put(self, name: str, path: Path) -> None:
        """Keep the content of the file at `path`, which is used up. On return it is on the disk. Again, it changes nothing."""

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end`, in pieces. Raises `StoreError` where there is no such content."""

    def delete(self, name: str) -> None:
        """Delete a content, if it is there."""


class Incoming(Protocol):
    """A file on its way in. Every call blocks, and raises `StoreError` where the disk fails."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""

    def close(self) -> None:
        """No more bytes come."""

    def drop(self) -> None:
        """Delete it, unless it is used up. It never fails, and takes no time worth a thread."""


class FileRoom(Protocol):
    """Where files are: contents, what is on its way in, previews of pictures. Calls block as those of `Contents`."""

    contents: Contents

    def receive(self) -> Incoming:
        """A new file on its way in."""

    def preview(self, content: str, side: int) -> bytes | None:
        """The preview of a content that was kept for this side, or None."""

    def keep_preview(self, content: str, side: int, picture: bytes) -> None:
        """Keep a preview."""

    def drop_previews(self, content: str) -> None:
        """Delete all previews of a content."""


class FileStore(Protocol):
    """What a store keeps of files besides those that messages name. Futures fail as those of `Store`."""

    def announce_file(self, file: StoredFile) -> Future[None]:
        """Note a file whose content is about to be kept: it is `gone` until `add_file`, so that no content is left over.

        `file.sequence`, `file.key` and `file.gone` are not looked at.
        """

    def add_file(self, file_id: str) -> Future[None]:
        """Have a file that was announced: its content is kept."""

    def file(self, file_id: str) -> Future[StoredFile | None]:
        """A file that is not gone, or None."""

    def file_use(self, uploader: str) -> Future[FileUse]:
        """What a participant has uploaded."""

    def expire_files(self, before: int) -> Future[int]:
        """Delete the files that were uploaded before that time and never sent; how many they were."""

    def gone_contents(self, limit: int) -> Future[tuple[str, ...]]:
        """Up to `limit` contents of files that are gone; other files may still need them."""

    def needs_content(self, content: str) -> Future[bool]:
        """Whether a file that is not gone has this content."""

    def forget_content(self, content: str) -> Future[None]:
        """Forget which content the files that are gone have had: it is deleted, or is needed by others."""


class FileHost(Protocol):
    """What the engine tells whoever keeps the contents."""

    def gone(self) -> None:
        """Files were deleted with their messages: their contents can be removed."""


class NoFiles:
    """A server, or a simulation, without files."""

    def gone(self) -> None:
        """Do nothing."""
