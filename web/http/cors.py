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
        for name, value in cors_headers(request.headers.get("Origin"), request.method, allowed):
            if name == "Vary":
                response.headers.add(name, value)
            else:
                response.headers[name] = value
        return response


def cors_headers(
    origin: str | None, method: str, allowed: Collection[str]
) -> list[tuple[str, str]]:
    """What an answer to a page of this origin has, in order: nothing for an origin that is not allowed."""
    if origin is None or not ("*" in allowed or origin.lower() in allowed):
        return []
    headers = [
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Expose-Headers", "Retry-After"),
        ("Vary", "Origin"),
    ]
    if origin.lower() in allowed:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if method == "OPTIONS":
        headers += [
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", HEADERS),
            ("Access-Control-Max-Age", REMEMBERED),
        ]
    return headers
