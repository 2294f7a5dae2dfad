"""One sign-in on its way: what is kept in the browser between leaving for a provider and coming back.

It is a signed cookie instead of the server's memory, so that it survives a restart, and a stranger's click costs nothing.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from salon.actors.sources import Sources

    from .identity import Cookie
    from .signing import Signer

KIND = "sign-in+jwt"  # a session is never taken for one, nor one for a session
LIFE = 600  # seconds: who has to find their second factor needs minutes
LONGEST = 2048  # characters of the cookie: a return address of 512, and what is ours
USED_KEPT = 10_000  # 2 MB; after a restart a used one is refused by the provider alone, which knows its code
NAME = "salon_sign_in"


class Transaction(NamedTuple):
    """`return_to` is a path of this server; `expires_at` is in seconds since the epoch."""

    provider: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    expires_at: int

    @classmethod
    def begin(cls, provider: str, return_to: str, sources: Sources) -> Transaction:
        """A new one, with 256 random bits in each of its secrets."""
        state, nonce, verifier = (_encoded(sources.entropy(32)) for _ in range(3))
        return cls(provider, state, nonce, verifier, return_to, sources.now() // 1000 + LIFE)

    @property
    def challenge(self) -> str:
        """The verifier's hash, which goes ahead of it (RFC 7636)."""
        return _encoded(sha256(self.verifier.encode()).digest())

    def seal(self, signer: Signer) -> str:
        """As the cookie holds it."""
        return signer.seal(KIND, self._asdict())

    def answers(self, provider: str, state: str, now: int) -> bool:
        """Whether whoever comes back with this state is the one who left with it, in time; `now` in milliseconds."""
        same = compare_digest(self.state.encode(), state.encode("utf-8", "surrogatepass"))
        return same and self.provider == provider and now < self.expires_at * 1000


def unseal(signer: Signer, text: str) -> Transaction | None:
    """The transaction in a cookie; None where it is not one of ours."""
    claims = signer.unseal(KIND, text) if len(text) <= LONGEST else None
    if claims is None or claims.keys() != set(Transaction._fields):
        return None  # not ours, or of another version
    return Transaction(**claims)


def sign_in_cookie(text: str, *, secure: bool) -> Cookie:
    """The cookie that carries it; without text it is taken back.

    Over https its name makes browsers refuse it from any other host, so that nobody can slip in one of their own.
    """
    return {
        "key": sign_in_cookie_name(secure=secure),
        "value": text,
        "max_age": LIFE if text else 0,
        "path": "/" if secure else "/auth/provider/",
        "httponly": True,
        "samesite": "Lax",
        "secure": secure,
    }


def sign_in_cookie_name(*, secure: bool) -> str:
    """Browsers take a name with this beginning over https alone, and for the whole of one host."""
    return f"__Host-{NAME}" if secure else NAME


class Used:
    """Those that have come back: none does twice."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, int] = OrderedDict()

    def take(self, transaction: Transaction, now: int) -> bool:
        """Count one as used; False where it was. `now` is in milliseconds."""
        while self._ends and (
            len(self._ends) >= USED_KEPT or next(iter(self._ends.values())) * 1000 <= now
        ):
            self._ends.popitem(last=False)
        if transaction.state in self._ends:
            return False
        self._ends[transaction.state] = transaction.expires_at
        return True


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
