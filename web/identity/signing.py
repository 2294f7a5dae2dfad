"""Sessions as signed tokens."""

from __future__ import annotations

import base64
import hmac
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from salon.actors.model import Participant

from .key_file import KEY_BYTES, KeyFileError, SigningKeys, read_key

if TYPE_CHECKING:
    from salon.actors.sources import Sources

__all__ = [
    "DAY",
    "KEY_BYTES",
    "KeyFileError",
    "Session",
    "Signer",
    "SigningKeys",
    "is_session",
    "read_key",
]

ALGORITHM = "HS256"  # the only one accepted, whatever a token's header says
TYPE = "session+jwt"  # keeps other tokens signed with the same key from being accepted as sessions
ISSUER = "salon"
DAY = 86_400_000  # milliseconds
LONGEST_HEADER = 256  # characters; that of a session has 51


class Session(NamedTuple):
    """The content of a session token: the participant, the expiry (milliseconds since the epoch), and an id for revoking it.

    `provider` names the provider of the sign-in, if any. `grant` is the grant that made the participant an admin then.
    `conversations` are the only ones that the token is for, None for all.
    """

    participant: Participant
    admin: bool
    token_id: str
    issued_at: int
    expires_at: int
    provider: str | None = None
    grant: str | None = None
    conversations: frozenset[str] | None = None

    @classmethod
    def begin(
        cls, participant: Participant, sources: Sources, *, days: int, admin: bool = False
    ) -> Session:
        """A session that starts now, rounded to the second: tokens hold no milliseconds."""
        now = sources.now() // 1000 * 1000
        return cls(participant, admin, sources.new_id(), now, now + days * DAY)


class Signer:
    """Turns sessions into tokens and back. Each key has at least `KEY_BYTES` bytes.

    What a former key signed is read until the key's time is over, also if it says that it lasts longer.
    """

    def __init__(self, keys: bytes | SigningKeys) -> None:
        self.use(keys)

    def use(self, keys: bytes | SigningKeys) -> None:
        """Sign with other keys from now on."""
        ring = keys if isinstance(keys, SigningKeys) else SigningKeys(keys)
        self._ring = ring
        self._key = OctKey.import_key(ring.current)
        self._former = [(OctKey.import_key(each.key), each.until) for each in ring.former]

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The current key, and the former ones."""
        return self._ring.current, *(each.key for each in self._ring.former)

    def sign(self, session: Session) -> str:
        """The session as a bearer token."""
        who = session.participant
        claims = {
            "iss": ISSUER,
            "sub": who.id,
            "name": who.name,
            "type": who.type,
            "admin": session.admin,
            "jti": session.token_id,
            "iat": session.issued_at // 1000,
            "exp": session.expires_at // 1000,
        }
        via = {"provider": session.provider, "grant": session.grant}
        claims |= {name: said for name, said in via.items() if said is not None}
        if session.conversations is not None:
            claims["conversations"] = sorted(session.conversations)
        return self.seal(TYPE, claims)

    def read(self, token: str) -> Session | None:
        """The session of a token that one of the keys signed, or None. The caller checks the expiry."""
        claims = _unsealed(TYPE, token, self._key)
        if claims is not None:
            return _session(claims)
        for key, until in self._former:
            claims = _unsealed(TYPE, token, key)
            session = None if claims is None else _session(claims)
            if session is not None:
                return session._replace(expires_at=min(session.expires_at, until))
        return None

    def seal(self, kind: str, claims: dict[str, Any]) -> str:
        """Claims as a signed token of a kind. Anybody who has the token can read them, and nobody can change them."""
        return jwt.encode({"alg": ALGORITHM, "typ": kind}, claims, self._key, [ALGORITHM])

    def unseal(self, kind: str, token: str) -> dict[str, Any] | None:
        """The claims of a token that the current key signed with the same kind, or None."""
        return _unsealed(kind, token, self._key)


def _unsealed(kind: str, token: str, key: OctKey) -> dict[str, Any] | None:
    if not mac_fits(token, key.raw_value):
        return None
    try:
        decoded = jwt.decode(token, key, [ALGORITHM])
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None  # joserfc raises these, too, for malformed headers
    return decoded.claims if decoded.header.get("typ") == kind else None


def _session(claims: dict[str, Any]) -> Session | None:
    match claims:
        case {
            "iss": str(issuer),
            "sub": str(participant_id),
            "name": str(name),
            "type": "human" | "agent" as kind,
            "admin": bool(admin),
            "jti": str(token_id),
            "iat": int(issued),
            "exp": int(expires),
        } if issuer == ISSUER:
            participant = Participant(participant_id, name, kind)
            provider, grant = claims.get("provider"), claims.get("grant")
            limit = claims.get("conversations")
            if (
                isinstance(provider, str | None)
                and isinstance(grant, str | None)
                and isinstance(limit, list | None)
            ):
                times = issued * 1000, expires * 1000
                only = None if limit is None else frozenset(map(str, limit))
                return Session(participant, admin, token_id, *times, provider, grant, only)
    return None


def is_session(token: str) -> bool:
    """Whether a token says that it is a session of this server."""
    return _is_session(token[:LONGEST_HEADER].partition(".")[0])


@lru_cache(maxsize=64)
def _is_session(first: str) -> bool:
    try:
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("typ") == TYPE


def mac_fits(token: str, secret: bytes) -> bool:
    """Whether the HS256 signature of a token is of this secret. A look of 3 µs, before the library parses what is forged."""
    signed, _, signature = token.rpartition(".")
    try:
        said = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        made = hmac.digest(secret, signed.encode("ascii"), "sha256")
    except ValueError:
        return False
    return hmac.compare_digest(made, said)
