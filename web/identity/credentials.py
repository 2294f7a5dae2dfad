"""The rules for credentials in a request: headers, cookies, addresses and origins."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

COOKIE = "salon_session"
# Over https: browsers take such a cookie from this very host alone, so that no other host of the domain can plant one.
HOST_COOKIE = f"__Host-{COOKIE}"
URL_TOKENS = {"access_token", "auth_token", "authorization", "bearer", "jwt", "session", "token"}


def bearer(header: str | None) -> str | None:
    """The token in an `Authorization` header; None if it is missing or has another scheme."""
    scheme, _, token = (header or "").strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token and " " not in token else None


def token_in_url(names: Iterable[str]) -> bool:
    """Whether query parameters include a long-lived token. Refuse it: URLs end up in logs and browser histories."""
    return any(name.lower() in URL_TOKENS for name in names)


def origin_allowed(
    origin: str | None,
    host: str | None,
    allowed: Collection[str],
    *,
    scheme: str | None = None,
    public_url: str | None = None,
) -> bool:
    """Whether a page of this `Origin` may connect to this `Host`: the origin is the host's own, `public_url` or in `allowed`.

    A request without an origin does not come from a browser and is allowed. `scheme` is what the browser uses, if that is
    known: a page of the other scheme is then another origin. A server behind a proxy that does not say it cannot know.
    """
    if origin is None:
        return True
    origin = origin.lower()
    if "*" in allowed or origin in allowed or origin == public_url:
        return True
    said, _, authority = origin.partition("://")
    port = {"http": ":80", "https": ":443"}.get(said)
    if port is None or not authority or not host or scheme not in (None, said):
        return False
    return authority.removesuffix(port) == host.lower().removesuffix(port)


class Cookie(TypedDict):
    """The arguments of `Response.set_cookie`."""

    key: str
    value: str
    max_age: int
    path: str
    httponly: bool
    samesite: str
    secure: bool


def session_in(cookies: Mapping[str, str]) -> str | None:
    """The session in a request's cookies. One of before `HOST_COOKIE` counts until it ends, where there is no other."""
    return cookies.get(HOST_COOKIE) or cookies.get(COOKIE)


def session_cookie(token: str, *, days: int, secure: bool) -> Cookie:
    """The cookie that carries a session; `secure` if the browser uses TLS. Zero days delete it."""
    return {
        "key": HOST_COOKIE if secure else COOKIE,
        "value": token,
        "max_age": days * 86_400,
        "path": "/",
        "httponly": True,
        "samesite": "Lax",
        "secure": secure,
    }
