"""Where an agent's words come from, and the two demonstrations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .prompt import Prompt

WORDS = re.compile(r"\s*\S+\s*")


class UpstreamError(Exception):
    """The upstream failed. `retry_after` is in seconds, where it said so; the text has neither keys nor what was said."""

    def __init__(self, what: str, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class Activity(NamedTuple):
    """What the upstream is doing while it says nothing, for people: sent as `run_status`."""

    state: Literal["thinking", "tool"]
    label: str | None


class Results(NamedTuple):
    """Structured results of an answer, {url, name, site?, score?, description?, schema_object?} each; several are appended."""

    items: tuple[dict[str, Any], ...]


Piece = str | dict[str, Any] | Activity | Results


class Upstream(Protocol):
    """Says the answer to a prompt in pieces. A dict is what the answer has used, in fields of the wire."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield the pieces. Raises `UpstreamError`. Closing it closes the request."""

    async def close(self) -> None:
        """Close all connections."""


class Echo:
    """Repeats the message."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield its words."""
        for word in WORDS.findall(prompt.asked):
            yield word

    async def close(self) -> None:
        """Nothing is open."""


class Script:
    """Says one of its answers, by the message's place in the conversation."""

    def __init__(self, answers: tuple[str, ...]) -> None:
        self._answers = answers

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield the answer's words."""
        for word in WORDS.findall(self._answers[prompt.sequence % len(self._answers)]):
            yield word

    async def close(self) -> None:
        """Nothing is open."""
