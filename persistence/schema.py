"""The tables of a store in SQLAlchemy Core; the migrations create them.

Times are whole milliseconds since the Unix epoch, UTC. A message changes `events` alone: with many small rooms, one more
page written for each conversation and commit would be most of the cost.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from .schema_types import Integer, LargeBinary
from .schema_types import String as Text

metadata = MetaData()


def where(condition: str) -> dict[str, Any]:
    """Of which rows an index is, as both databases want it told."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


# The log, in order of arrival, so that a commit of many conversations appends to one place of the file. `messages` counts
# the messages of the conversation up to and with the row; `body` comes last, so that a scan need not read its overflow pages.
events = Table(
    "events",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("conversation", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("sender_id", Text),
    Column("key", Text),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # As first stored, where `body` was replaced since; the salt is then empty.
    Column("hash", Text),
    # The sequence of the message that the event changes, or to which it is a reply in a thread; how, see `Relation`.
    Column("target", Integer),
    Column("relation", Text),
    Index("events_by_sequence", "conversation", "sequence", unique=True),
    # A message's replies, and the one edit of it that has its content still. Reactions and pins have tables of their own.
    Index(
        "events_by_thread",
        "conversation",
        "target",
        "sequence",
        **where("target IS NOT NULL AND (relation IS NULL OR relation = 'reply')"),
    ),
    Index(
        "events_by_edit",
        "conversation",
        "target",
        unique=True,
        **where("relation = 'edit' AND hash IS NULL"),
    ),
)

# Where a sender's key was used: a 64-bit hash of both instead of their text, so that four times as many fit on a page.
# Two keys may share a hash; the event itself decides. See keys.py for when rows are added.
keys = Table(
    "keys",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("digest", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    PrimaryKeyConstraint("conversation", "digest", "sequence"),
    sqlite_with_rowid=False,
)

# Written when a conversation begins, changes its title or metadata, and ends. Its head is its newest event.
conversations = Table(
    "conversations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("sites", Text, nullable=False),  # a JSON array
    Column("enable_ai", Integer, nullable=False),
    Column("join_policy", Text, nullable=False),
    Column("members_invite", Integer, nullable=False),
    Column("share_reads", Integer, nullable=False),
    Column("metadata", Text),
    Column("created_at", Integer, nullable=False),
    Column("ended_at", Integer),
    # A JSON object of the actions whose least role the owner changed.
    Column("permissions", Text, nullable=False, server_default=text("'{}'")),
    Column("history", Text, nullable=False, server_default=text("'all'")),
    Column("slow_mode", Integer, nullable=False, server_default=text("0")),
    Column("direct", Integer, nullable=False, server_default=text("0")),
    Column("retention", Integer, nullable=False, server_default=text("0")),
    # Then only this row is left, so that its number and id are not used again.
    Column("deleted_at", Integer),
    UniqueConstraint("id"),
    Index("conversations_retained", "number", **where("retention > 0")),
)

# Deleted conversations of which not everything is erased yet.
erasures = Table(
    "erasures",
    metadata,
    Column("conversation", Integer, primary_key=True),
)

# Bans and mutes, `kind` says which. Those that are over go with the next one of their kind.
sanctions = Table(
    "sanctions",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("participant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("until", Integer),
    Column("reason", Text),
    PrimaryKeyConstraint("conversation", "kind", "participant"),
    sqlite_with_rowid=False,
)

# Invites, also those that are over, so that their links are told from links that never were. `id` is a hash of the code.
invites = Table(
    "invites",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("conversation", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("expires_at", Integer),
    Column("max_uses", Integer),
    Column("uses", Integer, nullable=False, server_default=text("0")),
    Column("ended", Integer, nullable=False, server_default=text("0")),
    Column("place", Integer, nullable=False),
    Index("invites_open", "conversation", **where("ended = 0")),
    Index("invites_by_conversation", "conversation"),
    sqlite_with_rowid=False,
)

# Requests to join that wait for an answer, and those that were denied not long ago.
join_requests = Table(
    "join_requests",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("participant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("reason", Text),
    Column("denied_at", Integer),
    Column("place", Integer, nullable=False),
    PrimaryKeyConstraint("conversation", "participant"),
    sqlite_with_rowid=False,
)

# Unread messages that mention a participant are counted by this.
mentions = Table(
    "mentions",
    metadata,
    Column("participant", Text, nullable=False),
    Column("conversation", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    PrimaryKeyConstraint("participant", "conversation", "sequence"),
    sqlite_with_rowid=False,
)

# Who has reacted to a message; `place` is the sequence of the reaction.
reactions = Table(
    "reactions",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("message", Integer, nullable=False),
    Column("emoji", Text, nullable=False),
    Column("participant", Text, nullable=False),
    Column("place", Integer, nullable=False),
    PrimaryKeyConstraint("conversation", "message", "emoji", "participant"),
    sqlite_with_rowid=False,
)

# The pinned messages of a conversation; `place` is the sequence of the pinning.
pins = Table(
    "pins",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("message", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    PrimaryKeyConstraint("conversation", "message"),
    sqlite_with_rowid=False,
)

# Deleted messages: unread counts leave them out. `in_channel` is 0 for a reply that only its thread shows.
deletions = Table(
    "deletions",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("message", Integer, nullable=False),
    Column("in_channel", Integer, nullable=False),
    PrimaryKeyConstraint("conversation", "message"),
    sqlite_with_rowid=False,
)

# How far a participant has read a thread, by its root.
thread_reads = Table(
    "thread_reads",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("root", Integer, nullable=False),
    Column("participant", Text, nullable=False),
    Column("read_sequence", Integer, nullable=False),
    PrimaryKeyConstraint("conversation", "root", "participant"),
    sqlite_with_rowid=False,
)

# Every run that was ever started. `ended` is the sequence of the event that ended it, 0 while it is open.
runs = Table(
    "runs",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("participant", Text, nullable=False),
    Column("started", Integer, nullable=False),
    Column("started_at", Integer, nullable=False),
    Column("reply_to", Text),
    Column("asked_by", Text),
    Column("thread_id", Text),
    Column("ended", Integer, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("conversation", "run_id"),
    Index("runs_open", "conversation", **where("ended = 0")),
    sqlite_with_rowid=False,
)

# What open runs have said so far, in pieces. `start` counts the code points before the piece.
run_texts = Table(
    "run_texts",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("start", Integer, nullable=False),
    Column("text", Text, nullable=False),
    PrimaryKeyConstraint("conversation", "run_id", "start"),
    sqlite_with_rowid=False,
)

# Current members. `place` ascends in the order of joining. `introduced` is 1 once an invited participant has acted themselves.
members = Table(
    "members",
    metadata,
    Column("conversation", Integer, nullable=False),
    Column("participant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("joined_at", Integer, nullable=False),
    Column("invited_by", Text),
    Column("place", Integer, nullable=False),
    Column("read_sequence", Integer, nullable=False, server_default=text("0")),
    Column("introduced", Integer, nullable=False, server_default=text("0")),
    # Where the member has set the position back: the newest event then. Own messages up to it do not move it forward.
    Column("read_forced", Integer, nullable=False, server_default=text("0")),
    # Of an agent: which messages it is asked to answer.
    Column("agent_trigger", Text, nullable=False, server_default=text("'auto'")),
    Column("agent_calls", Integer, nullable=False, server_default=text("0")),
    Column("agent_steering", Text, nullable=False, server_default=text("'queue'")),
    # How the member keeps the conversation for themselves. `muted` is 0, 1 for ever, or the time of its end.
    Column("archived", Integer, nullable=False, server_default=text("0")),
    Column("muted", Integer, nullable=False, server_default=text("0")),
    Column("pinned", Integer, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("conversation", "participant"),
    Index("members_by_participant", "participant"),
    sqlite_with_rowid=False,
)

# What each finished run of a hosted agent has used. `cost` is in millionths of the currency of the price table. Listed by
# start and then position. The sums over an agent's day read the index alone, which took a fifteenth of the time.
run_accounts = Table(
    "run_accounts",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("started_at", Integer, nullable=False),
    Column("asked_by", Text),
    Column("why", Text),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("first_word", Integer),
    Column("duration", Integer, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("cost", Integer, nullable=False),
    Column("tool_calls", Integer, nullable=False),
    Index("run_accounts_by_run", "conversation_id", "run_id", unique=True),
    Index("run_accounts_by_start", "started_at"),
    Index("run_accounts_by_conversation", "conversation_id", "started_at"),
    Index("run_accounts_by_person", "agent_id", "asked_by", "started_at"),
    Index(
        "run_accounts_by_agent",
        "agent_id",
        "started_at",
        "position",
        "input_tokens",
        "output_tokens",
        "cost",
        "duration",
    ),
)

# The hosted agents that operators made at run time. `settings` is a JSON object.
hosted_agents = Table(
    "hosted_agents",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("settings", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Members' reports of messages, in the order of reporting. They have no text of the message.
reports = Table(
    "reports",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("conversation_id", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("reporter_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("closed_at", Integer),
    Column("closed_by", Text),
    Column("outcome", Text),
    Index("reports_by_message", "conversation_id", "sequence", "reporter_id", unique=True),
    Index("reports_open", "position", **where("closed_at IS NULL")),
)

# Messages and edits that wait for somebody to decide, and those that were decided, without their text.
held_messages = Table(
    "held_messages",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("conversation", Integer, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("sender_id", Text, nullable=False),
    Column("sender_name", Text, nullable=False),
    Column("sender_type", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("key", Text),
    Column("reason", Text),
    Column("at", Integer, nullable=False),
    Column("closed_at", Integer),
    Column("closed_by", Text),
    Column("outcome", Text),
    Column("why", Text),
    Index("held_messages_by_key", "conversation", "sender_id", "key", unique=True),
    Index("held_messages_by_sender", "sender_id", "position"),
    Index("held_messages_open", "position", **where("closed_at IS NULL")),
)

# Who is told of events over HTTP, and how far they are. `settings` is a JSON object, empty where the configuration has it.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("settings", Text, nullable=False),
    Column("cursor", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("worked_at", Integer),
    Column("paused_at", Integer),
    Column("why", Text),
    sqlite_with_rowid=False,
)

# The conversations in which such a subscriber has not taken the event after the sequence `delivered`.
webhook_lags = Table(
    "webhook_lags",
    metadata,
    Column("webhook", Text, nullable=False),
    Column("conversation", Integer, nullable=False),
    Column("delivered", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("since", Integer, nullable=False),
    Column("tried_at", Integer, nullable=False),
    Column("error", Text),
    PrimaryKeyConstraint("webhook", "conversation"),
    Index("webhook_lags_by_conversation", "conversation"),
    sqlite_with_rowid=False,
)

# The full-text tables of search, one for each part of the log: see search_index.py. The times are those of its events.
search_parts = Table(
    "search_parts",
    metadata,
    Column("part", Integer, primary_key=True),
    Column("first_at", Integer, nullable=False),
    Column("last_at", Integer, nullable=False),
)

# epoch, created_at, search_through: the position up to which messages are indexed.
# keys_through: the position up to which `keys` is complete, key_secret: what its hashes are salted with.
meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What was uploaded for messages. `content` is the SHA-256 of the bytes, which are kept elsewhere; `sequence` the message that has
# the file, 0 before it is sent. A deleted file keeps its row, `gone`, so that its message can be sent again by its key.
files = Table(
    "files",
    metadata,
    Column("file_id", Text, primary_key=True, nullable=False),
    Column("conversation", Integer, nullable=False),
    Column("uploader", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("uploaded_at", Integer, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("sequence", Integer, nullable=False, server_default=text("0")),
    Column("gone", Integer, nullable=False, server_default=text("0")),
    Index("files_by_message", "conversation", "sequence"),
    Index("files_by_content", "content"),
    Index("files_by_uploader", "uploader"),
    Index("files_unsent", "uploaded_at", **where("sequence = 0 AND gone = 0")),
    Index("files_gone", "content", **where("gone = 1 AND content <> ''")),
    sqlite_with_rowid=False,
)

# People who are or were erased from the log, and how far; `messages` counts those that were deleted for it.
person_erasures = Table(
    "person_erasures",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("participant_id", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("asked_at", Integer, nullable=False),
    Column("through", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("done_at", Integer),
    sqlite_with_rowid=False,
)

# What may not be erased until an operator releases it: a person's messages, or a conversation; `kind` says which.
legal_holds = Table(
    "legal_holds",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("released_at", Integer),
    sqlite_with_rowid=False,
)

guests = Table(
    "guests",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("recovery_hash", LargeBinary, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("recovery_hash"),
    sqlite_with_rowid=False,
)

# Accounts at providers that belong to people who were guests before. All other accounts are their own people's.
accounts = Table(
    "accounts",
    metadata,
    Column("account", Text, primary_key=True, nullable=False),
    Column("participant", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Index("accounts_by_participant", "participant"),
    sqlite_with_rowid=False,
)

# Participants' names where they differ from those in their tokens. `chosen` is 1 where the participant chose the name.
names = Table(
    "names",
    metadata,
    Column("participant", Text, primary_key=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("chosen", Integer, nullable=False),
    Column("at", Integer, nullable=False),
    Index("names_by_time", "at"),
    sqlite_with_rowid=False,
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("token_id", Text, primary_key=True, nullable=False),
    Column("expires_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Tokens that operators issued: who has which. `conversations` is a JSON array of ids, NULL for all.
tokens = Table(
    "tokens",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("token_id", Text, nullable=False),
    Column("participant", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("admin", Integer, nullable=False),
    Column("conversations", Text),
    Column("issued_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("issued_by", Text, nullable=False),
    Column("revoked_at", Integer),
    Index("tokens_by_id", "token_id", unique=True),
    Index("tokens_by_participant", "participant", "position"),
)

# People who are blocked, and until when all tokens of a person were revoked.
access = Table(
    "access",
    metadata,
    Column("participant", Text, primary_key=True, nullable=False),
    Column("blocked_at", Integer),
    Column("revoked_at", Integer),
    sqlite_with_rowid=False,
)
