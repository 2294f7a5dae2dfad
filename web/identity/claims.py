"""What a provider says of somebody, and who that is here: their id, their name, whether they may come in, and as what."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ..names import ID_LENGTH, NAME_LENGTH, normalise_name
from ..settings import label_of

if TYPE_CHECKING:
    from ..settings import ProviderSettings

Claims = dict[str, Any]

PLAIN = re.compile(r"[A-Za-z0-9._~|@+=-]+")  # what can stand in a path and be read aloud
# Lets people sign up with any address that they can read once, as with that of a company which they then leave
GOOGLE = "https://accounts.google.com"
NAMES = ("name", "preferred_username", "nickname", "given_name", "email")  # the best first


def participant_id(provider: str, subject: str) -> str:
    """`PROVIDER:SUB`, for ever the same; `PROVIDER::HASH` where a `sub` is too long or holds other characters.

    No two are the same: a provider's name has no colon, nor has a `sub` that is taken as it is. Guests are guest_….
    """
    plain = f"{provider}:{subject}"
    if PLAIN.fullmatch(subject) and len(plain) <= ID_LENGTH:
        return plain
    return f"{provider}::{_digest(subject)}"


def display_name(provider: str, settings: ProviderSettings, claims: Claims) -> str:
    """What others see. Of an e-mail address only what is before the @: it is nobody's business here."""
    for name in filter(None, (_text(claims, each) for each in NAMES)):
        shown = normalise_name(name.partition("@")[0] if "@" in name else name)
        if shown:
            return (normalise_name(shown[:NAME_LENGTH]) or shown[:NAME_LENGTH]).strip()
    return f"{label_of(provider, settings)} {_digest(str(claims['sub']))[:4]}"


def is_named(claims: Claims) -> bool:
    """Whether there is anything to make a name of but an address."""
    return any(_text(claims, each) for each in NAMES[:-1])


def verified_email(claims: Claims) -> str | None:
    """Their address in small letters, if the provider says that it is really theirs; some write "true" as text."""
    email = (_text(claims, "email") or "").strip().lower()
    sure = claims.get("email_verified") in (True, "true")
    if claims.get("iss") == GOOGLE:
        # Whose mail is with Google itself: it vouches for no other address for longer than the moment of signing up.
        sure = sure and (email.endswith("@gmail.com") or _text(claims, "hd") is not None)
    return email if email and sure else None


def may_enter(settings: ProviderSettings, claims: Claims) -> bool:
    """Whether the operator lets them in."""
    _, at, domain = (verified_email(claims) or "").rpartition("@")
    return not settings.domains or (bool(at) and domain in settings.domains)


def grant_of(provider: str, settings: ProviderSettings, claims: Claims) -> str | None:
    """By which word of the operator they are an admin, as a session keeps it; None where they are none.

    What has an @ is only ever held against verified addresses: elsewhere people may choose their own `sub`.
    """
    email = verified_email(claims)
    for admin in settings.admins:
        if admin.lower() == email if "@" in admin else admin == claims["sub"]:
            return _grant(provider, admin)
    return None


def grants(provider: str, settings: ProviderSettings) -> frozenset[str]:
    """Every grant that counts today: a session with another is no admin's any more."""
    return frozenset(_grant(provider, admin) for admin in settings.admins)


def _grant(provider: str, admin: str) -> str:
    """A hash: whoever reads a session learns no address."""
    word = admin.lower() if "@" in admin else admin
    return _digest(f"{provider} {word}")[:32]


def _text(claims: Claims, name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value.strip() else None


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
