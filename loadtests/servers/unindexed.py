"""The server without its index of words, which nobody can search: what the index costs is measured against it."""

from __future__ import annotations

from salon.persistence import search_index
from salon.web.cli import main

if __name__ == "__main__":
    search_index.is_available = lambda _: False
    main()
