"""Adds the table of mentions. Earlier messages mention nobody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mentions",
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("participant", "conversation", "sequence"),
        sqlite_with_rowid=False,
    )
