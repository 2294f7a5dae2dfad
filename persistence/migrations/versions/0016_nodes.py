"""Adds to a database of PostgreSQL what the nodes of a cluster need; a file stays as it is."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


BEAT = """
CREATE OR REPLACE FUNCTION salon_beat(node text, said text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE nodes SET heartbeat_at = clock_timestamp(), figures = said WHERE id = node;
    RETURN FOUND;
END $$
"""


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE cluster ADD COLUMN IF NOT EXISTS numbers bigint NOT NULL DEFAULT 0")
    op.execute("ALTER TABLE nodes ADD COLUMN IF NOT EXISTS version text")
    op.execute("ALTER TABLE nodes ADD COLUMN IF NOT EXISTS figures text")
    op.execute(BEAT)
