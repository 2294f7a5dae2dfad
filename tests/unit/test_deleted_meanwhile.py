"""Readings of a conversation that is deleted while its log is being read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from salon.actors.keeping_messages import DeleteConversation
from salon.web.api import EventQuery, event_page
from salon.web.api.view import conversation_json, seen
from salon.web.http import Parts, Refused
from salon.web.identity import Identity
from salon.web.settings.model import Settings
from tests.unit.engine import ADA, BEN, Engine

CALLER = Identity(ADA)


async def newest_page(parts: Parts, conversation_id: str) -> object:
    state = (await seen(parts, CALLER, conversation_id)).state
    return await event_page(parts, state, EventQuery())


async def first_page(parts: Parts, conversation_id: str) -> object:
    state = (await seen(parts, CALLER, conversation_id)).state
    return await event_page(parts, state, EventQuery(after=0))


async def whole(parts: Parts, conversation_id: str) -> object:
    return await conversation_json(parts, await seen(parts, CALLER, conversation_id), CALLER)


@pytest.mark.parametrize("read", [newest_page, first_page, whole])
async def test_who_reads_a_conversation_that_is_deleted_meanwhile_is_told_that_there_is_none(
    read: Callable[[Parts, str], Awaitable[object]], engine: Engine
) -> None:
    parts = Parts(Settings(), engine.directory, *[Any] * 2)  # type: ignore[arg-type]
    talk = await engine.create(ADA, BEN)
    refused: list[str] = []

    async def ask() -> None:
        with pytest.raises(Refused) as refusal:
            await read(parts, talk)
        refused.append(refusal.value.refusal.code)

    async with trio.open_nursery() as nursery:
        engine.store.hold("read")
        nursery.start_soon(ask)
        await engine.settle()
        await engine.do(DeleteConversation(talk, ADA))
        engine.store.let_go()
    assert refused == ["NOT_FOUND"]
