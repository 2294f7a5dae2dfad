"""Adds the tokens that operators issue, and the people who are shut out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("token_id", sa.Text, nullable=False),
        sa.Column("participant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("admin", sa.Integer, nullable=False),
        sa.Column("conversations", sa.Text),
        sa.Column("issued_at", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Integer, nullable=False),
        sa.Column("issued_by", sa.Text, nullable=False),
        sa.Column("revoked_at", sa.Integer),
    )
    op.create_index("tokens_by_id", "tokens", ["token_id"], unique=True)
    op.create_index("tokens_by_participant", "tokens", ["participant", "position"])
    op.create_table(
        "access",
        sa.Column("participant", sa.Text, primary_key=True, nullable=False),
        sa.Column("blocked_at", sa.Integer),
        sa.Column("revoked_at", sa.Integer),
        sqlite_with_rowid=False,
    )
