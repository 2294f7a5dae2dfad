"""Adds permissions, history and slow mode to conversations, and the tables of bans, mutes,
invites, requests to join and reports.

Earlier conversations have the usual permissions, everybody reads everything, and nobody is banned or muted.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("permissions", sa.Text, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("history", sa.Text, nullable=False, server_default=sa.text("'all'")),
        sa.Column("slow_mode", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("direct", sa.Integer, nullable=False, server_default=sa.text("0")),
    ):
        op.add_column("conversations", column)
    op.create_table(
        "sanctions",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("until", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("conversation", "kind", "participant"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "invites",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Integer),
        sa.Column("max_uses", sa.Integer),
        sa.Column("uses", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("ended", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("place", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("invites_open", "invites", ["conversation"], sqlite_where=sa.text("ended = 0"))
    op.create_table(
        "join_requests",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("denied_at", sa.Integer),
        sa.Column("place", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "participant"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reports",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("reporter_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("closed_at", sa.Integer),
        sa.Column("closed_by", sa.Text),
        sa.Column("outcome", sa.Text),
    )
    op.create_index(
        "reports_by_message",
        "reports",
        ["conversation_id", "sequence", "reporter_id"],
        unique=True,
    )
    op.create_index(
        "reports_open", "reports", ["position"], sqlite_where=sa.text("closed_at IS NULL")
    )
