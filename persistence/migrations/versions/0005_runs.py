"""Adds the tables of runs and of what they have said so far, and what agents answer. Earlier conversations had no runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "members",
        sa.Column("agent_trigger", sa.Text, nullable=False, server_default=sa.text("'auto'")),
    )
    op.add_column(
        "members",
        sa.Column("agent_calls", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    op.add_column(
        "members",
        sa.Column("agent_steering", sa.Text, nullable=False, server_default=sa.text("'queue'")),
    )
    op.create_table(
        "runs",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("started", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Integer, nullable=False),
        sa.Column("reply_to", sa.Text),
        sa.Column("asked_by", sa.Text),
        sa.Column("ended", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.PrimaryKeyConstraint("conversation", "run_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("runs_open", "runs", ["conversation"], sqlite_where=sa.text("ended = 0"))
    op.create_table(
        "run_texts",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("start", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "run_id", "start"),
        sqlite_with_rowid=False,
    )
