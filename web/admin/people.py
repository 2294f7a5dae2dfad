"""The operators' routes of people's data: take it out, erase it, hold it, decide how long it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.messages import Update
from salon.actors.model import Participant
from salon.actors.refusals import Code

from ..api import archive, erasure_fields
from ..http import COMMAND, BinaryContent, answer, body, query, refusals
from ..identity import Identity
from ..socket import timestamp
from . import people_schemas as schemas
from .paging import page_of

if TYPE_CHECKING:
    from salon.actors.people import LegalHold

    from .parts import AdminParts


def people_data_routes(parts: AdminParts) -> Blueprint:
    """The routes below /admin about people's data."""
    routes = Blueprint("people_data", __name__, url_prefix="/admin")
    _add_people(routes, parts)
    _add_holds(routes, parts)
    _add_retention(routes, parts)
    return routes


def _add_people(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("/people/<path:participant_id>/export")
    @tag(["admin"])
    @document_response(BinaryContent)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def export_person(participant_id: str) -> Response:
        """Get a person's data, as `GET /me/export` gives it to them. The audit records this access to message text."""
        operator = parts.admin()
        parts.audit.note_reading(operator, f"the data of {participant_id}")
        return archive(parts, Identity(Participant(participant_id, participant_id)))

    @routes.post("/people/<path:participant_id>/erasure")
    @tag(["admin"])
    @document_response(schemas.ErasureOfPerson, 202)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def erase_person(participant_id: str) -> Response:
        """Erase a person, as `DELETE /me` does for them. One that is being erased goes on."""
        operator = parts.admin()
        assert parts.erasures is not None
        erasure = await parts.erasures.ask(participant_id, operator.participant.id)
        parts.audit.note(operator, "erase", participant_id)
        return answer({**erasure_fields(parts, erasure), **_whose(erasure)}, 202)

    @routes.get("/erasures")
    @tag(["admin"])
    @document_querystring(schemas.ErasureQuery)
    @document_response(schemas.Erasures)
    @refusals(Code.FORBIDDEN)
    async def erasures() -> Response:
        """List the erasures of people, or of one, the newest first."""
        parts.admin()
        asked = query(schemas.ErasureQuery)
        newest = [
            each
            for each in [*(parts.erasures or ())][::-1]
            if asked.id in (None, each.participant_id)
        ]
        page, before = page_of(newest, asked, lambda each: each.id)
        found = [{**erasure_fields(parts, each), **_whose(each)} for each in page]
        return answer({"erasures": found, "before": before})


def _add_holds(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("/holds")
    @tag(["admin"])
    @document_querystring(schemas.HoldQuery)
    @document_response(schemas.Holds)
    @refusals(Code.FORBIDDEN)
    async def holds() -> Response:
        """List the legal holds, or those of one subject, the newest first, also those that are released."""
        parts.admin()
        asked = query(schemas.HoldQuery)
        newest = [
            each
            for each in [*(parts.holds or ())][::-1]
            if asked.kind in (None, each.kind) and asked.subject in (None, each.subject)
        ]
        page, before = page_of(newest, asked, lambda each: each.id)
        return answer({"holds": [_hold(each) for each in page], "before": before})

    @routes.post("/holds")
    @tag(["admin"])
    @document_request(schemas.HoldBody)
    @document_response(schemas.Hold, 201)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def hold() -> Response:
        """Have what a person has said, or a conversation, be neither changed nor deleted until it is released."""
        operator = parts.admin()
        wanted = await body(schemas.HoldBody, depth=parts.settings.limits.json_depth)
        assert parts.holds is not None
        by = operator.participant.id
        placed = await parts.holds.place(wanted.kind, wanted.subject, reason=wanted.reason, by=by)
        parts.audit.note(operator, "hold", f"{wanted.kind} {wanted.subject}")
        parts.directory.decided()
        return answer(_hold(placed), 201)

    @routes.delete("/holds/<hold_id>")
    @tag(["admin"])
    @document_response(schemas.Hold)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def release(hold_id: str) -> Response:
        """Release a hold: what it kept may be deleted, and erasures that waited for it go on."""
        operator = parts.admin()
        assert parts.holds is not None
        released = await parts.holds.release(hold_id)
        if released is None:
            raise parts.refusal(Code.NOT_FOUND)
        parts.audit.note(operator, "release", f"{released.kind} {released.subject}")
        parts.directory.decided()
        return answer(_hold(released))


def _add_retention(routes: Blueprint, parts: AdminParts) -> None:
    @routes.put("/conversations/<conversation_id>/retention")
    @tag(["admin"])
    @document_request(schemas.RetentionBody)
    @document_response(schemas.RetentionBody)
    @refusals(*COMMAND, Code.FORBIDDEN, Code.NOT_FOUND)
    async def retain(conversation_id: str) -> Response:
        """Set the days that a conversation's messages are kept, as an owner does; 0 for as long as the server keeps them."""
        operator = parts.admin()
        wanted = await body(schemas.RetentionBody, depth=parts.settings.limits.json_depth)
        who = operator.participant
        command = Update(conversation_id, who, retention=wanted.days, by_operator=True)
        await parts.ask(operator, command)
        parts.audit.note(operator, "retention", conversation_id, f"{wanted.days} days")
        return answer({"days": wanted.days})


def _whose(erasure: Any) -> dict[str, str]:
    return {"participant_id": erasure.participant_id, "by": erasure.by}


def _hold(hold: LegalHold) -> dict[str, Any]:
    released = hold.released_at
    return {
        "hold_id": hold.id,
        "kind": hold.kind,
        "subject": hold.subject,
        "reason": hold.reason,
        "by": hold.by,
        "at": timestamp(hold.at),
        "released_at": None if released is None else timestamp(released),
    }
