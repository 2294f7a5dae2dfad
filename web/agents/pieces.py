"""The pieces of an answer as an upstream yields them, and what goes wrong with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class UpstreamError(Exception):
    """The upstream failed. `retry_after` is in seconds, where it said so; the text has neither keys nor what was said.

    `of_request` where it has refused this one request for what is in it: it is well, and another may be answered.
    """

    def __init__(
        self, what: str, retry_after: float | None = None, *, of_request: bool = False
    ) -> None:
        super().__init__(what)
        self.retry_after = retry_after
        self.of_request = of_request


REQUEST_AT_FAULT = (400, 413, 422)  # statuses, such as those of content filters


class Activity(NamedTuple):
    """What the upstream is doing while it says nothing, for people: sent as `run_status`."""

    state: Literal["thinking", "tool"]
    label: str | None = None


class Results(NamedTuple):
    """Structured results of an answer, {url, name, site?, score?, description?, schema_object?} each; several are appended."""

    items: tuple[dict[str, Any], ...]


class ToolCall(NamedTuple):
    """The model wants a tool to be called. `arguments` is what it wrote, which should be a JSON object."""

    id: str
    name: str
    arguments: str


class Offer(NamedTuple):
    """A tool as a model is told of it. `parameters` is a JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Round(NamedTuple):
    """What the model said before it called tools, the calls and their results, in the same order."""

    text: str
    calls: tuple[ToolCall, ...]
    results: tuple[str, ...]


Usage = dict[str, Any]
Piece = str | Usage | Activity | Results | ToolCall
