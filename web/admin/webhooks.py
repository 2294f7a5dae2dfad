"""The operators' routes of webhooks: who is told of events, how far they are, and what to do where they do not take them."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from pydantic import ValidationError
from quart import Blueprint, Response
from quart_schema import document_request, document_response, tag

from salon.actors.refusals import Code, Refusal

from ..http import NoContent, Refused, answer, body, refusals
from ..settings import WebhookSettings
from ..socket import problem_of, timestamp
from ..webhooks import WebhookError, WebhookRow, WebhooksFullError, WebhookWanted
from . import webhook_schemas as schemas
from .webhook_places import at_the_first_node, webhook_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .parts import AdminParts

OPERATING = Code.FORBIDDEN, Code.NODE_UNAVAILABLE
ANY_SECRET = "SALON_WEBHOOK"  # in place of the secret, which the server makes


def webhook_routes(parts: AdminParts) -> Blueprint:
    """The routes."""
    routes = Blueprint("webhooks", __name__, url_prefix="/admin/webhooks")
    if parts.node is not None:
        routes.before_request(partial(at_the_first_node, parts))
    _add_lists(routes, parts)
    _add_changes(routes, parts)
    _add_ends(routes, parts)
    _add_attempts(routes, parts)
    _add_replay(routes, parts)
    return routes


def _add_lists(routes: Blueprint, parts: AdminParts) -> None:
    @routes.get("")
    @tag(["admin"])
    @document_response(schemas.Webhooks)
    @refusals(*OPERATING, Code.STORE_UNAVAILABLE)
    async def list_webhooks() -> Response:
        """List the webhooks, with how far each is and what is wrong with it."""
        parts.admin()
        return answer({"webhooks": [webhook_view(row) for row in await parts.webhooks.rows()]})

    @routes.get("/<webhook_id>")
    @tag(["admin"])
    @document_response(schemas.WebhookView)
    @refusals(*OPERATING, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def webhook(webhook_id: str) -> Response:
        """One webhook."""
        parts.admin()
        with _named(parts):
            return answer(webhook_view(await parts.webhooks.row(webhook_id)))


def _add_changes(routes: Blueprint, parts: AdminParts) -> None:
    depth = parts.settings.limits.json_depth

    @routes.post("")
    @tag(["admin"])
    @document_request(schemas.WebhookBody)
    @document_response(schemas.NewWebhook, 201)
    @refusals(*OPERATING, Code.LIMIT_REACHED, Code.MALFORMED_REQUEST, Code.STORE_UNAVAILABLE)
    async def create_webhook() -> Response:
        """Make a webhook, which is told of what comes from now on. The answer has its secret, once."""
        operator = parts.admin()
        wanted = await body(schemas.WebhookBody, depth=depth)
        with _named(parts), trio.CancelScope(shield=True):
            id, secret = await parts.webhooks.create(_wanted(parts, wanted.model_dump()))
            view = webhook_view(await parts.webhooks.row(id))
        parts.audit.note(operator, "webhook", id, "made")
        return answer({**view, "secret": secret}, 201)

    @routes.patch("/<webhook_id>")
    @tag(["admin"])
    @document_request(schemas.WebhookChange)
    @document_response(schemas.WebhookView)
    @refusals(*OPERATING, Code.NOT_FOUND, Code.MALFORMED_REQUEST, Code.STORE_UNAVAILABLE)
    async def change_webhook(webhook_id: str) -> Response:
        """Change what a webhook is told and where."""
        operator = parts.admin()
        given = await body(schemas.WebhookChange, depth=depth)
        with _named(parts), trio.CancelScope(shield=True):
            fields = _changed(await parts.webhooks.row(webhook_id), given)
            await parts.webhooks.change(webhook_id, _wanted(parts, fields))
            view = webhook_view(await parts.webhooks.row(webhook_id))
        parts.audit.note(operator, "webhook", webhook_id, "changed")
        return answer(view)


def _add_ends(routes: Blueprint, parts: AdminParts) -> None:
    """The end of a webhook, and of its secret."""

    @routes.delete("/<webhook_id>")
    @tag(["admin"])
    @document_response(NoContent, 204)
    @refusals(*OPERATING, Code.NOT_FOUND, Code.MALFORMED_REQUEST, Code.STORE_UNAVAILABLE)
    async def delete_webhook(webhook_id: str) -> Response:
        """Delete a webhook. What it has not been told it is never told."""
        operator = parts.admin()
        with _named(parts), trio.CancelScope(shield=True):
            await parts.webhooks.delete(webhook_id)
        parts.audit.note(operator, "webhook", webhook_id, "deleted")
        return Response(b"", 204)

    @routes.post("/<webhook_id>/rotate")
    @tag(["admin"])
    @document_response(schemas.NewSecret)
    @refusals(*OPERATING, Code.NOT_FOUND, Code.MALFORMED_REQUEST, Code.STORE_UNAVAILABLE)
    async def rotate_webhook_secret(webhook_id: str) -> Response:
        """Give a webhook a new secret. The former one signs as well for a day."""
        operator = parts.admin()
        with _named(parts), trio.CancelScope(shield=True):
            secret, until = await parts.webhooks.rotate(webhook_id)
        parts.audit.note(operator, "webhook", webhook_id, "new secret")
        ends = timestamp(until)
        return answer({"webhook_id": webhook_id, "secret": secret, "former_ends_at": ends})


def _add_attempts(routes: Blueprint, parts: AdminParts) -> None:
    """What operators do about single attempts to deliver."""
    depth = parts.settings.limits.json_depth

    @routes.post("/<webhook_id>/test")
    @tag(["admin"])
    @document_response(schemas.WebhookTest)
    @refusals(*OPERATING, Code.NOT_FOUND)
    async def send_webhook_test(webhook_id: str) -> Response:
        """Send an event of the type `test` at once, and say what the endpoint made of it."""
        operator = parts.admin()
        with _named(parts):
            outcome = await parts.webhooks.test(webhook_id)
        parts.audit.note(operator, "webhook", webhook_id, "tested")
        fields = {"status": outcome.status, "error": outcome.error}
        seconds = outcome.milliseconds / 1000
        return answer({"webhook_id": webhook_id, **fields, "seconds": seconds})

    @routes.post("/<webhook_id>/retry")
    @tag(["admin"])
    @document_response(schemas.WebhookView)
    @refusals(*OPERATING, Code.NOT_FOUND, Code.STORE_UNAVAILABLE)
    async def retry_webhook(webhook_id: str) -> Response:
        """Try at once what waits for a retry, and go on where the webhook was paused."""
        operator = parts.admin()
        with _named(parts), trio.CancelScope(shield=True):
            await parts.webhooks.retry(webhook_id)
            view = webhook_view(await parts.webhooks.row(webhook_id))
        parts.audit.note(operator, "webhook", webhook_id, "retried")
        return answer(view)

    @routes.post("/<webhook_id>/skip")
    @tag(["admin"])
    @document_request(schemas.SkipBody)
    @document_response(schemas.Skipped)
    @refusals(*OPERATING, Code.NOT_FOUND, Code.MALFORMED_REQUEST, Code.STORE_UNAVAILABLE)
    async def skip_webhook_event(webhook_id: str) -> Response:
        """Give up the events that were tried and not taken: of each such conversation one, and the next is tried."""
        operator = parts.admin()
        asked = await body(schemas.SkipBody, depth=depth, optional=True)
        with _named(parts), trio.CancelScope(shield=True):
            skipped = await parts.webhooks.skip(webhook_id, asked.conversation_id)
        parts.audit.note(operator, "webhook", webhook_id, f"{skipped} skipped")
        return answer({"webhook_id": webhook_id, "skipped": skipped})


def _add_replay(routes: Blueprint, parts: AdminParts) -> None:
    depth = parts.settings.limits.json_depth

    @routes.post("/<webhook_id>/replay")
    @tag(["admin"])
    @document_request(schemas.ReplayBody)
    @document_response(schemas.WebhookView)
    @refusals(*OPERATING, Code.NOT_FOUND, Code.MALFORMED_REQUEST, Code.STORE_UNAVAILABLE)
    async def replay_webhook(webhook_id: str) -> Response:
        """Deliver the events of a conversation again, from a sequence on."""
        operator = parts.admin()
        asked = await body(schemas.ReplayBody, depth=depth)
        snapshot = await parts.directory.look(asked.conversation_id)
        if snapshot is None:
            raise parts.refusal(Code.NOT_FOUND)
        place = snapshot.state.number, asked.conversation_id, asked.sequence_id
        with _named(parts), trio.CancelScope(shield=True):
            await parts.webhooks.replay(webhook_id, *place)
            view = webhook_view(await parts.webhooks.row(webhook_id))
        parts.audit.note(operator, "webhook", webhook_id, "replayed")
        return answer(view)


@contextmanager
def _named(parts: AdminParts) -> Iterator[None]:
    """Refuse what names no webhook, or one that the routes cannot change."""
    try:
        yield
    except KeyError:
        raise parts.refusal(Code.NOT_FOUND) from None
    except WebhooksFullError as full:
        raise Refused(
            Refusal(Code.LIMIT_REACHED, {"limit": full.limit, "what": "webhooks"})
        ) from None
    except WebhookError as problem:
        raise parts.malformed(str(problem)) from None


def _changed(row: WebhookRow, given: schemas.WebhookChange) -> dict[str, Any]:
    """The wishes of a webhook with those that a body changes."""
    fields = {
        "url": row.url,
        "events": row.events or "*",
        "conversations": row.conversations,
        "allow_private": row.allow_private,
    }
    changed = given.model_dump(exclude_unset=True)
    return fields | {
        name: value
        for name, value in changed.items()
        if value is not None or name == "conversations"
    }


def _wanted(parts: AdminParts, fields: dict[str, Any]) -> WebhookWanted:
    """The wishes in a body, by the rules of the configuration."""
    try:
        settings = WebhookSettings.model_validate({**fields, "secret_env": ANY_SECRET})
    except ValidationError as error:
        raise parts.malformed(problem_of(error.errors())) from None
    return WebhookWanted.of(settings, ())
