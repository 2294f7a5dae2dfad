"""The schema's history: Alembic's scripts."""

NEWEST = "0002"  # a file that has this revision needs none of them
