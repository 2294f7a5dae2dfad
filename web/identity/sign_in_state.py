"""The state of one sign-in between the redirect to a provider and the return.

The state is kept in a signed cookie instead of the server's memory. It survives a restart, and anonymous requests cost the
server no memory.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from salon.actors.sources import Sources

    from .credentials import Cookie
    from .signing import Signer

HOST = "__Host-"
KIND = "sign-in+jwt"  # keeps session tokens and sign-in cookies from being accepted as each other
LIFE = 600  # seconds: people need minutes to find their second factor
LONGEST = 2048  # characters of the cookie: a return address of 512, and the server's own fields
# 2 MB. After a restart, a used state is refused by the provider alone, which knows that its code was used.
USED_KEPT = 10_000
NAME = OLD_NAME = "salon_sign_in"
# Sign-ins of one browser that may wait at a time, each with a cookie: more are tabs that nobody goes back to, and every request
# carries them.
WAITING = 4


class Transaction(NamedTuple):
    """`return_to` is a path of this server; `expires_at` is in seconds since the epoch.

    `guest` is the id of the guest who wants to keep what they have here.
    """

    provider: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    expires_at: float
    guest: str | None = None

    @classmethod
    def begin(
        cls, provider: str, return_to: str, sources: Sources, guest: str | None = None
    ) -> Transaction:
        """A new transaction, with 256 random bits in each of its secrets."""
        state, nonce, verifier = (_encoded(sources.entropy(32)) for _ in range(3))
        ends = sources.now() / 1000 + LIFE
        return cls(provider, state, nonce, verifier, return_to, ends, guest)

    @property
    def challenge(self) -> str:
        """The hash of the verifier, which is sent in the authorization request (RFC 7636)."""
        return _encoded(sha256(self.verifier.encode()).digest())

    def seal(self, signer: Signer) -> str:
        """The transaction as signed text for the cookie."""
        return signer.seal(KIND, self._asdict())

    def answers(self, provider: str, state: str, now: int) -> bool:
        """Whether `provider` and `state` belong to this transaction and it has not expired; `now` is in milliseconds."""
        same = compare_digest(self.state.encode(), state.encode("utf-8", "surrogatepass"))
        return same and self.provider == provider and now < self.expires_at * 1000


def unseal(signer: Signer, text: str) -> Transaction | None:
    """The transaction in a cookie; None if this server has not signed it."""
    claims = signer.unseal(KIND, text) if len(text) <= LONGEST else None
    if claims is None or claims.keys() | {"guest"} != set(Transaction._fields):
        return None  # not signed by this server, or by another version of it
    return Transaction(**claims)


def waiting(signer: Signer, cookies: Iterable[tuple[str, str]], now: int) -> dict[str, Transaction]:
    """The transactions that wait in a browser, by the names of their cookies; `now` is in milliseconds."""
    found = {
        name: unseal(signer, text)
        for name, text in cookies
        if name.removeprefix(HOST).startswith(NAME)
    }
    return {
        name: each
        for name, each in found.items()
        if each is not None and now < each.expires_at * 1000
    }


def sign_in_cookie(text: str, name: str, *, secure: bool) -> Cookie:
    """The cookie that carries a transaction; empty text deletes it."""
    return {
        "key": name,
        "value": text,
        "max_age": LIFE if text else 0,
        "path": "/" if secure else "/auth/provider/",
        "httponly": True,
        "samesite": "Lax",
        "secure": secure,
    }


def sign_in_cookie_name(state: str, *, secure: bool) -> str:
    """The name of the cookie of one transaction: a browser has one for each tab that signs in.

    Browsers accept the `secure` prefix over https only, and for one whole host, so that no other host can plant such a cookie.
    """
    name = f"{NAME}_{sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    return f"{HOST}{name}" if secure else name


class Used:
    """The transactions that were completed: none is accepted twice."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()

    def take(self, transaction: Transaction, now: int) -> bool:
        """Mark a transaction as used; False if it already was. `now` is in milliseconds."""
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
