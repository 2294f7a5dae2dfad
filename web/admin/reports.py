"""The operators' queue of reported messages, each with what was said around it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from salon.actors.refusals import Code

from ..http import answer, body, query, refusals
from ..socket import timestamp
from . import report_schemas as schemas
from .details import state_of

if TYPE_CHECKING:
    from salon.actors.store import Report

    from .parts import AdminParts

AROUND = 10  # events before a reported message, and as many after it


def report_queue_routes(parts: AdminParts) -> Blueprint:
    """The routes of the queue."""
    routes = Blueprint("report_queue", __name__, url_prefix="/admin/reports")
    _add_list(routes, parts)
    _add_one(routes, parts)
    _add_close(routes, parts)
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
        found = await parts.directory.store.report(report_id).wait()
        if found is None:
            raise parts.refusal(Code.NOT_FOUND)
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
        closed = await parts.directory.store.close_report(
            report_id,
            by=operator.participant.id,
            outcome=wanted.outcome,
            at=parts.directory.sources.now(),
        ).wait()
        if closed is None:
            raise parts.refusal(Code.NOT_FOUND)
        parts.audit.note(operator, "report", str(report_id), wanted.outcome)
        return answer(_view(closed))


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
