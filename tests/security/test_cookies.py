"""The session cookie: what browsers do with it, and what pages of others cannot."""

from __future__ import annotations

import pytest

from tests.person import guest
from tests.server import ServerProcess, api
from tests.shape import refusal

COOKIE = "salon_session"
ELSEWHERE = "https://evil.example"


async def status_of(server: ServerProcess, token: str) -> int:
    return (await api(server, "GET", "/auth/me", token)).status_code


async def test_no_script_reads_it_and_no_other_site_sends_it(
    server: ServerProcess,
) -> None:
    response = await api(server, "POST", "/auth/guest")
    name_and_value, *attributes = response.headers["Set-Cookie"].split("; ")
    assert name_and_value == f"{COOKIE}={response.json()['token']}"
    lowered = {attribute.lower() for attribute in attributes}
    assert {"httponly", "samesite=lax", "path=/", f"max-age={30 * 86_400}"} <= lowered
    assert not any(attribute.startswith("domain") for attribute in lowered)


async def test_a_token_is_kept_in_it_without_its_page_keeping_the_token(
    server: ServerProcess,
) -> None:
    response = await api(server, "POST", "/auth/session", "test_token_1")
    assert response.json() == {"id": "test_user_1", "name": "Ada", "admin": False}
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}=test_token_1;")
    assert "httponly" in cookie.lower()
    again = await api(server, "GET", "/auth/me", headers={"Cookie": cookie.partition(";")[0]})
    assert again.json() == response.json()
    from_elsewhere = {"Origin": ELSEWHERE}
    refused = await api(server, "POST", "/auth/session", "test_token_1", headers=from_elsewhere)
    refusal(refused, 403, "ORIGIN_NOT_ALLOWED")
    assert "Set-Cookie" not in refused.headers


async def test_logging_out_takes_it_back(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    response = await api(
        server, "POST", "/auth/logout", headers={"Cookie": f"{COOKIE}={ada.token}"}
    )
    assert response.status_code == 204
    assert response.headers["Set-Cookie"].startswith(f"{COOKIE}=;")
    assert "max-age=0" in response.headers["Set-Cookie"].lower()


async def test_it_is_an_identity_for_the_servers_own_pages(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    for origin in ({}, {"Origin": server.url}):
        headers = {"Cookie": f"other=1; {COOKIE}={ada.token}", **origin}
        response = await api(
            server, "POST", "/chat/create", json={"title": "Lunch"}, headers=headers
        )
        assert response.status_code == 201


@pytest.mark.parametrize("origin", [ELSEWHERE, "null", "http://127.0.0.1", "file://"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/chat/create"),
        ("POST", f"/chat/{'A' * 22}/join"),
        ("DELETE", f"/chat/{'A' * 22}/leave"),
        ("POST", f"/chat/{'A' * 22}/messages"),
        ("POST", f"/chat/{'A' * 22}/read"),
        ("POST", "/auth/session"),
        ("POST", "/auth/ticket"),
        ("POST", "/auth/logout"),
    ],
)
async def test_a_page_from_elsewhere_changes_nothing_with_it(
    server: ServerProcess, method: str, path: str, origin: str
) -> None:
    ada = await guest(server, "Ada")
    headers = {"Cookie": f"{COOKIE}={ada.token}", "Origin": origin}
    response = await api(server, method, path, json={"title": "Lunch"}, headers=headers)
    refusal(response, 403, "ORIGIN_NOT_ALLOWED")
    assert await status_of(server, ada.token) == 200


async def test_a_page_from_elsewhere_signs_nobody_in(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    for path, body in (
        ("/auth/guest", {"name": "Mallory"}),
        ("/auth/recover", {"recovery_code": ada.recovery_code}),
    ):
        response = await api(server, "POST", path, json=body, headers={"Origin": ELSEWHERE})
        refusal(response, 403, "ORIGIN_NOT_ALLOWED")
        assert "Set-Cookie" not in response.headers


async def test_a_token_in_the_header_needs_no_origin_since_no_browser_adds_it(
    server: ServerProcess,
) -> None:
    ada = await guest(server, "Ada")
    headers = {"Origin": ELSEWHERE}
    body = {"title": "Lunch"}
    assert (await ada.call("POST", "/chat/create", body, headers=headers)).status_code == 201


async def test_a_wrong_token_in_the_header_is_not_made_good_by_the_cookie(
    server: ServerProcess,
) -> None:
    ada = await guest(server, "Ada")
    headers = {"Cookie": f"{COOKIE}={ada.token}"}
    response = await api(server, "GET", "/auth/me", "wrong", headers=headers)
    refusal(response, 401, "UNAUTHENTICATED")
