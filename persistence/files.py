"""The files of messages in the SQLite store, without their contents: functions of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salon.actors.files import FileUse, StoredFile

from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .connection import Connection

SEND = Rows(
    "UPDATE files SET sequence = column3 FROM {values} "
    "WHERE column1 > 0 AND conversation = column1 AND file_id = column2",
    "iti",
)
# What a deleted file was is forgotten at once; which content it has had, once that is deleted too.
_FORGET = "name = '', media_type = '', size = 0, width = NULL, height = NULL, gone = 1"
DELETE = Rows(
    f"UPDATE files SET {_FORGET} FROM {{values}} "
    "WHERE column1 > 0 AND conversation = column1 AND sequence = column2",
    "ii",
)
_COLUMNS = (
    "f.file_id, f.conversation, f.uploader, f.content, f.name, f.media_type, f.size, f.uploaded_at, "
    "f.width, f.height, f.sequence, f.gone"
)
# Of a deleted conversation no row is left, once the contents are deleted.
DELETE_ALL = (
    "DELETE FROM files WHERE conversation = ?1 AND content = ''",
    f"UPDATE files SET {_FORGET}, sequence = 0, uploader = '' WHERE conversation = ?1",
)
FORGET_UNSENT = (
    f"UPDATE files SET {_FORGET}, uploader = '' WHERE uploader = ?1 AND sequence = 0 AND gone = 0"
)
_ANNOUNCE = (
    "INSERT INTO files (file_id, conversation, uploader, content, name, media_type, size, uploaded_at, width, height, gone) "
    f"VALUES ({'?, ' * 10}1)"
)
_OF_A_MESSAGE = (
    f"SELECT {_COLUMNS}, e.key FROM files f LEFT JOIN events e ON f.sequence > 0 "
    "AND e.conversation = f.conversation AND e.sequence = f.sequence WHERE f.file_id = ? AND f.conversation = ?"
)
_GONE = "SELECT DISTINCT content FROM files WHERE gone = 1 AND content <> '' LIMIT ?"
_NEEDED = "SELECT EXISTS (SELECT 1 FROM files WHERE content = ? AND gone = 0)"


def announce(file: StoredFile, connection: Connection) -> None:
    """Note a file that is gone until it is added."""
    connection.execute(_ANNOUNCE, file[:10])


def add(file_id: str, connection: Connection) -> None:
    """Have a file that was announced."""
    connection.execute("UPDATE files SET gone = 0 WHERE file_id = ?", (file_id,))


def find(connection: Connection, file_id: str) -> StoredFile | None:
    """A file that is not gone."""
    query = f"SELECT {_COLUMNS} FROM files f WHERE f.file_id = ? AND f.gone = 0"
    row = connection.execute(query, (file_id,)).fetchone()
    return None if row is None else _file(row)


def among(connection: Connection, number: int, file_ids: Sequence[str]) -> dict[str, StoredFile]:
    """Those of the files that are or were in a conversation, each with the key of its message."""
    rows = (connection.execute(_OF_A_MESSAGE, (id, number)).fetchone() for id in file_ids)
    return {row[0]: _file(row) for row in rows if row is not None}


def of(connection: Connection, uploader: str) -> tuple[StoredFile, ...]:
    """The files of an uploader that are not gone, the earliest first."""
    query = (
        f"SELECT {_COLUMNS} FROM files f WHERE f.uploader = ? AND f.gone = 0 "
        "ORDER BY f.uploaded_at, f.file_id"
    )
    return tuple(_file(row) for row in connection.execute(query, (uploader,)))


def use(connection: Connection, uploader: str) -> FileUse:
    """What a participant has uploaded."""
    query = (
        "SELECT count(*) FILTER (WHERE sequence = 0), coalesce(sum(size), 0) "
        "FROM files WHERE uploader = ? AND gone = 0"
    )
    return FileUse(*connection.execute(query, (uploader,)).fetchone())


def expire(before: int, connection: Connection) -> int:
    """Delete the files that were uploaded before that time and never sent."""
    update = f"UPDATE files SET {_FORGET} WHERE sequence = 0 AND gone = 0 AND uploaded_at < ?"
    return connection.execute(update, (before,)).rowcount


def gone_contents(connection: Connection, limit: int) -> tuple[str, ...]:
    """Contents of files that are gone."""
    return tuple(row[0] for row in connection.execute(_GONE, (limit,)))


def needs_content(connection: Connection, content: str) -> bool:
    """Whether a file that is not gone has this content."""
    return bool(connection.execute(_NEEDED, (content,)).fetchone()[0])


def forget_content(content: str, connection: Connection) -> None:
    """Forget which content the files that are gone have had. Of one that was never sent nothing is left."""
    of_it = "WHERE content = ? AND gone = 1"
    connection.execute(f"DELETE FROM files {of_it} AND sequence = 0", (content,))
    connection.execute(f"UPDATE files SET content = '' {of_it}", (content,))


def _file(row: Sequence[Any]) -> StoredFile:
    key = row[12] if len(row) > 12 else None
    return StoredFile._make([*row[:11], bool(row[11]), key])
