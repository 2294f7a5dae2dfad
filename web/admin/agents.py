"""The operators' routes of hosted agents: what they are, what they have used, and agents that are added while the server runs."""

from __future__ import annotations

import logging
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from salon.actors.store import RunAccount

    from ..agents import HostedAgent, Job
    from ..settings import BudgetSettings
    from .parts import AdminParts

# Else whoever may add agents could send any variable of the server's to an address of their own.
KEY_PREFIX = "SALON_AGENT_KEY_"

logger = logging.getLogger(__name__)


async def add_stored_agents(parts: AdminParts) -> None:
    """Host the agents that operators have added before. One that cannot be opened is left out, and the log says why.

    Raises `StoreError`.
    """
    for agent_id, text in (await parts.directory.store.agents().wait()).items():
        if parts.agents.get(agent_id) is not None:
            logger.error("agent %s: the configuration has one, the one added is left out", agent_id)
            continue
        try:
            settings = AgentSettings.model_validate_json(text)
            parts.agents.add(settings, open_upstream(settings), added=True)
        except (ValidationError, SettingsError) as error:
            problem = problem_of(error.errors()) if isinstance(error, ValidationError) else error
            logger.error("agent %s cannot be opened: %s", agent_id, problem)


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
        return answer({"agents": [await _view(parts, agent) for agent in agents]})

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
        rows = [] if asked.cursor is not None else _open_runs(parts, asked, page.accounts)
        rows += [_past(parts, account) for account in page.accounts]
        return answer(without_nothing({"runs": rows, "next_cursor": page.before}))


class _Changes:
    """Changes of agents in the order of asking, each as a whole: else what is stored and what is hosted would differ."""

    def __init__(self) -> None:
        self._line: deque[trio.Event] = deque()  # the first of them is made now

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the changes before this one. Who hangs up then cancels nothing: it takes as long as ends of runs do."""
        mine = trio.Event()
        self._line.append(mine)
        try:
            self._line[0].set()
            await mine.wait()
            with trio.CancelScope(shield=True):
                yield
        finally:
            self._line.remove(mine)
            if self._line:
                self._line[0].set()


def _add_handles(routes: Blueprint, parts: AdminParts) -> None:
    changes = _Changes()

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
        async with changes.turn():
            settings = _settings(parts, agent_id, wanted)
            before = _added(parts, agent_id)
            upstream = await _opened(parts, settings)
            text = settings.model_dump_json(exclude_defaults=True)
            await parts.directory.store.save_agent(agent_id, text).wait()
            if before is not None:
                await parts.agents.remove(agent_id)
            agent = parts.agents.add(settings, upstream, added=True)
            _ask_again(parts, agent_id)
        parts.audit.note(operator, "host", agent_id, "replaced" if before else "done")
        return answer(await _view(parts, agent), 201 if before is None else 200)

    @routes.delete("/agents/<path:agent_id>")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.INVALID_FORMAT, Code.STORE_UNAVAILABLE)
    async def delete_agent(agent_id: str) -> Response:
        """Stop hosting an agent that was added. It stays a member of its conversations, and answers nobody."""
        operator = parts.admin()
        async with changes.turn():
            if _added(parts, agent_id) is None:
                raise parts.refusal(Code.NOT_FOUND)
            await parts.directory.store.save_agent(agent_id, None).wait()
            await parts.agents.remove(agent_id)
        parts.audit.note(operator, "unhost", agent_id)
        return Response(b"", 204)


def _ask_again(parts: AdminParts, agent_id: str) -> None:
    """Ask a new agent for what the one in its place was asked and had not begun."""
    for actor in list(parts.directory.conversations.values()):
        if actor.state is not None and agent_id in actor.state.agents:
            actor.agents.ask_hosted(actor.state)


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
            **_money(day.cost, settings),
        },
    }
    return without_nothing(fields)


def _money(cost: int, settings: AgentSettings | None) -> dict[str, Any]:
    price = None if settings is None else settings.price
    return {"cost": cost / MILLION} | ({} if price is None else {"currency": price.currency})


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


def _open_runs(
    parts: AdminParts, asked: schemas.RunQuery, ended: Sequence[RunAccount]
) -> list[dict[str, Any]]:
    """The runs that go on, but for those that have an account: work on a run ends a little after it."""
    over = {(account.conversation_id, account.run_id) for account in ended}
    return [_open(parts, job) for job in parts.agents.jobs() if _is_wanted(asked, job, over)]


def _is_wanted(asked: schemas.RunQuery, job: Job, over: set[tuple[str, str]]) -> bool:
    place = job.answer.conversation_id
    return (
        asked.agent_id in (None, job.agent_id)
        and asked.conversation_id in (None, place)
        and (place, job.answer.run_id) not in over
    )


def _open(parts: AdminParts, job: Job) -> dict[str, Any]:
    tab = job.tab
    return _run(
        parts,
        job.agent_id,
        conversation_id=job.answer.conversation_id,
        run_id=job.answer.run_id,
        state="open",
        why=job.why,
        asked_by=None if tab is None else tab.asker.person,
        started_at=timestamp(job.started_at),
        first_word_seconds=None if job.first_word is None else job.first_word / 1000,
        seconds=job.seconds,
        input_tokens=0 if tab is None else tab.told,
        output_tokens=0 if tab is None else tab.said,
        cost=0 if tab is None else tab.cost,
        tool_calls=job.tool_calls,
    )


def _past(parts: AdminParts, account: RunAccount) -> dict[str, Any]:
    first = account.first_word
    return _run(
        parts,
        account.agent_id,
        conversation_id=account.conversation_id,
        run_id=account.run_id,
        state=account.status,
        reason=account.reason,
        why=account.why,
        asked_by=account.asked_by,
        started_at=timestamp(account.started_at),
        first_word_seconds=None if first is None else first / 1000,
        seconds=account.duration / 1000,
        input_tokens=account.input_tokens,
        output_tokens=account.output_tokens,
        cost=account.cost,
        tool_calls=account.tool_calls,
    )


def _run(parts: AdminParts, agent_id: str, cost: int, **fields: Any) -> dict[str, Any]:
    agent = parts.agents.get(agent_id)
    settings = None if agent is None else agent.settings
    name = agent_id if settings is None else settings.participant.name
    about = {"agent_id": agent_id, "agent_name": name, **fields, **_money(cost, settings)}
    return without_nothing(about)
