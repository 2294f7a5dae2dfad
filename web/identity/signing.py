"""Sessions as signed tokens, and the key that signs them."""

from __future__ import annotations

import base64
import json
import os
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from salon.actors.model import Participant

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.sources import Sources

ALGORITHM = "HS256"  # the only one accepted, whatever a token's header says
TYPE = "session+jwt"  # keeps other tokens signed with the same key from being accepted as sessions
ISSUER = "salon"
KEY_BYTES = 32  # the size of the hash
DAY = 86_400_000  # milliseconds
LONGEST_HEADER = 256  # characters; that of a session has 51
OTHERS = 0o077  # the mode bits of group and world


class KeyFileError(Exception):
    """The key file cannot be used. The text says in one line why and what to do."""


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
    """Turns sessions into tokens and back. The key has at least `KEY_BYTES` bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)

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
        """The session of a token that this key signed, or None. The caller checks the expiry."""
        claims = self.unseal(TYPE, token)
        return None if claims is None else _session(claims)

    def seal(self, kind: str, claims: dict[str, Any]) -> str:
        """Claims as a signed token of a kind. Anybody who has the token can read them, and nobody can change them."""
        return jwt.encode({"alg": ALGORITHM, "typ": kind}, claims, self._key, [ALGORITHM])

    def unseal(self, kind: str, token: str) -> dict[str, Any] | None:
        """The claims of a token that this key signed with the same kind, or None."""
        try:
            decoded = jwt.decode(token, self._key, [ALGORITHM])
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
    first = token[:LONGEST_HEADER].partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and header.get("typ") == TYPE


def read_key(path: Path | None, entropy: Callable[[int], bytes] = os.urandom) -> bytes:
    """The key in the file, which the first caller creates; without a path, a new key that is not stored.

    Processes that start at the same time all get the same key. Raises `KeyFileError`. It does blocking file I/O: call it before
    serving.
    """
    if path is None:
        return entropy(KEY_BYTES)
    try:
        if not path.exists():
            _make(path, entropy)
        key = _read(path)
    except OSError as error:
        raise KeyFileError(f"the key file {path} cannot be used: {error.strerror}") from error
    if len(key) < KEY_BYTES:
        raise KeyFileError(
            f"the key file {path} is too short: it needs {KEY_BYTES} random bytes or more; "
            "remove it to have a new one made, which ends all sessions"
        )
    return key


def _make(path: Path, entropy: Callable[[int], bytes]) -> None:
    """Write the key to a temporary file, then link it into place: the file is always complete, and the first link wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # O_EXCL, 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.urlsafe_b64encode(entropy(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        Path(aside).unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # otherwise a power cut may lose the file's name, and so every session
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        if os.name == "posix" and os.fstat(file.fileno()).st_mode & OTHERS:
            command = f"chmod 600 {shlex.quote(str(path))}"
            raise KeyFileError(f"the key file {path} is open to other users: run {command}")
        return file.read(4096).strip()
