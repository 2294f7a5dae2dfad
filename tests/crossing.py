"""The two halves of a sign-in, by hand: to the provider's door, and back from it with whatever one likes."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.hostile_provider import Liar
from tests.openid import Browser

ME = {"id": "liar:ada", "name": "Ada", "admin": False}


async def leave(
    browser: Browser, name: str = "liar", return_to: str = "/c/there"
) -> dict[str, str]:
    """Go to the provider, as far as its door; what it is told there."""
    response = await browser.step(f"/auth/provider/{name}?{urlencode({'return_to': return_to})}")
    assert response.status_code == 303, response.text
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


async def come_back(browser: Browser, name: str = "liar", **sent: str) -> str:
    """Come back from the provider with that; where one is sent."""
    query = urlencode({"code": "a-code-of-somebody", **sent})
    response = await browser.step(f"/auth/provider/{name}/callback?{query}")
    assert response.status_code == 303, response.text
    return response.headers["Location"]


async def go_through(browser: Browser, liar: Liar, name: str = "liar", **sent: str) -> str:
    asked = await leave(browser, name)
    liar.nonce = asked["nonce"]
    return await come_back(browser, name, **{"state": asked["state"]} | sent)


def reason(location: str) -> str:
    """Why somebody was sent back to the page they came from."""
    place = urlsplit(location)
    assert (place.scheme, place.netloc) == ("", "")
    told = dict(parse_qsl(place.query))
    assert len(told["id"]) == 22
    return told["sign_in"]
