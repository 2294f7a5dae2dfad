"""How the nodes of a cluster reach each other: over NATS. Imported only where there is a cluster."""

from .nats_address import NatsAddress, NatsError
from .nats_link import NatsLink

__all__ = ["NatsAddress", "NatsError", "NatsLink"]
