"""Verifies what is common to all tokens that others sign: header, key, signature and times.

This module uses no network and no clock: the caller passes keys and time.
"""

from __future__ import annotations

import base64
import json
import warnings
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from .provider_fault import UnknownKey, Untrusted
from .signing import mac_fits

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from .claims import Claims

PublicKey = RSAKey | ECKey | OKPKey
Key = PublicKey | OctKey

LEEWAY = 60  # seconds by which two clocks may differ
KEYS_TRIED = 8  # suitable keys tried for a token that names no key
LONGEST_HEADER = 4096  # characters
# The algorithms per kind of key: nobody can sign with a published key as if it were a shared secret. "none" is not among them.
ALGORITHMS: dict[type[Key], frozenset[str]] = {
    OctKey: frozenset({"HS256"}),
    RSAKey: frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    ECKey: frozenset({"ES256", "ES384", "ES512"}),
    OKPKey: frozenset({"EdDSA", "Ed25519"}),
}
PUBLIC: tuple[type[PublicKey], ...] = (RSAKey, ECKey, OKPKey)
# All algorithms of published keys.
ASYMMETRIC = frozenset().union(*(ALGORITHMS[kind] for kind in PUBLIC))
KINDS: dict[object, type[PublicKey]] = {kind.key_type: kind for kind in PUBLIC}
# What joserfc raises for tokens that are malformed or wrong
WRONG = (JoseError, ValueError, TypeError, KeyError, AttributeError)


class Header(NamedTuple):
    """The fields of a token's header that choose the key."""

    algorithm: str
    key_id: str | None


def read_keys(published: dict[str, Any]) -> tuple[PublicKey, ...]:
    """The keys of a JWKS that can sign a token. Keys for other purposes and unknown keys are skipped."""
    found = published.get("keys")
    keys = (_key(each) for each in found) if isinstance(found, list) else ()
    return tuple(key for key in keys if key is not None)


def _key(published: object) -> PublicKey | None:
    if not isinstance(published, dict) or published.get("use", "sig") != "sig":
        return None
    try:
        kind = KINDS.get(published.get("kty"))
        return None if kind is None else kind.import_key(published)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def read_header(token: str) -> Header:
    """The header of a token, which nothing vouches for yet. Raises `Untrusted`."""
    return _header(token[:LONGEST_HEADER].partition(".")[0])


@lru_cache(maxsize=64)  # most tokens of an issuer have the same
def _header(text: str) -> Header:
    header = part_of(text)
    match header:
        case {"alg": str(algorithm), "kid": str(key_id)}:
            return Header(algorithm, key_id)
        case {"alg": str(algorithm)} if "kid" not in (header or ()):
            return Header(algorithm, None)
    raise Untrusted("the token cannot be read", "malformed")


def part_of(text: str) -> dict[str, Any] | None:
    """The JSON object in one part of a token; None if it is none."""
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def signed_claims(
    token: str,
    keys: Sequence[Key],
    *,
    algorithms: Container[str] = ASYMMETRIC,
    unnamed_fit: bool = False,
) -> Claims:
    """The claims of a token that one of the keys signed, by one of the algorithms.

    A token that names its key is verified with the key of that name alone, with `unnamed_fit` also with keys that have no name.
    Raises `Untrusted`, or its subclass `UnknownKey` where no key fits.
    """
    algorithm, key_id = read_header(token)
    if algorithm not in algorithms:
        raise Untrusted("the token is signed in a way that is not allowed", "algorithm")
    fitting = [
        key
        for key in keys
        if _fits(key, algorithm, key_id if key.get("kid") or not unnamed_fit else None)
    ]
    if not fitting:
        raise UnknownKey("the token is signed with a key that is not known", "unknown_key")
    for key in fitting[:KEYS_TRIED]:
        try:
            return _decoded(token, key, algorithm)
        except (*WRONG, Untrusted):
            continue
    raise Untrusted("the token's signature is wrong", "signature")


def _fits(key: Key, algorithm: str, key_id: str | None) -> bool:
    if algorithm not in ALGORITHMS[type(key)] or key.get("alg", algorithm) != algorithm:
        return False
    return key_id is None or key.get("kid") == key_id


def _decoded(token: str, key: Key, algorithm: str) -> Claims:
    # Issuers add unregistered header fields, which are harmless; "crit" is still checked.
    if isinstance(key, OctKey) and not mac_fits(token, key.raw_value):
        raise Untrusted("the token's signature is wrong", "signature")
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    if algorithm != "EdDSA":
        return jwt.decode(token, key, [algorithm], registry).claims
    with warnings.catch_warnings():
        # joserfc warns of the old name EdDSA, which issuers use.
        warnings.simplefilter("ignore", SecurityWarning)
        return jwt.decode(token, key, [algorithm], registry).claims


def check_times(claims: Claims, now: float) -> None:
    """Check that a token has an end, has not ended and has begun; `now` is in seconds. Raises `Untrusted`."""
    if now >= time_of(claims.get("exp")) + LEEWAY:
        raise Untrusted("the token has expired: if it is fresh, look at both clocks", "expired")
    if now < max(time_of(claims.get(each, now)) for each in ("nbf", "iat")) - LEEWAY:
        raise Untrusted("the token is from the future: look at both clocks", "not_yet_valid")


def time_of(value: object) -> float:
    """A claim's time in seconds since the epoch. Raises `Untrusted` if it is none."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
            return value
    except OverflowError:
        pass  # an integer with hundreds of digits
    raise Untrusted("the token's times are none: exp is required", "times")
