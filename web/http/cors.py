"""Sets the CORS headers for pages of the allowed origins: without them a browser withholds the answers from such pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response, request

if TYPE_CHECKING:
    from collections.abc import Collection

    from quart_trio import QuartTrio

METHODS = "GET, POST, PUT, PATCH, DELETE"
HEADERS = "Authorization, Content-Type, Idempotency-Key"
REMEMBERED = "600"  # seconds for which a browser caches the preflight answer


def allow_origins(app: QuartTrio, allowed: Collection[str]) -> None:
    """Allow pages of these origins. `*` stands for all origins; their cookies are then not accepted."""
    if not allowed:
        return

    @app.after_request
    async def add_headers(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if origin is None or not ("*" in allowed or origin.lower() in allowed):
            return response
        headers = response.headers
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = "Retry-After"
        headers.add("Vary", "Origin")
        if origin.lower() in allowed:
            headers["Access-Control-Allow-Credentials"] = "true"
        if request.method == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = METHODS
            headers["Access-Control-Allow-Headers"] = HEADERS
            headers["Access-Control-Max-Age"] = REMEMBERED
        return response
