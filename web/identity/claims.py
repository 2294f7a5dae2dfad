"""Maps a provider's claims about a person to a participant id, a name, permission to enter and an admin grant."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ..names import ID_LENGTH, NAME_LENGTH, normalise_name
from ..settings import label_of

if TYPE_CHECKING:
    from ..settings import ProviderSettings

Claims = dict[str, Any]

PLAIN = re.compile(r"[A-Za-z0-9._~|@+=-]+")  # characters that are legible and safe in a URL path
# Google verifies an address once, at sign-up: a person may keep an account with the address of a company they have left
GOOGLE = "https://accounts.google.com"
NAMES = ("name", "preferred_username", "nickname", "given_name", "email")  # the best first


def participant_id(provider: str, subject: str) -> str:
    """The stable id `PROVIDER:SUB`; `PROVIDER::HASH` if the `sub` is too long or holds characters outside of `PLAIN`.

    Ids cannot collide: a provider's name has no colon, and neither has a `sub` that is used as it is. Guests are guest_….
    """
    plain = f"{provider}:{subject}"
    if PLAIN.fullmatch(subject) and len(plain) <= ID_LENGTH:
        return plain
    return f"{provider}::{_digest(subject)}"


def display_name(provider: str, settings: ProviderSettings, claims: Claims) -> str:
    """The name that others see. Of an e-mail address only the part before the @ is used, for privacy."""
    for name in filter(None, (_text(claims, each) for each in NAMES)):
        shown = normalise_name(name.partition("@")[0] if "@" in name else name)
        if shown:
            return (normalise_name(shown[:NAME_LENGTH]) or shown[:NAME_LENGTH]).strip()
    return f"{label_of(provider, settings)} {_digest(str(claims['sub']))[:4]}"


def is_named(claims: Claims) -> bool:
    """Whether the claims hold a name other than an e-mail address."""
    return any(_text(claims, each) for each in NAMES[:-1])


def verified_email(claims: Claims) -> str | None:
    """The e-mail address in lower case, if the provider has verified it. Some providers write "true" as text."""
    email = (_text(claims, "email") or "").strip().lower()
    sure = claims.get("email_verified") in (True, "true")
    if claims.get("iss") == GOOGLE:
        # Only addresses whose mail Google hosts count: Google verifies any other address at sign-up alone.
        sure = sure and (email.endswith("@gmail.com") or _text(claims, "hd") is not None)
    return email if email and sure else None


def may_enter(settings: ProviderSettings, claims: Claims) -> bool:
    """Whether the operator's settings admit this person."""
    _, at, domain = (verified_email(claims) or "").rpartition("@")
    return not settings.domains or (bool(at) and domain in settings.domains)


def grant_of(provider: str, settings: ProviderSettings, claims: Claims) -> str | None:
    """The grant of the entry of `admins` or `admin_claims` that makes this person an admin, as a session keeps it; or None.

    An entry with an @ is compared with verified addresses only: some providers let people choose their own `sub`.
    """
    email = verified_email(claims)
    for admin in settings.admins:
        if admin.lower() == email if "@" in admin else admin == claims["sub"]:
            return _grant(provider, admin)
    for entry in settings.admin_claims:
        name, value = claim_of(entry)
        said = claims.get(name)
        if (
            value in said
            if isinstance(said, list)
            else said == value or (said is True and value == "true")
        ):
            return _grant(provider, f"claim {entry}")
    return None


def claim_of(entry: str) -> tuple[str, str]:
    """The name and the value of an entry `CLAIM=VALUE`."""
    name, _, value = entry.partition("=")
    return name, value


def grants(provider: str, settings: ProviderSettings) -> frozenset[str]:
    """Every grant in the current settings. A session with any other grant has lost its admin rights."""
    claims = (f"claim {entry}" for entry in settings.admin_claims)
    return frozenset(_grant(provider, admin) for admin in (*settings.admins, *claims))


def _grant(provider: str, admin: str) -> str:
    """The grant as a hash, so that a session token does not reveal the address."""
    word = admin.lower() if "@" in admin else admin
    return _digest(f"{provider} {word}")[:32]


def _text(claims: Claims, name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
