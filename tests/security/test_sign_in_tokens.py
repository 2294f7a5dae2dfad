"""What a provider says of somebody: what is believed, what is not, and which rights come of it."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

from tests.crossing import ME, go_through, reason
from tests.hostile_provider import (
    CLIENT_ID,
    EC,
    EDWARDS,
    OTHER,
    RSA,
    HostileProviders,
    Liar,
    by_hand,
    in_json,
    signed,
)
from tests.openid import Browser
from tests.server import ServerProcess


class TestTokens:
    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda said: signed(said, EC, "ES256"), id="ES256"),
            pytest.param(lambda said: signed(said, RSA, "PS256"), id="PS256"),
            pytest.param(lambda said: signed(said, EDWARDS, "EdDSA"), id="EdDSA"),
            pytest.param(lambda said: signed(said, kid=None), id="no kid"),
            pytest.param(lambda said: signed(said | {"aud": [CLIENT_ID]}), id="a list of one"),
            pytest.param(
                lambda said: signed(said | {"aud": [CLIENT_ID, "b"], "azp": CLIENT_ID}), id="azp"
            ),
            pytest.param(lambda said: signed(said | {"exp": time.time() - 30}), id="a slow clock"),
        ],
    )
    async def test_what_an_honest_provider_may_send_is_taken(
        self, browser: Browser, liar: Liar, make: Callable[[Any], str]
    ) -> None:
        liar.token = make
        assert await go_through(browser, liar) == "/c/there"
        assert await browser.me() == ME

    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda said: signed(said | {"nonce": "other"}), id="wrong nonce"),
            pytest.param(lambda said: signed(said | {"nonce": None}), id="nonce null"),
            pytest.param(lambda said: signed(said | {"nonce": ["x"]}), id="nonce a list"),
            pytest.param(lambda said: signed(said | {"aud": "another"}), id="wrong audience"),
            pytest.param(lambda said: signed(said | {"aud": []}), id="no audience"),
            pytest.param(
                lambda said: signed(said | {"aud": [CLIENT_ID, "b"]}), id="two audiences, no azp"
            ),
            pytest.param(lambda said: signed(said | {"azp": "another"}), id="azp another"),
            pytest.param(lambda said: signed(said | {"iss": "https://evil.example"}), id="issuer"),
            pytest.param(lambda said: signed(said | {"iss": said["iss"] + "/"}), id="issuer near"),
            pytest.param(lambda said: signed(said | {"exp": time.time() - 600}), id="expired"),
            pytest.param(lambda said: signed(said | {"exp": None}), id="no expiry"),
            pytest.param(lambda said: signed(said | {"exp": "9999999999"}), id="expiry as text"),
            pytest.param(lambda said: signed(said | {"exp": True}), id="expiry true"),
            pytest.param(lambda said: signed(said | {"exp": 10**400}), id="expiry no float"),
            pytest.param(lambda said: signed(said | {"exp": math.nan}), id="expiry no number"),
            pytest.param(lambda said: signed(said | {"exp": math.inf}), id="no end"),
            pytest.param(lambda said: signed(said | {"nonce": "\ud800"}), id="nonce no text"),
            pytest.param(lambda said: signed(said | {"iat": time.time() + 600}), id="future"),
            pytest.param(lambda said: signed(said | {"nbf": time.time() + 600}), id="not yet"),
            pytest.param(lambda said: signed(said | {"sub": ""}), id="nobody"),
            pytest.param(lambda said: signed(said | {"sub": 5}), id="sub a number"),
            pytest.param(lambda said: signed(said | {"sub": "x" * 256}), id="sub too long"),
            pytest.param(lambda said: by_hand({"alg": "none"}, said), id="alg none"),
            pytest.param(lambda said: by_hand({"alg": "None"}, said), id="alg None"),
            pytest.param(lambda said: by_hand({"alg": "none", "kid": "rsa"}, said), id="none, kid"),
            pytest.param(
                lambda said: by_hand({"alg": "HS256"}, said, RSA.as_pem(private=False)),
                id="HS256 with the public key",
            ),
            pytest.param(
                lambda said: by_hand({"alg": "HS256", "kid": "rsa"}, said, RSA["n"].encode()),
                id="HS256 with the modulus",
            ),
            pytest.param(
                lambda said: by_hand({"alg": "RS256", "kid": "rsa"}, said, b"x"), id="RS256 by hand"
            ),
            pytest.param(lambda said: signed(said, OTHER, kid="rsa"), id="another key as ours"),
            pytest.param(lambda said: signed(said, OTHER, kid=None), id="another key, no kid"),
            pytest.param(
                lambda said: signed(said, OTHER, jwk=OTHER.as_dict(private=False), kid="rsa"),
                id="key in the header",
            ),
            pytest.param(lambda said: signed(said)[:-4], id="cut"),
            pytest.param(lambda said: signed(said).rpartition(".")[0] + ".", id="no signature"),
            pytest.param(lambda said: "..", id="dots"),
            pytest.param(lambda said: "x" * 100_000, id="long nonsense"),
            pytest.param(lambda said: signed(said | {"pad": "x" * 140_000}), id="huge"),
        ],
    )
    async def test_what_cannot_be_trusted_lets_nobody_in(
        self, browser: Browser, liar: Liar, make: Callable[[Any], str]
    ) -> None:
        liar.token = make
        location = await go_through(browser, liar)
        assert reason(location) == "failed"
        assert location.startswith("/c/there?")
        assert await browser.me() is None

    async def test_keys_that_are_none_do_not_spoil_the_others(
        self, start_server: Callable[..., ServerProcess], hostile: HostileProviders
    ) -> None:
        odd = hostile.new("odd")
        keys = [5, {}, {"kty": ["RSA"]}, {"kty": {}}, {"kty": "EC"}, RSA.as_dict(private=False)]
        odd.answers["/keys"] = lambda: in_json({"keys": keys})
        one = {"issuer": odd.issuer, "client_id": CLIENT_ID}
        server = start_server(AUTH__PROVIDERS=json.dumps({"odd": one}))
        async with Browser(server) as browser:
            assert await go_through(browser, odd, "odd") == "/c/there"

    async def test_new_keys_are_looked_for_once_and_not_again_and_again(
        self, start_server: Callable[..., ServerProcess], hostile: HostileProviders
    ) -> None:
        turning = hostile.new("turning")
        one = {"issuer": turning.issuer, "client_id": CLIENT_ID}
        server = start_server(AUTH__PROVIDERS=json.dumps({"turning": one}))
        async with Browser(server) as browser:
            assert await go_through(browser, turning, "turning") == "/c/there"
            turning.token = lambda said: signed(said, OTHER)
            began = trio.current_time()
            for _ in range(5):
                assert reason(await go_through(browser, turning, "turning")) == "failed"
        most = 2 + (trio.current_time() - began) // 10
        assert turning.asked.count("/keys") <= most, "no more often than every ten seconds"
        assert turning.asked.count("/.well-known/openid-configuration") == 1


class TestRights:
    @pytest.mark.parametrize(
        ("said", "is_admin"),
        [
            ({"sub": "root"}, True),
            ({"sub": "ROOT"}, False),
            ({"email": "Chief@Example.org", "email_verified": True}, True),
            ({"email": "chief@example.org", "email_verified": "true"}, True),
            ({"email": "chief@example.org"}, False),
            ({"email": "chief@example.org", "email_verified": False}, False),
            ({"email": "chief@example.org", "email_verified": "false"}, False),
            ({"email": "chief@example.org", "email_verified": 1.5}, False),
            ({"sub": "chief@example.org"}, False),
            ({"admin": True, "type": "agent"}, False),
        ],
    )
    async def test_an_admin_is_whom_the_operator_names(
        self, browser: Browser, liar: Liar, said: dict[str, Any], is_admin: bool
    ) -> None:
        liar.claims = said
        assert await go_through(browser, liar) == "/c/there"
        assert (await browser.me())["admin"] is is_admin

    async def test_userinfo_about_somebody_else_is_not_taken(
        self, start_server: Callable[..., ServerProcess], hostile: HostileProviders
    ) -> None:
        mixed = hostile.new("mixed")
        mixed.metadata = {"userinfo_endpoint": f"{mixed.issuer}/userinfo"}
        one = {"issuer": mixed.issuer, "client_id": CLIENT_ID}
        server = start_server(AUTH__PROVIDERS=json.dumps({"mixed": one}))
        async with Browser(server) as browser:
            mixed.claims = {"name": None}
            mixed.answers["/userinfo"] = lambda: in_json({"sub": "eve", "name": "Eve"})
            assert reason(await go_through(browser, mixed, "mixed")) == "failed"
            mixed.answers["/userinfo"] = lambda: in_json({"sub": "ada", "name": "Ada of old"})
            assert await go_through(browser, mixed, "mixed") == "/c/there"
            assert (await browser.me())["name"] == "Ada of old"

    async def test_what_is_said_of_one_address_makes_no_other_one_verified(
        self, start_server: Callable[..., ServerProcess], hostile: HostileProviders
    ) -> None:
        torn = hostile.new("torn")
        torn.metadata = {"userinfo_endpoint": f"{torn.issuer}/userinfo"}
        one = {"issuer": torn.issuer, "client_id": CLIENT_ID, "admins": ["chief@example.org"]}
        server = start_server(AUTH__PROVIDERS=json.dumps({"torn": one}))
        chief, eve = {"email": "chief@example.org"}, {"email": "eve@example.com"}
        sure = {"email_verified": True}
        async with Browser(server) as browser:
            for claims, userinfo, is_admin in (
                ({"name": None} | chief, eve | sure, False),
                (sure, chief, False),
                ({"name": None} | sure, chief, False),
                ({}, chief | sure, True),
                ({"name": None} | chief | sure, {}, True),
            ):
                torn.claims = claims
                told = {"sub": "ada", "name": "Ada"} | userinfo
                torn.answers["/userinfo"] = lambda told=told: in_json(told)
                assert await go_through(browser, torn, "torn") == "/c/there"
                assert (await browser.me())["admin"] is is_admin, (claims, userinfo)


async def test_a_sub_that_no_id_could_hold_is_somebody_all_the_same(
    browser: Browser, liar: Liar
) -> None:
    liar.claims = {"sub": "ada/../\ud800 \n", "name": "Ada\ud800\u202e"}
    assert await go_through(browser, liar) == "/c/there"
    me = await browser.me()
    assert re.fullmatch(r"liar::[0-9a-f]{64}", me["id"])
    assert me["name"] == "Ada"
