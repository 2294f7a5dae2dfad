"""JWTs that others sign for their users: who may sign, and whom a token stands for.

Verifying never waits. What has to be fetched for it, `prepare` fetches before. Imported only where `auth.jwt` is set.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import trio

from salon.actors.model import Participant

from ..names import NAME_LENGTH, is_id, normalise_name
from .provider_fault import UnknownKey, Untrusted
from .signed_token import LEEWAY, check_times, part_of, read_header, signed_claims, time_of
from .token_keys import GivenKeys, PublishedKeys, TokenKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from salon.actors.model import ParticipantType

    from ..settings import JwtSettings
    from .claims import Claims
    from .signed_token import Header
    from .token_keys import Keys

REFRESH = 60.0  # seconds between two looks whether keys are to be fetched again
LAST_SECOND = 253_402_300_799  # of the year 9999: later times cannot be written as a date
# Both names of the same algorithm: RFC 8037 and RFC 9864
NAMES = {"EdDSA": ("EdDSA", "Ed25519")}

logger = logging.getLogger(__name__)


class Signed(NamedTuple):
    """What a valid token says. Times are in milliseconds since the epoch; `issued_at` is 0 if the token has none."""

    participant: Participant
    admin: bool
    conversations: frozenset[str] | None
    issued_at: int
    expires_at: int


class TokenIssuers:
    """All issuers of the settings. `is_reserved` names ids that belong to guests or to people of providers.

    Raises `TokenKeyError` if a key cannot be used. Making it is blocking file I/O.
    """

    def __init__(
        self,
        settings: Sequence[JwtSettings],
        *,
        is_reserved: Callable[[str], bool],
        now: Callable[[], int],
    ) -> None:
        self._now = now
        self._issuers: dict[str, list[_Issuer]] = {}
        self._fetches = any(each.jwks_url is not None for each in settings)
        for each in settings:
            issuer = _Issuer(each, _keys(each), is_reserved)
            self._issuers.setdefault(each.issuer, []).append(issuer)

    def read(self, token: str) -> Signed:
        """What a token says, with the keys at hand. Raises `Untrusted`."""
        header, claims = _opened(token)
        problem: Untrusted | None = None
        for issuer in self._of(claims):
            try:
                return issuer.read(token, header, claims, self._now() / 1000)
            except Untrusted as found:
                problem = found
        raise problem or Untrusted("the token has an issuer that is not known", "issuer")

    async def prepare(self, token: str) -> None:
        """Fetch the keys for a token that is right in all but its signature. Raises `Unreachable`."""
        if not self._fetches:
            return
        try:
            header, claims = _opened(token)
        except Untrusted:
            return
        for issuer in self._of(claims):
            try:
                issuer.check(header, claims, self._now() / 1000)
            except Untrusted:
                continue
            await issuer.keys.prepare(header.key_id)

    async def keep_fresh(self) -> None:
        """Fetch published keys again before their life is over, for ever."""
        while True:
            await trio.sleep(REFRESH)
            for issuer in self._all():
                await issuer.keys.refresh()

    def reload(self) -> None:
        """Read the keys in files again: blocking. A file that cannot be used is logged, and its former keys stay."""
        for issuer in self._all():
            try:
                issuer.keys.reload()
            except TokenKeyError as problem:
                logger.error("%s; the former key stays in use", problem)

    def _of(self, claims: Claims) -> Sequence[_Issuer]:
        named = claims.get("iss")
        return self._issuers.get(named, ()) if isinstance(named, str) else ()

    def _all(self) -> list[_Issuer]:
        return [each for issuers in self._issuers.values() for each in issuers]


class _Issuer:
    """One entry of the settings."""

    def __init__(
        self, settings: JwtSettings, keys: Keys, is_reserved: Callable[[str], bool]
    ) -> None:
        self.keys = keys
        self._settings = settings
        self._is_reserved = is_reserved
        self._algorithms = frozenset(
            name for each in settings.algorithms for name in NAMES.get(each, (each,))
        )

    def check(self, header: Header, claims: Claims, now: float) -> None:
        """Check all that costs little, before the signature. Raises `Untrusted`."""
        if header.algorithm not in self._algorithms:
            raise Untrusted("the token is signed in a way that is not allowed", "algorithm")
        audience = claims.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        if self._settings.audience not in meant:
            raise Untrusted("the token is meant for another audience", "audience")
        check_times(claims, now)

    def read(self, token: str, header: Header, claims: Claims, now: float) -> Signed:
        """What the token says. Raises `Untrusted`."""
        self.check(header, claims, now)
        keys = self.keys.at_hand()
        if keys is None:
            raise UnknownKey("the issuer's keys are not fetched yet", "unknown_key")
        unnamed_fit = self._settings.jwks_url is None
        signed = signed_claims(token, keys, algorithms=self._algorithms, unnamed_fit=unnamed_fit)
        if signed != claims:
            raise Untrusted("the token can be read in two ways", "malformed")
        return self._said(signed)

    def _said(self, claims: Claims) -> Signed:
        names = self._settings.claims
        id = claims.get(names.id)
        if not isinstance(id, str) or not is_id(id):
            raise Untrusted(f"the token's claim {names.id} is no id", "claims")
        if self._is_reserved(id):
            raise Untrusted("the token's id belongs to guests or to a provider", "claims")
        limit = claims.get(names.conversations)
        if limit is not None and not (
            isinstance(limit, list) and all(isinstance(each, str) for each in limit)
        ):
            raise Untrusted(f"the token's claim {names.conversations} is no list of ids", "claims")
        # A token for some conversations has no rights over all of them.
        admin = _flag(claims, names.admin) and limit is None
        kind: ParticipantType = "agent" if _flag(claims, names.agent) else "human"
        issued = time_of(claims.get("iat", 0))
        expires = min(time_of(claims["exp"]), LAST_SECOND) + LEEWAY
        return Signed(
            Participant(id, _name(claims.get(names.name), id), kind),
            admin,
            None if limit is None else frozenset(limit),
            int(issued * 1000),
            int(expires * 1000),
        )


def _opened(token: str) -> tuple[Header, Claims]:
    """Header and claims of a token, which nothing vouches for yet. Raises `Untrusted`."""
    parts = token.split(".")
    claims = part_of(parts[1]) if len(parts) == 3 else None
    if claims is None:
        raise Untrusted("the token is no signed JWT", "malformed")
    return read_header(token), claims


def _flag(claims: Claims, name: str) -> bool:
    flag = claims.get(name, False)
    if not isinstance(flag, bool):
        raise Untrusted(f"the token's claim {name} is neither true nor false", "claims")
    return flag


def _name(said: object, id: str) -> str:
    shown = normalise_name(said) if isinstance(said, str) else None
    if shown is None:
        return id[:NAME_LENGTH]
    return (normalise_name(shown[:NAME_LENGTH]) or shown[:NAME_LENGTH]).strip()


def _keys(settings: JwtSettings) -> Keys:
    if settings.jwks_url is None:
        return GivenKeys(settings)
    from .fetch import JsonFetcher  # noqa: PLC0415 (an HTTP client, which most servers do not need)

    return PublishedKeys(settings.jwks_url, JsonFetcher())
