"""The stores that implement the engine's interface of persistence."""

from .memory import MemoryStore
from .url import backup, resolve

__all__ = ["MemoryStore", "backup", "resolve"]
