"""A person's data: what they may take with them, their erasure, how long messages are kept, and what is held."""

from .erasures import Erasures
from .export import export
from .holds import LegalHolds
from .retention import Retention

__all__ = ["Erasures", "LegalHolds", "Retention", "export"]
