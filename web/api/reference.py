"""The routes of the reference: two documents for tools, generated from the code, and a page that shows both."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import trio
from quart import Blueprint, Response, current_app, request
from quart_schema import document_response, security_scheme, tag

from salon.actors.refusals import too_fast

from ..http import TAGS, HttpReference, JsonDocument, Page, Style, answer
from ..socket import error_fields
from .asyncapi import CHANNEL, asyncapi, located
from .json_schema import example, kind, lines

if TYPE_CHECKING:
    from ..http import Parts

PROBLEM_ID = "Zr7uE1oFh5CtG9aXm3JkPw"
POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def reference_routes(parts: Parts) -> Blueprint:
    """The AsyncAPI document and the page. quart-schema serves the OpenAPI document, which `HttpReference` makes."""
    routes = Blueprint("reference", __name__)
    page: str | None = None

    @routes.get("/asyncapi.json")
    @tag(["reference"])
    @security_scheme([])
    @document_response(JsonDocument)
    async def asyncapi_json() -> Response:
        """The AsyncAPI 3.0 document of the WebSocket and of the event streams."""
        return answer(located(request.host, secure=request.scheme in ("https", "wss")))

    @routes.get("/docs")
    @tag(["reference"])
    @security_scheme([])
    @document_response(Page)
    async def docs() -> Response:
        """The reference of HTTP and WebSocket as a page."""
        nonlocal page
        if page is None:
            provider = current_app.extensions["QUART_SCHEMA"].openapi_provider
            environment = current_app.jinja_env
            page = await trio.to_thread.run_sync(_page, environment, provider)  # 90 ms
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        return response

    @routes.get("/docs/reference.css")
    @tag(["reference"])
    @security_scheme([])
    @document_response(Style)
    async def docs_style() -> Response:
        """The style sheet of this page."""
        return Response(_static("reference.css"), content_type="text/css; charset=utf-8")

    return routes


@cache
def _static(name: str) -> str:
    return files("salon.web").joinpath("static", name).read_text(encoding="utf-8")


def _page(environment: Any, provider: HttpReference) -> str:
    """The page; it is the same for all callers."""
    document, socket = provider.schema(), asyncapi()
    plain = environment.overlay(
        autoescape=True, enable_async=False, lstrip_blocks=True, trim_blocks=True
    )
    page: str = plain.from_string(_static("reference.html")).render(
        example=example,
        kind=kind,
        lines=lines,
        pretty=partial(json.dumps, indent=2, ensure_ascii=False),
        openapi=document,
        schemas=document["components"]["schemas"],
        groups={name: _operations(document, name) for name in TAGS},
        socket=socket,
        channel=socket["channels"][CHANNEL],
        frames=socket["components"],
        streams=[channel for name, channel in socket["channels"].items() if name != CHANNEL],
        problem=_problem(),
    )
    return page


def _operations(document: dict[str, Any], tag_name: str) -> list[dict[str, Any]]:
    return [
        {"path": path, "method": method.upper(), **operation}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if operation["tags"] == [tag_name]
    ]


def _problem() -> dict[str, Any]:
    """An example of a refusal."""
    refusal = too_fast(20, "messages a second", 0.05, "participant")
    return error_fields(replace(refusal, id=PROBLEM_ID))
