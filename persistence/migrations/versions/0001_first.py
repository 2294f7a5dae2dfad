"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_log()
    _create_conversations()
    _create_accounts()


def _create_log() -> None:
    op.create_table(
        "events",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("sender_id", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("events_by_sequence", "events", ["conversation", "sequence"], unique=True)
    op.create_table(
        "keys",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("digest", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "digest", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, primary_key=True, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("sites", sa.Text, nullable=False),
        sa.Column("enable_ai", sa.Integer, nullable=False),
        sa.Column("join_policy", sa.Text, nullable=False),
        sa.Column("members_invite", sa.Integer, nullable=False),
        sa.Column("share_reads", sa.Integer, nullable=False),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Integer),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "members",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("joined_at", sa.Integer, nullable=False),
        sa.Column("invited_by", sa.Text),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("read_sequence", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("conversation", "participant"),
        sqlite_with_rowid=False,
    )
    op.create_index("members_by_participant", "members", ["participant"])


def _create_accounts() -> None:
    op.create_table(
        "guests",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("recovery_hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.UniqueConstraint("recovery_hash"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("expires_at", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
