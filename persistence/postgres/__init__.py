"""The store in PostgreSQL: SQLite's statements in the other dialect, and what only a server has. Needs the extra `postgres`."""
