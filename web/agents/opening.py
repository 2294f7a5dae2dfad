"""Opens the upstream of each agent of the configuration, with the libraries and the key that its kind needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..settings import SettingsError
from .upstream import Echo, Script

if TYPE_CHECKING:
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
        case "openai" | "azure_openai":
            return _open_openai(agent)
        case "nlweb":
            from .nlweb_wire import NLWeb  # noqa: PLC0415  # 40 ms, for those who have such an agent

            return NLWeb(agent, _key(agent, ""))


def _key(agent: AgentSettings, otherwise: str) -> str:
    """The key of an agent's endpoint, or what stands for none."""
    key = os.environ.get(agent.key_env, "") if agent.key_env else otherwise
    if agent.key_env and not key:
        raise SettingsError(
            f"agents.{agent.id}: the environment variable that its key_env names is not set"
        )
    return key


def _open_openai(agent: AgentSettings) -> Upstream:
    key = _key(agent, NO_KEY)
    try:
        from .openai_wire import OpenAI  # noqa: PLC0415  # 0.5 s and an extra, for those who have such an agent
    except ModuleNotFoundError as missing:
        if missing.name != "openai":
            raise
        raise SettingsError(f"agents.{agent.id}: the kind {agent.kind} needs {EXTRA}") from None
    return OpenAI(agent, key)
