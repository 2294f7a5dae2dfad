"""The operators' interface: figures, health, metrics, details of every actor, and the console's feed."""

from .feed import feed_routes
from .health import health_routes
from .parts import AdminParts
from .routes import admin_routes

__all__ = [
    "AdminParts",
    "admin_routes",
    "feed_routes",
    "health_routes",
]
