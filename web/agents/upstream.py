"""Where an agent's words come from, and the two demonstrations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .pieces import Piece
    from .prompt import Prompt

WORDS = re.compile(r"\s*\S+\s*")


class Upstream(Protocol):
    """Says the answer to a prompt in pieces. A dict is what the answer has used, in fields of the wire."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield the pieces. Closing it closes the request.

        Raises `UpstreamError`; a `Passing` one is tried again by the caller, with what is said then.
        """

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
