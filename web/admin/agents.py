"""The operators' routes of hosted agents: what they are, what they have used, and agents that are added while the server runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.refusals import Code

from ..agents import MILLION, open_upstream, period, scope_of
from ..http import NoContent, answer, body, query, refusals
from ..settings import AgentSettings, SettingsError
from ..socket import problem_of, timestamp
from . import agent_schemas as schemas
from .agent_schemas import without_nothing
from .hosted_work import money, open_runs, past_run, with_work, work_elsewhere
from .stored_agents import ask_again

if TYPE_CHECKING:
    from ..agents import HostedAgent
    from ..settings import BudgetSettings
    from .parts import AdminParts

# Else whoever may add agents could send any variable of the server's to an address of their own.
KEY_PREFIX = "SALON_AGENT_KEY_"

logger = logging.getLogger(__name__)


def hosted_agent_routes(parts: AdminParts) -> Blueprint:
    """The routes."""
    routes = Blueprint("hosted_agents", __name__, url_prefix="/admin")
    _add_lists(routes, parts)
    _add_handles(routes, parts)
    return routes


def _add_lists(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("/agents")
    @tag(["admin"])
    @document_response(schemas.Agents)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def list_hosted_agents() -> Response:
        """List the hosted agents, with what they are doing and have used."""
        parts.admin()
        agents = list(parts.agents)  # as they are now: others may come and go meanwhile
        elsewhere = await work_elsewhere(parts)
        views = [await _view(parts, agent) for agent in agents]
        return answer({"agents": [with_work(view, elsewhere) for view in views]})

    @routes.get("/runs")
    @tag(["admin"])
    @document_querystring(schemas.RunQuery)
    @document_response(schemas.Runs)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def list_runs() -> Response:
        """List the runs of hosted agents: open ones, on the first page, then past ones, the newest first."""
        parts.admin()
        asked = query(schemas.RunQuery)
        page = await parts.directory.store.accounts(
            agent_id=asked.agent_id,
            conversation_id=asked.conversation_id,
            before=asked.cursor,
            limit=asked.limit,
        ).wait()
        rows = [] if asked.cursor is not None else await open_runs(parts, asked, page.accounts)
        rows += [past_run(parts, account) for account in page.accounts]
        return answer(without_nothing({"runs": rows, "next_cursor": page.before}))


def _add_handles(routes: Blueprint, parts: AdminParts) -> None:
    @routes.put("/agents/<path:agent_id>")
    @tag(["admin"])
    @document_request(schemas.AgentDefinition)
    @document_response(schemas.AgentView)
    @document_response(schemas.AgentView, 201)
    @refusals(Code.FORBIDDEN, Code.INVALID_FORMAT, Code.MALFORMED_REQUEST, Code.STORE_UNAVAILABLE)
    async def put_agent(agent_id: str) -> Response:
        """Add an agent, or replace one that was added: what it is answering is interrupted."""
        operator = parts.admin()
        wanted = await body(schemas.AgentDefinition, depth=parts.settings.limits.json_depth)
        async with parts.agent_changes.turn():
            settings = _settings(parts, agent_id, wanted)
            before = _added(parts, agent_id)
            upstream = await _opened(parts, settings)
            text = settings.model_dump_json(exclude_defaults=True)
            await parts.directory.store.save_agent(agent_id, text).wait()
            parts.agent_changes.texts[agent_id] = text
            if before is not None:
                await parts.agents.remove(agent_id)
            agent = parts.agents.add(settings, upstream, added=True)
            ask_again(parts, agent_id)
        await parts.share()
        parts.audit.note(operator, "host", agent_id, "replaced" if before else "done")
        return answer(await _view(parts, agent), 201 if before is None else 200)

    @routes.delete("/agents/<path:agent_id>")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.INVALID_FORMAT, Code.STORE_UNAVAILABLE)
    async def delete_agent(agent_id: str) -> Response:
        """Stop hosting an agent that was added. It stays a member of its conversations, and answers nobody."""
        operator = parts.admin()
        async with parts.agent_changes.turn():
            if _added(parts, agent_id) is None:
                raise parts.refusal(Code.NOT_FOUND)
            await parts.directory.store.save_agent(agent_id, None).wait()
            parts.agent_changes.texts.pop(agent_id, None)
            await parts.agents.remove(agent_id)
        await parts.share()
        parts.audit.note(operator, "unhost", agent_id)
        return Response(b"", 204)


def _settings(parts: AdminParts, agent_id: str, wanted: schemas.AgentDefinition) -> AgentSettings:
    """The settings of an agent to be added. Raises the refusal for what the configuration alone may say."""
    if wanted.id not in ("", agent_id):
        raise parts.malformed("id: the address names another one")
    if wanted.command:
        raise parts.malformed("command: only the configuration may name programs to start")
    if wanted.token_file is not None:
        raise parts.malformed("token_file: only the configuration may name files")
    if wanted.key_env is not None and not wanted.key_env.startswith(KEY_PREFIX):
        raise parts.malformed(f"key_env: only variables that begin with {KEY_PREFIX} may be named")
    try:
        fields = wanted.model_dump(exclude_unset=True) | {"id": agent_id}
        settings = AgentSettings.model_validate(fields)
    except ValidationError as error:
        raise parts.malformed(problem_of(error.errors())) from None
    providers = parts.settings.auth.providers
    if parts.identities.may_be_person(agent_id) or agent_id.startswith(
        tuple(f"{p}:" for p in providers)
    ):
        raise parts.malformed("id: it is, or may be, a person's")
    for tools in settings.tools:
        other = parts.agents.get(tools.mcp)
        if other is None or other.settings.kind != "mcp":
            raise parts.malformed(f"tools: there is no agent of the kind mcp named {tools.mcp}")
    return settings


def _added(parts: AdminParts, agent_id: str) -> HostedAgent | None:
    """The agent with this id that was added here. Raises the refusal if it is the configuration's."""
    agent = parts.agents.get(agent_id)
    if agent is not None and not agent.added:
        raise parts.malformed("id: the configuration has this agent, change it there")
    return agent


async def _opened(parts: AdminParts, settings: AgentSettings) -> Any:
    try:
        return open_upstream(settings)
    except SettingsError as error:
        raise parts.malformed(str(error)) from None


async def _view(parts: AdminParts, agent: HostedAgent) -> dict[str, Any]:
    settings, breaker = agent.settings, agent.endpoint.breaker
    now = parts.directory.sources.now()
    day = await parts.directory.store.run_totals(settings.id, since=period("day", now)[0]).wait()
    rest = breaker.remaining() or None
    fields = {
        "id": settings.id,
        "name": settings.participant.name,
        "kind": settings.kind,
        "endpoint": settings.endpoint,
        "model": settings.model,
        "trigger": settings.trigger,
        "default": settings.default,
        "source": "route" if agent.added else "configuration",
        "running": agent.running,
        "waiting": agent.waiting,
        "breaker": without_nothing({"state": breaker.state, "retry_after": rest}),
        "tools": [tools.mcp for tools in settings.tools],
        "budgets": [await _budget(parts, settings.id, each, now) for each in settings.budgets],
        "today": {
            "runs": day.runs,
            "tokens": day.tokens,
            **money(day.cost, settings),
        },
    }
    return without_nothing(fields)


async def _budget(
    parts: AdminParts, agent_id: str, budget: BudgetSettings, now: int
) -> dict[str, Any]:
    limits = budget.model_dump(include={"tokens", "money", "seconds", "runs"}, exclude_none=True)
    used = None
    if budget.per == "agent":
        total = await parts.agents.ledger.sum(scope_of(agent_id, budget, now))
        used = {
            "tokens": total.tokens,
            "money": total.cost / MILLION,
            "seconds": total.duration / 1000,
            "runs": total.runs,
        }
    ends = timestamp(period(budget.every, now)[1])
    about = {"per": budget.per, "every": budget.every, "limits": limits, "used": used}
    return without_nothing({**about, "opens_at": ends})
