"""The stores that implement the engine's interface of persistence."""

from .memory import MemoryStore
from .url import backup, resolve, resolve_shared

__all__ = ["MemoryStore", "backup", "resolve", "resolve_shared"]
