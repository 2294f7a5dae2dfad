"""The routes of a person's own data: take it along, be erased."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_response, security_scheme, tag

from salon.actors.refusals import Code

from ..http import BinaryContent, answer, refusals
from ..privacy import export
from ..socket import timestamp
from . import people_schemas as schemas
from .auth import Allowance, forget

if TYPE_CHECKING:
    from salon.actors.people import PersonErasure

    from ..http import Parts
    from ..identity import Identity

EXPORTS_PER_HOUR = 6  # of one person: each reads the whole log
HEADERS = {
    "Content-Type": "application/zip",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def people_routes(parts: Parts) -> Blueprint:
    """The routes of the caller's own data."""
    routes = Blueprint("people", __name__)
    exports = Allowance(EXPORTS_PER_HOUR, "exports an hour", "participant")

    @routes.get("/me/export")
    @tag(["identity"])
    @document_response(BinaryContent)
    @refusals(Code.FORBIDDEN, Code.RATE_LIMITED, Code.STORE_UNAVAILABLE)
    async def export_me() -> Response:
        """Take one's data along: a ZIP archive with what one has said, one's files and memberships."""
        identity = parts.unlimited()
        exports.check(identity.participant.id)
        return archive(parts, identity)

    @routes.delete("/me")
    @tag(["identity"])
    @document_response(schemas.Erasure, 202)
    @refusals(Code.FORBIDDEN, Code.ORIGIN_NOT_ALLOWED, Code.STORE_UNAVAILABLE)
    async def erase_me() -> Response:
        """Be erased: one's messages in all conversations, one's files, one's name. All one's sessions are over at once.

        The answer has an address at which anybody who has it sees when it is done.
        """
        who = parts.unlimited().participant
        parts.check_origin()
        assert parts.erasures is not None, "a server with routes can erase"
        erasure = await parts.erasures.ask(who.id, who.id)
        response = answer(shown(parts, erasure), 202)
        response.headers["Location"] = f"/erasures/{erasure.id}"
        forget(response)
        return response

    @routes.get("/erasures/<erasure_id>")
    @tag(["identity"])
    @security_scheme([])
    @document_response(schemas.Erasure)
    @refusals(Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def erasure(erasure_id: str) -> Response:
        """See how far an erasure is. Its id is known to whom it was told, who has no session any more."""
        assert parts.erasures is not None
        found = await parts.erasures.find(erasure_id)
        if found is None:
            raise parts.refusal(Code.NOT_FOUND)
        return answer(shown(parts, found))

    return routes


def archive(parts: Parts, identity: Identity) -> Response:
    """A person's data as an answer that is made while it is sent."""
    assert parts.files is not None
    directory = parts.directory
    pieces = export(identity, directory, parts.people, parts.identities.access, parts.files)
    disposition = {"Content-Disposition": 'attachment; filename="my-data.zip"'}
    response = Response(pieces, headers=HEADERS | disposition)
    response.timeout = None  # as long as the caller takes
    return response


def shown(parts: Parts, erasure: PersonErasure) -> dict[str, Any]:
    """An erasure as an answer has it."""
    assert parts.erasures is not None
    done_at = erasure.done_at
    return {
        "erasure_id": erasure.id,
        "state": parts.erasures.state_of(erasure),
        "messages": erasure.messages,
        "asked_at": timestamp(erasure.asked_at),
        "done_at": None if done_at is None else timestamp(done_at),
    }
