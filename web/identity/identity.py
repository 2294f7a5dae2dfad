"""Identities: tokens, guests and one-time tickets.

This module does not depend on HTTP. A caller gets an `Identity` or None, and decides how to answer None.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, Protocol

from salon.actors.model import Participant, ParticipantType
from salon.actors.store import StoreError

from ..names import NAME_LENGTH, TITLE_LENGTH, normalise_name, normalise_title
from .access import Access, AccessStore, ShutOut
from .caller import Identity, Via
from .claims import grants
from .credentials import (
    COOKIE,
    HOST_COOKIE,
    Cookie,
    bearer,
    origin_allowed,
    session_cookie,
    session_in,
    token_in_url,
)
from .key_file import SigningKeys
from .provider_fault import Untrusted
from .signing import DAY, Session, Signer, is_session
from .tickets import sealed, unsealed
from .wrong_tokens import WrongTokens

if TYPE_CHECKING:
    from salon.actors.future import Future
    from salon.actors.sources import Sources

    from ..settings import AuthSettings
    from .token_issuers import TokenIssuers

__all__ = [
    "COOKIE",
    "HOST_COOKIE",
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
    "session_in",
    "token_in_url",
]

LONGEST_TOKEN = 4096  # characters; proxies refuse longer headers
TICKET_LIFE = 30_000  # milliseconds
TICKETS_KEPT = 10_000  # 3 MB; at 1,000 new tickets a second each is kept for ten seconds
SESSIONS_KEPT = 10_000  # 6 MB; a session not kept costs a signature check of 30 to 60 µs
REFUSED_KEPT = 1_000  # wrong tokens: what comes in the moment between two looks at each
# Milliseconds in which a wrong token stays wrong: short, since a key may be fetched meanwhile that makes it right
REFUSED_FOR = 1_000
RECOVERY_CHARACTERS, RECOVERY_GROUP = 28, 4  # characters of 5 bits each: 140 bits

# Crockford's base32: without I, L, O and U. Characters that are easily confused are decoded as the intended ones.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _ALPHABET)
GUEST = "guest_"  # the ids of guests begin with it
_AS_MEANT = str.maketrans("ILO", "110", "-–— \t\r\n")


class Guest(NamedTuple):
    """A guest who was just created or has just returned. The code is shown only now: the store keeps its hash alone."""

    token: str
    identity: Identity
    recovery_code: str


class Accounts(AccessStore, Protocol):
    """The part of the store that identity uses. Times are in milliseconds since the epoch. Futures fail with `StoreError`."""

    def add_guest(
        self, participant_id: str, name: str, recovery_hash: bytes, at: int
    ) -> Future[None]:
        """Store a guest permanently."""

    def find_guest(self, recovery_hash: bytes) -> Future[tuple[str, str] | None]:
        """The id and name of the guest whose recovery code has this hash, or None."""

    def add_account(self, account: str, participant_id: str, at: int) -> Future[None]:
        """Store whose a provider's account is, for ever."""

    def participant_of(self, account: str) -> Future[str | None]:
        """Whose a provider's account is, if it was ever stored."""

    def has_account(self, participant_id: str) -> Future[bool]:
        """Whether a provider's account was stored as theirs."""

    def rename(self, participant_id: str, name: str, at: int, *, chosen: bool) -> Future[None]:
        """Store a participant's new name; `chosen` is true if the participant chose it."""

    def name_of(self, participant_id: str) -> Future[tuple[str, bool] | None]:
        """The name last stored by `rename`, and whether the participant chose it; None if never renamed."""

    def names_since(self, at: int) -> Future[tuple[tuple[str, str], ...]]:
        """The ids and names of participants renamed at or after `at`, in order of time."""


class IdentityBook:
    """Verifies tokens, and issues sessions and tickets. Call `load` before the first `verify`.

    With `auth.jwt`, making it reads the keys of the issuers: blocking file I/O. Raises `TokenKeyError` if one cannot be used.
    """

    def __init__(
        self, auth: AuthSettings, key: bytes | SigningKeys, accounts: Accounts, sources: Sources
    ) -> None:
        self.signer = Signer(key)
        self.access = Access(accounts)
        self.wrong = WrongTokens(sources.now)
        self._grants = {name: grants(name, each) for name, each in auth.providers.items()}
        self._session_days = auth.session_days
        self._accounts = accounts
        self._sources = sources
        self._static = {
            _digest(token.get_secret_value()): Identity(who.participant, who.admin)
            for token, who in auth.static_tokens.items()
        }
        self._types = {who.id: who.type for who in auth.static_tokens.values()}
        self._verified: OrderedDict[bytes, Identity] = OrderedDict()
        # Why tokens were just refused, and until when that is not looked at again
        self._refused: OrderedDict[bytes, tuple[str, str, int]] = OrderedDict()
        self._reserved = (GUEST, *(f"{name}:" for name in auth.providers))
        self._issuers = self._open_issuers(auth) if auth.jwt else None
        # Names newer than those in the tokens. Names of people with a static token, which never expires, are kept for good.
        self._names: dict[str, str] = {}
        self._tickets: OrderedDict[bytes, tuple[Identity, int]] = OrderedDict()
        self.shares_tickets = False
        self._taken: OrderedDict[str, int] = OrderedDict()  # shared tickets, and when they end
        self._erased: dict[str, int] = {}  # people, and when they were: older sessions are over

    async def load(self) -> None:
        """Load who was shut out, and the names that are newer than those in session tokens."""
        now = self._sources.now()
        await self.access.load(now)
        self._names.update(await self._accounts.names_since(now - self._session_days * DAY).wait())
        for identity in self._static.values():
            found = await self._accounts.name_of(identity.participant.id).wait()
            if found is not None:
                self._names[identity.participant.id] = found[0]

    async def refresh(self, since: int) -> ShutOut:
        """Load who was shut out meanwhile, and the names that were changed `since` then: at other nodes. Raises `StoreError`."""
        shut_out = await self.access.load(self._sources.now())
        self._names.update(await self._accounts.names_since(since).wait())
        return shut_out

    def verify(self, token: str, via: Via = "bearer") -> Identity | None:
        """The identity of a static token, a session token or an issuer's JWT; None if the token is invalid. It never waits.

        The keys for a JWT may have to be fetched before, see `prepare`. Tokens are looked up by digest, so that the timing
        reveals nothing about a token that is nearly right.
        """
        if len(token) > LONGEST_TOKEN:
            return None
        digest = _digest(token)
        identity = self._static.get(digest) or self._session(digest, token)
        if identity is None:
            return None
        if not self.holds(identity):
            self.wrong.note(
                "ended", "the token was revoked or has expired, or its person is blocked"
            )
            return None
        if identity.via != via:
            identity = replace(identity, via=via)
        return self._named(identity) if self._names else identity

    def type_of(self, participant_id: str) -> ParticipantType | None:
        """The type of a participant that has a static token, as the configuration says; None for all others."""
        return self._types.get(participant_id)

    def may_be_person(self, participant_id: str) -> bool:
        """Whether somebody has the id, as far as that is known without asking the store, or a guest may have it."""
        return participant_id in self._types or participant_id.startswith(GUEST)

    def holds(self, identity: Identity) -> bool:
        """Whether an identity is still valid: neither expired, revoked nor a blocked person's.

        A long-lived connection has to check again.
        """
        if not self.access.holds(identity):
            return False
        erased_at = self._erased.get(identity.participant.id)
        if erased_at is not None and (identity.issued_at or 0) <= erased_at:
            return False
        return identity.expires_at is None or self._sources.now() < identity.expires_at

    def forget(self, participant_id: str, at: int) -> None:
        """End the sessions of a person who is erased, those of before `at`; their name is no longer known."""
        self._erased[participant_id] = max(at, self._erased.get(participant_id, 0))
        self._names.pop(participant_id, None)

    def issue(
        self,
        participant: Participant,
        *,
        admin: bool = False,
        provider: str | None = None,
        grant: str | None = None,
    ) -> tuple[str, Identity]:
        """A new session's token and identity. The caller has authenticated the participant, by `provider` if it is given.

        A `grant` gives admin rights while it is among the provider's grants, see `salon.web.identity.claims`.
        """
        admin = admin or grant is not None
        days = self._session_days
        session = Session.begin(participant, self._sources, days=days, admin=admin)
        issued_at = self.access.earliest(participant.id, session.issued_at)
        session = session._replace(issued_at=issued_at, provider=provider, grant=grant)
        return self.sign(session)

    def issue_limited(
        self,
        participant: Participant,
        *,
        seconds: int,
        admin: bool,
        conversations: frozenset[str] | None,
    ) -> tuple[str, Identity]:
        """A new token that lasts so many seconds, for all conversations of the participant or for some."""
        session = Session.begin(participant, self._sources, days=0, admin=admin)
        issued_at = self.access.earliest(participant.id, session.issued_at)
        ends = issued_at + seconds * 1000
        session = session._replace(
            issued_at=issued_at, expires_at=ends, conversations=conversations
        )
        return self.sign(session)

    def sign(self, session: Session) -> tuple[str, Identity]:
        """A session's token and identity."""
        self.access.note_issue(session.issued_at)
        return self.signer.sign(session), _identity(session, session.admin)

    async def admit_guest(self, name: str | None) -> Guest:
        """Create a guest, who is stored before this returns. Without a name the guest is given one.

        The caller decides whether guests are allowed and how many, and refuses a name that is too long.
        """
        shown = normalise_name(name or "") or f"Guest {1000 + int(self._sources.chance() * 9000)}"
        participant = Participant(f"{GUEST}{self._sources.new_id()}", shown)
        code = base64.b32encode(self._sources.entropy(20)).decode().translate(_TO_CROCKFORD)
        code = code[:RECOVERY_CHARACTERS]
        await self._accounts.add_guest(
            participant.id, participant.name, _digest(code), self._sources.now()
        ).wait()
        return Guest(*self.issue(participant), _grouped(code))

    async def recover(self, recovery_code: str) -> Guest | None:
        """The guest with this recovery code and a new session; None for a wrong or malformed code."""
        code = normalise_recovery_code(recovery_code)
        found = code and await self._accounts.find_guest(_digest(code)).wait()
        if not code or not found or self.access.is_blocked(found[0]) or found[0] in self._erased:
            return None
        return Guest(*self.issue(Participant(*found)), _grouped(code))

    async def revoke(self, identity: Identity) -> bool:
        """Revoke a session: at once in this process, permanently when this returns. False if the identity has no session.

        The caller closes the session's connections. After a `StoreError` the session would be valid again after a restart.
        """
        if identity.token_id is None or identity.expires_at is None:
            return False
        await self.access.revoke_token(identity.token_id, identity.expires_at)
        return True

    def issue_ticket(self, identity: Identity) -> str:
        """A ticket for one connection within `TICKET_LIFE`. Above `TICKETS_KEPT` tickets the oldest is dropped.

        With `shares_tickets` it is signed, so that another node takes it; each node takes it once.
        """
        if self.shares_tickets:
            ends = self._sources.now() + TICKET_LIFE
            return sealed(self.signer, identity, self._sources.new_id(), ends)
        now = self._sources.now()
        while self._tickets and (
            len(self._tickets) >= TICKETS_KEPT or next(iter(self._tickets.values()))[1] <= now
        ):
            self._tickets.popitem(last=False)
        ticket = self._sources.new_id()
        self._tickets[_digest(ticket)] = (replace(identity, via="ticket"), now + TICKET_LIFE)
        return ticket

    def redeem(self, ticket: str) -> Identity | None:
        """The identity of a ticket; None if the ticket is wrong, used or too old, or if its session has ended since."""
        if self.shares_tickets:
            return self._redeem_shared(ticket)
        identity, ends = self._tickets.pop(_digest(ticket), (None, 0))
        if identity is None or self._sources.now() >= ends or not self.holds(identity):
            return None
        return self._named(identity)

    def _redeem_shared(self, ticket: str) -> Identity | None:
        now = self._sources.now()
        opened = unsealed(self.signer, ticket)
        if opened is None or opened.ends <= now:
            return None
        while self._taken and next(iter(self._taken.values())) <= now:
            self._taken.popitem(last=False)
        if opened.id in self._taken or not self.holds(opened.identity):
            return None
        self._taken[opened.id] = opened.ends
        return self._named(opened.identity)

    async def rename(self, participant: Participant, name: str) -> Participant:
        """Set the name that a participant chose. It replaces the names in their sessions and from their provider."""
        return await self._rename(participant._replace(name=name), chosen=True)

    async def known(self, participant: Participant, guest_id: str | None = None) -> Participant:
        """The participant from a provider's claims, with the name that they chose, if any.

        A person has one name at a time: the provider's current name applies to their older sessions, too. The account of one who
        was `guest_id` until now, and who has never signed in before, is that guest's from now on.
        """
        owner = await self._accounts.participant_of(participant.id).wait()
        if owner is None and guest_id is not None and await self.name_of(participant.id) is None:
            await self._accounts.add_account(participant.id, guest_id, self._sources.now()).wait()
            owner = guest_id
        if owner is not None:
            participant = participant._replace(id=owner)
        found = await self._accounts.name_of(participant.id).wait()
        if found is not None and (found[1] or found[0] == participant.name):
            return participant._replace(name=found[0])
        return await self._rename(participant, chosen=False)

    async def has_account(self, participant_id: str) -> bool:
        """Whether one who came as a guest also has a provider's account. Raises `StoreError`."""
        return participant_id.startswith(GUEST) and (
            await self._accounts.has_account(participant_id).wait()
        )

    async def name_of(self, participant_id: str) -> str | None:
        """The name of a person that is stored, if any."""
        found = await self._accounts.name_of(participant_id).wait()
        return None if found is None else found[0]

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
        try:
            return self._judged(digest, token)
        except Untrusted as problem:
            self.wrong.note(problem.word, str(problem))
            return None

    def _judged(self, digest: bytes, token: str) -> Identity:
        """The identity of a session or a JWT, which is kept. Raises `Untrusted`, for a while without another look."""
        now = self._sources.now()
        word, text, until = self._refused.get(digest, ("", "", 0))
        if now < until:
            raise Untrusted(text, word)
        try:
            if self._issuers is None or is_session(token):
                identity = self._session_of(token)
            else:
                identity = _foreign(self._issuers, digest, token)
        except Untrusted as problem:
            self._refused[digest] = problem.word, str(problem), now + REFUSED_FOR
            if len(self._refused) > REFUSED_KEPT:
                self._refused.popitem(last=False)
            raise
        self._verified[digest] = identity
        if len(self._verified) > SESSIONS_KEPT:
            self._verified.popitem(last=False)
        return identity

    def _session_of(self, token: str) -> Identity:
        session = self.signer.read(token)
        if session is None:
            raise Untrusted("the token is no session that this server has signed", "session")
        self.access.note_issue(session.issued_at)
        admin = session.admin
        if session.provider is not None:
            if session.provider not in self._grants:  # and so its sessions have ended
                raise Untrusted("the session is of a provider that was removed", "ended")
            admin = session.grant in self._grants[session.provider]
        return _identity(session, admin)

    # --- JWTs of others -----------------------------------------------------------------------------------------------

    def _open_issuers(self, auth: AuthSettings) -> TokenIssuers:
        from .token_issuers import TokenIssuers  # noqa: PLC0415 (most servers do not need it)

        return TokenIssuers(auth.jwt, is_reserved=self._is_reserved, now=self._sources.now)

    def _is_reserved(self, participant_id: str) -> bool:
        """Whether an id belongs to guests or to people of providers, who prove it otherwise."""
        return participant_id.startswith(self._reserved)

    async def prepare(self, token: str | None) -> Participant | None:
        """Fetch what `verify` needs to judge a token. Mostly nothing: only a JWT that is seen for the first time may wait.

        Returns the participant if the token gives them a new name: the caller then tells it to their conversations. Raises
        `Unreachable` if its issuer's keys are needed and not to be had: the token is then neither right nor wrong.
        """
        if self._issuers is None or token is None or self.is_prepared(token):
            return None
        await self._issuers.prepare(token)
        try:
            identity = self._judged(_digest(token), token)
        except Untrusted:
            return None
        if is_session(token) or not self.holds(identity):
            return None
        before = self._names.get(identity.participant.id)
        # A store that is out of order keeps nobody out: their name is that of the token then.
        with suppress(StoreError):
            who = await self.known(identity.participant)
            return None if before in (None, who.name) else who
        return None

    def is_prepared(self, token: str) -> bool:
        """Whether `prepare` has nothing to do for a token."""
        if self._issuers is None or len(token) > LONGEST_TOKEN:
            return True
        digest = _digest(token)
        if digest in self._verified or digest in self._static:
            return True
        return self._sources.now() < self._refused.get(digest, ("", "", 0))[2]

    def use_keys(self, keys: SigningKeys) -> None:
        """Sign with other keys from now on. Each token is verified anew, so that one of a key that is gone ends."""
        self.signer.use(keys)
        self._verified.clear()
        self._refused.clear()

    def reload_issuers(self) -> None:
        """Read the issuers' keys in files again: blocking, for another thread. One that cannot be used is logged."""
        if self._issuers is not None:
            self._issuers.reload()

    async def keep_fresh(self) -> None:
        """Keep the issuers' keys fresh, until cancelled."""
        if self._issuers is not None:
            await self._issuers.keep_fresh()


def _foreign(issuers: TokenIssuers, digest: bytes, token: str) -> Identity:
    """The identity of a JWT. Raises `Untrusted`."""
    said = issuers.read(token)
    # The token's own digest is its id: logging out revokes it, and issuers need not number their tokens.
    token_id = f"jwt_{digest.hex()[:32]}"
    return Identity(
        said.participant,
        said.admin,
        token_id,
        said.expires_at,
        conversations=said.conversations,
        issued_at=said.issued_at,
    )


def _identity(session: Session, admin: bool) -> Identity:
    return Identity(
        session.participant,
        admin,
        session.token_id,
        session.expires_at,
        conversations=session.conversations,
        issued_at=session.issued_at,
    )


@lru_cache(maxsize=1)  # a request asks for that of its token several times
def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _grouped(code: str) -> str:
    return "-".join(code[at : at + RECOVERY_GROUP] for at in range(0, len(code), RECOVERY_GROUP))


def normalise_recovery_code(text: str) -> str | None:
    """The code in the form that is hashed: capitals without dashes and spaces; None if malformed."""
    code = text[:LONGEST_TOKEN].upper().translate(_AS_MEANT)
    return code if len(code) == RECOVERY_CHARACTERS and set(code) <= set(_ALPHABET) else None
