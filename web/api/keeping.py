"""The route by which a member archives, mutes or pins a conversation for themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response
from quart_schema import document_request, document_response, tag

from salon.actors.keeping_messages import SetPreferences
from salon.actors.model import FOR_EVER
from salon.actors.refusals import Code

from ..http import COMMAND, answer, body, refusals
from . import member_schemas, schemas
from .members import time_of
from .view import kept_fields

if TYPE_CHECKING:
    from ..http import Parts


def keeping_routes(parts: Parts) -> Blueprint:
    """The route of a member's own preferences."""
    routes = Blueprint("keeping", __name__)

    @routes.patch("/chat/<conversation_id>/me")
    @tag(["conversations"])
    @document_request(member_schemas.PreferencesBody)
    @document_response(schemas.Preferences)
    @refusals(*COMMAND, Code.RATE_LIMITED, Code.NOT_FOUND)
    async def keep(conversation_id: str) -> Response:
        """Archive, mute or pin a conversation for oneself. One's other devices get `preferences`; nobody else is told."""
        identity = parts.caller()
        depth = parts.settings.limits.json_depth
        wanted = await body(member_schemas.PreferencesBody, depth=depth)
        muted = wanted.muted
        if isinstance(muted, bool):
            until: int | None = FOR_EVER if muted else 0
        else:
            until = None if muted is None else time_of(parts, muted, "muted")
        who = identity.participant
        command = SetPreferences(conversation_id, who, wanted.archived, until, wanted.pinned)
        kept = (await parts.ask(identity, command)).preferences
        now = parts.directory.sources.now()
        return answer({"conversation_id": conversation_id, **kept_fields(kept, now)})

    return routes
