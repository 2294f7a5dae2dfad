"""The store for tests, simulation and chats that need not last: everything in this process, nothing on disk."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from salon.actors.events import Created, Joined, Left, RunFailed, RunStarted, close_run
from salon.actors.future import Future
from salon.actors.log import PAGE, PAGE_BYTES, LogEntry, LogPage
from salon.actors.member_events import Banned, InviteCreated, Removed
from salon.actors.model import State
from salon.actors.rules import apply
from salon.actors.store import (
    MOST_MENTIONS,
    Appended,
    KeysTaken,
    Listing,
    Page,
    StaleView,
    StoreError,
    StoreStatistics,
)

from .memory_accounts import MemoryAccounts
from .memory_conversation import (
    Conversation,
    kept_by,
    mentions_after,
    messages_after,
    place_for,
    stored_run,
    summary,
    target,
)
from .memory_files import MemoryFiles
from .memory_held import MemoryHeld
from .memory_nodes import MemoryNodes
from .memory_people import MemoryPeople
from .memory_reports import MemoryReports
from .memory_search import find
from .memory_tokens import MemoryTokens
from .memory_webhooks import MemoryWebhooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from salon.actors.events import StateEvent
    from salon.actors.files import FileUse, StoredFile
    from salon.actors.held import HeldMessage, HeldOutcome, HeldPage
    from salon.actors.model import Durability
    from salon.actors.people import LegalHold, PersonErasure
    from salon.actors.search import Found, Sought
    from salon.actors.sources import Sources
    from salon.actors.store import (
        AccountPage,
        Changes,
        Record,
        Report,
        ReportPage,
        RunAccount,
        RunTotals,
        StoredRun,
        Target,
    )
    from salon.actors.tokens import IssuedToken, TokenPage
    from salon.actors.webhooks import StoredWebhook, WebhookLag


class MemoryStore(MemoryPeople, MemoryNodes):
    """Implements `Store` in memory. Its futures are done at once, so a run under virtual time can be repeated."""

    durability: Durability = "memory"

    def __init__(self, sources: Sources) -> None:
        self.epoch = sources.new_id()
        self.begin_nodes()
        self._conversations: list[Conversation] = []
        self._numbers: dict[str, int] = {}
        self._memberships: dict[str, set[int]] = {}
        self._arrivals = count(1)
        self._log_of_all: list[
            tuple[Conversation, int]
        ] = []  # the sequences in the order of arrival
        self._guests: dict[str, tuple[str, bytes]] = {}
        self._revoked: dict[str, int] = {}
        self._owners: dict[str, str] = {}  # accounts at providers -> participants
        self._names: dict[str, tuple[str, bool, int]] = {}  # id -> name, whether chosen, when
        self._accounts = MemoryAccounts()
        self._reports = MemoryReports()
        self._held = MemoryHeld()
        self._tokens = MemoryTokens()
        self._files = MemoryFiles()
        self._webhooks = MemoryWebhooks()
        self._told: list[Callable[[], None]] = []
        self._agents: dict[str, str] = {}
        self._erasures: dict[str, PersonErasure] = {}
        self._holds: dict[str, LegalHold] = {}
        self._invites: dict[str, str] = {}  # id -> conversation
        self._commits = self._records = 0

    def append(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        """Store the changes; the outcome is set at once."""
        future: Future[Appended | KeysTaken | StaleView] = Future()
        try:
            future.set(self._append(changes))
        except StoreError as error:
            future.set_exception(error)
        for told in self._told:
            told()
        return future

    def gather(self, turns: AbstractContextManager[None]) -> Callable[[], None]:
        """As in the other stores; here nothing waits."""
        return lambda: None

    def load(self, conversation_id: str) -> Future[State | None]:
        """The conversation's state after its events, or None."""
        number = self._numbers.get(conversation_id)
        if number is None or not self._conversations[number - 1].state.head:
            return Future.of(None)
        state = self._conversations[number - 1].state.draft()
        state.renamed = {
            id: self._names[id][0]
            for id, member in state.members.items()
            if id in self._names and self._names[id][0] != member.participant.name
        }
        return Future.of(state)

    def read(
        self, number: int, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Future[Page]:
        """Up to `limit` records with after < sequence < before: the first of them, or with `before` alone the last."""
        records = self._log(number)
        start, end = max(after, 0), len(records) if before is None else max(before - 1, 0)
        return Future.of(
            _page(records[start:end], limit, backward=before is not None and not after)
        )

    def targets(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, Target]]:
        """Those of the sequences whose events are messages, with what was done to them."""
        if not self._log(number):
            return Future.of({})
        found = {each: target(self._conversations[number - 1], each) for each in sequences}
        return Future.of({sequence: each for sequence, each in found.items() if each is not None})

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
        found = [
            each
            for each in self._log(number)
            if each.target == root
            and each.is_message
            and after < each.sequence
            and (before is None or each.sequence < before)
        ]
        return Future.of(_page(found, limit, backward=before is not None and not after))

    def thread_read(self, number: int, root: int, participant_id: str) -> Future[int]:
        """How far a participant has read a thread."""
        if not self._log(number):
            return Future.of(0)
        read = self._conversations[number - 1].thread_reads
        return Future.of(read.get((root, participant_id), 0))

    def messages_after(self, number: int, sequence: int) -> Future[int]:
        """The number of messages after a sequence."""
        if not self._log(number):
            return Future.of(0)
        return Future.of(messages_after(self._conversations[number - 1], sequence))

    def mentions_after(self, number: int, participant_id: str, sequence: int) -> Future[int]:
        """The number of messages after a sequence that mention a participant."""
        if not 0 < number <= len(self._conversations):
            return Future.of(0)
        return Future.of(mentions_after(self._conversations[number - 1], participant_id, sequence))

    def senders_among(self, number: int, sequences: Sequence[int]) -> Future[Mapping[int, str]]:
        """The senders' ids of those of the sequences whose events are messages."""
        records = self._log(number)
        there = (records[n - 1] for n in sequences if 0 < n <= len(records))
        return Future.of(
            {
                each.sequence: each.sender_id
                for each in there
                if each.sender_id is not None and each.is_message
            }
        )

    def keys_among(
        self, number: int, names: Sequence[tuple[str, str]]
    ) -> Future[Mapping[tuple[str, str], Record]]:
        """Those of the (sender, key) pairs that were used before, with their records."""
        if not self._log(number):
            return Future.of({})
        keys = self._conversations[number - 1].keys
        return Future.of({name: keys[name] for name in names if name in keys})

    def thread_unread(self, number: int, root: int, participant_id: str) -> Future[int]:
        """The number of replies in a thread that a participant has not read."""
        if not self._log(number):
            return Future.of(0)
        there = self._conversations[number - 1]
        read = there.thread_reads.get((root, participant_id), 0)
        read = max(read, there.joined.get(participant_id, 0))
        unread = [
            each
            for each in there.records[read:]
            if each.target == root and each.is_message and each.sequence not in there.deleted
        ]
        return Future.of(min(MOST_MENTIONS, len(unread)))

    def runs_among(self, number: int, run_ids: Sequence[str]) -> Future[Mapping[str, StoredRun]]:
        """Those of the runs that were ever started, by id."""
        if not self._log(number):
            return Future.of({})
        there = self._conversations[number - 1]
        return Future.of({id: stored_run(there, id) for id in run_ids if id in there.runs})

    def with_open_runs(self) -> Future[tuple[str, ...]]:
        """The ids of the conversations that have open runs."""
        return Future.of(tuple(each.state.id for each in self._conversations if each.state.runs))

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
        mine = [self._conversations[n - 1] for n in self._memberships.get(participant_id, ())]
        if only is not None:
            mine = [each for each in mine if each.state.id in only]
        if archived is not None:
            mine = [each for each in mine if kept_by(each, participant_id).archived is archived]
        mine.sort(key=lambda each: -place_for(each, participant_id))
        left = [
            each for each in mine if before is None or place_for(each, participant_id) < before
        ][offset:]
        page = left[:limit]
        rest = place_for(page[-1], participant_id) if len(left) > limit else None
        summaries = tuple(summary(each, participant_id) for each in page)
        return Future.of(Listing(summaries, len(mine), rest))

    def conversation_of(self, invite_id: str) -> Future[str | None]:
        """The conversation of an invite, whatever has become of it."""
        return Future.of(self._invites.get(invite_id))

    def search(self, sought: Sought) -> Future[Found]:
        """A page of the messages that match."""
        return Future.of(find(sought, self._log_of_all))

    def save_account(self, account: RunAccount) -> Future[None]:
        """Store what a run has used, unless the run has an account."""
        self._accounts.save(account)
        return Future.of(None)

    def accounts(
        self,
        *,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Future[AccountPage]:
        """A page of the accounts."""
        return Future.of(self._accounts.page(agent_id, conversation_id, before, limit))

    def run_totals(
        self,
        agent_id: str,
        *,
        since: int,
        asked_by: str | None = None,
        conversation_id: str | None = None,
    ) -> Future[RunTotals]:
        """The sums over an agent's runs that started at `since` or later."""
        return Future.of(self._accounts.totals(agent_id, since, asked_by, conversation_id))

    def save_agent(self, agent_id: str, settings: str | None) -> Future[None]:
        """Store the settings of an agent that operators made; None deletes the agent."""
        if settings is None:
            self._agents.pop(agent_id, None)
        else:
            self._agents[agent_id] = settings
        return Future.of(None)

    def agents(self) -> Future[Mapping[str, str]]:
        """The settings of the agents that operators made, by id."""
        return Future.of(dict(sorted(self._agents.items())))

    def save_report(self, report: Report) -> Future[Report]:
        """Store a report, once for each message and reporter; the one that is stored then."""
        return Future.of(self._reports.save(report))

    def report(self, position: int) -> Future[Report | None]:
        """The report at a position."""
        return Future.of(self._reports.find(position))

    def reports(
        self, *, is_open: bool = True, before: int | None = None, limit: int = 100
    ) -> Future[ReportPage]:
        """Up to `limit` reports that are open, or that are closed, the newest first."""
        return Future.of(self._reports.page(is_open=is_open, before=before, limit=limit))

    def close_report(
        self, position: int, *, by: str, outcome: str, at: int
    ) -> Future[Report | None]:
        """Close a report. One that is closed stays as it was; None where there is none."""
        return Future.of(self._reports.close(position, by, outcome, at))

    def announce_file(self, file: StoredFile) -> Future[None]:
        """Note a file whose content is about to be kept: it is `gone` until `add_file`."""
        future: Future[None] = Future()
        try:
            self._files.announce(file)
            future.set(None)
        except StoreError as error:
            future.set_exception(error)
        return future

    def add_file(self, file_id: str) -> Future[None]:
        """Have a file that was announced: its content is kept."""
        self._files.add(file_id)
        return Future.of(None)

    def file(self, file_id: str) -> Future[StoredFile | None]:
        """A file that is not gone, or None."""
        return Future.of(self._files.find(file_id))

    def files_among(self, number: int, file_ids: Sequence[str]) -> Future[Mapping[str, StoredFile]]:
        """Those of the files that are or were in a conversation, by id, each with the key of its message."""
        records = self._log(number)
        return Future.of(self._files.among(number, file_ids, lambda at: records[at - 1].key))

    def file_use(self, uploader: str) -> Future[FileUse]:
        """What a participant has uploaded."""
        return Future.of(self._files.use(uploader))

    def expire_files(self, before: int) -> Future[int]:
        """Delete the files that were uploaded before that time and never sent; how many they were."""
        return Future.of(self._files.expire(before))

    def gone_contents(self, limit: int) -> Future[tuple[str, ...]]:
        """Up to `limit` contents of files that are gone; other files may still need them."""
        return Future.of(self._files.gone_contents(limit))

    def needs_content(self, content: str) -> Future[bool]:
        """Whether a file that is not gone has this content."""
        return Future.of(self._files.needs_content(content))

    def forget_content(self, content: str) -> Future[None]:
        """Forget which content the files that are gone have had."""
        self._files.forget_content(content)
        return Future.of(None)

    def hold(self, held: HeldMessage) -> Future[HeldMessage | None]:
        """Store a message that waits for a decision, once for each sender and key."""
        return Future.of(self._held.save(held) if self._log_is_there(held.number) else None)

    def held(self, position: int) -> Future[HeldMessage | None]:
        """The held message at a position."""
        return Future.of(self._held.find(position))

    def held_count(self, sender_id: str) -> Future[int]:
        """How many of a sender's messages wait for a decision."""
        return Future.of(self._held.count(sender_id))

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
        return Future.of(
            self._held.page(
                is_open=is_open, number=number, sender_id=sender_id, before=before, limit=limit
            )
        )

    def close_held(
        self, position: int, *, by: str, outcome: HeldOutcome, why: str | None, at: int
    ) -> Future[HeldMessage | None]:
        """Note what was decided about a held message, whose text is forgotten."""
        return Future.of(self._held.close(position, by, outcome, why, at))

    def claim_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """Note that a held message is being posted."""
        return Future.of(self._held.claim(position, claim))

    def release_held(self, position: int, claim: str) -> Future[HeldMessage | None]:
        """Note that it is not posted under this claim."""
        return Future.of(self._held.release(position, claim))

    def common_log(self, after: int, *, limit: int = PAGE) -> Future[LogPage]:
        """Events of all conversations at places after `after`: a place is an index, counted from 1."""
        entries: list[LogEntry] = []
        size = 0
        for position in range(after + 1, len(self._log_of_all) + 1):
            conversation, sequence = self._log_of_all[position - 1]
            record = conversation.records[sequence - 1]
            if conversation.state.head:
                state = conversation.state
                entries.append(LogEntry(position, state.number, state.id, record))
                size += len(record.body)
                if size >= PAGE_BYTES or len(entries) == limit:
                    return Future.of(LogPage(tuple(entries), position))
        return Future.of(LogPage(tuple(entries), max(after, len(self._log_of_all))))

    def log_end(self) -> Future[int]:
        """The newest place."""
        return Future.of(len(self._log_of_all))

    def sequence_at(self, number: int, position: int) -> Future[int]:
        """The sequence of a conversation's newest event at a place up to `position`."""
        for conversation, sequence in reversed(self._log_of_all[: max(position, 0)]):
            if conversation.state.number == number:
                return Future.of(sequence)
        return Future.of(0)

    def owed(self, number: int, after: int, limit: int) -> Future[tuple[Record, ...]]:
        """Up to `limit` events of a conversation after a sequence; none of a deleted one."""
        return Future.of(tuple(self._log(number)[after : after + limit]))

    def on_commit(self, told: Callable[[], None]) -> None:
        """Have a function called after each append."""
        self._told.append(told)

    def webhooks(self) -> Future[tuple[StoredWebhook, ...]]:
        """All subscribers, by id."""
        return Future.of(self._webhooks.all_of_them())

    def save_webhook(self, webhook: StoredWebhook) -> Future[None]:
        """Keep a subscriber, in place of what there was of it."""
        self._webhooks.save(webhook)
        return Future.of(None)

    def move_webhook(self, webhook_id: str, cursor: int, worked_at: int | None) -> Future[None]:
        """Note how far a subscriber is."""
        self._webhooks.move(webhook_id, cursor, worked_at)
        return Future.of(None)

    def delete_webhook(self, webhook_id: str) -> Future[None]:
        """Forget a subscriber and its lags."""
        self._webhooks.delete(webhook_id)
        return Future.of(None)

    def webhook_lags(self, webhook_id: str) -> Future[tuple[WebhookLag, ...]]:
        """Where a subscriber lags behind, by conversation."""
        return Future.of(self._webhooks.lags(webhook_id))

    def save_webhook_lag(self, lag: WebhookLag) -> Future[None]:
        """Keep a lag, in place of what there was of it."""
        if self._log_is_there(lag.number):
            self._webhooks.save_lag(lag)
        return Future.of(None)

    def end_webhook_lag(self, webhook_id: str, number: int) -> Future[None]:
        """Forget a lag."""
        self._webhooks.end_lag(webhook_id, number)
        return Future.of(None)

    def add_guest(
        self, participant_id: str, name: str, recovery_hash: bytes, at: int
    ) -> Future[None]:
        """Store a guest under the hash of a code that only the guest has."""
        future: Future[None] = Future()
        taken = any(recovery_hash == known for _, known in self._guests.values())
        if taken or participant_id in self._guests:
            future.set_exception(StoreError(f"guest {participant_id} is there already"))
        else:
            self._guests[participant_id] = (name, recovery_hash)
            future.set(None)
        return future

    def find_guest(self, recovery_hash: bytes) -> Future[tuple[str, str] | None]:
        """The guest's id and name, or None."""
        found = ((id, name) for id, (name, known) in self._guests.items() if known == recovery_hash)
        return Future.of(next(found, None))

    def add_account(self, account: str, participant_id: str, at: int) -> Future[None]:
        """Store whose a provider's account is."""
        self._owners.setdefault(account, participant_id)
        return Future.of(None)

    def participant_of(self, account: str) -> Future[str | None]:
        """Whose a provider's account is, if it was ever stored."""
        return Future.of(self._owners.get(account))

    def has_account(self, participant_id: str) -> Future[bool]:
        """Whether a provider's account was stored as theirs."""
        return Future.of(participant_id in self._owners.values())

    def revoke_token(self, token_id: str, expires_at: int) -> Future[None]:
        """Remember a revoked token until it would have expired anyway."""
        self._revoked[token_id] = expires_at
        return Future.of(None)

    def revoked_tokens(self, now: int) -> Future[tuple[str, ...]]:
        """The revoked tokens that have not expired; the others are forgotten. `now` has the unit of `expires_at`."""
        self._revoked = {token: at for token, at in self._revoked.items() if at > now}
        self._tokens.forget(now)
        return Future.of(
            tuple(sorted(self._revoked, key=lambda token: (self._revoked[token], token)))
        )

    def save_token(self, token: IssuedToken) -> Future[None]:
        """Store a token that an operator issued."""
        self._tokens.save(token)
        return Future.of(None)

    def tokens(
        self, *, participant_id: str | None = None, before: int | None = None, limit: int = 100
    ) -> Future[TokenPage]:
        """Up to `limit` issued tokens of a person or of all, the newest first."""
        return Future.of(self._tokens.page(participant_id, before, limit))

    def revoke_issued(self, token_id: str, at: int) -> Future[IssuedToken | None]:
        """Note that an issued token was revoked; as it is then, None where there is none."""
        token = self._tokens.revoke(token_id, at)
        if token is not None:
            self._revoked[token_id] = token.expires_at
        return Future.of(token)

    def set_blocked(self, participant_id: str, blocked_at: int | None) -> Future[None]:
        """Store since when a person is blocked."""
        self._tokens.set_blocked(participant_id, blocked_at)
        return Future.of(None)

    def set_revoked(self, participant_id: str, revoked_at: int) -> Future[None]:
        """Store until when a person's tokens were revoked."""
        self._tokens.set_revoked(participant_id, revoked_at)
        return Future.of(None)

    def all_access(self) -> Future[tuple[tuple[str, int | None, int | None], ...]]:
        """Everybody who is blocked or whose tokens were revoked."""
        return Future.of(self._tokens.all_access())

    def rename(self, participant_id: str, name: str, at: int, *, chosen: bool) -> Future[None]:
        """Store a participant's new name."""
        self._names[participant_id] = (name, chosen, at)
        if participant_id in self._guests:
            self._guests[participant_id] = (name, self._guests[participant_id][1])
        return Future.of(None)

    def name_of(self, participant_id: str) -> Future[tuple[str, bool] | None]:
        """A participant's name as last given to `rename`, and whether they chose it."""
        found = self._names.get(participant_id)
        return Future.of(found and found[:2])

    def names_since(self, at: int) -> Future[tuple[tuple[str, str], ...]]:
        """Ids and names of the participants renamed since then, the earliest first."""
        found = [(when, id, name) for id, (name, _, when) in self._names.items() if when >= at]
        return Future.of(tuple((id, name) for _, id, name in sorted(found)))

    def statistics(self) -> StoreStatistics:
        """Figures for operators; never waits."""
        return StoreStatistics(self._commits, self._records, 0)

    def close(self) -> None:
        """Do nothing: the data ends with the process."""

    def _log_is_there(self, number: int) -> bool:
        there = 0 < number <= len(self._conversations)
        return there and bool(self._conversations[number - 1].state.head)

    def _log(self, number: int) -> list[Record]:
        """The events of a conversation; none of a deleted one."""
        return self._conversations[number - 1].records if self._log_is_there(number) else []

    def _append(self, changes: Changes) -> Appended | KeysTaken | StaleView:
        if changes.view and changes.view != self.view_number:
            return StaleView(self.view_number)
        conversation = self._conversation(changes)
        used = {
            (record.sender_id, record.key): conversation.keys[record.sender_id, record.key]
            for record in changes.records
            if record.key is not None and (record.sender_id, record.key) in conversation.keys
        }
        if used:
            return KeysTaken(used)  # type: ignore[arg-type]  # a record with a key has a sender
        for sequence, record in enumerate(changes.records, len(conversation.records) + 1):
            if record.sequence != sequence:
                raise StoreError(f"sequence {record.sequence} comes where {sequence} belongs")
        self._keep(conversation, changes)
        return Appended(conversation.state.number)

    def _conversation(self, changes: Changes) -> Conversation:
        if changes.number:
            return self._conversations[changes.number - 1]
        if changes.conversation_id in self._numbers:
            raise StoreError(f"conversation {changes.conversation_id} is there already")
        return Conversation(State(changes.conversation_id, len(self._conversations) + 1))

    def _keep(self, conversation: Conversation, changes: Changes) -> None:
        state = conversation.state = conversation.state.draft()
        if not changes.number:
            self._conversations.append(conversation)
            self._numbers[state.id] = state.number
        for event in changes.state_events:
            apply(state, event)
            self._note_membership(state.number, event)
            if isinstance(event, RunStarted):
                conversation.runs[event.run_id] = event
            elif isinstance(event, RunFailed):
                conversation.ends[event.run_id] = event.sequence
        forced = changes.forced or {}
        for participant_id, sequence in (changes.reads or {}).items():
            so_far = -1 if participant_id in forced else state.reads.get(participant_id, 0)
            if participant_id in state.members and sequence > so_far:
                state.reads = {**state.reads, participant_id: sequence}
        reads = dict(state.reads)
        for record in changes.records:
            sender_id = record.sender_id
            moves = record.relation is None and record.sequence > forced.get(sender_id or "", 0)
            if moves and sender_id is not None and sender_id in state.members:
                reads[sender_id] = max(reads.get(sender_id, 0), record.sequence)
            state.head, state.updated_at, state.messages = (
                record.sequence,
                record.at,
                record.messages,
            )
            conversation.records.append(record)
            self._log_of_all.append((conversation, record.sequence))
            if record.key is not None:
                conversation.keys[record.sender_id, record.key] = record
            for participant_id in record.mentions:
                conversation.mentions.setdefault(participant_id, []).append(record.sequence)
            if record.run_id is not None:
                conversation.ends[record.run_id] = record.sequence
                close_run(state, record.run_id)
        for event in changes.state_events:
            conversation.note_change(event)
        for rewrite in changes.rewrites:
            conversation.rewrite(rewrite)
        for (reader, root), sequence in (changes.thread_reads or {}).items():
            before = conversation.thread_reads.get((root, reader), 0)
            conversation.thread_reads[root, reader] = max(before, sequence)
        state.reads = reads
        for run_id, offset, text in changes.texts:
            run = state.runs[run_id]
            state.runs = {**state.runs, run_id: run._replace(text=run.text[:offset] + text)}
        self._files.send(state.number, changes.sent_files)
        self._files.delete(state.number, changes.gone_files)
        if changes.records:
            conversation.newest = next(self._arrivals)
        if changes.preferences:
            kept = {**state.preferences, **changes.preferences}
            state.preferences = {id: each for id, each in kept.items() if any(each)}
        if changes.erased is not None:
            self._erase(conversation)
        self._commits += 1
        self._records += len(changes.records)

    def _erase(self, conversation: Conversation) -> None:
        state = conversation.state
        for participant_id in state.members:
            self._memberships[participant_id].discard(state.number)
        self._invites = {id: where for id, where in self._invites.items() if where != state.id}
        self._files.delete_all(state.number)
        self._held.erase(state.number)
        self._webhooks.erase(state.number)
        conversation.erase()

    def _note_membership(self, number: int, event: StateEvent) -> None:
        match event:
            case Created():
                for entrant in event.entrants:
                    self._memberships.setdefault(entrant.participant.id, set()).add(number)
            case Joined():
                self._memberships.setdefault(event.participant.id, set()).add(number)
            case Left() | Removed() | Banned():
                self._memberships.get(event.participant.id, set()).discard(number)
            case InviteCreated():
                self._invites[event.invite_id] = event.conversation_id


def _page(found: list[Record], limit: int, *, backward: bool) -> Page:
    page = found[max(len(found) - limit, 0) :] if backward else found[:limit]
    return Page(tuple(page), len(found) > limit)
