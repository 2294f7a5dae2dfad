"""Signing in with GitHub: no discovery and no id_token, only its API, which may say anything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.crossing import come_back, leave, reason
from tests.hostile_provider import Answer, HostileProviders, Liar, in_json
from tests.openid import SECRET, Browser
from tests.server import ServerProcess

USER = {"id": 583231, "login": "ada", "name": "Ada Lovelace"}
EMAILS = [
    {"email": "old@example.org", "primary": False, "verified": True},
    {"email": "ada@example.org", "primary": True, "verified": True},
]
PATHS = {
    "token": "/login/oauth/access_token",
    "user": "/api/v3/user",
    "emails": "/api/v3/user/emails",
}


@pytest.fixture(scope="module")
def house() -> Iterator[HostileProviders]:
    running = HostileProviders()
    running.new("github")
    yield running
    running.stop()


@pytest.fixture
def github(house: HostileProviders) -> Liar:
    """GitHub as it is."""
    found, _ = house.find("/github/")
    assert found is not None
    found.__init__(found.issuer)  # type: ignore[misc]
    honest = {"token": {"access_token": "gho_abc"}, "user": USER, "emails": EMAILS}
    found.answers = {PATHS[name]: answering(said) for name, said in honest.items()}
    return found


def answering(said: Any, status: int = 200) -> Callable[[], Answer]:
    return lambda: in_json(said, status)


@pytest.fixture(scope="module")
def salon(
    house: HostileProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    settings = {
        "kind": "github",
        "issuer": f"{house.url}/github",
        "client_id": "salon",
        "client_secret": SECRET,
        "admins": ["ada@example.org"],
    }
    server = ServerProcess(
        tmp_path_factory.mktemp("salon"),
        AUTH__PROVIDERS=json.dumps({"github": settings}),
        LIMITS__SIGN_INS_PER_HOUR="40",
    )
    yield server
    assert server.stop() == 0, server.log
    assert SECRET not in server.log
    assert "gho_abc" not in server.log


@pytest.fixture
async def browser(salon: ServerProcess) -> AsyncIterator[Browser]:
    async with Browser(salon) as opened:
        yield opened


async def through(browser: Browser, **sent: str) -> str:
    asked = await leave(browser, "github")
    return await come_back(browser, "github", **{"state": asked["state"]} | sent)


async def test_whoever_signs_in_is_the_account_whatever_its_name(
    browser: Browser, github: Liar
) -> None:
    asked = await leave(browser, "github")
    assert asked.get("scope", "") == ""
    assert asked["code_challenge_method"] == "S256"
    assert await come_back(browser, "github", state=asked["state"]) == "/c/there"
    assert github.form["client_secret"] == SECRET
    assert await browser.me() == {"id": "github:583231", "name": "Ada Lovelace", "admin": True}
    github.answers[PATHS["user"]] = answering({**USER, "login": "countess", "name": None})
    await through(browser)
    assert await browser.me() == {"id": "github:583231", "name": "countess", "admin": True}


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("token", {"error": "bad_verification_code"}, 200),
        ("token", {"access_token": ["x"]}, 200),
        ("token", {"access_token": "a\nb"}, 200),
        ("user", {"login": "ada"}, 200),
        ("user", {"id": True, "login": "ada"}, 200),
        ("user", {"id": "583231", "login": "ada"}, 200),
    ],
)
async def test_an_answer_that_names_nobody_lets_nobody_in(
    browser: Browser, github: Liar, path: str, said: Any, status: int
) -> None:
    github.answers[PATHS[path]] = answering(said, status)
    assert reason(await through(browser)) == "failed"
    assert await browser.me() is None


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [("token", [], 500), ("user", {}, 401), ("emails", {}, 200), ("emails", EMAILS, 403)],
)
async def test_an_api_that_does_not_answer_lets_nobody_in(
    browser: Browser, github: Liar, path: str, said: Any, status: int
) -> None:
    github.answers[PATHS[path]] = answering(said, status)
    assert reason(await through(browser)) == "unavailable"
    assert await browser.me() is None


@pytest.mark.parametrize("verified", [False, None, "true"])
async def test_only_a_primary_address_that_is_verified_makes_an_operator(
    browser: Browser, github: Liar, verified: Any
) -> None:
    emails = [
        {"email": "ada@example.org", "primary": True, "verified": verified},
        {"email": "ada@example.org", "primary": False, "verified": True},
    ]
    github.answers[PATHS["emails"]] = answering(emails)
    assert await through(browser) == "/c/there"
    assert (await browser.me())["admin"] is False


async def test_an_answer_of_another_issuer_is_not_taken(browser: Browser, github: Liar) -> None:
    assert reason(await through(browser, iss="https://github.example")) == "failed"
    assert await through(browser, iss=f"{github.issuer}/login/oauth") == "/c/there"


async def test_too_many_sign_ins_from_one_address_are_not_begun(
    browser: Browser, github: Liar
) -> None:
    for _ in range(40):
        response = await browser.step("/auth/provider/github?return_to=/c/there")
        if not response.headers["Location"].startswith(github.issuer):
            break
    assert reason(response.headers["Location"]) == "limited"
