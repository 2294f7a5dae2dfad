"""Identity: who may come in, for how long, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from salon.actors.future import Future
from salon.actors.model import Participant
from salon.actors.sources import Sources
from salon.actors.store import StoreError
from salon.actors.tokens import IssuedToken, TokenPage
from salon.persistence.memory_tokens import MemoryTokens
from salon.web.identity import identity as module
from salon.web.identity.claims import grant_of
from salon.web.identity.identity import (
    REFUSED_FOR,
    REFUSED_KEPT,
    TICKET_LIFE,
    Guest,
    Identity,
    IdentityBook,
    bearer,
    normalise_recovery_code,
    origin_allowed,
    session_cookie,
    session_in,
    token_in_url,
)
from salon.web.identity.signing import DAY, Session, Signer
from salon.web.settings.model import AuthSettings

KEY = b"k" * 32
START = 1_790_000_000_123
ADA = Participant("ada", "Ada")
STATIC: dict[str, Any] = {
    "test_token": {"id": "ada", "name": "Ada"},
    "admin_token": {"id": "root", "name": "Root", "admin": True},
    "agent_token": {"id": "bot", "name": "Bot", "type": "agent"},
}


class World:
    """Time that stands still until told, and chance that counts."""

    def __init__(self) -> None:
        self.now = START
        self.drawn = 0

    def draw(self, size: int) -> bytes:
        self.drawn += 1
        return hashlib.sha512(str(self.drawn).encode()).digest()[:size]

    @property
    def sources(self) -> Sources:
        return Sources(
            now=lambda: self.now,
            new_id=lambda: base64.urlsafe_b64encode(self.draw(16)).rstrip(b"=").decode(),
            entropy=self.draw,
            chance=lambda: 0.5,
        )


class Accounts:
    """The store's part, kept in memory; as good as broken while `broken` is set."""

    def __init__(self) -> None:
        self.guests: dict[bytes, tuple[str, str]] = {}
        self.revoked: dict[str, int] = {}
        self.names: dict[str, tuple[str, bool, int]] = {}
        self.issued = MemoryTokens()
        self.owners: dict[str, str] = {}
        self.broken = False

    def add_guest(
        self, participant_id: str, name: str, recovery_hash: bytes, at: int
    ) -> Future[None]:
        self.guests[recovery_hash] = (participant_id, name)
        return self._done(None)

    def find_guest(self, recovery_hash: bytes) -> Future[tuple[str, str] | None]:
        return self._done(self.guests.get(recovery_hash))

    def add_account(self, account: str, participant_id: str, at: int) -> Future[None]:
        self.owners[account] = participant_id
        return self._done(None)

    def participant_of(self, account: str) -> Future[str | None]:
        return self._done(self.owners.get(account))

    def has_account(self, participant_id: str) -> Future[bool]:
        return self._done(participant_id in self.owners.values())

    def rename(self, participant_id: str, name: str, at: int, *, chosen: bool) -> Future[None]:
        self.names[participant_id] = (name, chosen, at)
        return self._done(None)

    def name_of(self, participant_id: str) -> Future[tuple[str, bool] | None]:
        found = self.names.get(participant_id)
        return self._done(found and found[:2])

    def names_since(self, at: int) -> Future[tuple[tuple[str, str], ...]]:
        return self._done(
            tuple((id, name) for id, (name, _, when) in self.names.items() if when >= at)
        )

    def revoke_token(self, token_id: str, expires_at: int) -> Future[None]:
        self.revoked[token_id] = expires_at
        return self._done(None)

    def revoked_tokens(self, now: int) -> Future[tuple[str, ...]]:
        return self._done(tuple(each for each, ends in self.revoked.items() if ends > now))

    def set_blocked(self, participant_id: str, blocked_at: int | None) -> Future[None]:
        self.issued.set_blocked(participant_id, blocked_at)
        return self._done(None)

    def set_revoked(self, participant_id: str, revoked_at: int) -> Future[None]:
        self.issued.set_revoked(participant_id, revoked_at)
        return self._done(None)

    def all_access(self) -> Future[tuple[tuple[str, int | None, int | None], ...]]:
        return self._done(self.issued.all_access())

    def save_token(self, token: IssuedToken) -> Future[None]:
        self.issued.save(token)
        return self._done(None)

    def tokens(
        self, *, participant_id: str | None = None, before: int | None = None, limit: int = 100
    ) -> Future[TokenPage]:
        return self._done(self.issued.page(participant_id, before, limit))

    def revoke_issued(self, token_id: str, at: int) -> Future[IssuedToken | None]:
        return self._done(self.issued.revoke(token_id, at))

    def _done(self, value: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.broken:
            future.set_exception(StoreError("disk full"))
        else:
            future.set(value)
        return future


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def book(world: World, accounts: Accounts) -> IdentityBook:
    return book_of(world, accounts)


def book_of(world: World, accounts: Accounts, key: bytes = KEY) -> IdentityBook:
    auth = AuthSettings.model_validate({"static_tokens": STATIC})
    return IdentityBook(auth, key, accounts, world.sources)


class TestStaticTokens:
    def test_a_static_token_is_somebody_for_ever(self, book: IdentityBook, world: World) -> None:
        assert book.verify("test_token") == Identity(ADA)
        world.now += 10_000 * DAY
        assert book.verify("test_token") == Identity(ADA)

    def test_it_says_who_is_an_admin_and_who_an_agent(self, book: IdentityBook) -> None:
        admin, agent = book.verify("admin_token"), book.verify("agent_token")
        assert admin is not None
        assert admin.admin
        assert agent is not None
        assert agent.participant == Participant("bot", "Bot", "agent")
        assert not agent.admin

    async def test_it_cannot_be_revoked(self, book: IdentityBook) -> None:
        assert not await book.revoke(Identity(ADA))
        assert book.verify("test_token")

    @given(st.text() | st.sampled_from(["Test_token", "test_token ", "test_toke", "\ud800"]))
    def test_any_other_word_is_nobody(self, word: str) -> None:
        assert book_of(World(), Accounts()).verify(word) is None


class TestSessions:
    def test_an_issued_token_is_who_it_was_issued_to(self, book: IdentityBook) -> None:
        for participant, admin in [(ADA, False), (Participant("b", "Böt 💻", "agent"), True)]:
            token, identity = book.issue(participant, admin=admin)
            assert (identity.participant, identity.admin) == (participant, admin)
            assert book.verify(token) == identity
            assert book.verify(token, "cookie") == replace(identity, via="cookie")

    def test_it_ends_to_the_millisecond_also_once_it_is_known(
        self, book: IdentityBook, world: World
    ) -> None:
        token, identity = book.issue(ADA)
        ends = START // 1000 * 1000 + 30 * DAY
        assert identity.expires_at == ends
        world.now = ends - 1
        assert book.verify(token) == identity
        world.now = ends
        assert book.verify(token) is None
        assert not book.holds(identity)

    def test_another_key_makes_nobody(self, world: World, accounts: Accounts) -> None:
        token, _ = book_of(world, accounts).issue(ADA)
        assert book_of(world, accounts, b"other" * 8).verify(token) is None

    def test_it_survives_a_restart(self, world: World, accounts: Accounts) -> None:
        token, identity = book_of(world, accounts).issue(ADA)
        assert book_of(world, accounts).verify(token) == identity

    def test_a_signature_is_checked_once_while_it_is_remembered(
        self, book: IdentityBook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked: list[str] = []
        read = Signer.read

        def counted(signer: Signer, token: str) -> Session | None:
            checked.append(token)
            return read(signer, token)

        monkeypatch.setattr(Signer, "read", counted)
        monkeypatch.setattr(module, "SESSIONS_KEPT", 2)
        one, two, three = (book.issue(ADA)[0] for _ in range(3))
        for token in (one, two, one, two):
            assert book.verify(token)
        assert checked == [one, two]
        for token in (one, three, one, two):  # the third pushes out the second, the longest unused
            assert book.verify(token)
        assert checked == [one, two, three, two]

    def test_a_wrong_token_is_not_looked_at_again_for_a_second(
        self, book: IdentityBook, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked = []
        monkeypatch.setattr(Signer, "read", lambda signer, token: checked.append(token))
        for token in ("a", "a", "b", "a"):
            assert book.verify(token) is None
        assert checked == ["a", "b"]
        world.now += REFUSED_FOR
        assert book.verify("a") is None
        assert checked == ["a", "b", "a"]
        for number in range(REFUSED_KEPT):  # pushes all others out
            assert book.verify(f"c{number}") is None
        assert book.verify("a") is None
        assert checked[-1] == "a"
        assert book.wrong.counts["session"] == 6 + REFUSED_KEPT

    def test_a_very_long_token_is_not_even_looked_at(
        self, book: IdentityBook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Signer, "read", None)
        assert book.verify("x" * 5000) is None


class TestProviders:
    HOUSE: ClassVar[dict[str, Any]] = {"issuer": "https://id.example", "client_id": "salon"}

    def book(self, world: World, **providers: Any) -> IdentityBook:
        auth = AuthSettings.model_validate({"providers": providers})
        return IdentityBook(auth, KEY, Accounts(), world.sources)

    def test_a_session_is_over_once_its_provider_is_taken_out(self, world: World) -> None:
        token, ada = self.book(world, house=self.HOUSE).issue(ADA, provider="house")
        assert self.book(world, house=self.HOUSE).verify(token) == ada
        assert self.book(world).verify(token) is None
        assert self.book(world, office=self.HOUSE).verify(token) is None

    def test_an_admin_is_one_for_as_long_as_the_operator_says_so(self, world: World) -> None:
        strict = self.HOUSE | {"admins": ["ada"]}
        settings = AuthSettings.model_validate({"providers": {"house": strict}}).providers["house"]
        grant = grant_of("house", settings, {"sub": "ada"})
        token, ada = self.book(world, house=strict).issue(ADA, provider="house", grant=grant)
        assert ada.admin
        assert self.book(world, house=strict).verify(token) == ada
        others = self.HOUSE | {"admins": ["bob"]}
        for book in (self.book(world, house=others), self.book(world, house=self.HOUSE)):
            assert book.verify(token) == replace(ada, admin=False)

    def test_a_provider_makes_nobody_an_admin_without_a_grant(self, world: World) -> None:
        book = self.book(world, house=self.HOUSE | {"admins": ["ada"]})
        token, _ = book.issue(ADA, provider="house", admin=True)
        assert book.verify(token) is not None
        assert not book.verify(token).admin  # type: ignore[union-attr]


class TestRevoking:
    async def test_a_revoked_session_is_over_at_once_and_after_a_restart(
        self, book: IdentityBook, world: World, accounts: Accounts
    ) -> None:
        token, identity = book.issue(ADA)
        other, _ = book.issue(ADA)
        assert book.verify(token)
        assert await book.revoke(identity)
        assert book.verify(token) is None
        assert not book.holds(identity)
        assert book.verify(other)
        again = book_of(world, accounts)
        await again.load()
        assert again.verify(token) is None
        assert again.verify(other)

    async def test_all_tokens_of_a_person_end_though_the_clock_was_set_back_since(
        self, book: IdentityBook, world: World, accounts: Accounts
    ) -> None:
        token, _ = book.issue(ADA)
        world.now -= 3_600_000
        await book.access.revoke_all(ADA.id, world.now)
        assert book.verify(token) is None
        new, _ = book.issue(ADA)
        assert book.verify(new), "it was issued after that"
        again = book_of(world, accounts)
        await again.load()
        assert again.verify(token) is None
        assert again.verify(new)

    async def test_what_the_store_cannot_keep_is_over_for_now_and_said(
        self, book: IdentityBook, accounts: Accounts
    ) -> None:
        token, identity = book.issue(ADA)
        accounts.broken = True
        with pytest.raises(StoreError):
            await book.revoke(identity)
        assert book.verify(token) is None


class TestGuests:
    async def test_a_guest_is_stored_before_anybody_hears_of_them(
        self, book: IdentityBook, accounts: Accounts
    ) -> None:
        guest = await book.admit_guest("  Ada\n")
        participant = guest.identity.participant
        assert re.fullmatch(r"guest_[\w-]{22}", participant.id)
        assert participant.name == "Ada"
        assert not guest.identity.admin
        assert book.verify(guest.token) == guest.identity
        assert list(accounts.guests.values()) == [(participant.id, "Ada")]
        accounts.broken = True
        with pytest.raises(StoreError):
            await book.admit_guest("Bob")

    @pytest.mark.parametrize("name", [None, "", " \u200b"])
    async def test_one_without_a_name_gets_one(self, book: IdentityBook, name: str | None) -> None:
        assert (await book.admit_guest(name)).identity.participant.name == "Guest 5500"

    async def test_the_code_can_be_read_out_and_its_hash_alone_is_stored(
        self, book: IdentityBook, accounts: Accounts
    ) -> None:
        codes = [(await book.admit_guest("Ada")).recovery_code for _ in range(50)]
        assert len(set(codes)) == 50
        for code in codes:
            assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){6}[0-9A-HJKMNP-TV-Z]{4}", code)
            plain = code.replace("-", "")
            assert hashlib.sha256(plain.encode()).digest() in accounts.guests
            assert len(plain) * 5 >= 128

    @pytest.mark.parametrize(
        "written",
        [
            lambda code: code,
            lambda code: code.lower(),
            lambda code: code.replace("-", ""),
            lambda code: f"  {code.replace('-', ' – ')}\n",
            lambda code: code.replace("0", "o").replace("1", "l"),
            lambda code: code.replace("1", "I"),
        ],
    )
    async def test_a_guest_comes_back_however_the_code_is_written(
        self, book: IdentityBook, written: Any
    ) -> None:
        for _ in range(10):
            guest = await book.admit_guest("Ada")
            back = await book.recover(written(guest.recovery_code))
            assert back is not None
            assert back.identity.participant == guest.identity.participant
            assert back.identity.token_id != guest.identity.token_id
            assert back.recovery_code == guest.recovery_code
            assert book.verify(back.token) == back.identity
            assert book.verify(guest.token), "the session elsewhere goes on"

    async def test_a_wrong_code_is_nobody(self, book: IdentityBook) -> None:
        guest = await book.admit_guest("Ada")
        wrong = "2222" + guest.recovery_code[4:]
        for code in (wrong, "", guest.recovery_code[:-1], guest.recovery_code + "2", "ſ" * 28):
            assert await book.recover(code) is None

    @given(st.text())
    def test_a_normalised_code_stays_as_it_is(self, text: str) -> None:
        code = normalise_recovery_code(text)
        assert code is None or normalise_recovery_code(code) == code

    async def test_a_guest_is_a_token_an_identity_and_a_code(self, book: IdentityBook) -> None:
        assert isinstance(await book.admit_guest("Ada"), Guest)


class TestTickets:
    def test_a_ticket_is_good_once(self, book: IdentityBook) -> None:
        _, identity = book.issue(ADA)
        ticket = book.issue_ticket(identity)
        assert book.redeem(ticket) == replace(identity, via="ticket")
        assert book.redeem(ticket) is None

    def test_a_ticket_is_good_for_half_a_minute(self, book: IdentityBook, world: World) -> None:
        one, two = (book.issue_ticket(Identity(ADA)) for _ in range(2))
        world.now += TICKET_LIFE - 1
        assert book.redeem(one)
        world.now += 1
        assert book.redeem(two) is None
        assert TICKET_LIFE == 30_000

    async def test_a_ticket_ends_with_its_session(self, book: IdentityBook, world: World) -> None:
        _, identity = book.issue(ADA)
        ticket = book.issue_ticket(identity)
        await book.revoke(identity)
        assert book.redeem(ticket) is None
        world.now = START + 30 * DAY - 5000
        late = book.issue_ticket(replace(identity, token_id="other"))
        world.now += 6000
        assert book.redeem(late) is None

    def test_neither_a_token_nor_a_guess_is_a_ticket(self, book: IdentityBook) -> None:
        token, identity = book.issue(ADA)
        book.issue_ticket(identity)
        for word in ("test_token", token, "", "\ud800"):
            assert book.redeem(word) is None

    def test_there_are_only_so_many_and_the_oldest_goes_first(
        self, book: IdentityBook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "TICKETS_KEPT", 3)
        tickets = [book.issue_ticket(Identity(ADA)) for _ in range(5)]
        assert [book.redeem(ticket) is not None for ticket in tickets] == [False] * 2 + [True] * 3


class TestHeaders:
    @pytest.mark.parametrize(
        ("header", "token"),
        [
            ("Bearer abc", "abc"),
            ("bearer  abc ", "abc"),
            (None, None),
            ("", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearer a b", None),
            ("Basic abc", None),
            ("abc", None),
        ],
    )
    def test_a_bearer_token_is_one_word_behind_its_scheme(
        self, header: str | None, token: str | None
    ) -> None:
        assert bearer(header) == token

    def test_a_long_lived_token_in_a_url_is_noticed(self) -> None:
        for name in ("token", "access_token", "Authorization"):
            assert token_in_url({"last_sequence_id": "5", name: "x"})
        assert not token_in_url({"last_sequence_id": "5", "ticket": "x"})
        assert not token_in_url([])

    def test_the_cookie_is_for_this_site_and_no_script(self) -> None:
        assert session_cookie("abc", days=30, secure=True) == {
            "key": "__Host-salon_session",
            "value": "abc",
            "max_age": 30 * 86_400,
            "path": "/",
            "httponly": True,
            "samesite": "Lax",
            "secure": True,
        }
        assert not session_cookie("abc", days=0, secure=False)["secure"]

    @pytest.mark.parametrize(
        ("cookies", "found"),
        [
            ({}, None),
            ({"salon_session": "old"}, "old"),
            ({"__Host-salon_session": "new"}, "new"),
            ({"salon_session": "planted", "__Host-salon_session": "new"}, "new"),
        ],
    )
    def test_a_session_of_this_host_alone_comes_before_one_of_the_old_name(
        self, cookies: dict[str, str], found: str | None
    ) -> None:
        assert session_in(cookies) == found

    @pytest.mark.parametrize(
        ("origin", "host", "allowed"),
        [
            (None, "chat.example", True),  # no browser
            ("https://chat.example", "chat.example", True),
            ("https://Chat.Example", "chat.example", True),
            ("https://chat.example", "chat.example:443", True),
            ("http://localhost:8000", "localhost:8000", True),
            ("http://[::1]:8000", "[::1]:8000", True),
            ("https://pages.example", "chat.example", True),  # listed
            ("https://evil.example", "chat.example", False),
            ("https://chat.example.evil.example", "chat.example", False),
            ("https://chat.example:8443", "chat.example", False),
            ("http://localhost:3000", "localhost:8000", False),
            ("http://pages.example", "chat.example", False),
            ("null", "chat.example", False),
            ("", "", False),
            ("https://", "", False),
            ("https://chat.example", None, False),
            ("file://chat.example", "chat.example", False),
        ],
    )
    def test_a_page_may_connect_from_here_or_where_it_is_allowed(
        self, origin: str | None, host: str | None, allowed: bool
    ) -> None:
        assert origin_allowed(origin, host, ("https://pages.example",)) is allowed

    def test_a_page_of_the_other_scheme_is_another_origin_where_the_scheme_is_known(self) -> None:
        mine = "https://chat.example"
        assert origin_allowed(mine, "chat.example", (), scheme="https")
        assert not origin_allowed("http://chat.example", "chat.example", (), scheme="https")
        assert not origin_allowed(mine, "chat.example", (), scheme="http")
        assert origin_allowed(mine, "chat.example", (), scheme="http", public_url=mine)

    def test_a_star_allows_every_page(self) -> None:
        assert origin_allowed("https://anywhere.example", "chat.example", ("*",))


async def test_two_at_once_get_two_guests(book: IdentityBook) -> None:
    names: set[str] = set()

    async def enter() -> None:
        names.add((await book.admit_guest("Ada")).identity.participant.id)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(enter)
        nursery.start_soon(enter)
    assert len(names) == 2


class TestAName:
    """What somebody is called, who may have several sessions."""

    async def test_that_was_chosen_is_the_same_in_all_sessions(
        self, book: IdentityBook, accounts: Accounts, world: World
    ) -> None:
        first, _ = book.issue(Participant("ada", "Ada"))
        second, _ = book.issue(Participant("ada", "Ada"))
        await book.rename(Participant("ada", "Ada"), "Countess")
        assert [named(book, token) for token in (first, second)] == ["Countess", "Countess"]
        again = book_of(world, accounts)
        await again.load()
        assert named(again, first) == "Countess"

    async def test_that_a_provider_says_is_true_for_older_sessions_too(
        self, book: IdentityBook
    ) -> None:
        who = await book.known(Participant("p::1", "Ada"))
        old, _ = book.issue(who)
        assert (await book.known(Participant("p::1", "Ada Lovelace"))).name == "Ada Lovelace"
        assert named(book, old) == "Ada Lovelace"

    async def test_that_was_chosen_outlives_what_a_provider_says(self, book: IdentityBook) -> None:
        await book.rename(await book.known(Participant("p::1", "Ada")), "Countess")
        assert (await book.known(Participant("p::1", "Ada Lovelace"))).name == "Countess"

    async def test_that_cannot_be_stored_is_not_changed(
        self, book: IdentityBook, accounts: Accounts
    ) -> None:
        token, _ = book.issue(Participant("ada", "Ada"))
        accounts.broken = True
        with pytest.raises(StoreError):
            await book.rename(Participant("ada", "Ada"), "Countess")
        assert named(book, token) == "Ada"


def named(book: IdentityBook, token: str) -> str:
    identity = book.verify(token)
    assert identity is not None
    return identity.participant.name
