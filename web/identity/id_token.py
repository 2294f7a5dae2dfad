"""Validates an id_token. This module uses no network and no clock: the caller passes keys and time."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING

from .provider_fault import Untrusted
from .signed_token import check_times, signed_claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .claims import Claims
    from .signed_token import PublicKey

SUBJECT_LENGTH = 255  # the standard's limit


def read_token(
    token: str, keys: Sequence[PublicKey], *, issuer: str, client_id: str, nonce: str, now: float
) -> Claims:
    """The claims of a token that is signed, issued to this client for this sign-in, and not expired; `now` is in seconds.

    Raises `Untrusted`, or its subclass `UnknownKey`.
    """
    claims = signed_claims(token, keys)
    if claims.get("iss") != issuer:
        raise Untrusted("the id_token has another issuer")
    if not _is_meant_for(client_id, claims):
        raise Untrusted("the id_token is meant for another client")
    said = claims.get("nonce")
    if not isinstance(said, str) or not compare_digest(
        said.encode("utf-8", "surrogatepass"), nonce.encode()
    ):
        raise Untrusted("the id_token belongs to another sign-in")
    check_times(claims, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LENGTH:
        raise Untrusted("the id_token does not say who somebody is")
    return claims


def _is_meant_for(client_id: str, claims: Claims) -> bool:
    audience, party = claims.get("aud"), claims.get("azp")
    meant = audience if isinstance(audience, list) else [audience]
    if client_id not in meant or (len(meant) > 1 and party is None):
        return False
    return party is None or party == client_id
