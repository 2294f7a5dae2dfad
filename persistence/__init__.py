"""The memory: stores that implement what the engine needs."""

from .memory import MemoryStore
from .url import backup, resolve

__all__ = ["MemoryStore", "backup", "resolve"]
