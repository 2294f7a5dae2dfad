"""OpenTelemetry traces, from a request to its commit and delivery. Imported only where the settings name a collector."""

from .requests import Tracing, open_tracing

__all__ = ["Tracing", "open_tracing"]
