"""What a store does that keeps its rows in a database: its calls, as functions of a connection on the store's threads."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from salon.actors.log import PAGE

from . import accounts, common_log, files, member_rows, queries, reports, searching, webhooks
from . import held as held_rows
from . import tokens as token_rows
from .people import SqlPeople
from .upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from salon.actors.files import FileUse, StoredFile
    from salon.actors.future import Future
    from salon.actors.held import HeldMessage, HeldOutcome, HeldPage
    from salon.actors.log import LogPage
    from salon.actors.model import Durability, State
    from salon.actors.search import Found, Sought
    from salon.actors.store import (
        AccountPage,
        Appended,
        Changes,
        KeysTaken,
        Listing,
        Page,
        Record,
        Report,
        ReportPage,
        RunAccount,
        RunTotals,
        StaleView,
        StoredRun,
        StoreStatistics,
        Target,
    )
    from salon.actors.tokens import IssuedToken, TokenPage
    from salon.actors.webhooks import StoredWebhook, WebhookLag

    from .connection import Connection
    from .ledger import Ledger

_RENAME = upsert("names", "participant", "name, chosen, at")

T = TypeVar("T")


class SqlCalls(SqlPeople):
    """Implements `Store` on a writer and readers. Every call is made in the trio run and never blocks it."""

    durability: Durability = "committed"
    epoch: str
    _ledger: Ledger
    _find = staticmethod(searching.find)

    def append(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        """Store the changes; the outcome follows once they are stored."""
        return self._writer.append(changes)

    def gather(self, turns: AbstractContextManager[None]) -> Callable[[], None]:
        """Hold appends back until the returned function is called: once after each round of turns.

        `turns` is entered while a group's outcomes are set: the turns that these cause run when it is left.
        """
        return self._writer.gather(turns)

    def load(self, conversation_id: str) -> Future[State | None]:
        """The conversation's state after its events, or None."""
        return self._readers.ask(queries.load, conversation_id)

    def read(
        self, number: int, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Future[Page]:
        """Up to `limit` records with after < sequence < before: the first of them, or with `before` alone the last."""
        return self._readers.ask(queries.read, number, after, before, limit)

    def messages_after(self, number: int, sequence: int) -> Future[int]:
        """The number of messages after a sequence."""
        return self._readers.ask(queries.messages_after, number, sequence)

    def mentions_after(self, number: int, participant_id: str, sequence: int) -> Future[int]:
        """The number of messages after a sequence that mention a participant."""
        return self._readers.ask(queries.mentions_after, number, participant_id, sequence)

    def senders_among(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, str]]:
        """The senders' ids of those of the sequences whose events are messages."""
        return self._readers.ask(queries.senders_among, number, sequences)

    def targets(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, Target]]:
        """Those of the sequences whose events are messages, with what was done to them."""
        return self._readers.ask(queries.targets, number, sequences)

    def thread(
        self,
        number: int,
        root: int,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> Future[Page]:
        """The replies in a message's thread."""
        return self._readers.ask(queries.thread, number, root, after, before, limit)

    def thread_read(self, number: int, root: int, participant_id: str) -> Future[int]:
        """How far a participant has read a thread."""
        return self._readers.ask(queries.thread_read, number, root, participant_id)

    def thread_unread(self, number: int, root: int, participant_id: str) -> Future[int]:
        """The number of replies in a thread that a participant has not read."""
        return self._readers.ask(queries.thread_unread, number, root, participant_id)

    def keys_among(
        self, number: int, names: Sequence[tuple[str, str]]
    ) -> Future[Mapping[tuple[str, str], Record]]:
        """Those of the (sender, key) pairs that were used before, with their records. The writer knows the newest keys."""
        return self._writer.do(lambda _: self._ledger.records_of(number, names))

    def runs_among(self, number: int, run_ids: Sequence[str]) -> Future[Mapping[str, StoredRun]]:
        """Those of the runs that were ever started, by id."""
        return self._readers.ask(queries.runs_among, number, run_ids)

    def with_open_runs(self) -> Future[tuple[str, ...]]:
        """The ids of the conversations that have open runs."""
        return self._readers.ask(queries.with_open_runs)

    def listing(
        self,
        participant_id: str,
        *,
        limit: int,
        offset: int = 0,
        before: int | None = None,
        archived: bool | None = False,
        only: frozenset[str] | None = None,
    ) -> Future[Listing]:
        """A page of the conversations that a participant is a member of."""
        return self._readers.ask(
            queries.listing, participant_id, limit, offset, before, archived, only
        )

    def conversation_of(self, invite_id: str) -> Future[str | None]:
        """The conversation of an invite, whatever has become of it."""
        return self._readers.ask(member_rows.conversation_of, invite_id)

    def search(self, sought: Sought) -> Future[Found]:
        """A page of the messages that match."""
        return self._readers.ask(self._find, sought)

    def save_account(self, account: RunAccount) -> Future[None]:
        """Store what a run has used, unless the run has an account."""
        return self._writer.save_account(account)

    def accounts(
        self,
        *,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Future[AccountPage]:
        """A page of the accounts."""
        return self._readers.ask(accounts.page, agent_id, conversation_id, before, limit)

    def run_totals(
        self,
        agent_id: str,
        *,
        since: int,
        asked_by: str | None = None,
        conversation_id: str | None = None,
    ) -> Future[RunTotals]:
        """The sums over an agent's runs that started at `since` or later."""
        return self._readers.ask(accounts.totals, agent_id, since, asked_by, conversation_id)

    def save_agent(self, agent_id: str, settings: str | None) -> Future[None]:
        """Store the settings of an agent that operators made; None deletes the agent."""
        return self._writer.do(partial(accounts.save_agent, (agent_id, settings)))

    def agents(self) -> Future[Mapping[str, str]]:
        """The settings of the agents that operators made, by id."""
        return self._readers.ask(accounts.agents)

    def save_report(self, report: Report) -> Future[Report]:
        """Store a report, once for each message and reporter; the one that is stored then."""
        return self._writer.do(partial(reports.save, report))

    def report(self, position: int) -> Future[Report | None]:
        """The report at a position."""
        return self._readers.ask(reports.find, position)

    def reports(
        self, *, is_open: bool = True, before: int | None = None, limit: int = 100
    ) -> Future[ReportPage]:
        """Up to `limit` reports that are open, or that are closed, the newest first."""
        return self._readers.ask(reports.page, is_open, before, limit)

    def close_report(
        self, position: int, *, by: str, outcome: str, at: int
    ) -> Future[Report | None]:
        """Close a report. One that is closed stays as it was; None where there is none."""
        return self._writer.do(partial(reports.close, position, by, outcome, at))

    def announce_file(self, file: StoredFile) -> Future[None]:
        """Note a file whose content is about to be kept: it is `gone` until `add_file`."""
        return self._writer.do(partial(files.announce, file))

    def add_file(self, file_id: str) -> Future[None]:
        """Have a file that was announced: its content is kept."""
        return self._writer.do(partial(files.add, file_id))

    def file(self, file_id: str) -> Future[StoredFile | None]:
        """A file that is not gone, or None."""
        return self._readers.ask(files.find, file_id)

    def files_among(self, number: int, file_ids: Sequence[str]) -> Future[Mapping[str, StoredFile]]:
        """Those of the files that are or were in a conversation, by id, each with the key of its message."""
        return self._readers.ask(files.among, number, file_ids)

    def file_use(self, uploader: str) -> Future[FileUse]:
        """What a participant has uploaded."""
        return self._readers.ask(files.use, uploader)

    def expire_files(self, before: int) -> Future[int]:
        """Delete the files that were uploaded before that time and never sent; how many they were."""
        return self._writer.do(partial(files.expire, before))

    def gone_contents(self, limit: int) -> Future[tuple[str, ...]]:
        """Up to `limit` contents of files that are gone; other files may still need them."""
        return self._readers.ask(files.gone_contents, limit)

    def needs_content(self, content: str) -> Future[bool]:
        """Whether a file that is not gone has this content."""
        return self._readers.ask(files.needs_content, content)

    def forget_content(self, content: str) -> Future[None]:
        """Forget which content the files that are gone have had."""
        return self._writer.do(partial(files.forget_content, content))

    def hold(self, held: HeldMessage) -> Future[HeldMessage | None]:
        """Store a message that waits for a decision, once for each sender and key."""
        return self._writer.do(partial(held_rows.save, held))

    def held(self, position: int) -> Future[HeldMessage | None]:
        """The held message at a position."""
        return self._readers.ask(held_rows.find, position)

    def held_count(self, sender_id: str) -> Future[int]:
        """How many of a sender's messages wait for a decision."""
        return self._readers.ask(held_rows.count, sender_id)

    def held_messages(
        self,
        *,
        is_open: bool = True,
        number: int | None = None,
        sender_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Future[HeldPage]:
        """Up to `limit` held messages, the newest first."""
        return self._readers.ask(held_rows.page, is_open, number, sender_id, before, limit)

    def close_held(
        self, position: int, *, by: str, outcome: HeldOutcome, why: str | None, at: int
    ) -> Future[HeldMessage | None]:
        """Note what was decided about a held message, whose text is erased."""
        job = partial(held_rows.close, position, by, outcome, why, at)
        return self._writer.do(job, erases=True)

    def claim_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """Note that a held message is being posted."""
        return self._writer.do(partial(held_rows.claim, position, claim))

    def release_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """Note that it is not posted under this claim."""
        return self._writer.do(partial(held_rows.release, position, claim))

    def common_log(self, after: int, *, limit: int = PAGE) -> Future[LogPage]:
        """Events of all conversations at places after `after`."""
        return self._readers.ask(common_log.page, after, limit)

    def log_end(self) -> Future[int]:
        """The newest place."""
        return self._readers.ask(common_log.end)

    def sequence_at(self, number: int, position: int) -> Future[int]:
        """The sequence of a conversation's newest event at a place up to `position`."""
        return self._readers.ask(common_log.sequence_at, number, position)

    def owed(self, number: int, after: int, limit: int) -> Future[tuple[Record, ...]]:
        """Up to `limit` events of a conversation after a sequence; none of a deleted one."""
        return self._readers.ask(common_log.owed, number, after, limit)

    def on_commit(self, told: Callable[[], None]) -> None:
        """Have a function called in the trio run after each commit."""
        self._writer.on_commit(told)

    def _do_for_all(self, job: Callable[[Connection], T], **how: bool) -> Future[T]:
        """Run a job of what one of several nodes does for all."""
        return self._writer.do(job, **how)

    def webhooks(self) -> Future[tuple[StoredWebhook, ...]]:
        """All subscribers, by id."""
        return self._readers.ask(webhooks.all_of_them)

    def save_webhook(self, webhook: StoredWebhook) -> Future[None]:
        """Store a subscriber, in place of what there was of it."""
        return self._do_for_all(partial(webhooks.save, webhook))

    def move_webhook(self, webhook_id: str, cursor: int, worked_at: int | None) -> Future[None]:
        """Note how far a subscriber is, without a wait for the disk."""
        job = partial(webhooks.move, webhook_id, cursor, worked_at)
        return self._do_for_all(job, relaxed=True)

    def delete_webhook(self, webhook_id: str) -> Future[None]:
        """Forget a subscriber, its secret and its lags."""
        return self._do_for_all(partial(webhooks.delete, webhook_id), erases=True)

    def webhook_lags(self, webhook_id: str) -> Future[tuple[WebhookLag, ...]]:
        """Where a subscriber lags behind, by conversation."""
        return self._readers.ask(webhooks.lags, webhook_id)

    def save_webhook_lag(self, lag: WebhookLag) -> Future[None]:
        """Store a lag, in place of what there was of it, without a wait for the disk."""
        return self._do_for_all(partial(webhooks.save_lag, lag), relaxed=True)

    def end_webhook_lag(self, webhook_id: str, number: int) -> Future[None]:
        """Forget a lag, without a wait for the disk."""
        return self._do_for_all(partial(webhooks.end_lag, webhook_id, number), relaxed=True)

    def add_guest(
        self, participant_id: str, name: str, recovery_hash: bytes, at: int
    ) -> Future[None]:
        """Store a guest under the hash of a code that only the guest has."""
        return self._writer.do(partial(_add_guest, (participant_id, name, recovery_hash, at)))

    def find_guest(self, recovery_hash: bytes) -> Future[tuple[str, str] | None]:
        """The guest's id and name, or None."""
        return self._readers.ask(queries.find_guest, recovery_hash)

    def add_account(self, account: str, participant_id: str, at: int) -> Future[None]:
        """Store whose a provider's account is."""
        return self._writer.do(partial(_add_account, (account, participant_id, at)))

    def participant_of(self, account: str) -> Future[str | None]:
        """Whose a provider's account is, if it was ever stored."""
        return self._readers.ask(queries.participant_of, account)

    def has_account(self, participant_id: str) -> Future[bool]:
        """Whether a provider's account was stored as theirs."""
        return self._readers.ask(queries.has_account, participant_id)

    def revoke_token(self, token_id: str, expires_at: int) -> Future[None]:
        """Remember a revoked token until it would have expired anyway."""
        return self._writer.do(partial(_revoke_token, (token_id, expires_at)))

    def revoked_tokens(self, now: int) -> Future[tuple[str, ...]]:
        """The revoked tokens that have not expired; the others are forgotten. `now` has the unit of `expires_at`."""
        return self._writer.do(partial(_revoked_tokens, now))

    def save_token(self, token: IssuedToken) -> Future[None]:
        """Store a token that an operator issued."""
        return self._writer.do(partial(token_rows.save, token))

    def tokens(
        self, *, participant_id: str | None = None, before: int | None = None, limit: int = 100
    ) -> Future[TokenPage]:
        """Up to `limit` issued tokens of a person or of all, the newest first."""
        return self._readers.ask(token_rows.page, participant_id, before, limit)

    def revoke_issued(self, token_id: str, at: int) -> Future[IssuedToken | None]:
        """Note that an issued token was revoked; as it is then, None where there is none."""
        return self._writer.do(partial(token_rows.revoke, token_id, at))

    def set_blocked(self, participant_id: str, blocked_at: int | None) -> Future[None]:
        """Store since when a person is blocked."""
        return self._writer.do(partial(token_rows.set_blocked, participant_id, blocked_at))

    def set_revoked(self, participant_id: str, revoked_at: int) -> Future[None]:
        """Store until when a person's tokens were revoked."""
        return self._writer.do(partial(token_rows.set_revoked, participant_id, revoked_at))

    def all_access(self) -> Future[tuple[tuple[str, int | None, int | None], ...]]:
        """Everybody who is blocked or whose tokens were revoked."""
        return self._readers.ask(token_rows.all_access)

    def rename(self, participant_id: str, name: str, at: int, *, chosen: bool) -> Future[None]:
        """Store a participant's new name."""
        return self._writer.do(partial(_rename, (participant_id, name, chosen, at)))

    def name_of(self, participant_id: str) -> Future[tuple[str, bool] | None]:
        """A participant's name as last given to `rename`, and whether they chose it."""
        return self._readers.ask(queries.name_of, participant_id)

    def names_since(self, at: int) -> Future[tuple[tuple[str, str], ...]]:
        """Ids and names of the participants renamed since then, the earliest first."""
        return self._readers.ask(queries.names_since, at)

    def statistics(self) -> StoreStatistics:
        """Figures for operators; never waits."""
        return self._writer.statistics()


def _add_guest(row: tuple[str, str, bytes, int], connection: Connection) -> None:
    insert = "INSERT INTO guests (id, name, recovery_hash, created_at) VALUES (?, ?, ?, ?)"
    connection.execute(insert, row)


def _add_account(row: tuple[str, str, int], connection: Connection) -> None:
    connection.execute("INSERT INTO accounts VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)


def _rename(row: tuple[str, str, bool, int], connection: Connection) -> None:
    connection.execute(_RENAME, row)
    participant_id, name, *_ = row
    connection.execute("UPDATE guests SET name = ? WHERE id = ?", (name, participant_id))


def _revoke_token(row: tuple[str, int], connection: Connection) -> None:
    connection.execute(token_rows.SHUT_OUT, row)


def _revoked_tokens(now: int, connection: Connection) -> tuple[str, ...]:
    connection.execute("DELETE FROM revoked_tokens WHERE expires_at <= ?", (now,))
    token_rows.forget(now, connection)
    found = connection.execute("SELECT token_id FROM revoked_tokens ORDER BY expires_at, token_id")
    return tuple(row[0] for row in found)
