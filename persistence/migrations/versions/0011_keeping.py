"""Adds how members keep conversations, held messages, and what the deletion of conversations needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("deleted_at", sa.Integer))
    for column in ("archived", "muted", "pinned"):
        usual = sa.Column(column, sa.Integer, nullable=False, server_default=sa.text("0"))
        op.add_column("members", usual)
    op.create_table("erasures", sa.Column("conversation", sa.Integer, primary_key=True))
    op.create_table(
        "held_messages",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("sender_id", sa.Text, nullable=False),
        sa.Column("sender_name", sa.Text, nullable=False),
        sa.Column("sender_type", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("closed_at", sa.Integer),
        sa.Column("closed_by", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("why", sa.Text),
    )
    op.create_index(
        "held_messages_by_key", "held_messages", ["conversation", "sender_id", "key"], unique=True
    )
    op.create_index("held_messages_by_sender", "held_messages", ["sender_id", "position"])
    op.create_index(
        "held_messages_open",
        "held_messages",
        ["position"],
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("invites_by_conversation", "invites", ["conversation"])
