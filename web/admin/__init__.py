"""The operators' interface: figures, health, metrics, details of every actor, and the console's feed."""

from .agents import hosted_agent_routes
from .feed import feed_routes
from .firehose import firehose_routes
from .health import health_routes, salon_version
from .held import held_queue_routes
from .node_figures import NodeFigures
from .nodes import node_routes
from .operators import relay_of
from .parts import AdminParts
from .people import people_data_routes
from .reports import report_queue_routes
from .routes import admin_routes
from .stored_agents import reload_agents
from .tokens import token_routes
from .webhooks import webhook_routes

__all__ = [
    "AdminParts",
    "NodeFigures",
    "admin_routes",
    "feed_routes",
    "firehose_routes",
    "health_routes",
    "held_queue_routes",
    "hosted_agent_routes",
    "node_routes",
    "people_data_routes",
    "relay_of",
    "reload_agents",
    "report_queue_routes",
    "salon_version",
    "token_routes",
    "webhook_routes",
]
