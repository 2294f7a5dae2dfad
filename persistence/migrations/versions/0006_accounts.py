"""Adds the tables of what runs of hosted agents have used, and of operators' agents. Earlier runs have no account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SUMMED = ("input_tokens", "output_tokens", "cost", "duration")
INDEXES = {
    "start": ("started_at",),
    "conversation": ("conversation_id", "started_at"),
    "person": ("agent_id", "asked_by", "started_at"),
    "agent": ("agent_id", "started_at", "position", *SUMMED),
}


def upgrade() -> None:
    op.create_table(
        "run_accounts",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("conversation_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("started_at", sa.Integer, nullable=False),
        sa.Column("asked_by", sa.Text),
        sa.Column("why", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("first_word", sa.Integer),
        sa.Column("duration", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("cost", sa.Integer, nullable=False),
        sa.Column("tool_calls", sa.Integer, nullable=False),
    )
    op.create_index(
        "run_accounts_by_run", "run_accounts", ["conversation_id", "run_id"], unique=True
    )
    for name, columns in INDEXES.items():
        op.create_index(f"run_accounts_by_{name}", "run_accounts", list(columns))
    op.create_table(
        "hosted_agents",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
