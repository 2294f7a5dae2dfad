"""The client of GitHub, which signs people in by OAuth alone: no discovery, no id_token, an API in its place.

The claims are those that an OpenID Connect provider would give: `sub` is the number of the account, which never changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .provider_fault import Untrusted, error_word

if TYPE_CHECKING:
    from ..settings import ProviderSettings
    from .claims import Claims
    from .fetch import JsonFetcher
    from .sign_in_state import Transaction

HOME = "https://github.com"
API = "https://api.github.com"
VERSION = "2022-11-28"  # of the API; GitHub keeps each for years


class GitHub:
    """GitHub, or a GitHub Enterprise server, which has its API below its own address."""

    def __init__(self, settings: ProviderSettings, outbound: JsonFetcher) -> None:
        self.settings = settings
        self._outbound = outbound
        home = settings.issuer.removesuffix("/")
        self._home = home
        self._api = API if home == HOME else f"{home}/api/v3"

    async def address(self, transaction: Transaction, redirect_uri: str) -> str:
        """The URL of the authorization request, for the browser."""
        asked = {
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(each for each in self.settings.scopes if each not in OPENID),
            "state": transaction.state,
            "code_challenge": transaction.challenge,
            "code_challenge_method": "S256",
            "allow_signup": "false",
        }
        return f"{self._home}/login/oauth/authorize?{urlencode(asked)}"

    async def check_sender(self, issuer: str | None) -> None:
        """Check that an answer that names its sender names this one. Raises `Untrusted`."""
        if issuer is not None and issuer.removesuffix("/") not in (
            self._home,
            f"{self._home}/login/oauth",
        ):
            raise Untrusted("the answer is another issuer's")

    async def sign_out_address(self, return_to: str) -> str | None:
        """GitHub has no such page."""
        return None

    async def redeem(self, code: str, transaction: Transaction, redirect_uri: str) -> Claims:
        """The claims for an authorization code. Raises `Unreachable` or `Untrusted`."""
        secret = self.settings.client_secret
        form = {
            "client_id": self.settings.client_id,
            "client_secret": "" if secret is None else secret.get_secret_value(),
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": transaction.verifier,
        }
        url = f"{self._home}/login/oauth/access_token"
        _, found = await self._outbound.post(url, form, {})
        token = found.get("access_token")
        # Errors are answered with 200.
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            said = f", error {error_word(found['error'])}" if "error" in found else ""
            raise Untrusted(f"{url} gave no access token{said}")
        return await self._claims(token)

    async def _claims(self, token: str) -> Claims:
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": VERSION}
        user = await self._outbound.get(f"{self._api}/user", headers)
        number, login = user.get("id"), user.get("login")
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(login, str):
            raise Untrusted(f"{self._api}/user names nobody")
        claims: dict[str, Any] = {
            "iss": self.settings.issuer,
            "sub": str(number),
            "name": user.get("name") or login,
            "preferred_username": login,
        }
        if self.settings.domains or any("@" in admin for admin in self.settings.admins):
            claims |= await self._address(headers)
        return claims

    async def _address(self, headers: dict[str, str]) -> dict[str, Any]:
        """The primary e-mail address; the public one in the profile may be anybody's."""
        emails = await self._outbound.get_list(f"{self._api}/user/emails", headers)
        for each in emails:
            if isinstance(each, dict) and each.get("primary") is True:
                return {"email": each.get("email"), "email_verified": each.get("verified") is True}
        return {}


OPENID = {
    "openid",
    "profile",
    "email",
}  # the scopes that are usual elsewhere, and unknown to GitHub
