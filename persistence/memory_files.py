"""The files of messages, without their contents, as the memory store keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.files import FileUse, StoredFile
from salon.actors.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class MemoryFiles:
    """The files by id, in the order of their upload."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}

    def announce(self, file: StoredFile) -> None:
        """Note a file that is gone until it is added. Raises `StoreError` where its id is taken."""
        if file.file_id in self._files:
            raise StoreError(f"file {file.file_id} is there already")
        self._files[file.file_id] = file._replace(sequence=0, gone=True, key=None)

    def add(self, file_id: str) -> None:
        """Have a file that was announced."""
        self._files[file_id] = self._files[file_id]._replace(gone=False)

    def find(self, file_id: str) -> StoredFile | None:
        """A file that is not gone."""
        file = self._files.get(file_id)
        return None if file is None or file.gone else file

    def among(
        self, number: int, file_ids: Sequence[str], key_of: Callable[[int], str | None]
    ) -> dict[str, StoredFile]:
        """Those of the files that are or were in a conversation; `key_of` gives the key of a message of it."""
        files = (self._files.get(id) for id in file_ids)
        return {
            file.file_id: file._replace(key=key_of(file.sequence) if file.sequence else None)
            for file in files
            if file is not None and file.conversation == number
        }

    def of(self, uploader: str) -> tuple[StoredFile, ...]:
        """The files of an uploader that are not gone, the earliest first."""
        own = [each for each in self._files.values() if each.uploader == uploader and not each.gone]
        return tuple(sorted(own, key=lambda each: (each.uploaded_at, each.file_id)))

    def forget_unsent(self, uploader: str) -> None:
        """Delete the files that an uploader has not sent."""
        unsent = [each for each in self.of(uploader) if not each.sequence]
        self._forget(lambda it: it in unsent)
        for each in unsent:
            gone = self._files[each.file_id]
            self._files[each.file_id] = gone._replace(uploader="")

    def use(self, uploader: str) -> FileUse:
        """What a participant has uploaded."""
        own = [each for each in self._files.values() if each.uploader == uploader and not each.gone]
        return FileUse(sum(not each.sequence for each in own), sum(each.size for each in own))

    def send(self, number: int, sent: Iterable[tuple[str, int]]) -> None:
        """Note which messages have the files."""
        for file_id, sequence in sent:
            file = self._files.get(file_id)
            if file is not None and file.conversation == number:
                self._files[file_id] = file._replace(sequence=sequence)

    def delete(self, number: int, sequences: Sequence[int]) -> None:
        """Delete the files of messages."""
        if sequences:
            self._forget(lambda it: it.conversation == number and it.sequence in sequences)

    def delete_all(self, number: int) -> None:
        """Delete the files of a conversation; nothing of them is left once the contents are deleted."""
        self._forget(lambda it: it.conversation == number)
        mine = [each for each in self._files.values() if each.conversation == number]
        for file in mine:
            if file.content:
                self._files[file.file_id] = file._replace(sequence=0, uploader="")
            else:
                del self._files[file.file_id]

    def expire(self, before: int) -> int:
        """Delete the files that were uploaded before that time and never sent."""
        return self._forget(lambda it: not (it.sequence or it.gone) and it.uploaded_at < before)

    def gone_contents(self, limit: int) -> tuple[str, ...]:
        """Contents of files that are gone."""
        gone = dict.fromkeys(it.content for it in self._files.values() if it.gone and it.content)
        return tuple(gone)[:limit]

    def needs_content(self, content: str) -> bool:
        """Whether a file that is not gone has this content."""
        return any(each.content == content and not each.gone for each in self._files.values())

    def forget_content(self, content: str) -> None:
        """Forget which content the files that are gone have had."""
        for file in list(self._files.values()):
            if file.gone and file.content == content:
                if file.sequence:
                    self._files[file.file_id] = file._replace(content="")
                else:
                    del self._files[file.file_id]

    def _forget(self, chosen: Callable[[StoredFile], bool]) -> int:
        found = [each for each in self._files.values() if chosen(each)]
        for file in found:
            self._files[file.file_id] = file._replace(
                name="", media_type="", size=0, width=None, height=None, gone=True
            )
        return len(found)
