"""The schema's history: Alembic's scripts."""

NEWEST = "0003"  # a file that has this revision needs none of them
