"""A history: what simulated users did and saw, one JSON object a line, to be judged later by `salon check`.

The first line is `{"record": "history", "version": 1, "by": TEXT}`. Each other line has `record`, its kind, `at`, seconds on
one clock, and the fields of its class below. The order of the lines is the order of what happened: `connect` and `send` stand
before the bytes leave, everything else as soon as it is known. `person` is the participant's id, `socket` any name that is used
for one connection only; None means that something went over HTTP. Frames are kept whole, as the contract has them.

A history is judged whole if it ends with the `log` of each conversation, read when nothing is on its way any more: whoever is
still connected then must have been sent all of it. Close first whom you do not wait for.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

VERSION = 1


class HistoryError(Exception):
    """A history that cannot be read; the text says which line, and what is wrong with it."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Header(_Line):
    """The first line. `by` says what recorded it."""

    record: Literal["history"] = "history"
    version: int = VERSION
    by: str = ""


class _Moment(_Line):
    at: float


class _Deed(_Moment):
    conversation: str
    person: str
    socket: str | None = None


class Connect(_Deed):
    """A socket is about to be asked for; `after` is the `last_sequence_id` of the request, None where there is none."""

    record: Literal["connect"] = "connect"
    after: int | None = Field(default=None, ge=0)


class Disconnect(_Deed):
    """It was refused, closed by either side, or cut; `code` is None where there was no close frame."""

    record: Literal["disconnect"] = "disconnect"
    code: int | None = None
    reason: str = ""


class Send(_Deed):
    """A message is about to leave, for the first time or again."""

    record: Literal["send"] = "send"
    key: str
    content: str


class Sync(_Deed):
    """The client has asked for everything after a sequence once more."""

    record: Literal["sync"] = "sync"
    after: int = Field(ge=0)


class Received(_Deed):
    """A frame has come, of whatever type: the `message_ack` and the `error` too. Over HTTP: the receipt, or the refusal."""

    record: Literal["received"] = "received"
    frame: dict[str, Any]


class Committed(_Moment):
    """The store has everything up to this sequence now. Only who can see into the store, as the simulator, records it."""

    record: Literal["committed"] = "committed"
    conversation: str
    sequence: int


class Log(_Moment):
    """Events of the log as the server has them, read at the end: a page of those after sequence `after`. `head` is the last."""

    record: Literal["log"] = "log"
    conversation: str
    after: int = Field(ge=0)
    head: int = Field(ge=0)
    events: list[dict[str, Any]]


class Note(_Moment):
    """Something that happened around them, for whoever reads: the server was killed, the network was slow."""

    record: Literal["note"] = "note"
    text: str


Record = Connect | Disconnect | Send | Sync | Received | Committed | Log | Note
_ANY: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="record")])


class Recorder:
    """Takes down what happens, in the order of the calls. `write` gets each record; `clock` gives seconds."""

    def __init__(
        self, write: Callable[[Record], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.write = write
        self.clock = clock
        self._sockets = 0

    def connect(self, conversation: str, person: str, after: int | None) -> Line:
        """A socket is about to be asked for: what goes over it is told to the answer."""
        self._sockets += 1
        line = Line(self, conversation, person, str(self._sockets))
        self.write(Connect(at=self.clock(), **line.names, after=after))
        return line

    def over_http(self, conversation: str, person: str) -> Line:
        """The same for requests, which have no socket."""
        return Line(self, conversation, person, None)

    def committed(self, conversation: str, sequence: int) -> None:
        """The store has everything up to there."""
        self.write(Committed(at=self.clock(), conversation=conversation, sequence=sequence))

    def log(self, conversation: str, after: int, head: int, events: list[dict[str, Any]]) -> None:
        """A page of the log, at the end."""
        self.write(
            Log(at=self.clock(), conversation=conversation, after=after, head=head, events=events)
        )

    def note(self, text: str) -> None:
        """Something around them happened."""
        self.write(Note(at=self.clock(), text=text))


class Line:
    """One person's way to one conversation: a socket, or HTTP."""

    def __init__(
        self, recorder: Recorder, conversation: str, person: str, socket: str | None
    ) -> None:
        self.names: dict[str, Any] = {
            "conversation": conversation,
            "person": person,
            "socket": socket,
        }
        self._recorder = recorder

    def say(self, key: str, content: str) -> None:
        """A message is about to leave."""
        now = self._recorder.clock()
        self._recorder.write(Send(at=now, **self.names, key=key, content=content))

    def sent(self, text: str | bytes) -> None:
        """A client's frame is about to leave; what is neither `message` nor `sync` changes nothing and is left out."""
        match json.loads(text):
            case {"type": "message", "content": content, "client_message_id": key}:
                self.say(key, content)
            case {"type": "sync", "last_sequence_id": after}:
                now = self._recorder.clock()
                self._recorder.write(Sync(at=now, **self.names, after=after))

    def received(self, text: str | bytes) -> None:
        """A server's frame has come."""
        self.took(json.loads(text))

    def took(self, frame: dict[str, Any]) -> None:
        """The same, parsed already; over HTTP a receipt as `message_ack` or a refusal as `error`."""
        self._recorder.write(Received(at=self._recorder.clock(), **self.names, frame=frame))

    def closed(self, code: int | None = None, reason: str = "") -> None:
        """It is over."""
        now = self._recorder.clock()
        self._recorder.write(Disconnect(at=now, **self.names, code=code, reason=reason))


class HistoryFile:
    """A history on its way into a file. `by` begins a new one; without it, one that is there is continued."""

    def __init__(self, path: Path, by: str | None = None) -> None:
        self._file = path.open("a" if by is None else "w", encoding="utf-8")
        if by is not None:
            self._file.write(Header(by=by).model_dump_json() + "\n")

    def write(self, record: Record) -> None:
        """Add a line."""
        self._file.write(as_line(record) + "\n")

    def close(self) -> None:
        """Write what is held, and end it."""
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
    """A record as it stands in a file."""
    return record.model_dump_json()


def read(path: Path) -> Iterator[tuple[int, Record]]:
    """The records with the numbers of their lines. Raises `HistoryError`."""
    try:
        with path.open("rb") as file:
            yield from parse(file)
    except OSError as error:
        raise HistoryError(f"{path}: {error.strerror}") from None
    except HistoryError as error:
        raise HistoryError(f"{path}: {error}") from None


def parse(lines: Iterator[bytes] | Any) -> Iterator[tuple[int, Record]]:
    """The same from lines of bytes, the header first."""
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
