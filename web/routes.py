"""All routes of a server on one application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart_schema import QuartSchema
from quart_trio import QuartTrio

from .admin import (
    admin_routes,
    feed_routes,
    firehose_routes,
    health_routes,
    held_queue_routes,
    hosted_agent_routes,
    node_routes,
    people_data_routes,
    report_queue_routes,
    salon_version,
    token_routes,
    webhook_routes,
)
from .api import (
    agent_routes,
    auth_routes,
    change_routes,
    chat_routes,
    event_stream_routes,
    file_routes,
    held_routes,
    invite_routes,
    keeping_routes,
    member_routes,
    message_routes,
    people_routes,
    personal_event_routes,
    reference_routes,
    report_routes,
    run_routes,
    search_routes,
    sign_in_routes,
    socket_routes,
)
from .http import HttpReference, SalonRequest, allow_origins, frontend_routes, refuse_clearly

if TYPE_CHECKING:
    from .admin import AdminParts


def build_app(parts: AdminParts) -> QuartTrio:
    """All routes on one Quart-Trio application."""
    app = QuartTrio(__name__, static_folder=None)
    app.request_class = SalonRequest
    app.url_map.merge_slashes = False  # its redirect would answer a WebSocket with an HTML page
    app.config["MAX_CONTENT_LENGTH"] = parts.settings.limits.max_body_size or None
    QuartSchema(
        app,
        info={"title": "salon", "version": salon_version()},
        swagger_ui_path=None,
        redoc_ui_path=None,
        scalar_ui_path=None,
        conversion_preference="pydantic",
        openapi_provider_class=HttpReference,
    )
    for routes in (
        chat_routes,
        change_routes,
        member_routes,
        invite_routes,
        held_routes,
        keeping_routes,
        message_routes,
        people_routes,
        report_routes,
        search_routes,
        file_routes,
        run_routes,
        agent_routes,
        socket_routes,
        event_stream_routes,
        personal_event_routes,
        auth_routes,
        sign_in_routes,
        health_routes,
        admin_routes,
        node_routes,
        hosted_agent_routes,
        people_data_routes,
        report_queue_routes,
        held_queue_routes,
        token_routes,
        feed_routes,
        firehose_routes,
        webhook_routes,
        reference_routes,
        frontend_routes,
    ):
        app.register_blueprint(routes(parts))
    refuse_clearly(app, parts)
    allow_origins(app, parts.settings.server.allowed_origins)
    return app
