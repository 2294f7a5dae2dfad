"""Who somebody from a provider is here: ids that never meet, names that show nothing private."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salon.web.identity.claims import display_name, grant_of, grants, may_enter, participant_id
from salon.web.names import ID_LENGTH, NAME_LENGTH, is_id, normalise_name
from salon.web.settings.provider import ProviderSettings, label_of

NAMES = st.from_regex(r"\A[a-z0-9-]{1,32}\Z")
SUBJECTS = st.text(min_size=1, max_size=255) | st.from_regex(r"\A:?[0-9a-f]{64}\Z")


def settings(**more: Any) -> ProviderSettings:
    return ProviderSettings(issuer="https://id.example", client_id="salon", **more)


class TestIds:
    @given(NAMES, SUBJECTS)
    @example("house", "ada\ud800")
    def test_it_is_an_id_that_can_be_seen_and_stands_in_a_path(
        self, name: str, subject: str
    ) -> None:
        made = participant_id(name, subject)
        assert is_id(made)
        assert made.isascii()
        assert not set("/?#%\\\"'<>& ") & set(made)
        assert made.startswith(f"{name}:")
        assert not made.startswith("guest_")
        assert made == participant_id(name, subject)

    @given(NAMES, SUBJECTS, NAMES, SUBJECTS)
    @example("a", ":b", "a", "b")
    @example("a", "x" * 126, "a", "x" * 127)
    @example("a", "b/c", "a", "b c")
    def test_no_two_people_have_the_same(
        self, name: str, subject: str, other_name: str, other: str
    ) -> None:
        same = participant_id(name, subject) == participant_id(other_name, other)
        assert same is ((name, subject) == (other_name, other))

    def test_nobody_can_take_the_id_that_a_long_one_is_given(self) -> None:
        hashed = participant_id("a", "x" * 200)
        assert len(hashed) <= ID_LENGTH
        assert participant_id("a", hashed.removeprefix("a:")) != hashed

    def test_what_providers_really_use_stays_readable(self) -> None:
        for subject in (
            "110169484474386276334",
            "248289761001",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "f3a1c1de-7d7b-4a5c-9a55-6c8f7f6d0a11",
            "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "00uid4BxXw6I6TV4m0g3",
        ):
            assert participant_id("house", subject) == f"house:{subject}"


class TestNames:
    @pytest.mark.parametrize(
        ("claims", "shown"),
        [
            ({"name": "Ada Lovelace", "preferred_username": "ada"}, "Ada Lovelace"),
            ({"name": "  ", "preferred_username": "ada"}, "ada"),
            ({"name": "\u3164", "nickname": "Ada"}, "Ada"),
            ({"preferred_username": "ada@example.org"}, "ada"),
            ({"email": "ada.lovelace@example.org"}, "ada.lovelace"),
            ({"name": 5, "given_name": "Ada"}, "Ada"),
            ({"name": "Ada\u202e\nLovelace"}, "Ada Lovelace"),
            ({}, "House 9f86"),
        ],
    )
    def test_the_best_that_is_there_is_shown_and_no_address(
        self, claims: dict[str, Any], shown: str
    ) -> None:
        assert display_name("house", settings(), {"sub": "test", **claims}) == shown

    @given(st.dictionaries(st.sampled_from(["name", "nickname", "email"]), st.text(max_size=300)))
    @example({"name": "x" * 99 + " y"})
    def test_whatever_is_said_it_is_a_name(self, claims: dict[str, str]) -> None:
        shown = display_name("house", settings(), {"sub": "test", **claims})
        assert 0 < len(shown) <= NAME_LENGTH
        assert normalise_name(shown) == shown

    def test_a_button_says_what_people_call_it(self) -> None:
        assert label_of("google", settings()) == "Google"
        assert label_of("github", settings()) == "GitHub"
        assert label_of("our-company", settings()) == "Our company"
        assert label_of("x", settings(label="Entra  ID")) == "Entra ID"
        assert label_of("-", settings()) == "-"


class TestRights:
    def test_a_domain_is_the_whole_of_what_follows_the_at(self) -> None:
        strict = settings(domains=["@Example.org"])
        for email, sure, enters in (
            ("ada@example.org", True, True),
            ("ADA@EXAMPLE.ORG", True, True),
            ("ada@example.org", False, False),
            ("ada@evil-example.org", True, False),
            ("ada@sub.example.org", True, False),
            ("ada@example.org@evil.example", True, False),
            ("example.org", True, False),
            (None, True, False),
        ):
            claims = {"sub": "a", "email": email, "email_verified": sure}
            assert may_enter(strict, claims) is enters, email
        assert may_enter(settings(), {"sub": "a"})

    def test_google_vouches_for_no_address_but_its_own_and_those_of_its_workspaces(self) -> None:
        strict = settings(domains=["example.org", "gmail.com"], admins=["chief@example.org"])
        for email, more, enters in (
            ("chief@example.org", {}, False),
            ("chief@example.org", {"hd": " "}, False),
            ("chief@example.org", {"hd": "example.org"}, True),
            ("ada@gmail.com", {}, True),
        ):
            claims = {"sub": "a", "email": email, "email_verified": True, **more}
            google = claims | {"iss": "https://accounts.google.com"}
            assert may_enter(strict, google) is enters, google
            assert (grant_of("google", strict, google) is not None) is (enters and "chief" in email)
            assert may_enter(strict, claims | {"iss": "https://id.example.org"})

    def test_a_grant_ends_with_the_operators_word_and_is_one_providers(self) -> None:
        by_id = grant_of("house", settings(admins=["ada"]), {"sub": "ada"})
        assert by_id in grants("house", settings(admins=["bob", "ada"]))
        assert by_id not in grants("house", settings(admins=["bob"]))
        assert by_id not in grants("office", settings(admins=["ada"]))
        claims = {"sub": "ada", "email": "Ada@Example.org", "email_verified": True}
        by_email = grant_of("house", settings(admins=["ada@example.ORG"]), claims)
        assert by_email in grants("house", settings(admins=["ADA@example.org"]))
        assert by_email is not None
        assert "example" not in by_email
        assert grant_of("house", settings(), claims) is None
