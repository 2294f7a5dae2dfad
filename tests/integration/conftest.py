"""A server in this very process, for tests that look at it from inside."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.inside import TOKEN, all_gone, serving
from tests.raw import open_line, request


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Where a server of this very process listens."""
    async with serving() as url:
        yield url


@pytest.fixture
async def conversation_id(url: str) -> str:
    """A conversation in that server."""
    async with open_line(url) as line:
        await line.send(request("POST", "/chat/create", b'{"title":"Lunch"}', TOKEN))
        created = (await line.answer()).json()
    await all_gone()
    return str(created["conversation_id"])


@pytest.fixture
def path(conversation_id: str) -> str:
    """Where its messages go."""
    return f"/chat/{conversation_id}/messages"
