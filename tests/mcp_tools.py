"""An MCP server with tools that work, fail, hang and crash: over its input and output, or over HTTP on the port that is given."""

from __future__ import annotations

import os
import sys

from mcp.server import MCPServer

server = MCPServer("tools of the tests")


@server.tool()
def forecast(city: str, days: int = 1) -> str:
    """What the weather will be."""
    return f"{days} days of sun in {city}"


@server.tool()
def fail() -> str:
    """Fails, in its own words."""
    raise ValueError("out of order")


@server.tool()
def crash() -> str:
    """Ends the server."""
    os._exit(3)


@server.tool()
def environment(name: str) -> str:
    """A variable of the server's environment."""
    return os.environ.get(name, "not set")


@server.tool(name="dots.and spaces")
def strange() -> str:
    """Has a name that models do not take."""
    return "called"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
