"""The events of an OpenAI stream, so far as they are used. A text may hold half a character, which pydantic would refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from .pieces import ToolCall, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 1 << 20  # characters of all tool calls of an answer
Count = Annotated[int, Field(ge=0, le=10**9)]


class Function(BaseModel):
    """The function of a piece of a call."""

    name: str | None = None
    arguments: Any = None


class CallPiece(BaseModel):
    """A piece of a tool call; the first has its name."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(BaseModel):
    """What the answer goes on with."""

    content: Any = None
    tool_calls: list[CallPiece] | None = None


class Choice(BaseModel):
    """One answer; only one is asked for."""

    delta: Delta | None = None
    finish_reason: str | None = None


class Tokens(BaseModel):
    """What a request has used."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class Chunk(BaseModel):
    """One event."""

    choices: list[Choice] | None = None
    usage: Tokens | None = None
    error: Any = None


class ToolCalls:
    """The tool calls of a stream, whose pieces come one after the other."""

    def __init__(self) -> None:
        self._calls: dict[int, list[str]] = {}  # by index: id, name, arguments
        self._size = 0

    def take(self, pieces: Iterable[CallPiece]) -> None:
        """Take the pieces of one event. Raises `UpstreamError` for more than an answer can have."""
        for place, piece in enumerate(pieces):
            index = place if piece.index is None else piece.index
            call = self._calls.setdefault(index, ["", "", ""])
            function = piece.function or Function()
            id, name = piece.id or "", function.name or ""
            call[0] = call[0] or id
            call[1] = call[1] or name
            more = function.arguments if isinstance(function.arguments, str) else ""
            call[2] += more.encode("utf-8", "replace").decode()
            self._size += 1 + len(id) + len(name) + len(more)
            if self._size > LARGEST:
                raise UpstreamError("the tool calls are too large")

    def whole(self) -> Iterator[ToolCall]:
        """The calls; one without an id gets one."""
        for number, (id, name, arguments) in enumerate(self._calls.values()):
            yield ToolCall(id or f"call_{number}", name, arguments)
