"""What runs of hosted agents have used and the agents of operators, in the SQLite store: functions of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.store import AccountPage, RunAccount, RunTotals

from .rows import Rows
from .upsert import upsert

if TYPE_CHECKING:
    from .connection import Connection

_COLUMNS = ", ".join(RunAccount._fields)
# A row is 1 and the account: 15 columns, of which a group of the writer, 2,000 accounts, stays below SQLite's 32,766 values.
# ON CONFLICT names the one conflict that is no fault; OR IGNORE would also drop an account that lacks something.
SAVE = Rows(
    f"INSERT OR ROLLBACK INTO run_accounts ({_COLUMNS}) SELECT "
    + ", ".join(f"column{n}" for n in range(2, len(RunAccount._fields) + 2))
    + " FROM {values} WHERE column1 > 0 ON CONFLICT (conversation_id, run_id) DO NOTHING",
    "itttittttiiiiii",
)
_SAVE_AGENT = upsert("hosted_agents", "id", "settings")
_BEFORE = (
    "(started_at, position) < "
    "(SELECT started_at, position FROM run_accounts WHERE position = :before)"
)
# total() never overflows, as sum() would do for ever after one absurd figure from a provider.
_TOTALS = (
    "SELECT count(*) FILTER (WHERE input_tokens > 0 OR output_tokens > 0), "
    "CAST(total(input_tokens) + total(output_tokens) AS INTEGER), "
    "CAST(total(cost) AS INTEGER), CAST(total(duration) AS INTEGER) FROM run_accounts"
)


def page(
    connection: Connection,
    agent_id: str | None,
    conversation_id: str | None,
    before: int | None,
    limit: int,
) -> AccountPage:
    """A page, as `Store.accounts` describes it."""
    values = {"agent_id": agent_id, "conversation_id": conversation_id, "before": before}
    conditions = _narrowed(agent_id=agent_id, conversation_id=conversation_id)
    if before is not None:
        conditions.append(_BEFORE)
    rows = connection.execute(
        f"SELECT position, {_COLUMNS} FROM run_accounts{_where(conditions)} "
        "ORDER BY started_at DESC, position DESC LIMIT :most",
        values | {"most": limit + 1},
    ).fetchall()
    accounts = tuple(RunAccount(*row[1:]) for row in rows[:limit])
    return AccountPage(accounts, rows[limit - 1][0] if len(rows) > limit else None)


def totals(
    connection: Connection,
    agent_id: str,
    since: int,
    asked_by: str | None,
    conversation_id: str | None,
) -> RunTotals:
    """The sums, as `Store.run_totals` describes them."""
    chosen = {"agent_id": agent_id, "asked_by": asked_by, "conversation_id": conversation_id}
    conditions = ["started_at >= :since", *_narrowed(**chosen)]
    values = {"since": since, **chosen}
    return RunTotals(*connection.execute(_TOTALS + _where(conditions), values).fetchone())


def save_agent(row: tuple[str, str | None], connection: Connection) -> None:
    """Store an agent's settings, or delete the agent."""
    if row[1] is None:
        connection.execute("DELETE FROM hosted_agents WHERE id = ?", row[:1])
    else:
        connection.execute(_SAVE_AGENT, row)


def agents(connection: Connection) -> dict[str, str]:
    """The settings of the agents, by id."""
    return dict(connection.execute("SELECT id, settings FROM hosted_agents ORDER BY id").fetchall())


def _narrowed(**values: str | None) -> list[str]:
    """The conditions for the values that are given."""
    return [f"{name} = :{name}" for name, value in values.items() if value is not None]


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
