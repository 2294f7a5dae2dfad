"""What operators decide at one of several servers over a store, as another takes it that has not heard of it yet."""

from __future__ import annotations

from typing import Any

import trio

from salon.actors.future import Future
from salon.actors.people import LegalHold
from salon.web.identity.access import Access
from salon.web.identity.identity import IdentityBook
from salon.web.privacy import Erasures, LegalHolds
from salon.web.settings.model import AuthSettings
from tests.unit.engine import Engine, TryingStore


async def test_who_is_blocked_at_one_server_stays_so_while_another_revokes_their_tokens(
    engine: Engine,
) -> None:
    one, other = Access(engine.store), Access(engine.store)
    await one.block("ben", 5)
    await other.revoke_all("ben", 7)
    third = Access(engine.store)
    await third.load(9)
    assert third.is_blocked("ben")


async def test_who_is_blocked_at_one_server_can_be_let_in_at_another_at_once(
    engine: Engine,
) -> None:
    one, other = Access(engine.store), Access(engine.store)
    await one.block("ben", 5)
    assert await other.unblock("ben")
    assert not await other.unblock("cleo")
    await one.load(9)
    assert not one.is_blocked("ben")


async def test_a_hold_of_one_server_can_be_released_at_another_at_once(engine: Engine) -> None:
    one, other = (LegalHolds(engine.store, engine.sources) for _ in range(2))
    hold = await one.place("person", "ben", reason="a case", by="root")
    released = await other.release(hold.id)
    assert released is not None
    assert released.released_at is not None
    assert await other.release("none such") is None


class SlowHolds(TryingStore):
    """Stores holds when it is told to."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.sources)
        self.asked: Future[None] = Future()

    def save_hold(self, hold: LegalHold) -> Future[Any]:
        return self.asked


async def test_a_hold_is_in_force_while_it_is_stored_whatever_others_have_decided(
    engine: Engine,
) -> None:
    store = SlowHolds(engine)
    holds = LegalHolds(store, engine.sources)
    placed: list[LegalHold] = []

    async def place() -> None:
        placed.append(await holds.place("person", "ben", reason="a case", by="root"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(place)
        await engine.settle()
        await holds.load()
        assert holds.cover_person("ben")
        store.asked.set()
    assert holds.get(placed[0].id) == placed[0]


async def test_an_erasure_that_one_server_was_asked_for_is_found_at_another_at_once(
    engine: Engine, autojump_clock: Any
) -> None:
    def erasures() -> Erasures:
        book = IdentityBook(AuthSettings(), bytes(32), engine.store, engine.sources)
        holds = LegalHolds(engine.store, engine.sources)
        made = Erasures(engine.directory, engine.store, book, holds, engine.sources)
        made.shared = True
        return made

    one, other = erasures(), erasures()
    asked = await one.ask("ben", "root")
    found: list[Any] = []

    async def find(erasure_id: str) -> None:
        found.append(await other.find(erasure_id))

    async with trio.open_nursery() as nursery:
        for id in (asked.id, asked.id, "none such"):
            nursery.start_soon(find, id)
    assert sorted(found, key=str) == sorted([asked, asked, None], key=str)
