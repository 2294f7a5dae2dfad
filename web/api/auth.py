"""The routes of identity: guests, sessions, tickets."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import trio
from quart import Blueprint, Response, request
from quart_schema import document_request, document_response, security_scheme, tag

from salon.actors.messages import Revoke
from salon.actors.rates import TokenBucket
from salon.actors.refusals import Code, too_fast
from salon.actors.store import StoreError

from ..http import NoContent, Refused, answer, body, refusals
from ..identity import COOKIE, HOST_COOKIE, TICKET_LIFE, bearer, session_cookie
from ..settings import label_of
from ..socket import participant_fields
from . import schemas

if TYPE_CHECKING:
    from salon.actors.refusals import Scope

    from ..http import Parts
    from ..identity import Guest

KEPT = 10_000  # buckets of an allowance: 2 MB; a dropped bucket starts full again
# Each becomes an event in all conversations of the person; correcting a typing error takes two
RENAMINGS_PER_HOUR = 20


def auth_routes(parts: Parts) -> Blueprint:
    """Everything below /auth."""
    routes = Blueprint("auth", __name__, url_prefix="/auth")
    _add_guests(routes, parts)
    _add_me(routes, parts)
    _add_sessions(routes, parts)
    return routes


def _add_guests(routes: Blueprint, parts: Parts) -> None:
    limits = parts.settings.limits
    arrivals = Allowance(limits.guests_per_hour, "guests an hour", "server")

    @routes.get("/ways")
    @tag(["identity"])
    @security_scheme([])
    @document_response(schemas.WaysIn)
    async def ways() -> Response:
        """List the ways to sign in, and the agents that a new conversation may have."""
        auth = parts.settings.auth
        providers = [
            {"name": name, "label": label_of(name, each), "url": f"/auth/provider/{name}"}
            for name, each in auth.providers.items()
        ]
        agents = [
            {"id": each.id, "name": each.name} for each in parts.directory.agent_host.defaults()
        ]
        return answer({"guests": auth.guests, "providers": providers, "agents": agents})

    @routes.post("/guest")
    @tag(["identity"])
    @security_scheme([])
    @document_request(schemas.GuestBody)
    @document_response(schemas.GuestAnswer, 201)
    @refusals(
        Code.ORIGIN_NOT_ALLOWED,
        Code.GUESTS_NOT_ALLOWED,
        Code.RATE_LIMITED,
        Code.STORE_UNAVAILABLE,
    )
    async def guest() -> Response:
        """Enter as a guest. The answer has a session and a recovery code."""
        parts.check_origin()
        if not parts.settings.auth.guests:
            raise parts.refusal(Code.GUESTS_NOT_ALLOWED)
        arrivals.check(request.remote_addr or "")
        wanted = await body(schemas.GuestBody, depth=limits.json_depth, optional=True)
        return _welcome(parts, await parts.identities.admit_guest(wanted.name), 201)

    @routes.post("/recover")
    @tag(["identity"])
    @security_scheme([])
    @document_request(schemas.RecoverBody)
    @document_response(schemas.GuestAnswer)
    @refusals(Code.UNAUTHENTICATED, Code.ORIGIN_NOT_ALLOWED, Code.STORE_UNAVAILABLE)
    async def recover() -> Response:
        """Return as an earlier guest, by the recovery code."""
        parts.check_origin()
        wanted = await body(schemas.RecoverBody, depth=limits.json_depth)
        returned = await parts.identities.recover(wanted.recovery_code)
        if returned is None:
            problem = "no guest has this recovery code; see whether all of it is there"
            raise parts.refusal(Code.UNAUTHENTICATED, problem=problem)
        return _welcome(parts, returned, 200)


def _add_me(routes: Blueprint, parts: Parts) -> None:
    renamings = Allowance(RENAMINGS_PER_HOUR, "changes of name an hour", "participant")

    @routes.get("/me")
    @tag(["identity"])
    @document_response(schemas.Me)
    async def me() -> Response:
        """Get the caller's identity."""
        identity = parts.caller()
        who = identity.participant
        shown: dict[str, Any] = {"id": who.id, "name": who.name, "admin": identity.admin}
        # Who they are does not depend on the store: without it, this alone is not told.
        with suppress(StoreError):
            if await parts.identities.has_account(who.id):
                shown["account"] = True
        return answer(shown)

    @routes.patch("/me")
    @tag(["identity"])
    @document_request(schemas.RenameBody)
    @document_response(schemas.Me)
    @refusals(Code.ORIGIN_NOT_ALLOWED, Code.FORBIDDEN, Code.RATE_LIMITED, Code.STORE_UNAVAILABLE)
    async def rename() -> Response:
        """Change the caller's name, on all devices and in all conversations. Their members get `participant_updated`."""
        identity = parts.unlimited()
        parts.check_origin()
        wanted = await body(schemas.RenameBody, depth=parts.settings.limits.json_depth)
        who = identity.participant
        if wanted.name != who.name:
            renamings.check(who.id)
            who = await parts.identities.rename(who, wanted.name)
            await parts.directory.rename(who)
        return answer({"id": who.id, "name": who.name, "admin": identity.admin})


def _add_sessions(routes: Blueprint, parts: Parts) -> None:
    @routes.post("/session")
    @tag(["identity"])
    @document_response(schemas.Me)
    @refusals(Code.ORIGIN_NOT_ALLOWED)
    async def session() -> Response:
        """Set a session cookie from the bearer token, for pages where a person enters a token. Scripts cannot read it."""
        identity = parts.caller()
        parts.check_origin()
        who = identity.participant
        response = answer({"id": who.id, "name": who.name, "admin": identity.admin})
        token = bearer(request.headers.get("Authorization"))
        if token is not None:
            keep(parts, response, token)
        return response

    @routes.post("/ticket")
    @tag(["identity"])
    @document_response(schemas.TicketAnswer)
    async def ticket() -> Response:
        """Get a ticket that opens one WebSocket, for browsers, which cannot set headers."""
        identity = parts.caller()
        return answer(
            {
                "ticket": parts.identities.issue_ticket(identity),
                "expires_in": TICKET_LIFE // 1000,
            }
        )

    @routes.post("/logout")
    @tag(["identity"])
    @document_response(NoContent, 204)
    @refusals(Code.STORE_UNAVAILABLE)
    async def logout() -> Response:
        """End the session and close its connections."""
        identity = parts.caller()
        await parts.identities.revoke(identity)
        if identity.token_id is not None:
            parts.directory.revoke(identity.participant.id, Revoke(identity.token_id))
        response = Response(b"", 204)
        forget(response)
        return response


def _welcome(parts: Parts, guest: Guest, status: int) -> Response:
    response = answer(
        {
            "token": guest.token,
            "participant": participant_fields(guest.identity.participant),
            "recovery_code": guest.recovery_code,
        },
        status,
    )
    keep(parts, response, guest.token)
    return response


def keep(parts: Parts, response: Response, token: str) -> None:
    """Set the token as the session cookie."""
    days, secure = parts.settings.auth.session_days, parts.is_secure()
    response.set_cookie(**session_cookie(token, days=days, secure=secure))
    if secure and COOKIE in request.cookies:
        response.delete_cookie(COOKIE, path="/")  # of before there was the other name


def forget(response: Response) -> None:
    """Delete the session cookie, by whichever name the browser has it."""
    response.delete_cookie(COOKIE, path="/")
    response.delete_cookie(HOST_COOKIE, path="/", secure=True)


class Allowance:
    """Limits an action to `hourly` times an hour for each caller; 0 turns the limit off.

    `unit` and `scope` are for the refusal.
    """

    def __init__(self, hourly: int, unit: str, scope: Scope) -> None:
        self._hourly, self._unit, self._scope = hourly, unit, scope
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def check(self, who: str) -> None:
        """Count one action. Raises the refusal if the limit is exceeded."""
        if not self._hourly:
            return
        now = trio.current_time()
        bucket = self._buckets.setdefault(who, TokenBucket(self._hourly / 3600, self._hourly, now))
        self._buckets.move_to_end(who)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        wait = bucket.take(now)
        if wait:
            raise Refused(too_fast(self._hourly, self._unit, wait, self._scope))
