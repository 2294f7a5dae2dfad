"""An agent of the kind mcp: it has no words of its own, people call its tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .toolbox import Command, ToolServer, obey, open_toolbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..settings import ToolSettings
    from .pieces import Piece
    from .prompt import Prompt


class RunningServer(ToolServer, Protocol):
    """A server of tools with a session that has to be kept."""

    async def run(self) -> None:
        """Keep the session until cancelled."""


class ToolsAgent:
    """Says how its tools are called; a call never comes so far."""

    def __init__(self, server: RunningServer, settings: ToolSettings) -> None:
        self.server = server
        self._settings = settings

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield the list of tools. Raises `UpstreamError`."""
        yield await obey(
            Command(None, ""), await open_toolbox([(self._settings, self.server)], all_of_them=True)
        )

    async def close(self) -> None:
        """The session ends with `run` of the server."""
