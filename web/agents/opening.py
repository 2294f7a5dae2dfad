"""Opens the upstream of each agent of the configuration, with the libraries and the key that its kind needs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..settings import SettingsError, ToolSettings
from .tools_agent import ToolsAgent
from .upstream import Echo, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..settings import AgentSettings
    from .upstream import Upstream

EXTRA = "pip install 'salon[ai]'"
NO_KEY = "none"  # the SDK insists on one


def open_upstream(agent: AgentSettings) -> Upstream:
    """The upstream of an agent. Raises `SettingsError` where a library or the key is missing."""
    match agent.kind:
        case "echo":
            return Echo()
        case "script":
            return Script(agent.answers)
        case "mcp":
            return _open_mcp(agent)
        case "openai" | "azure_openai":
            return _open_openai(agent)
        case "nlweb":
            from .nlweb_wire import NLWeb  # noqa: PLC0415  # 40 ms, for those who have such an agent

            return NLWeb(agent, _key(agent) or "")


def _open_openai(agent: AgentSettings) -> Upstream:
    key = _key(agent) or NO_KEY
    with _needs("openai", agent):
        from .openai_wire import OpenAI  # noqa: PLC0415  # 0.5 s and an extra, for those who have such an agent
    return OpenAI(agent, agent.token_file or key)


def _open_mcp(agent: AgentSettings) -> Upstream:
    key = _key(agent)
    with _needs("mcp", agent):
        from .mcp_wire import McpServer  # noqa: PLC0415  # 1 s and an extra
    return ToolsAgent(McpServer(agent, key), ToolSettings(mcp=agent.id))


def _key(agent: AgentSettings) -> str | None:
    if agent.key_env is None:
        return None
    key = os.environ.get(agent.key_env)
    if not key:
        raise SettingsError(
            f"agents.{agent.id}: the environment variable that its key_env names is not set"
        )
    return key


@contextmanager
def _needs(library: str, agent: AgentSettings) -> Iterator[None]:
    """Say what to install if a library is missing."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if missing.name != library:
            raise
        raise SettingsError(f"agents.{agent.id}: the kind {agent.kind} needs {EXTRA}") from None
