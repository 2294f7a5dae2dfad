"""Validates an id_token. This module uses no network and no clock: the caller passes keys and time."""

from __future__ import annotations

import base64
import json
import warnings
from hmac import compare_digest
from math import isfinite
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from .provider_fault import UnknownKey, Untrusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .claims import Claims

Key = RSAKey | ECKey | OKPKey

LEEWAY = 60  # seconds by which two clocks may differ
KEYS_TRIED = 8  # suitable keys tried for a token that names no key
LONGEST_HEADER = 4096  # characters
SUBJECT_LENGTH = 255  # the standard's limit
# The algorithms per kind of key. Shared secrets are excluded, so that nobody can sign with a published key; so is "none".
ALGORITHMS: dict[type[Key], frozenset[str]] = {
    RSAKey: frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ECKey: frozenset({"ES256", "ES384", "ES512"}),
    OKPKey: frozenset({"EdDSA", "Ed25519"}),
}
KINDS: dict[object, type[Key]] = {kind.key_type: kind for kind in ALGORITHMS}


def read_keys(published: dict[str, Any]) -> tuple[Key, ...]:
    """The keys of a JWKS that can sign an id_token. Keys for other purposes and unknown keys are skipped."""
    found = published.get("keys")
    keys = (_key(each) for each in found) if isinstance(found, list) else ()
    return tuple(key for key in keys if key is not None)


def _key(published: object) -> Key | None:
    if not isinstance(published, dict) or published.get("use", "sig") != "sig":
        return None
    try:
        kind = KINDS.get(published.get("kty"))
        return None if kind is None else kind.import_key(published)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def read_token(
    token: str, keys: Sequence[Key], *, issuer: str, client_id: str, nonce: str, now: float
) -> Claims:
    """The claims of a token that is signed, issued to this client for this sign-in, and not expired; `now` is in seconds.

    Raises `Untrusted`, or its subclass `UnknownKey`.
    """
    claims = _signed(token, keys)
    if claims.get("iss") != issuer:
        raise Untrusted("the id_token has another issuer")
    if not _is_meant_for(client_id, claims):
        raise Untrusted("the id_token is meant for another client")
    said = claims.get("nonce")
    if not isinstance(said, str) or not compare_digest(
        said.encode("utf-8", "surrogatepass"), nonce.encode()
    ):
        raise Untrusted("the id_token belongs to another sign-in")
    _check_times(claims, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_LENGTH:
        raise Untrusted("the id_token does not say who somebody is")
    return claims


def _signed(token: str, keys: Sequence[Key]) -> Claims:
    algorithm, key_id = _header(token)
    fitting = [key for key in keys if _fits(key, algorithm, key_id)]
    if not fitting:
        if not any(algorithm in allowed for allowed in ALGORITHMS.values()):
            raise Untrusted("the id_token is signed in a way that is not allowed")
        raise UnknownKey("the id_token is signed with a key that the provider does not publish")
    for key in fitting[:KEYS_TRIED]:
        try:
            return _decoded(token, key, algorithm)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
    raise Untrusted("the id_token's signature is wrong")


def _header(token: str) -> tuple[str, str | None]:
    first = token[:LONGEST_HEADER].partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        header = None
    match header:
        case {"alg": str(algorithm), "kid": str(key_id)}:
            return algorithm, key_id
        case {"alg": str(algorithm)} if "kid" not in header:
            return algorithm, None
    raise Untrusted("the id_token cannot be read")


def _fits(key: Key, algorithm: str, key_id: str | None) -> bool:
    if algorithm not in ALGORITHMS[type(key)] or key.get("alg", algorithm) != algorithm:
        return False
    return key_id is None or key.get("kid") == key_id


def _decoded(token: str, key: Key, algorithm: str) -> Claims:
    # Providers add unregistered header fields, which are harmless; "crit" is still checked.
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    with warnings.catch_warnings():
        # joserfc warns of the old name EdDSA, which providers use.
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.decode(token, key, [algorithm], registry).claims


def _is_meant_for(client_id: str, claims: Claims) -> bool:
    audience, party = claims.get("aud"), claims.get("azp")
    meant = audience if isinstance(audience, list) else [audience]
    if client_id not in meant or (len(meant) > 1 and party is None):
        return False
    return party is None or party == client_id


def _check_times(claims: Claims, now: float) -> None:
    if now >= _time(claims.get("exp")) + LEEWAY:
        raise Untrusted("the id_token has expired: if it is fresh, look at both clocks")
    if now < max(_time(claims.get(each, now)) for each in ("nbf", "iat")) - LEEWAY:
        raise Untrusted("the id_token is from the future: look at both clocks")


def _time(value: object) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return value
    except OverflowError:
        pass  # an integer with hundreds of digits
    raise Untrusted("the id_token's times are none")
