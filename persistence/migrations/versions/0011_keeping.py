"""Adds what the deletion of conversations needs: the time of it, what is still to be erased, and an index of invites."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("deleted_at", sa.Integer))
    op.create_table("erasures", sa.Column("conversation", sa.Integer, primary_key=True))
    op.create_index("invites_by_conversation", "invites", ["conversation"])
