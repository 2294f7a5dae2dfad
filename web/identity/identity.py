"""Who somebody is: tokens, guests and one-time tickets, and the rules about headers and origins.

Nothing here knows HTTP. A caller gets an `Identity` or None, and decides what to answer to None.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypedDict

from salon.actors.model import Participant

from ..names import NAME_LENGTH, TITLE_LENGTH, normalise_name, normalise_title
from .claims import grants
from .signing import DAY, Session, Signer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from salon.actors.future import Future
    from salon.actors.sources import Sources

    from ..settings import AuthSettings

__all__ = [
    "COOKIE",
    "NAME_LENGTH",
    "TITLE_LENGTH",
    "Accounts",
    "Cookie",
    "Guest",
    "Identity",
    "IdentityBook",
    "Via",
    "bearer",
    "normalise_name",
    "normalise_recovery_code",
    "normalise_title",
    "origin_allowed",
    "session_cookie",
    "token_in_url",
]

Via = Literal["bearer", "cookie", "ticket"]

COOKIE = "salon_session"
LONGEST_TOKEN = 4096  # characters; proxies refuse longer headers anyway
TICKET_LIFE = 30_000  # milliseconds
TICKETS_KEPT = 10_000  # 3 MB; at 1,000 new ones a second each still lives for ten
SESSIONS_KEPT = 10_000  # 6 MB; one that was dropped costs a signature check of 30 to 60 µs
RECOVERY_CHARACTERS, RECOVERY_GROUP = 28, 4  # of 5 bits each: 140
URL_TOKENS = {"access_token", "auth_token", "authorization", "bearer", "jwt", "session", "token"}

# Crockford's base32: no I, L, O, U, and what people read wrong is taken as it was meant.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _ALPHABET)
_AS_MEANT = str.maketrans("ILO", "110", "-–— \t\r\n")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has shown who they are. `expires_at` is in milliseconds since the epoch; None never ends.

    `token_id` names the session, for revoking it; a static token has none and ends with the configuration.
    """

    participant: Participant
    admin: bool = False
    token_id: str | None = None
    expires_at: int | None = None
    via: Via = "bearer"


class Guest(NamedTuple):
    """A guest who has just come in, or come back. The code is shown this once: the store has only its hash."""

    token: str
    identity: Identity
    recovery_code: str


class Accounts(Protocol):
    """What identity needs from the store. Times are milliseconds since the epoch; a future fails with `StoreError`."""

    def add_guest(
        self, participant_id: str, name: str, recovery_hash: bytes, at: int
    ) -> Future[None]:
        """Remember a guest, for good."""

    def find_guest(self, recovery_hash: bytes) -> Future[tuple[str, str] | None]:
        """The id and name of the guest with this code, or None."""

    def rename(self, participant_id: str, name: str, at: int, *, chosen: bool) -> Future[None]:
        """Remember what somebody is called from now on; `chosen` where they have said so themselves."""

    def name_of(self, participant_id: str) -> Future[tuple[str, bool] | None]:
        """What somebody is called by what `rename` was told last, and whether they chose it."""

    def names_since(self, at: int) -> Future[tuple[tuple[str, str], ...]]:
        """Ids and names of those who were renamed from then on, the earliest first."""

    def revoke_token(self, token_id: str, expires_at: int) -> Future[None]:
        """Remember until then that this session has ended."""

    def revoked_tokens(self, now: int) -> Future[tuple[str, ...]]:
        """The sessions ended early which would still run now."""


class IdentityBook:
    """Tells who carries a token, and gives out sessions and tickets. Call `load` before the first `verify`."""

    def __init__(
        self, auth: AuthSettings, key: bytes, accounts: Accounts, sources: Sources
    ) -> None:
        self.signer = Signer(key)
        self._grants = {name: grants(name, each) for name, each in auth.providers.items()}
        self._session_days = auth.session_days
        self._accounts = accounts
        self._sources = sources
        self._static = {
            _digest(token.get_secret_value()): Identity(who.participant, who.admin)
            for token, who in auth.static_tokens.items()
        }
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()
        self._revoked: set[str] = set()  # as many as log out within the life of a session
        # Names that are newer than what some session says; those of people with a static token, which never ends, for good.
        self._names: dict[str, str] = {}
        self._tickets: OrderedDict[bytes, tuple[Identity, int]] = OrderedDict()

    async def load(self) -> None:
        """Learn which sessions were ended early, and who has another name than their sessions say."""
        now = self._sources.now()
        self._revoked.update(await self._accounts.revoked_tokens(now).wait())
        self._names.update(await self._accounts.names_since(now - self._session_days * DAY).wait())
        for identity in self._static.values():
            found = await self._accounts.name_of(identity.participant.id).wait()
            if found is not None:
                self._names[identity.participant.id] = found[0]

    def verify(self, token: str, via: Via = "bearer") -> Identity | None:
        """Who carries this token, a static one or a session's; None where nobody may.

        Found by digest, so that the time it takes tells nothing about a token that is nearly right.
        """
        if len(token) > LONGEST_TOKEN:
            return None
        digest = _digest(token)
        identity = self._static.get(digest) or self._session(digest, token)
        if identity is None or not self.holds(identity):
            return None
        if identity.via != via:
            identity = replace(identity, via=via)
        return self._named(identity) if self._names else identity

    def holds(self, identity: Identity) -> bool:
        """Whether an identity is still good: not expired, not revoked. A long-lived socket has to ask again."""
        if identity.token_id in self._revoked:
            return False
        return identity.expires_at is None or self._sources.now() < identity.expires_at

    def issue(
        self,
        participant: Participant,
        *,
        admin: bool = False,
        provider: str | None = None,
        grant: str | None = None,
    ) -> tuple[str, Identity]:
        """A new session's token. The caller has made sure that it is them, by a provider if one is named.

        A grant makes them an admin for as long as it is among the provider's, see `salon.web.identity.claims`.
        """
        admin = admin or grant is not None
        days = self._session_days
        session = Session.begin(participant, self._sources, days=days, admin=admin)
        session = session._replace(provider=provider, grant=grant)
        return self.signer.sign(session), _identity(session, admin)

    async def admit_guest(self, name: str | None) -> Guest:
        """A new person, stored before anybody hears of them; without a name they get one.

        The caller decides whether guests are allowed, how many, and refuses a name that is too long.
        """
        shown = normalise_name(name or "") or f"Guest {1000 + int(self._sources.chance() * 9000)}"
        participant = Participant(f"guest_{self._sources.new_id()}", shown)
        code = base64.b32encode(self._sources.entropy(20)).decode().translate(_TO_CROCKFORD)
        code = code[:RECOVERY_CHARACTERS]
        await self._accounts.add_guest(
            participant.id, participant.name, _digest(code), self._sources.now()
        ).wait()
        return Guest(*self.issue(participant), _grouped(code))

    async def recover(self, recovery_code: str) -> Guest | None:
        """The guest whose code this is, with a new session; None for a wrong code, however it is written."""
        code = normalise_recovery_code(recovery_code)
        found = code and await self._accounts.find_guest(_digest(code)).wait()
        return Guest(*self.issue(Participant(*found)), _grouped(code)) if code and found else None

    async def revoke(self, identity: Identity) -> bool:
        """End a session, at once here and for good once this returns; False where it has none to end.

        The caller closes the connections that came with it. On `StoreError` it would be valid again after a restart.
        """
        if identity.token_id is None or identity.expires_at is None:
            return False
        self._revoked.add(identity.token_id)
        await self._accounts.revoke_token(identity.token_id, identity.expires_at).wait()
        return True

    def issue_ticket(self, identity: Identity) -> str:
        """A word good for one connection within `TICKET_LIFE`. Where too many wait, the oldest is dropped."""
        now = self._sources.now()
        while self._tickets and (
            len(self._tickets) >= TICKETS_KEPT or next(iter(self._tickets.values()))[1] <= now
        ):
            self._tickets.popitem(last=False)
        ticket = self._sources.new_id()
        self._tickets[_digest(ticket)] = (replace(identity, via="ticket"), now + TICKET_LIFE)
        return ticket

    def redeem(self, ticket: str) -> Identity | None:
        """Whose ticket this is; None where it is wrong, used, too old, or its session has ended since."""
        identity, ends = self._tickets.pop(_digest(ticket), (None, 0))
        if identity is None or self._sources.now() >= ends or not self.holds(identity):
            return None
        return self._named(identity)

    async def rename(self, participant: Participant, name: str) -> Participant:
        """Call somebody what they say from now on, whatever their sessions and their provider say."""
        return await self._rename(participant._replace(name=name), chosen=True)

    async def known(self, participant: Participant) -> Participant:
        """Somebody whom a provider calls this, under the name that they have chosen, if they have.

        One person has one name at a time: what the provider says now is true for their older sessions, too.
        """
        found = await self._accounts.name_of(participant.id).wait()
        if found is not None and (found[1] or found[0] == participant.name):
            return participant._replace(name=found[0])
        return await self._rename(participant, chosen=False)

    async def _rename(self, participant: Participant, *, chosen: bool) -> Participant:
        now = self._sources.now()
        await self._accounts.rename(participant.id, participant.name, now, chosen=chosen).wait()
        self._names[participant.id] = participant.name
        return participant

    def _named(self, identity: Identity) -> Identity:
        who = identity.participant
        name = self._names.get(who.id, who.name)
        return (
            identity if name == who.name else replace(identity, participant=who._replace(name=name))
        )

    def _session(self, digest: bytes, token: str) -> Identity | None:
        identity = self._verified.get(digest)
        if identity is not None:
            self._verified.move_to_end(digest)
            return identity
        session = self.signer.read(token)
        if session is None:
            return None
        admin = session.admin
        if session.provider is not None:
            if session.provider not in self._grants:
                return None  # the operator has taken it out, and with it those who came through it
            admin = session.grant in self._grants[session.provider]
        identity = self._verified[digest] = _identity(session, admin)
        if len(self._verified) > SESSIONS_KEPT:
            self._verified.popitem(last=False)
        return identity


def _identity(session: Session, admin: bool) -> Identity:
    return Identity(session.participant, admin, session.token_id, session.expires_at)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _grouped(code: str) -> str:
    return "-".join(code[at : at + RECOVERY_GROUP] for at in range(0, len(code), RECOVERY_GROUP))


def normalise_recovery_code(text: str) -> str | None:
    """The code as it is hashed: capitals without dashes and spaces; None where it cannot be one."""
    code = text[:LONGEST_TOKEN].upper().translate(_AS_MEANT)
    return code if len(code) == RECOVERY_CHARACTERS and set(code) <= set(_ALPHABET) else None


def bearer(header: str | None) -> str | None:
    """The token in an `Authorization` header; None where there is none, or another scheme."""
    scheme, _, token = (header or "").strip().partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token and " " not in token else None


def token_in_url(names: Iterable[str]) -> bool:
    """Whether a query with these parameters carries a long-lived token: it would end in logs and histories, so refuse it."""
    return any(name.lower() in URL_TOKENS for name in names)


def origin_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of this `Origin` may connect to this `Host`: its own, or one of the allowed, as settings write them.

    Without an origin it is no browser. Schemes are not compared: behind a proxy that ends TLS ours is not known.
    """
    if origin is None:
        return True
    origin = origin.lower()
    if "*" in allowed or origin in allowed:
        return True
    scheme, _, authority = origin.partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme)
    if port is None or not authority or not host:
        return False
    return authority.removesuffix(port) == host.lower().removesuffix(port)


class Cookie(TypedDict):
    """The arguments of `Response.set_cookie`."""

    key: str
    value: str
    max_age: int
    path: str
    httponly: bool
    samesite: str
    secure: bool


def session_cookie(token: str, *, days: int, secure: bool) -> Cookie:
    """The cookie that carries a session; `secure` wherever the browser speaks TLS. Zero days take it back."""
    return {
        "key": COOKIE,
        "value": token,
        "max_age": days * 86_400,
        "path": "/",
        "httponly": True,
        "samesite": "Lax",
        "secure": secure,
    }
