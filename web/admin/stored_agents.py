"""The agents that operators have added, which are in the store: hosted from the start, and as other nodes change them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ..agents import open_upstream
from ..settings import AgentSettings, SettingsError
from ..socket import problem_of

if TYPE_CHECKING:
    from .parts import AdminParts

logger = logging.getLogger(__name__)


async def reload_agents(parts: AdminParts) -> None:
    """Host what operators have added, before or at other nodes, and no longer what they have deleted. Raises `StoreError`.

    One that cannot be opened is left out, and the log says why.
    """
    async with parts.agent_changes.turn():
        texts, stored = parts.agent_changes.texts, await parts.directory.store.agents().wait()
        for agent_id in [each for each in texts if texts[each] != stored.get(each)]:
            del texts[agent_id]
            agent = parts.agents.get(agent_id)
            if agent is not None and agent.added:
                await parts.agents.remove(agent_id)
        for agent_id, text in stored.items():
            if agent_id not in texts:
                texts[agent_id] = text
                _host(parts, agent_id, text)


def _host(parts: AdminParts, agent_id: str, text: str) -> None:
    if parts.agents.get(agent_id) is not None:
        logger.error("agent %s: the configuration has one, the one added is left out", agent_id)
        return
    try:
        settings = AgentSettings.model_validate_json(text)
        parts.agents.add(settings, open_upstream(settings), added=True)
    except (ValidationError, SettingsError) as error:
        problem = problem_of(error.errors()) if isinstance(error, ValidationError) else error
        logger.error("agent %s cannot be opened: %s", agent_id, problem)
    else:
        ask_again(parts, agent_id)


def ask_again(parts: AdminParts, agent_id: str) -> None:
    """Ask a new agent for what the one in its place was asked and had not begun."""
    for actor in list(parts.directory.conversations.values()):
        if actor.state is not None and agent_id in actor.state.agents:
            actor.agents.ask_hosted(actor.state)
