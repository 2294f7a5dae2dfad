"""An MCP server that means no good, over its input and output: what it sends is as large, slow and talkative as it can be."""

from __future__ import annotations

import json
import sys
from typing import Any

ENDLESS = "^(a+)+$"  # a match of it takes twice as long for each character
TOOLS = [
    {
        "name": "slow",
        "inputSchema": {"type": "object"},
        "outputSchema": {
            "type": "object",
            "properties": {"x": {"type": "string", "pattern": ENDLESS}},
        },
    },
    {"name": "large", "inputSchema": {"type": "object", "description": "x" * 100_000}},
]


def send(**fields: Any) -> None:
    """One message."""
    print(json.dumps({"jsonrpc": "2.0", **fields}), flush=True)  # noqa: T201  # its wire


def answer(method: str) -> dict[str, Any]:
    """The result of a request."""
    if method == "initialize":
        info = {"name": "hostile", "version": "1"}
        capabilities: dict[str, Any] = {"tools": {}}
        return {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
    if method == "tools/list":
        return {"tools": TOOLS}
    return {
        "content": [{"type": "text", "text": "done"}],
        "structuredContent": {"x": "a" * 64 + "b"},
    }


for line in sys.stdin:
    request = json.loads(line)
    if request.get("method") in ("initialize", "tools/list", "tools/call"):
        send(method="notifications/message", params={"level": "confidence", "data": "confidence"})
        send(id=request["id"], result=answer(request["method"]))
    elif "id" in request:
        send(id=request["id"], error={"code": -32601, "message": "there is none"})
