"""Moves read positions up to the member's own last message: earlier versions left them before it.

Messages from before a member joined do not count as unread either; the queries ensure that by `place`.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One pass over the log: it has no index by sender.
    op.execute(
        "CREATE TEMPORARY TABLE last_sent AS SELECT conversation, sender_id, max(sequence) AS sequence "
        "FROM events WHERE sender_id IS NOT NULL GROUP BY conversation, sender_id"
    )
    op.execute("CREATE UNIQUE INDEX temp.last_sent_by ON last_sent (conversation, sender_id)")
    op.execute(
        "UPDATE members SET read_sequence = max(read_sequence, coalesce((SELECT sequence FROM last_sent "
        "WHERE last_sent.conversation = members.conversation AND sender_id = participant), 0))"
    )
    op.execute("DROP TABLE last_sent")
