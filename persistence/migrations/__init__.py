"""The schema's history: Alembic's scripts."""

NEWEST = "0016"  # a file at this revision needs no migration
