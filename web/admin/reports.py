"""The operators' queue of reported messages, each with what was said around it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.change_messages import DeleteMessage
from salon.actors.member_messages import Ban, Mute
from salon.actors.messages import Unchanged
from salon.actors.refusals import Code

from ..api import SanctionBody, sanction_terms
from ..http import COMMAND, Refused, answer, body, query, refusals
from ..socket import timestamp
from . import report_schemas as schemas
from .details import state_of

if TYPE_CHECKING:
    from salon.actors.store import Report

    from ..identity import Identity
    from .audit import Action
    from .parts import AdminParts

ACTING = (*COMMAND, Code.FORBIDDEN, Code.NOT_FOUND)
AROUND = 10  # events before a reported message, and as many after it


def report_queue_routes(parts: AdminParts) -> Blueprint:
    """The routes of the queue."""
    routes = Blueprint("report_queue", __name__, url_prefix="/admin/reports")
    _add_list(routes, parts)
    _add_one(routes, parts)
    _add_close(routes, parts)
    _add_delete(routes, parts)
    _add_sanctions(routes, parts)
    return routes


def _add_list(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("")
    @tag(["admin"])
    @document_querystring(schemas.ReportQuery)
    @document_response(schemas.Reports)
    @refusals(Code.FORBIDDEN, Code.STORE_UNAVAILABLE)
    async def reports() -> Response:
        """List the reports that are open, or those that are closed, the newest first."""
        parts.admin()
        asked = query(schemas.ReportQuery)
        page = await parts.directory.store.reports(
            is_open=asked.state == "open", before=asked.before, limit=asked.limit
        ).wait()
        return answer({"reports": [_view(each) for each in page.reports], "before": page.before})


def _add_one(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("/<int:report_id>")
    @tag(["admin"])
    @document_response(schemas.ReportDossier)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def inspect_report(report_id: int) -> Response:
        """Get a report with the message in its surroundings. The audit records this access to message text."""
        operator = parts.admin()
        found = await _found(parts, report_id)
        parts.audit.note_reading(operator, f"the report {report_id}")
        return answer({**_view(found), "events": await _around(parts, found)})


def _add_close(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/<int:report_id>/close")
    @tag(["admin"])
    @document_request(schemas.CloseReportBody)
    @document_response(schemas.ReportView)
    @refusals(Code.FORBIDDEN, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def close_report(report_id: int) -> Response:
        """Close a report, with what came of it. One that is closed stays as it was."""
        operator = parts.admin()
        wanted = await body(schemas.CloseReportBody, depth=parts.settings.limits.json_depth)
        now = parts.directory.sources.now()
        closed = await parts.directory.store.close_report(
            report_id,
            by=operator.participant.id,
            outcome=wanted.outcome,
            at=now,
        ).wait()
        if closed is None:
            raise parts.refusal(Code.NOT_FOUND)
        if (closed.closed_by, closed.closed_at) == (operator.participant.id, now):
            parts.audit.note(operator, "report", str(report_id), wanted.outcome)
        return answer(_view(closed))


def _add_delete(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/<int:report_id>/delete-message")
    @tag(["admin"])
    @document_request(schemas.ActBody)
    @document_response(schemas.ReportAct)
    @refusals(*ACTING, Code.LEGAL_HOLD)
    async def delete_reported(report_id: int) -> Response:
        """Delete the reported message, whoever has sent it. The report stays open."""
        operator = parts.admin()
        wanted = await body(schemas.ActBody, depth=parts.settings.limits.json_depth, optional=True)
        found = await _found(parts, report_id)
        message_id = f"{found.conversation_id}-{found.sequence}"
        command = DeleteMessage(
            found.conversation_id,
            operator.participant,
            message_id,
            wanted.reason,
            by_operator=True,
        )
        return await _act(parts, operator, "delete", command, message_id, found)


def _add_sanctions(routes: Blueprint, parts: AdminParts) -> None:
    @routes.post("/<int:report_id>/mute")
    @tag(["admin"])
    @document_request(SanctionBody)
    @document_response(schemas.ReportAct)
    @refusals(*ACTING, Code.LIMIT_REACHED)
    async def mute_reported(report_id: int) -> Response:
        """Mute the sender of the reported message in its conversation, whatever their role."""
        return await _sanction(parts, report_id, "mute")

    @routes.post("/<int:report_id>/ban")
    @tag(["admin"])
    @document_request(SanctionBody)
    @document_response(schemas.ReportAct)
    @refusals(*ACTING, Code.LIMIT_REACHED, Code.DIRECT_CONVERSATION)
    async def ban_reported(report_id: int) -> Response:
        """Ban the sender of the reported message from its conversation, whatever their role."""
        return await _sanction(parts, report_id, "ban")


async def _sanction(parts: AdminParts, report_id: int, action: Literal["mute", "ban"]) -> Response:
    operator = parts.admin()
    until, reason = await sanction_terms(parts)
    found = await _found(parts, report_id)
    state = await state_of(parts.directory, found.conversation_id)
    senders = (
        {}
        if state is None
        else await parts.directory.store.senders_among(state.number, (found.sequence,)).wait()
    )
    sender_id = senders.get(found.sequence)
    if sender_id is None:
        raise parts.refusal(Code.NOT_FOUND)
    kind = Mute if action == "mute" else Ban
    place = found.conversation_id, operator.participant, sender_id
    command = kind(*place, until, reason, by_operator=True)
    return await _act(parts, operator, action, command, sender_id, found)


async def _found(parts: AdminParts, report_id: int) -> Report:
    found = await parts.directory.store.report(report_id).wait()
    if found is None:
        raise parts.refusal(Code.NOT_FOUND)
    return found


async def _act(
    parts: AdminParts,
    operator: Identity,
    action: Action,
    command: DeleteMessage | Mute | Ban,
    target: str,
    report: Report,
) -> Response:
    """The answer to what an operator does about a report, which the audit keeps, refused or not."""
    outcome = "done"
    try:
        event = await parts.ask(operator, command)
    except Refused as refused:
        outcome = refused.refusal.code
        raise
    finally:
        parts.audit.note(operator, action, f"{target} in {command.conversation_id}", outcome)
    sequence = None if isinstance(event, Unchanged) else event.sequence or None
    return answer(
        {
            "report_id": report.position,
            "conversation_id": report.conversation_id,
            "target": target,
            "sequence_id": sequence,
        }
    )


async def _around(parts: AdminParts, report: Report) -> list[Any]:
    """The events around the reported message, as they are now: what was deleted since is not there."""
    state = await state_of(parts.directory, report.conversation_id)
    if state is None:
        return []
    after = max(0, report.sequence - AROUND - 1)
    page = await parts.directory.store.read(state.number, after=after, limit=2 * AROUND + 1).wait()
    return [json.loads(record.body) for record in page.records]


def _view(report: Report) -> dict[str, Any]:
    return {
        "report_id": report.position,
        "conversation_id": report.conversation_id,
        "message_id": f"{report.conversation_id}-{report.sequence}",
        "sequence_id": report.sequence,
        "reporter_id": report.reporter_id,
        "reason": report.reason,
        "reported_at": timestamp(report.at),
        "closed_at": None if report.closed_at is None else timestamp(report.closed_at),
        "closed_by": report.closed_by,
        "outcome": report.outcome,
    }
