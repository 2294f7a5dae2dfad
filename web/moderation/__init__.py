"""The hook before a message is stored: rules of the configuration, an HTTP endpoint, and what is held."""

from .desk import Desk

__all__ = ["Desk"]
