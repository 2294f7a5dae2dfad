"""What hosted agents are doing and have done: of all nodes of a cluster, each of which answers for its own conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agents import MILLION
from ..socket import timestamp
from .agent_schemas import RunQuery, without_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from salon.actors.store import RunAccount

    from ..agents import Job
    from ..settings import AgentSettings
    from .parts import AdminParts

Work = dict[str, tuple[int, int]]  # by the agent's id: what it answers, and what waits


async def open_runs(
    parts: AdminParts, asked: RunQuery, ended: Sequence[RunAccount]
) -> list[dict[str, Any]]:
    """The runs that go on, but for those that have an account: work on a run ends a little after it."""
    over = {(account.conversation_id, account.run_id) for account in ended}
    found = own_runs(parts, asked)
    if parts.relay is not None:
        fields = asked.model_dump(include={"agent_id", "conversation_id"}, exclude_none=True)
        said = await parts.relay.ask_all("runs", fields)
        found += [run for each in said.by_node.values() for run in each["runs"]]
    return [run for run in found if (run["conversation_id"], run["run_id"]) not in over]


def own_runs(parts: AdminParts, asked: RunQuery) -> list[dict[str, Any]]:
    """Those of this node."""
    return [_open(parts, job) for job in parts.agents.jobs() if _is_wanted(asked, job)]


async def work_elsewhere(parts: AdminParts) -> Work:
    """What the agents do at other nodes."""
    work: Work = {}
    if parts.relay is not None:
        for each in (await parts.relay.ask_all("work", {})).by_node.values():
            for agent_id, (running, waiting) in each.items():
                before = work.get(agent_id, (0, 0))
                work[agent_id] = before[0] + running, before[1] + waiting
    return work


def own_work(parts: AdminParts) -> Work:
    """What they do at this node."""
    return {agent.settings.id: (agent.running, agent.waiting) for agent in parts.agents}


def with_work(view: dict[str, Any], elsewhere: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """An agent's view with what it does at other nodes."""
    running, waiting = elsewhere.get(view["id"], (0, 0))
    return {**view, "running": view["running"] + running, "waiting": view["waiting"] + waiting}


def money(cost: int, settings: AgentSettings | None) -> dict[str, Any]:
    """A cost in the currency of the agent's price."""
    price = None if settings is None else settings.price
    return {"cost": cost / MILLION} | ({} if price is None else {"currency": price.currency})


def _is_wanted(asked: RunQuery, job: Job) -> bool:
    place = job.answer.conversation_id
    return asked.agent_id in (None, job.agent_id) and asked.conversation_id in (None, place)


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


def past_run(parts: AdminParts, account: RunAccount) -> dict[str, Any]:
    """A run that has ended."""
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
    about = {"agent_id": agent_id, "agent_name": name, **fields, **money(cost, settings)}
    return without_nothing(about)
