"""What runs of hosted agents have used, as the memory store keeps it."""

from __future__ import annotations

from bisect import bisect_left, insort

from salon.actors.store import AccountPage, RunAccount, RunTotals


class MemoryAccounts:
    """The accounts, sorted by the runs' start and, of the same start, by their position: the order of storing, from 1."""

    def __init__(self) -> None:
        self._sorted: list[tuple[int, int, RunAccount]] = []
        self._starts: list[int] = []  # by position - 1
        self._runs: set[tuple[str, str]] = set()

    def save(self, account: RunAccount) -> None:
        """Keep the account, unless the run has one."""
        run = account.conversation_id, account.run_id
        if run not in self._runs:
            self._runs.add(run)
            self._starts.append(account.started_at)
            insort(self._sorted, (account.started_at, len(self._starts), account))

    def page(
        self, agent_id: str | None, conversation_id: str | None, before: int | None, limit: int
    ) -> AccountPage:
        """A page, as `Store.accounts` describes it."""
        found: list[tuple[int, RunAccount]] = []
        for _, position, account in reversed(self._sorted[: self._end(before)]):
            if agent_id in (None, account.agent_id) and conversation_id in (
                None,
                account.conversation_id,
            ):
                if len(found) == limit:
                    return AccountPage(tuple(each for _, each in found), found[-1][0])
                found.append((position, account))
        return AccountPage(tuple(each for _, each in found), None)

    def totals(
        self, agent_id: str, since: int, asked_by: str | None, conversation_id: str | None
    ) -> RunTotals:
        """The sums, as `Store.run_totals` describes them."""
        chosen = [
            account
            for _, _, account in self._sorted[bisect_left(self._sorted, (since,)) :]
            if account.agent_id == agent_id
            and asked_by in (None, account.asked_by)
            and conversation_id in (None, account.conversation_id)
        ]
        return RunTotals(
            sum(each.input_tokens > 0 or each.output_tokens > 0 for each in chosen),
            sum(each.input_tokens + each.output_tokens for each in chosen),
            sum(each.cost for each in chosen),
            sum(each.duration for each in chosen),
        )

    def _end(self, before: int | None) -> int:
        if before is None:
            return len(self._sorted)
        if not 0 < before <= len(self._starts):
            return 0
        return bisect_left(self._sorted, (self._starts[before - 1], before))
