"""Adds webhooks: how far each subscriber is in the log, and where a conversation lags behind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("cursor", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("worked_at", sa.Integer),
        sa.Column("paused_at", sa.Integer),
        sa.Column("why", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhook_lags",
        sa.Column("webhook", sa.Text, nullable=False),
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("delivered", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("tried_at", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("webhook", "conversation"),
        sqlite_with_rowid=False,
    )
    op.create_index("webhook_lags_by_conversation", "webhook_lags", ["conversation"])
