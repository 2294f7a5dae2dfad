"""What a browser gets from the page's routes, and that its policy lets the page itself work and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.server import ServerProcess, api


@pytest.mark.parametrize("path", ["/", "/c/whatever", "/admin"])
def test_a_page_works_under_its_own_policy(
    server: ServerProcess, open_page: Callable[..., Page], path: str
) -> None:
    page = open_page(server.url)
    response = page.goto(path)
    assert response is not None
    assert response.status == 200
    expect(page.locator("body")).to_contain_text("salon", ignore_case=True)


async def test_trio_runs_beside_the_browser(server: ServerProcess) -> None:
    assert (await api(server, "GET", "/health")).status_code == 200
