"""Adds the erasure of people, legal holds, and how long a conversation keeps its messages."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    days = sa.Column("retention", sa.Integer, nullable=False, server_default=sa.text("0"))
    op.add_column("conversations", days)
    op.create_index(
        "conversations_retained",
        "conversations",
        ["number"],
        sqlite_where=sa.text("retention > 0"),
    )
    op.create_table(
        "person_erasures",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("participant_id", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Integer, nullable=False),
        sa.Column("through", sa.Integer, nullable=False),
        sa.Column("messages", sa.Integer, nullable=False),
        sa.Column("done_at", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("released_at", sa.Integer),
        sqlite_with_rowid=False,
    )
