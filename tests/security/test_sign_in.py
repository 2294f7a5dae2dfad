"""Signing in with a real OpenID Connect provider, as people do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, quote_plus, urlsplit

import pytest

from tests.contract import HttpContract
from tests.openid import SECRET, Browser, ProviderProcess, client
from tests.person import static
from tests.server import ServerProcess, api
from tests.shape import refusal


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderProcess]:
    running = ProviderProcess(
        client("house"), client("office", "client_secret_post"), client("open", "none")
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def salon(
    provider: ProviderProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    providers = {
        "house": provider.settings(
            "house",
            label="The House",
            admins=["boss", "chief@example.org"],
            admin_claims=["groups=chat-admins"],
        ),
        "office": provider.settings("office", domains=["example.org"]),
        "open": provider.settings("open"),
    }
    server = ServerProcess(tmp_path_factory.mktemp("salon"), AUTH__PROVIDERS=json.dumps(providers))
    yield server
    assert server.stop() == 0, server.log


async def test_the_ways_in_name_the_providers_that_are_configured(salon: ServerProcess) -> None:
    ways = (await api(salon, "GET", "/auth/ways")).json()
    assert ways["guests"] is True
    assert ways["providers"] == [
        {"name": "house", "label": "The House", "url": "/auth/provider/house"},
        {"name": "office", "label": "Office", "url": "/auth/provider/office"},
        {"name": "open", "label": "Open", "url": "/auth/provider/open"},
    ]


@pytest.mark.parametrize("name", ["house", "office", "open"])
async def test_whoever_signs_in_is_back_where_they_came_from_as_themselves(
    salon: ServerProcess, provider: ProviderProcess, name: str
) -> None:
    """With a secret in a header, with one in the form, and with none."""
    provider.call("ada", "Ada Lovelace")
    async with Browser(salon) as browser:
        await browser.sign_in(name, "ada", "/c/somewhere")
        assert browser.path == "/c/somewhere", salon.log
        assert await browser.me() == {"id": f"{name}:ada", "name": "Ada Lovelace", "admin": False}
        assert not [url for url in browser.visited if "id_token" in url or "salon_session" in url]


async def test_the_session_is_one_like_every_other_and_ends_by_signing_out(
    salon: ServerProcess,
) -> None:
    async with Browser(salon) as browser:
        await browser.sign_in("house", "bob")
        body = {"title": "Lunch"}
        origin = {"Origin": salon.url}
        created = await browser.step("/chat/create", "POST", json=body, headers=origin)
        assert created.json()["participants"] == [
            {"id": "house:bob", "name": "bob", "type": "human"}
        ]
        foreign = {"Origin": "https://evil.example"}
        refused = await browser.step("/chat/create", "POST", json=body, headers=foreign)
        refusal(refused, 403, "ORIGIN_NOT_ALLOWED")
        assert (await browser.step("/auth/ticket", "POST")).status_code == 200
        kept = {"Cookie": f"salon_session={browser.cookies['salon_session']}"}
        assert (await browser.step("/auth/logout", "POST")).status_code == 204
        assert await browser.me() is None
        assert (await api(salon, "GET", "/auth/me", headers=kept)).status_code == 401


async def test_a_guest_who_signs_in_may_stay_who_they_are(salon: ServerProcess) -> None:
    async with Browser(salon) as browser, Browser(salon) as later:
        guest = (await browser.step("/auth/guest", "POST", json={"name": "Gil"})).json()
        created = await browser.step("/chat/create", "POST", json={"title": "Lunch"})
        conversation_id = created.json()["conversation_id"]
        await browser.sign_in("house", "gil", "/&keep_guest=true")
        me = await browser.me()
        assert me["id"] == guest["participant"]["id"]
        seen = await browser.step(f"/chat/conversations/{conversation_id}")
        assert seen.status_code == 200
        salon.restart()
        await later.sign_in("house", "gil")
        assert (await later.me())["id"] == me["id"]
        # The account has somebody now: another guest is not taken in.
        other = (await later.step("/auth/guest", "POST")).json()
        assert other["participant"]["id"] != me["id"]
        await later.sign_in("house", "gil", "/&keep_guest=true")
        assert (await later.me())["id"] == me["id"]


async def test_an_account_that_was_here_before_takes_no_guest_in(salon: ServerProcess) -> None:
    async with Browser(salon) as first, Browser(salon) as browser:
        await first.sign_in("house", "hal")
        await browser.step("/auth/guest", "POST")
        await browser.sign_in("house", "hal", "/&keep_guest=true")
        assert (await browser.me())["id"] == "house:hal"
    async with Browser(salon) as browser:  # nor one who does not ask for it
        await browser.step("/auth/guest", "POST")
        await browser.sign_in("house", "ira")
        assert (await browser.me())["id"] == "house:ira"


async def test_who_signs_out_at_the_provider_too_is_asked_again(salon: ServerProcess) -> None:
    async with Browser(salon) as browser:
        await browser.sign_in("house", "bob")
        assert (await browser.step("/auth/logout", "POST")).status_code == 204
        response = await browser.step("/auth/provider/house/sign-out?return_to=/c/x")
        place = urlsplit(response.headers["Location"])
        asked = dict(parse_qsl(place.query))
        assert asked == {
            "client_id": "salon-house",
            "post_logout_redirect_uri": f"{salon.url}/c/x",
        }
        assert place.path.endswith("/session/end")
        assert (await browser.step(response.headers["Location"])).status_code in (200, 400)
        refused = await browser.step("/auth/provider/house/sign-out?return_to=//evil.example")
        refusal(refused, 400, "MALFORMED_REQUEST", problem=refused.json()["problem"])


async def test_the_same_person_is_the_same_for_ever_under_whatever_name(
    salon: ServerProcess, provider: ProviderProcess
) -> None:
    async with Browser(salon) as browser:
        await browser.sign_in("house", "cleo")
        created = await browser.step("/chat/create", "POST", json={"title": "Lunch"})
        conversation_id = created.json()["conversation_id"]
    salon.restart()
    provider.call("cleo", "Cleopatra")
    async with Browser(salon) as browser:
        await browser.sign_in("house", "cleo")
        assert await browser.me() == {"id": "house:cleo", "name": "Cleopatra", "admin": False}
        # Where she is a member she stays one, and the log says from where on she is called something else.
        seen = (await browser.step(f"/chat/conversations/{conversation_id}")).json()
        [member] = seen["participants"]
        assert (member["participantId"], member["displayName"]) == ("house:cleo", "Cleopatra")
        created = await browser.step("/chat/create", "POST", json={"title": "Dinner"})
        assert created.json()["participants"][0]["name"] == "Cleopatra"


async def test_somebody_may_be_named_before_they_have_ever_come(salon: ServerProcess) -> None:
    ada = static(salon, "test_token_1", "test_user_1", "Ada")
    body = {"title": "Lunch", "participants": [{"user_id": "house:dan"}], "join": "invite"}
    conversation_id = (await ada.ask("POST", "/chat/create", body))["conversation_id"]
    async with Browser(salon) as browser:
        await browser.sign_in("house", "dan")
        response = await browser.step(f"/chat/conversations/{conversation_id}")
        assert response.json()["participant_count"] == 2


@pytest.mark.parametrize(
    ("login", "is_admin"),
    [
        *(("boss", True), ("chief", True), ("lead", True)),
        *(("unsure-chief", False), ("eve", False)),
    ],
)
async def test_operators_are_those_whom_the_settings_name(
    salon: ServerProcess, login: str, is_admin: bool
) -> None:
    async with Browser(salon) as browser:
        await browser.sign_in("house", login, "/admin%23/actors")
        assert browser.path == "/admin#/actors"
        assert (await browser.me())["admin"] is is_admin
        status = (await browser.step("/admin/stats")).status_code
        assert status == (200 if is_admin else 403)


async def test_who_is_of_no_domain_that_is_set_stays_outside(salon: ServerProcess) -> None:
    async with Browser(salon) as browser:
        await browser.sign_in("office", "unsure", "/c/x")
        assert browser.path.startswith("/c/x?sign_in=refused&id=")
        assert await browser.me() is None


async def test_what_is_sent_back_is_as_the_reference_describes(salon: ServerProcess) -> None:
    contract = HttpContract((await api(salon, "GET", "/openapi.json")).json())
    for path in (
        "/auth/ways",
        "/auth/provider/house",
        "/auth/provider/house?return_to=//evil.example",
        "/auth/provider/house/callback?state=x",
        "/auth/provider/nowhere",
        "/auth/provider/nowhere/callback",
    ):
        contract.check("GET", path, await api(salon, "GET", path))


async def test_no_code_token_or_secret_is_in_the_log(
    provider: ProviderProcess, start_server: Callable[..., ServerProcess]
) -> None:
    one = {"house": provider.settings("house")}
    server = start_server(AUTH__PROVIDERS=json.dumps(one), LOGGING__LEVEL="debug")
    async with Browser(server) as browser:
        await browser.sign_in("house", "ada")
        session = browser.cookies["salon_session"]
        callback = next(url for url in browser.visited if "/callback" in url)
        await browser.step(callback)
    assert server.stop() == 0
    sent = dict(parse_qsl(urlsplit(callback).query))
    assert sent.keys() == {"code", "state", "iss"}
    for secret in (
        session,
        sent["code"],
        sent["state"],
        SECRET,
        quote_plus(SECRET),
        "Basic",
    ):
        assert secret not in server.log
    assert "signed in" in server.log
    assert "a sign-in failed" in server.log
