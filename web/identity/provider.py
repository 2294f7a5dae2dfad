"""The client of one OpenID Connect provider: its metadata, the authorization request, and the claims of a sign-in."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from pydantic import BaseModel, ConfigDict, ValidationError

from ..settings import is_safe_url
from .cached import Cached
from .claims import claim_of, is_named
from .fetch import JsonFetcher
from .id_token import read_token
from .provider_fault import UnknownKey, Unreachable, Untrusted, error_word
from .signed_token import read_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..settings import ProviderSettings
    from .claims import Claims
    from .sign_in_state import Transaction
    from .signed_token import PublicKey


class Metadata(BaseModel):
    """The fields of a provider's discovery document that are used here."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class Provider:
    """A provider. It is first contacted when somebody signs in, so it may be down while the server starts."""

    def __init__(
        self, settings: ProviderSettings, outbound: JsonFetcher, now: Callable[[], int]
    ) -> None:
        self.settings = settings
        self._outbound = outbound
        self._now = now  # milliseconds since the epoch
        self._metadata = Cached(self._fetch_metadata)
        self._keys = Cached(self._fetch_keys)

    async def address(self, transaction: Transaction, redirect_uri: str) -> str:
        """The URL of the authorization request, for the browser. Raises `Unreachable` or `Untrusted`."""
        metadata, _ = await self._metadata.get()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": transaction.state,
            "nonce": transaction.nonce,
            "code_challenge": transaction.challenge,
            "code_challenge_method": "S256",
        }
        mark = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{mark}{urlencode(asked)}"

    async def check_sender(self, issuer: str | None) -> None:
        """Check that an answer is from this provider (RFC 9207): it must not be sent another's code. Raises as `address` does."""
        metadata, _ = await self._metadata.get()
        if issuer is None and metadata.authorization_response_iss_parameter_supported:
            raise Untrusted("the answer does not name its issuer, as this provider's do")
        if issuer is not None and issuer != metadata.issuer:
            raise Untrusted("the answer is another issuer's")

    async def sign_out_address(self, return_to: str) -> str | None:
        """Where a browser ends its session at the provider, and comes back to `return_to`; None if the provider has no such page.

        Raises `Unreachable`.
        """
        metadata, _ = await self._metadata.get()
        if metadata.end_session_endpoint is None:
            return None
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": return_to}
        mark = "&" if "?" in metadata.end_session_endpoint else "?"
        return f"{metadata.end_session_endpoint}{mark}{urlencode(asked)}"

    async def redeem(self, code: str, transaction: Transaction, redirect_uri: str) -> Claims:
        """The claims for an authorization code. Raises `Unreachable` or `Untrusted`."""
        metadata, _ = await self._metadata.get()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": transaction.verifier,
        }
        headers = self._prove(form, metadata)
        status, found = await self._outbound.post(metadata.token_endpoint, form, headers)
        token = found.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise _refused(status, found)
        claims = await self._read(token, transaction.nonce)
        return await self._completed(claims, metadata, found.get("access_token"))

    def _prove(self, form: dict[str, str], metadata: Metadata) -> dict[str, str]:
        """The headers that authenticate this client. If the provider wants the secret in the form, it is added there."""
        client_id, secret = self.settings.client_id, self.settings.client_secret
        if secret is None:
            form["client_id"] = client_id
            return {}
        if "client_secret_basic" not in metadata.token_endpoint_auth_methods_supported:
            form |= {"client_id": client_id, "client_secret": secret.get_secret_value()}
            return {}
        pair = f"{quote_plus(client_id)}:{quote_plus(secret.get_secret_value())}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    async def _read(self, token: str, nonce: str) -> Claims:
        keys, fetched = await self._keys.get()
        try:
            return self._checked(token, keys, nonce)
        except UnknownKey:
            keys, _ = await self._keys.get(newer_than=fetched)
            return self._checked(token, keys, nonce)

    def _checked(self, token: str, keys: tuple[PublicKey, ...], nonce: str) -> Claims:
        return read_token(
            token,
            keys,
            issuer=self.settings.issuer,
            client_id=self.settings.client_id,
            nonce=nonce,
            now=self._now() / 1000,
        )

    async def _completed(self, claims: Claims, metadata: Metadata, access_token: object) -> Claims:
        """The claims, completed with name and e-mail address from userinfo: many providers give them only there."""
        wanted = self.settings.domains or any("@" in admin for admin in self.settings.admins)
        complete = is_named(claims) and ("email" in claims or not wanted)
        complete &= all(name in claims for name, _ in map(claim_of, self.settings.admin_claims))
        if complete or metadata.userinfo_endpoint is None or not isinstance(access_token, str):
            return claims
        if not (access_token.isascii() and access_token.isprintable()):
            raise Untrusted("the access token is none")
        headers = {"Authorization": f"Bearer {access_token}"}
        more = await self._outbound.get(metadata.userinfo_endpoint, headers)
        if more.get("sub") != claims["sub"]:
            raise Untrusted("the userinfo is about somebody else")
        # `email` and `email_verified` come from the same document: people may have written the other's address themselves.
        said = claims if "email" in claims else more
        return more | claims | {"email_verified": said.get("email_verified")}

    async def _fetch_metadata(self) -> Metadata:
        issuer = self.settings.issuer
        url = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
        found = await self._outbound.get(url)
        try:
            metadata = Metadata.model_validate(found)
        except ValidationError as error:
            field = ".".join(str(each) for each in error.errors()[0]["loc"])
            raise Unreachable(f"{url} has no usable {field}") from None
        if metadata.issuer != issuer:
            raise Unreachable(
                f"{url} is about {metadata.issuer[:200]!r}: is that the issuer to set?"
            )
        for field, address in _addresses(metadata):
            if not is_safe_url(address, plain=issuer.startswith("http:")) or "#" in address:
                raise Unreachable(f"{url} has an unsafe {field}")
        return metadata

    async def _fetch_keys(self) -> tuple[PublicKey, ...]:
        metadata, _ = await self._metadata.get()
        return read_keys(await self._outbound.get(metadata.jwks_uri))


def _addresses(metadata: Metadata) -> list[tuple[str, str]]:
    fields = (
        *("authorization_endpoint", "token_endpoint", "jwks_uri"),
        *("userinfo_endpoint", "end_session_endpoint"),
    )
    found = [(field, getattr(metadata, field)) for field in fields]
    return [(field, address) for field, address in found if address is not None]


def _refused(status: int, found: dict[str, Any]) -> Unreachable | Untrusted:
    said = f"the token endpoint answered {status}"
    if "error" in found:
        said += f", error {error_word(found['error'])}"
    return Unreachable(said) if status >= 500 else Untrusted(f"{said}, without an id_token")
