"""The keys that verify an issuer's tokens: from the environment, from a file, or published by the issuer."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from .cached import LIFE, Cached
from .provider_fault import Unreachable
from .signed_token import PUBLIC, read_keys
from .signing import KeyFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..settings import JwtSettings
    from .fetch import JsonFetcher
    from .signed_token import Key, PublicKey

SECRET_BYTES = 32  # the size of the hash; a shorter secret can be guessed from any one token
PEM = "-----BEGIN"
WAITING = 100  # tokens that wait for one fetch: 4 MB of requests; more are refused at once
PEM_KINDS: dict[str, type[PublicKey]] = {"RS256": RSAKey, "ES256": ECKey, "EdDSA": OKPKey}

logger = logging.getLogger(__name__)


class TokenKeyError(KeyFileError):
    """The key in the settings cannot be used. The text says in one line why and what to do."""


class Keys(Protocol):
    """The keys of one issuer."""

    def at_hand(self) -> Sequence[Key] | None:
        """The keys, without waiting; None if they have to be fetched first."""

    async def prepare(self, key_id: str | None) -> None:
        """Fetch the keys if there are none, or none of this name. Raises `Unreachable`."""

    def reload(self) -> None:
        """Read the keys again where they are in a file. Raises `TokenKeyError`, and keeps those that it has."""

    async def refresh(self) -> None:
        """Fetch the keys again when half of their life is over, so that no token has to wait for them."""


class GivenKeys:
    """Keys that the operator gives. Reading them is blocking file I/O: make and reload them outside of the event loop."""

    def __init__(self, settings: JwtSettings) -> None:
        self._settings = settings
        self._keys = _given(settings)

    def at_hand(self) -> Sequence[Key]:
        """The keys."""
        return self._keys

    async def prepare(self, key_id: str | None) -> None:
        """Nothing has to be fetched."""

    def reload(self) -> None:
        """Read the keys again."""
        self._keys = _given(self._settings)

    async def refresh(self) -> None:
        """Nothing has to be fetched."""


class PublishedKeys:
    """Keys that the issuer publishes as a JWKS.

    One fetch runs at a time, bounded by `fetch` in time and size. For names of keys that are not published the set is fetched
    again once in `AGAIN` seconds, whatever tokens say.
    """

    def __init__(self, url: str, outbound: JsonFetcher) -> None:
        self._url = url
        self._outbound = outbound
        self._cached = Cached(self._fetch)
        self._waiting = 0

    def at_hand(self) -> Sequence[Key] | None:
        """The keys of the last fetch."""
        found = self._cached.found
        return None if found is None else found[0]

    async def prepare(self, key_id: str | None) -> None:
        """Fetch the keys if need be. Raises `Unreachable`."""
        found = self._cached.found
        if found is None:
            await self._get(0.0)
        elif key_id is not None and all(key.get("kid") != key_id for key in found[0]):
            await self._get(found[1])

    async def refresh(self) -> None:
        """Fetch the keys again if they are used and half of their life is over; a failure is tried again."""
        found = self._cached.found
        if found is not None and self._cached.age > LIFE / 2:
            try:
                await self._get(found[1])
            except Unreachable:
                return  # logged; those at hand are good until their life is over

    def reload(self) -> None:
        """Nothing to do: the issuer's keys are fetched again by themselves."""

    async def _get(self, newer_than: float) -> None:
        if self._waiting >= WAITING:
            raise Unreachable(f"{self._waiting} tokens wait for {self._url} already")
        self._waiting += 1
        try:
            await self._cached.get(newer_than=newer_than)
        finally:
            self._waiting -= 1

    async def _fetch(self) -> tuple[PublicKey, ...]:
        try:
            keys = read_keys(await self._outbound.get(self._url))
            if not keys:
                raise Unreachable(f"{self._url} has no key that can sign a token")
        except Unreachable as problem:
            logger.warning("the keys of a token issuer are not to be had: %s", problem)
            raise
        return keys


def _given(settings: JwtSettings) -> tuple[Key, ...]:
    """The keys in the variable or the file. Raises `TokenKeyError`."""
    where, text = _text(settings)
    try:
        if settings.algorithms == ("HS256",):
            return (_secret(text),)
        keys = _published(text) if text.startswith("{") else _pem(text, settings.algorithms)
    except (JoseError, ValueError, TypeError, KeyError):
        raise TokenKeyError(f"{where} has no key for {', '.join(settings.algorithms)}") from None
    except TokenKeyError as problem:
        raise TokenKeyError(f"{where} {problem}") from None
    if not keys:
        raise TokenKeyError(f"{where} has no public key for {', '.join(settings.algorithms)}")
    if any(key.is_private for key in keys):
        raise TokenKeyError(f"{where} has a private key: give the public one, which cannot sign")
    return keys


def _text(settings: JwtSettings) -> tuple[str, str]:
    if settings.key_env is not None:
        text = os.environ.get(settings.key_env, "").strip()
        where = f"auth.jwt: the variable {settings.key_env}"
    else:
        assert settings.key_file is not None
        where = f"auth.jwt: the file {settings.key_file}"
        try:
            text = settings.key_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or "it is not text"
            raise TokenKeyError(f"{where} cannot be read: {said}") from None
    if not text:
        raise TokenKeyError(f"{where} is empty: put the key there")
    return where, text


def _secret(text: str) -> OctKey:
    if text.startswith(PEM):
        raise TokenKeyError("has a public key: HS256 needs a secret that only the two sides know")
    if len(text.encode()) < SECRET_BYTES:
        raise TokenKeyError(f"has a short secret: HS256 needs {SECRET_BYTES} random bytes or more")
    return OctKey.import_key(text)


def _published(text: str) -> tuple[PublicKey, ...]:
    found: Any = json.loads(text)
    return read_keys(found if "keys" in found else {"keys": [found]})


def _pem(text: str, algorithms: Sequence[str]) -> tuple[PublicKey, ...]:
    """The key of whichever kind it is, of those that the algorithms use."""
    for kind in dict.fromkeys(PEM_KINDS[each] for each in algorithms):
        try:
            return (kind.import_key(text),)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return ()


assert set(PEM_KINDS.values()) == set(PUBLIC)
