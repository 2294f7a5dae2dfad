"""The routes of signing in with a provider: the redirect to the provider, and the return with a session.

Browsers arrive by a link, so failures are shown by the page where the sign-in began: the browser is redirected to it with
`?sign_in=REASON&id=ID`. An operator finds the id in the console and in the log.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response, security_scheme, tag

from salon.actors.model import Participant
from salon.actors.refusals import Code, Refusal

from ..http import Elsewhere, Redirect, Refused, query, refusals
from ..identity import (
    GUEST,
    OLD_NAME,
    WAITING,
    Transaction,
    Unreachable,
    Untrusted,
    Used,
    display_name,
    error_word,
    grant_of,
    may_enter,
    participant_id,
    session_in,
    sign_in_cookie,
    sign_in_cookie_name,
    unseal,
    waiting,
)
from ..settings import label_of
from . import schemas
from .auth import Allowance, keep

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from ..http import Parts
    from ..identity import Claims
    from ..identity.github import GitHub
    from ..identity.provider import Provider

T = TypeVar("T")
Reason = Literal["declined", "failed", "limited", "lost", "refused", "unavailable"]

LONGEST_CODE = 4096  # characters; the longest seen in the field have 2,000
PATH = re.compile(
    r"/[A-Za-z0-9._~%!$&'()*+,;=:@/?#-]*"
)  # no backslash, no control: browsers read those as they like
LOOPBACK = re.compile(
    r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
)  # a Host header of this machine's
TEMPORARY = {"server_error", "temporarily_unavailable"}
PROBLEMS: dict[Reason, str] = {
    "declined": "it was called off at the provider",
    "failed": "what the provider sent cannot be trusted",
    "limited": "too many are begun from this network address",
    "lost": "it was not begun in this browser, or more than ten minutes ago",
    "refused": "the operator lets in others alone",
    "unavailable": "the provider does not answer as it should",
}

logger = logging.getLogger(__name__)


class Failed(Exception):
    """A sign-in ends without a session. `detail` is for operators."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def sign_in_routes(parts: Parts) -> Blueprint:
    """Everything below /auth/provider."""
    routes = Blueprint("sign_in", __name__, url_prefix="/auth/provider")
    desk = Desk(parts)

    @routes.get("/<name>")
    @tag(["identity"])
    @security_scheme([])
    @document_querystring(schemas.SignInQuery)
    @document_response(Elsewhere, 303, Redirect)
    @refusals(Code.NOT_FOUND)
    async def sign_in(name: str) -> Response:
        """Redirect to a provider to sign in. The browser returns to `return_to`, with `sign_in=REASON` after a failure."""
        desk.check_name(name)
        asked = query(schemas.SignInQuery)
        if not is_own_path(asked.return_to):
            raise parts.malformed("return_to: a path of this server, such as /c/ID, is needed")
        return await desk.leave(name, asked.return_to, keep_guest=asked.keep_guest)

    @routes.get("/<name>/sign-out")
    @tag(["identity"])
    @security_scheme([])
    @document_querystring(schemas.SignInQuery)
    @document_response(Elsewhere, 303, Redirect)
    @refusals(Code.NOT_FOUND)
    async def sign_out(name: str) -> Response:
        """Redirect to a provider to sign out there, too, and then to `return_to`; straight to it if there is no such page.

        `POST /auth/logout` comes first: it ends the session here.
        """
        desk.check_name(name)
        return_to = query(schemas.SignInQuery).return_to
        if not is_own_path(return_to):
            raise parts.malformed("return_to: a path of this server, such as /c/ID, is needed")
        return await desk.see_off(name, return_to)

    @routes.get("/<name>/callback")
    @tag(["identity"])
    @security_scheme([])
    @document_querystring(schemas.CallbackQuery)
    @document_response(Elsewhere, 303, Redirect)
    @refusals(Code.NOT_FOUND)
    async def sign_in_callback(name: str) -> Response:
        """Handle the return from a provider. After a successful sign-in, the browser gets the session cookie."""
        desk.check_name(name)
        return await desk.come_back(name)

    return routes


class Desk:
    """Redirects people to providers and gives sessions to those who return."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._sources = parts.directory.sources
        self._used = Used()
        hourly = parts.settings.limits.sign_ins_per_hour
        self._begun_from = Allowance(hourly, "sign-ins an hour", "server")
        self._providers = _providers(parts)

    def check_name(self, name: str) -> None:
        """Raise the refusal if no provider has this name."""
        if name not in self._providers:
            raise self._parts.refusal(Code.NOT_FOUND)

    async def leave(self, name: str, return_to: str, *, keep_guest: bool) -> Response:
        """The redirect to the provider, with the state of the sign-in in a cookie."""
        guest = self._guest() if keep_guest else None
        begun = Transaction.begin(name, return_to, self._sources, guest)
        try:
            self._count()
            redirect_uri = self._redirect_uri(name)
            response = _go(await self._ask(self._providers[name].address(begun, redirect_uri)))
        except Failed as failed:
            return self._fail(name, return_to, failed)
        for superfluous in self._waiting()[WAITING - 1 :]:
            self._set_cookie(response, "", superfluous)
        sealed = begun.seal(self._parts.identities.signer)
        self._set_cookie(response, sealed, self._cookie_name(begun.state))
        return response

    def _count(self) -> None:
        """Count a sign-in against its network address."""
        try:
            self._begun_from.check(request.remote_addr or "")
        except Refused:
            raise Failed("limited", f"of {request.remote_addr}") from None

    def _guest(self) -> str | None:
        """The id of the guest whose session this browser has."""
        found = self._parts.identities.verify(session_in(request.cookies) or "", "cookie")
        return found.participant.id if found and found.participant.id.startswith(GUEST) else None

    def _waiting(self) -> list[str]:
        """The names of the cookies of this browser's unfinished sign-ins, the newest first."""
        signer, now = self._parts.identities.signer, self._sources.now()
        found = waiting(signer, request.cookies.items(multi=True), now)
        return sorted(found, key=lambda name: found[name].expires_at, reverse=True)

    def _cookie_name(self, state: str) -> str:
        return sign_in_cookie_name(state, secure=self._parts.is_secure())

    async def see_off(self, name: str, return_to: str) -> Response:
        """The redirect to where the browser signs out at the provider."""
        try:
            address = f"{self._address()}{return_to}"
            found = await self._ask(self._providers[name].sign_out_address(address))
        except Failed as failed:
            return self._fail(name, return_to, failed)
        return _go(found or return_to)

    async def come_back(self, name: str) -> Response:
        """The redirect after the return, with a session or the reason of the failure."""
        begun = self._begun(name)
        if begun is None:
            return self._fail(name, "/", Failed("lost", "no such sign-in waits in this browser"))
        try:
            claims = await self._claims(name, begun)
            response = await self._welcome(name, claims, begun)
        except Failed as failed:
            response = self._fail(name, begun.return_to, failed)
        self._set_cookie(response, "", self._cookie_name(begun.state))
        return response

    def _begun(self, name: str) -> Transaction | None:
        """The sign-in that this request answers. Only a matching request uses it up: a stranger's link ends none."""
        states = request.args.getlist("state")
        if len(states) != 1:
            return None
        cookie = self._cookie_name(states[0])
        # A sign-in that an earlier version has begun has a cookie of the old name.
        old = f"{cookie.rpartition(OLD_NAME)[0]}{OLD_NAME}"
        kept = request.cookies.get(cookie) or request.cookies.get(old, "")
        begun = unseal(self._parts.identities.signer, kept)
        now = self._sources.now()
        if begun is None or not begun.answers(name, states[0], now):
            return None
        return begun if self._used.take(begun, now) else None

    async def _claims(self, name: str, begun: Transaction) -> Claims:
        provider = self._providers[name]
        await self._ask(provider.check_sender(_only("iss")))
        error, code = _only("error"), _only("code")
        if error == "access_denied":
            raise Failed("declined", "access_denied")
        if error is not None:
            reason: Reason = "unavailable" if error in TEMPORARY else "failed"
            raise Failed(reason, f"the provider sent the error {error_word(error)}")
        if code is None or not 0 < len(code) <= LONGEST_CODE:
            raise Failed("failed", "the provider sent no code")
        return await self._ask(provider.redeem(code, begun, self._redirect_uri(name)))

    async def _welcome(self, name: str, claims: Claims, begun: Transaction) -> Response:
        settings = self._parts.settings.auth.providers[name]
        if not may_enter(settings, claims):
            raise Failed("refused", "no verified e-mail address in the domains that are set")
        who = Participant(participant_id(name, claims["sub"]), display_name(name, settings, claims))
        # Whoever has signed out of the guest's session meanwhile, or in as another, does not get it.
        guest = begun.guest if begun.guest == self._guest() else None
        access = self._parts.identities.access
        if not access.is_blocked(who.id):
            who = await self._parts.identities.known(who, guest)
        if access.is_blocked(who.id):
            raise Failed("refused", "this person is blocked")
        grant = grant_of(name, settings, claims)
        token, identity = self._parts.identities.issue(who, provider=name, grant=grant)
        told = {"provider": name, "participant": who.id, "admin": identity.admin}
        logger.info("signed in", extra=told)
        response = _go(begun.return_to)
        keep(self._parts, response, token)
        return response

    def _fail(self, name: str, return_to: str, failed: Failed) -> Response:
        label = label_of(name, self._parts.settings.auth.providers[name])
        facts = {"provider": label, "problem": PROBLEMS[failed.reason]}
        refusal = self._parts.directory.refusals.name(
            Refusal(Code.SIGN_IN_FAILED, facts), detail=failed.detail
        )
        told = {"provider": name, "reason": failed.reason, "detail": failed.detail}
        level = logging.WARNING if failed.reason in ("failed", "unavailable") else logging.INFO
        logger.log(level, "a sign-in failed", extra=told | {"refusal": refusal.id})
        return _go(with_query(return_to, sign_in=failed.reason, id=refusal.id))

    def _redirect_uri(self, name: str) -> str:
        return f"{self._address()}/auth/provider/{name}/callback"

    def _address(self) -> str:
        """Made from the operator's setting, or from a name of this machine; never from an arbitrary Host header."""
        address = self._parts.settings.server.public_url
        if address is None:
            host = request.headers.get("Host", "")
            if not LOOPBACK.fullmatch(host):
                detail = f"opened as {host[:100]!r}: server.public_url has to be set for that"
                raise Failed("unavailable", detail)
            address = f"{request.scheme}://{host}"
        return address

    async def _ask(self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except Unreachable as problem:
            raise Failed("unavailable", str(problem)) from None
        except Untrusted as problem:
            raise Failed("failed", str(problem)) from None

    def _set_cookie(self, response: Response, text: str, name: str) -> None:
        response.set_cookie(**sign_in_cookie(text, name, secure=self._parts.is_secure()))


def is_own_path(path: str) -> bool:
    """Whether a redirect to this path stays on this server and leads to a page."""
    return bool(PATH.fullmatch(path)) and "//" not in path and not path.startswith("/auth/")


def with_query(path: str, **more: str) -> str:
    """The path with more parameters in its query."""
    parts = urlsplit(path)
    joined = "&".join(filter(None, (parts.query, urlencode(more))))
    return urlunsplit(parts._replace(query=joined))


def _go(location: str) -> Response:
    return Response(b"", 303, headers={"Location": location})


def _only(name: str) -> str | None:
    """A parameter of the query, which may occur only once."""
    found = request.args.getlist(name)
    if len(found) > 1:
        raise Failed("failed", f"{name} was sent more than once")
    return found[0] if found else None


def _providers(parts: Parts) -> dict[str, Provider | GitHub]:
    configured = parts.settings.auth.providers
    if not configured:
        return {}
    # Imported here: a server without providers needs no HTTP client.
    from ..identity.fetch import JsonFetcher  # noqa: PLC0415
    from ..identity.github import GitHub  # noqa: PLC0415
    from ..identity.provider import Provider  # noqa: PLC0415

    if parts.settings.server.public_url is None:
        logger.info(
            "server.public_url is not set: providers work where this server is opened as localhost"
        )
    # Each has its own client: requests to a stalled provider do not delay requests to another one.
    now = parts.directory.sources.now
    return {
        name: GitHub(each, JsonFetcher())
        if each.kind == "github"
        else Provider(each, JsonFetcher(), now)
        for name, each in configured.items()
    }
