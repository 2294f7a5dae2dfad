"""The tools of an MCP server, over streamable HTTP or the input and output of a program that is started here."""

from __future__ import annotations

import json
import logging
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import trio
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, ResourceLink, TextContent

from .pieces import Offer, UpstreamError
from .toolbox import ToolResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from mcp.types import CallToolResult
    from mcp.types import Tool as McpTool

    from ..settings import AgentSettings

CONNECT = 10.0  # seconds to connect and to list the tools: a program has to start in them
REST = 5.0  # seconds for which a server is left alone that could not be reached: each answer would wait for it
CALL = 60.0  # seconds of one call
KEPT = 10.0  # seconds for which a list of tools is good: not each answer has to ask
MOST_LISTED = 1000  # tools: more than any server has, and each costs time
PAGES = 20  # of the list of tools
DESCRIPTION_LENGTH = 1000  # characters of a tool's description that a model is told

for noisy in (
    "mcp",
    "client",
    "httpx2",
    "httpcore2",
):  # the library's session calls itself `client`
    logging.getLogger(noisy).setLevel(logging.CRITICAL)  # what they tell has what people said
logger = logging.getLogger(__name__)


class Session:
    """One session, or the attempt to open it. `client` is None before and after."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.settled = trio.Event()  # it is open, or has failed
        self.broken = trio.Event()
        self.offers: list[Offer] = []
        self.listed_at = -KEPT


class McpServer:
    """One server. `run` has to run: it keeps the session, which is opened when somebody wants it first."""

    def __init__(self, agent: AgentSettings, key: str | None) -> None:
        self._agent = agent
        self._key = key
        self._wanted = trio.Event()
        self._session: Session | None = None
        self._rests_until = 0.0
        self._ended = False

    async def run(self) -> None:
        """Open a session when one is wanted, and another after it has broken, until cancelled: then there is none for ever."""
        try:
            await self._keep_sessions()
        finally:
            self._ended = True
            if self._session is not None:
                self._session.settled.set()  # whoever waits for it waits in vain

    async def _keep_sessions(self) -> None:
        while True:
            await self._wanted.wait()
            session, self._wanted = self._session, trio.Event()
            assert session is not None, "whoever wants a session has made it"
            try:
                await self._keep(session)
            except (
                Exception
            ) as error:  # the library lets out anything that has happened in its tasks
                name = type(error).__name__
                logger.warning("agent %s: the session has failed: %s", self._agent.id, name)
            finally:
                if not session.settled.is_set():
                    self._rests_until = trio.current_time() + REST
                self._forget(session)
                session.settled.set()

    async def _keep(self, session: Session) -> None:
        with trio.move_on_after(CONNECT) as scope:
            async with self._connect() as client:
                scope.deadline = float("inf")
                # The library would match what the server gives with the server's own patterns, which may take for ever.
                client.session.validate_tool_result = _as_it_is  # type: ignore[method-assign]
                session.client = client
                session.settled.set()
                await session.broken.wait()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Client]:
        key = self._key
        if self._agent.endpoint is None:
            command, *arguments = self._agent.command
            environment = {self._agent.key_env or "": key} if key else None
            program = StdioServerParameters(command=command, args=arguments, env=environment)
            # Its error output may have what people said.
            with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230  # which waits for nothing
                async with Client(stdio_client(program, nowhere)) as client:
                    yield client
            return
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(CALL, connect=CONNECT)
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
            Client(streamable_http_client(self._agent.endpoint, http_client=http)) as client,
        ):
            yield client

    async def tools(self) -> Sequence[Offer]:
        """The tools that the server has, or had some seconds ago. Raises `UpstreamError`."""
        session = await self._open()
        now = trio.current_time()
        if now < session.listed_at + KEPT:
            return session.offers
        offers: list[Offer] = []
        cursor: str | None = None
        try:
            with trio.fail_after(CONNECT):
                for _ in range(PAGES):
                    page = await _of(session).list_tools(cursor=cursor)
                    offers += [_offer(tool) for tool in page.tools]
                    cursor = page.next_cursor
                    if cursor is None or len(offers) >= MOST_LISTED:
                        break
        except Exception as error:
            raise self._break(session, error) from None
        session.offers, session.listed_at = offers[:MOST_LISTED], now
        return session.offers

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call a tool. What the server says of an error is the result. Raises `UpstreamError` if it cannot be asked."""
        session = await self._open()
        try:
            with trio.move_on_after(CALL):
                return _result(await _of(session).call_tool(name, dict(arguments)))
        except MCPError as error:
            if error.error.code == CONNECTION_CLOSED:
                raise self._break(session, error) from None
            return ToolResult(error.error.message, failed=True)
        except Exception as error:
            raise self._break(session, error) from None
        return ToolResult("The tool took too long.", failed=True)

    async def _open(self) -> Session:
        if self._ended:
            raise UpstreamError("the tools' server was removed")
        if self._session is None and trio.current_time() < self._rests_until:
            raise UpstreamError("the tools' server could not be reached a moment ago")
        if self._session is None:
            self._session = Session()
            self._wanted.set()
        session = self._session
        await session.settled.wait()
        if session.client is None:
            raise UpstreamError("the tools' server cannot be reached")
        return session

    def _break(self, session: Session, error: Exception) -> UpstreamError:
        """End the session: the next call opens another."""
        session.broken.set()
        self._forget(session)
        return UpstreamError(f"the tools' server has failed: {type(error).__name__}")

    def _forget(self, session: Session) -> None:
        session.client = None
        if self._session is session:
            self._session = None


async def _as_it_is(name: str, result: CallToolResult) -> None:
    """A result is text for a model, whatever the tool's schema says."""


def _of(session: Session) -> Client:
    if session.client is None:
        raise UpstreamError("the session has ended")
    return session.client


def _offer(tool: McpTool) -> Offer:
    return Offer(tool.name, (tool.description or "")[:DESCRIPTION_LENGTH], tool.input_schema)


def _result(result: CallToolResult) -> ToolResult:
    lines = []
    for block in result.content:
        if isinstance(block, TextContent):
            lines.append(block.text)
        elif isinstance(block, ResourceLink):
            lines.append(f"{block.name}: {block.uri}")
        else:
            lines.append(f"[{block.type}]")
    if not lines and result.structured_content is not None:
        lines.append(json.dumps(result.structured_content, ensure_ascii=False))
    return ToolResult("\n".join(lines), result.is_error)
