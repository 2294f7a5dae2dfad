"""Adds what is done to messages: edits, deletions, reactions, pins, threads. Earlier messages have none of these."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("hash", sa.Text),
        sa.Column("target", sa.Integer),
        sa.Column("relation", sa.Text),
    ):
        op.add_column("events", column)
    op.add_column("runs", sa.Column("thread_id", sa.Text))
    op.create_index(
        "events_by_thread",
        "events",
        ["conversation", "target", "sequence"],
        sqlite_where=sa.text("target IS NOT NULL AND (relation IS NULL OR relation = 'reply')"),
    )
    op.create_index(
        "events_by_edit",
        "events",
        ["conversation", "target"],
        unique=True,
        sqlite_where=sa.text("relation = 'edit' AND hash IS NULL"),
    )
    op.add_column(
        "members",
        sa.Column("read_forced", sa.Integer, nullable=False, server_default=sa.text("0")),
    )
    op.create_table(
        "reactions",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("message", sa.Integer, nullable=False),
        sa.Column("emoji", sa.Text, nullable=False),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "message", "emoji", "participant"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pins",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("message", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "message"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "deletions",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("message", sa.Integer, nullable=False),
        sa.Column("in_channel", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "message"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "thread_reads",
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("root", sa.Integer, nullable=False),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("read_sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("conversation", "root", "participant"),
        sqlite_with_rowid=False,
    )
