"""Adds the accounts of people who were guests before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from salon.persistence.schema_types import Integer, String

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", String, primary_key=True, nullable=False),
        sa.Column("participant", String, nullable=False),
        sa.Column("at", Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("accounts_by_participant", "accounts", ["participant"])
