"""Adds to a database of PostgreSQL what the nodes of a cluster need; a file stays as it is."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE cluster ADD COLUMN IF NOT EXISTS numbers bigint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE nodes ADD COLUMN IF NOT EXISTS version text")
