"""Pages of other origins: the allowed ones may call, the others are kept out by the browser."""

from collections.abc import Callable

from tests.server import ServerProcess, api

SHOP = "https://shop.example.org"


async def test_a_page_of_an_allowed_origin_is_answered(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(SERVER__ALLOWED_ORIGINS=SHOP)
    headers = {"Origin": SHOP}
    asked = {**headers, "Access-Control-Request-Method": "POST"}
    preflight = await api(server, "OPTIONS", "/auth/ticket", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    ticket = await api(server, "POST", "/auth/ticket", "test_token_1", headers=headers)
    assert ticket.status_code == 200
    assert ticket.headers["Access-Control-Allow-Origin"] == SHOP


async def test_every_method_of_the_api_is_allowed(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(SERVER__ALLOWED_ORIGINS=SHOP)
    paths = (await api(server, "GET", "/openapi.json")).json()["paths"]
    used = {method.upper() for path in paths.values() for method in path}
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "PATCH"}
    preflight = await api(server, "OPTIONS", "/auth/me", headers=asked)
    assert used <= {*preflight.headers["Access-Control-Allow-Methods"].split(", ")}


async def test_other_pages_get_no_permission(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(SERVER__ALLOWED_ORIGINS=SHOP)
    headers = {"Origin": "https://thief.example.org"}
    answer = await api(server, "GET", "/auth/me", "test_token_1", headers=headers)
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_without_allowed_origins_nobody_gets_permission(server: ServerProcess) -> None:
    answer = await api(server, "GET", "/auth/me", "test_token_1", headers={"Origin": SHOP})
    assert "Access-Control-Allow-Origin" not in answer.headers
