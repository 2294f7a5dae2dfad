"""This server as a node of a cluster, and how the nodes reach each other over NATS. Imported only where there is a cluster."""

from .nats_address import NatsAddress, NatsError
from .nats_link import NatsLink
from .nats_probe import probe
from .node import ServingNode

__all__ = ["NatsAddress", "NatsError", "NatsLink", "ServingNode", "probe"]
