"""A person's data as a ZIP archive that is made while it is sent: what they have said, their files, where they are members.

Messages are as the log has them now: of deleted ones only the place is left. What others have said is not theirs to take.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from salon.actors.directory import Directory
    from salon.actors.files import StoredFile
    from salon.actors.people import PeopleStore, PersonRows, Trace

    from ..files import FileShelf
    from ..identity import Access, Identity

LISTED = 100  # conversations, or held messages, asked for at once
DATE = (1980, 1, 1, 0, 0, 0)  # of all entries: two archives of the same data are equal
COMPRESSION = (
    1  # of zlib's levels: a quarter of the time of the usual one, and text gets nearly as small
)


class _Pipe:
    """Takes what `ZipFile` writes, and gives it out once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        """What was written since."""
        data, self._parts = b"".join(self._parts), []
        return data


async def export(
    identity: Identity,
    directory: Directory,
    store: PeopleStore,
    access: Access,
    shelf: FileShelf,
) -> AsyncGenerator[bytes]:
    """The archive, in pieces. Raises `StoreError`: what was sent is then no whole archive, which any reader of ZIP sees."""
    pipe = _Pipe()
    rows = await store.person(identity.participant.id).wait()
    with ZipFile(pipe, "w", ZIP_DEFLATED, compresslevel=COMPRESSION) as archive:
        archive.writestr(_entry("person.json"), _line(_person(identity, rows)))
        for name, lines in (
            ("conversations.ndjson", _memberships(directory, identity)),
            ("events.ndjson", _events(directory, store, identity.participant.id)),
            ("held.ndjson", _held(directory, identity.participant.id)),
            ("tokens.ndjson", _tokens(access, identity.participant.id)),
        ):
            with archive.open(_entry(name), "w", force_zip64=True) as entry:
                async for line in lines:
                    entry.write(line)
                    yield pipe.taken()
        archive.writestr(_entry("reports.ndjson"), _reports(rows))
        for file in rows.files:
            with archive.open(_entry(_place(file), ZIP_STORED), "w", force_zip64=True) as entry:
                async for piece in shelf.read(file, 0, file.size):
                    entry.write(piece)
                    yield pipe.taken()
    yield pipe.taken()


def _entry(name: str, kind: int = ZIP_DEFLATED) -> ZipInfo:
    entry = ZipInfo(name, DATE)
    entry.compress_type = kind
    return entry


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _place(file: StoredFile) -> str:
    """Where a file is in the archive: its name is the person's own, but no path."""
    name = file.name.replace("/", "_").replace("\\", "_").lstrip(".") or "file"
    return f"files/{file.file_id}/{name}"


def _person(identity: Identity, rows: PersonRows) -> dict[str, Any]:
    who = identity.participant
    return {
        "id": who.id,
        "name": rows.name or who.name,
        "type": who.type,
        "guest": rows.is_guest,
        "admin": identity.admin,
        "session_expires_at": identity.expires_at,
        "files": len(rows.files),
    }


def _reports(rows: PersonRows) -> bytes:
    return b"".join(
        _line(
            {
                "conversation_id": each.conversation_id,
                "message_id": f"{each.conversation_id}-{each.sequence}",
                "reason": each.reason,
                "reported_at": each.at,
                "outcome": each.outcome,
            }
        )
        for each in rows.reports
    )


class _Page(Protocol):
    """A page of something: `before` is where the next one begins, None after the last."""

    @property
    def before(self) -> int | None: ...


P = TypeVar("P", bound=_Page)


async def _pages(read: Callable[[int | None], Awaitable[P]]) -> AsyncIterator[P]:
    """All pages, each read once the one before it was taken."""
    page = await read(None)
    yield page
    while page.before is not None:
        page = await read(page.before)
        yield page


async def _memberships(directory: Directory, identity: Identity) -> AsyncIterator[bytes]:
    listing = partial(directory.store.listing, identity.participant.id, limit=LISTED, archived=None)
    async for page in _pages(lambda before: listing(before=before).wait()):
        for each in page.summaries:
            yield _line(
                {
                    "conversation_id": each.conversation_id,
                    "title": each.title,
                    "created_at": each.created_at,
                    "participant_count": each.participant_count,
                    "unread_count": each.unread_count,
                    **each.preferences._asdict(),
                }
            )


async def _events(
    directory: Directory, store: PeopleStore, participant_id: str
) -> AsyncIterator[bytes]:
    """The frames that are by the person or name them, in the order of the log."""
    after: int | None = 0
    numbers: dict[str, int | None] = {}
    while after is not None:
        traces = await store.traces(participant_id, after=after).wait()
        for trace in traces.found:
            body = await _frame(directory, numbers, trace)
            if body is not None:
                yield body + b"\n"
        after = traces.through
        await trio.lowlevel.checkpoint()


async def _frame(
    directory: Directory, numbers: dict[str, int | None], trace: Trace
) -> bytes | None:
    number = numbers.get(trace.conversation_id)
    if trace.conversation_id not in numbers:
        state = await directory.store.load(trace.conversation_id).wait()
        number = numbers[trace.conversation_id] = None if state is None else state.number
    if number is None:
        return None
    page = await directory.store.read(number, after=trace.sequence - 1, limit=1).wait()
    return page.records[0].body if page.records else None


async def _held(directory: Directory, participant_id: str) -> AsyncIterator[bytes]:
    held = partial(directory.store.held_messages, sender_id=participant_id, limit=LISTED)
    async for page in _pages(lambda before: held(before=before).wait()):
        for each in page.messages:
            yield _line(
                {
                    "conversation_id": each.conversation_id,
                    "kind": each.kind,
                    "content": each.content,
                    "held_at": each.at,
                    "reason": each.reason,
                }
            )


async def _tokens(access: Access, participant_id: str) -> AsyncIterator[bytes]:
    """The tokens that operators issued, without the tokens themselves, which nobody keeps. Sessions are kept nowhere."""
    tokens = partial(access.tokens, participant_id, limit=LISTED)
    async for page in _pages(lambda before: tokens(before=before)):
        for each in page.tokens:
            yield _line(
                {
                    "token_id": each.token_id,
                    "issued_at": each.issued_at,
                    "expires_at": each.expires_at,
                    "revoked_at": each.revoked_at,
                    "conversations": each.conversations,
                }
            )
