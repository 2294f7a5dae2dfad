"""The schema's history: Alembic's scripts."""

NEWEST = "0001"  # a file that has this revision needs none of them
