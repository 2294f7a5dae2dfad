"""A history: what simulated users sent and received, one JSON object a line, to be judged later by `salon check`.

The first line is `{"record": "history", "version": 1, "by": TEXT}`. Each other line has `record`, its kind, `at`, seconds on
one clock, and the fields of its class below. The lines are in the order of the events: `connect` and `send` are written before
the bytes leave, every other record as soon as its event is known. `person` is the participant's id. `socket` is any name that
is used for one connection only; None stands for HTTP. Frames are kept whole, as the contract has them.

A history is judged in full if it ends with the `log` of each conversation, read when nothing is in flight any more. Each socket
that is still open then must have been sent the whole log. Close the sockets that you do not wait for first.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .fold import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

VERSION = 1


class HistoryError(Exception):
    """A history cannot be read; the text names the line and the fault."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Header(_Line):
    """The first line. `by` names the program that recorded the history."""

    record: Literal["history"] = "history"
    version: int = VERSION
    by: str = ""


class _Moment(_Line):
    at: float


class _Deed(_Moment):
    conversation: str
    person: str
    socket: str | None = None
    token: str | None = None


class Connect(_Deed):
    """A socket is about to be requested; `after` is the `last_sequence_id` of the request, None without one."""

    record: Literal["connect"] = "connect"
    after: int | None = Field(default=None, ge=0)


class Disconnect(_Deed):
    """The socket was refused, closed by either side, or cut; `code` is None without a close frame."""

    record: Literal["disconnect"] = "disconnect"
    code: int | None = None
    reason: str = ""


class Send(_Deed):
    """A message is about to be sent, for the first time or again."""

    record: Literal["send"] = "send"
    key: str
    content: str


class Change(_Deed):
    """A change of a message is about to be asked for, for the first time or again: `frame` is the client's, with its key."""

    record: Literal["change"] = "change"
    frame: dict[str, Any]


class Page(_Deed):
    """A page of the log was read over HTTP in the midst of the run; it was asked for at `since`."""

    record: Literal["page"] = "page"
    since: float
    events: list[dict[str, Any]]


class Deleted(_Deed):
    """The deletion of the whole conversation was answered: who asks for anything later must get nothing. It has no `log`."""

    record: Literal["deleted"] = "deleted"


class Sync(_Deed):
    """The client has asked for all events after a sequence again."""

    record: Literal["sync"] = "sync"
    after: int = Field(ge=0)


class Received(_Deed):
    """A frame of any type was received, `message_ack` and `error` included.

    Over HTTP: the receipt or the refusal of a request that was begun at `since`.
    """

    record: Literal["received"] = "received"
    since: float | None = None
    frame: dict[str, Any]


class Committed(_Moment):
    """The store now has everything up to this sequence. Only a recorder with access to the store, as the simulator, writes it."""

    record: Literal["committed"] = "committed"
    conversation: str
    sequence: int


class Log(_Moment):
    """A page of the server's log, read at the end: `events` after sequence `after`. `head` is the log's last sequence."""

    record: Literal["log"] = "log"
    conversation: str
    after: int = Field(ge=0)
    head: int = Field(ge=0)
    events: list[dict[str, Any]]


class Ending(_Moment):
    """A token ends, or without one whatever token a person has: this was `asked` for, `told` to be so, or is `lifted`."""

    record: Literal["ending"] = "ending"
    person: str
    token: str | None = None
    state: Literal["asked", "told", "lifted"]


class Renewed(_Deed):
    """The socket goes on with this `token` in place of the one that it was opened with."""

    record: Literal["renewed"] = "renewed"


class Erased(_Moment):
    """It was told that a person is erased, and nothing is left of what they said or of these names of theirs."""

    record: Literal["erased"] = "erased"
    person: str
    names: tuple[str, ...] = ()


class Subscriber(_Moment):
    """A backend is told of events over HTTP from the first one on: of these types and conversations, None for all."""

    record: Literal["subscriber"] = "subscriber"
    subscriber: str
    events: tuple[str, ...] | None = None
    conversations: tuple[str, ...] | None = None


class Delivery(_Moment):
    """A subscriber was told of an event, `frame`, which the server has read at `since` or later; `taken` is its answer."""

    record: Literal["delivery"] = "delivery"
    conversation: str
    subscriber: str
    since: float
    frame: dict[str, Any]
    taken: bool


class Note(_Moment):
    """A comment for human readers: the server was killed, the network was slow."""

    record: Literal["note"] = "note"
    text: str


Record = (
    Connect
    | Disconnect
    | Send
    | Change
    | Sync
    | Received
    | Page
    | Deleted
    | Committed
    | Log
    | Ending
    | Renewed
    | Erased
    | Subscriber
    | Delivery
    | Note
)
_ANY: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="record")])


class Recorder:
    """Makes records, in the order of the calls. `write` is called with each record; `clock` returns seconds."""

    def __init__(
        self, write: Callable[[Record], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.write = write
        self.clock = clock
        self._sockets = 0

    def connect(
        self, conversation: str, person: str, after: int | None, token: str | None = None
    ) -> Line:
        """Record that a socket is about to be requested; the `Line` returned records its traffic. `token` is a name for one."""
        self._sockets += 1
        line = Line(self, conversation, person, str(self._sockets), token)
        self.write(Connect(at=self.clock(), **line.names, after=after))
        return line

    def over_http(self, conversation: str, person: str, token: str | None = None) -> Line:
        """A `Line` for a request, which has no socket."""
        return Line(self, conversation, person, None, token)

    def ending(
        self, person: str, token: str | None, state: Literal["asked", "told", "lifted"]
    ) -> None:
        """Record that a token ends, or whatever token a person has."""
        self.write(Ending(at=self.clock(), person=person, token=token, state=state))

    def erased(self, person: str, names: Iterable[str]) -> None:
        """Record that it was told that a person is erased."""
        self.write(Erased(at=self.clock(), person=person, names=tuple(names)))

    def committed(self, conversation: str, sequence: int) -> None:
        """Record that the store has everything up to `sequence`."""
        self.write(Committed(at=self.clock(), conversation=conversation, sequence=sequence))

    def log(self, conversation: str, after: int, head: int, events: list[dict[str, Any]]) -> None:
        """Record a page of the log, at the end."""
        self.write(
            Log(at=self.clock(), conversation=conversation, after=after, head=head, events=events)
        )

    def subscriber(
        self, name: str, events: Iterable[str] | None, conversations: Iterable[str] | None
    ) -> None:
        """Record that a backend wants to be told of events, before there are any."""
        kinds = None if events is None else tuple(events)
        where = None if conversations is None else tuple(conversations)
        at = self.clock()
        self.write(Subscriber(at=at, subscriber=name, events=kinds, conversations=where))

    def delivery(
        self,
        conversation: str,
        subscriber: str,
        since: float,
        frame: dict[str, Any],
        *,
        taken: bool,
    ) -> None:
        """Record that a backend was told of an event, and its answer."""
        self.write(
            Delivery(
                at=self.clock(),
                conversation=conversation,
                subscriber=subscriber,
                since=since,
                frame=frame,
                taken=taken,
            )
        )

    def note(self, text: str) -> None:
        """Record a comment for human readers."""
        self.write(Note(at=self.clock(), text=text))


class Line:
    """Records one person's traffic with one conversation, over a socket or HTTP."""

    def __init__(
        self,
        recorder: Recorder,
        conversation: str,
        person: str,
        socket: str | None,
        token: str | None = None,
    ) -> None:
        self.names: dict[str, Any] = {
            "conversation": conversation,
            "person": person,
            "socket": socket,
            "token": token,
        }
        self.token: Callable[[], str | None] = lambda: None
        """Gives the name of the client's token, with which it renews a socket."""
        self._recorder = recorder
        self._renewing: str | None = None
        self._since = recorder.clock() if socket is None else None

    def say(self, key: str, content: str) -> None:
        """Record that a message is about to be sent."""
        now = self._recorder.clock()
        self._recorder.write(Send(at=now, **self.names, key=key, content=content))

    def change(self, frame: dict[str, Any]) -> None:
        """Record that a change of a message is about to be asked for, over HTTP as in a frame."""
        self._recorder.write(Change(at=self._recorder.clock(), **self.names, frame=frame))

    def page(self, since: float, events: list[dict[str, Any]]) -> None:
        """Record a page of the log."""
        now = self._recorder.clock()
        self._recorder.write(Page(at=now, **self.names, since=since, events=events))

    def deleted(self) -> None:
        """Record that the deletion of the conversation was answered."""
        self._recorder.write(Deleted(at=self._recorder.clock(), **self.names))

    def sent(self, text: str | bytes) -> None:
        """Record a client's frame about to be sent; those that change nothing are left out, and changes without a key."""
        match json.loads(text):
            case {"type": "auth"}:
                self._renewing = self.token()
            case {"type": kind, "client_message_id": str()} as frame if kind in CHANGES:
                self.change(frame)
            case {"type": "message", "content": content, "client_message_id": key}:
                self.say(key, content)
            case {"type": "sync", "last_sequence_id": after}:
                now = self._recorder.clock()
                self._recorder.write(Sync(at=now, **self.names, after=after))

    def received(self, text: str | bytes) -> None:
        """Record a received frame, given as JSON."""
        self.took(json.loads(text))

    def took(self, frame: dict[str, Any]) -> None:
        """Record a received frame, given parsed; over HTTP, a receipt as `message_ack` or a refusal as `error`."""
        now = self._recorder.clock()
        self._recorder.write(Received(at=now, **self.names, since=self._since, frame=frame))
        if frame["type"] == "auth_ack":
            self.names["token"] = self._renewing
            self._recorder.write(Renewed(at=now, **self.names))

    def closed(self, code: int | None = None, reason: str = "") -> None:
        """Record the end of the socket; `code` is None without a close frame."""
        now = self._recorder.clock()
        self._recorder.write(Disconnect(at=now, **self.names, code=code, reason=reason))


class HistoryFile:
    """Writes a history to a file. With `by` the file is begun anew; without it, an existing history is continued."""

    def __init__(self, path: Path, by: str | None = None) -> None:
        self._file = path.open("a" if by is None else "w", encoding="utf-8")
        if by is not None:
            self._file.write(Header(by=by).model_dump_json() + "\n")

    def write(self, record: Record) -> None:
        """Add a line."""
        self._file.write(as_line(record) + "\n")

    def close(self) -> None:
        """Flush and close the file."""
        self._file.close()

    def __enter__(self) -> HistoryFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def as_line(record: Record) -> str:
    """A record as its line in a file, without the line end."""
    return record.model_dump_json()


def read(path: Path) -> Iterator[tuple[int, Record]]:
    """The records of a file with their line numbers. Raises `HistoryError` if a line cannot be read."""
    try:
        with path.open("rb") as file:
            yield from parse(file)
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror}") from None
    except HistoryError as error:
        raise HistoryError(f"{path}: {error}") from None


def parse(lines: Iterator[bytes] | Any) -> Iterator[tuple[int, Record]]:
    """The records with their line numbers, from lines of bytes with the header first. Raises `HistoryError`."""
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            if number == 1:
                _check(Header.model_validate_json(line))
            else:
                yield number, _ANY.validate_json(line)
        except ValidationError as error:
            raise HistoryError(f"line {number}: {_problem(error)}") from None
    if not number:
        raise HistoryError("line 1: the file is empty; a history begins with its header")


def _check(header: Header) -> None:
    if header.version != VERSION:
        raise HistoryError(
            f"line 1: version {header.version} of the format; this salon reads version {VERSION}"
        )


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return f"{place}: {first['msg']}" if place else first["msg"]
