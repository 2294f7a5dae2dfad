"""The routes of runs: an agent's program speaks by them over plain HTTP, and people cancel runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, Response
from quart_schema import document_request, document_response, tag

from salon.actors.refusals import Code
from salon.actors.run_messages import (
    CancelRun,
    DecideApproval,
    EndRun,
    ExtendRun,
    RegenerateRun,
    SetRunState,
    StartRun,
    UpdateAgent,
)

from ..http import COMMAND, answer, body, raw, refusals
from ..socket import approval_of, results_text, run_fields
from . import schemas
from .view import conversation_json, seen

if TYPE_CHECKING:
    from salon.actors.run_messages import RunReceipt
    from salon.actors.signals import RunRequested

    from ..http import Parts

OF_A_RUN = (Code.FORBIDDEN, Code.NOT_FOUND, Code.NOT_PARTICIPANT, Code.RUN_NOT_FOUND)


def run_routes(parts: Parts) -> Blueprint:
    """The routes of the runs of one conversation."""
    routes = Blueprint("runs", __name__, url_prefix="/chat/<conversation_id>/runs")
    _add_start(routes, parts)
    _add_delta(routes, parts)
    _add_state(routes, parts)
    _add_approval(routes, parts)
    _add_end(routes, parts)
    _add_cancel(routes, parts)
    _add_regenerate(routes, parts)
    return routes


def _add_start(routes: Blueprint, parts: Parts) -> None:
    @routes.post("")
    @tag(["runs"])
    @document_request(schemas.RunBody)
    @document_response(schemas.RunModel, 201)
    @document_response(schemas.RunModel, 200)
    @refusals(
        *COMMAND,
        Code.RATE_LIMITED,
        Code.FORBIDDEN,
        Code.NOT_FOUND,
        Code.NOT_PARTICIPANT,
        Code.INVALID_FORMAT,
        Code.KEY_REUSED,
        Code.TOO_MANY_RUNS,
        Code.MUTED,
    )
    async def start_run(conversation_id: str) -> Response:
        """Begin a run, as an agent; for a run that was begun before, get where it is."""
        identity = parts.caller()
        wanted = await body(schemas.RunBody, depth=parts.settings.limits.json_depth)
        receipt: RunReceipt = await parts.ask(
            identity,
            StartRun(conversation_id, identity.participant, wanted.run_id, wanted.reply_to),
        )
        return answer(run_fields(receipt), 200 if receipt.duplicate else 201)


def _add_delta(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<run_id>/delta")
    @tag(["runs"])
    @document_request(schemas.DeltaBody)
    @document_response(schemas.RunModel)
    @refusals(*COMMAND, *OF_A_RUN, Code.RUN_ENDED, Code.OFFSET_MISMATCH, Code.MESSAGE_TOO_LARGE)
    async def extend_run(conversation_id: str, run_id: str) -> Response:
        """Say more in a run. The same delta again changes nothing."""
        identity = parts.caller()
        wanted = await body(schemas.DeltaBody, depth=parts.settings.limits.json_depth)
        command = ExtendRun(
            conversation_id, identity.participant, run_id, wanted.offset, wanted.text
        )
        return answer(run_fields(await parts.ask(identity, command)))


def _add_state(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<run_id>/status")
    @tag(["runs"])
    @document_request(schemas.RunStateBody)
    @document_response(schemas.RunModel)
    @refusals(*COMMAND, *OF_A_RUN, Code.RUN_ENDED)
    async def set_run_state(conversation_id: str, run_id: str) -> Response:
        """Show what a run is doing while it says nothing."""
        identity = parts.caller()
        wanted = await body(schemas.RunStateBody, depth=parts.settings.limits.json_depth)
        command = SetRunState(
            conversation_id,
            identity.participant,
            run_id,
            wanted.state,
            wanted.label,
            parts.checked(lambda: approval_of(wanted.approval)),
        )
        return answer(run_fields(await parts.ask(identity, command)))


def _add_approval(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<run_id>/approval")
    @tag(["runs"])
    @document_request(schemas.ApprovalBody)
    @document_response(schemas.RunModel)
    @refusals(*COMMAND, *OF_A_RUN, Code.RUN_ENDED, Code.APPROVAL_NOT_FOUND)
    async def decide_approval(conversation_id: str, run_id: str) -> Response:
        """Allow the tool call that a run waits for, or refuse it: as the person whom the run answers, or an owner."""
        identity = parts.caller()
        wanted = await body(schemas.ApprovalBody, depth=parts.settings.limits.json_depth)
        command = DecideApproval(
            conversation_id, identity.participant, run_id, wanted.approval_id, wanted.approved
        )
        return answer(run_fields(await parts.ask(identity, command)))


def _add_end(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<run_id>/end")
    @tag(["runs"])
    @document_request(schemas.RunEndBody)
    @document_response(schemas.RunModel)
    @refusals(*COMMAND, *OF_A_RUN, Code.OFFSET_MISMATCH)
    async def end_run(conversation_id: str, run_id: str) -> Response:
        """End a run. What it has said becomes its message; a run that has said nothing has failed."""
        identity = parts.caller()
        wanted = await body(
            schemas.RunEndBody, depth=parts.settings.limits.json_depth, optional=True
        )
        command = EndRun(
            conversation_id,
            identity.participant,
            run_id,
            wanted.status,
            wanted.offset,
            parts.metadata(wanted.usage, "usage"),
            parts.metadata(wanted.metadata),
            wanted.reason,
            wanted.retry_after,
            parts.checked(lambda: results_text(wanted.results)),
        )
        return answer(run_fields(await parts.ask(identity, command)))


def _add_cancel(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<run_id>/cancel")
    @tag(["runs"])
    @document_response(schemas.RunModel)
    @refusals(*COMMAND, *OF_A_RUN)
    async def cancel_run(conversation_id: str, run_id: str) -> Response:
        """Cancel a run: for the person it answers, an owner, or its agent. What it has said stays as a message."""
        identity = parts.caller()
        command = CancelRun(conversation_id, identity.participant, run_id)
        return answer(run_fields(await parts.ask(identity, command)))


def _add_regenerate(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/<run_id>/regenerate")
    @tag(["runs"])
    @document_response(schemas.RunRequest, 202)
    @refusals(*COMMAND, *OF_A_RUN, Code.INVALID_FORMAT)
    async def regenerate_run(conversation_id: str, run_id: str) -> Response:
        """Ask the agent of a run that has ended for another answer to the same message: for who asked, and for owners."""
        identity = parts.caller()
        command = RegenerateRun(
            conversation_id, identity.participant, run_id, parts.directory.sources.new_id()
        )
        request: RunRequested = await parts.ask(identity, command)
        return answer({"run_id": request.run_id, "message_id": request.message_id}, 202)


def agent_routes(parts: Parts) -> Blueprint:
    """The route of what an agent answers in one conversation."""
    routes = Blueprint("agents", __name__, url_prefix="/chat/<conversation_id>/agents")

    @routes.patch("/<participant_id>")
    @tag(["runs"])
    @document_request(schemas.AgentBody)
    @document_response(schemas.Conversation)
    @refusals(*COMMAND, Code.RATE_LIMITED, Code.FORBIDDEN, Code.NOT_FOUND)
    async def update_agent(conversation_id: str, participant_id: str) -> Response:
        """Set which messages an agent is asked to answer; only the owner may. All members get `agent_updated`."""
        identity = parts.caller()
        wanted = await body(schemas.AgentBody, depth=parts.settings.limits.json_depth)
        await parts.ask(
            identity,
            UpdateAgent(
                conversation_id,
                identity.participant,
                participant_id,
                wanted.trigger,
                wanted.agents_may_call,
                wanted.steering,
            ),
        )
        snapshot = await seen(parts, identity, conversation_id)
        return raw(await conversation_json(parts, snapshot, identity))

    return routes
