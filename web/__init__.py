"""The edge: HTTP, WebSocket and JSON, routed into the actors."""
