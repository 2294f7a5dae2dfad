"""Adds the table of files. Earlier messages have none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "files",
        sa.Column("file_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("conversation", sa.Integer, nullable=False),
        sa.Column("uploader", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("uploaded_at", sa.Integer, nullable=False),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("sequence", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("gone", sa.Integer, nullable=False, server_default=sa.text("0")),
        sqlite_with_rowid=False,
    )
    op.create_index("files_by_message", "files", ["conversation", "sequence"])
    op.create_index("files_by_content", "files", ["content"])
    op.create_index("files_by_uploader", "files", ["uploader"])
    for name, column, kept in (
        ("unsent", "uploaded_at", "sequence = 0 AND gone = 0"),
        ("gone", "content", "gone = 1 AND content <> ''"),
    ):
        op.create_index(f"files_{name}", "files", [column], sqlite_where=sa.text(kept))
