"""What every store says of the log of all conversations, and what it keeps of webhooks."""

from __future__ import annotations

from dataclasses import replace

from salon.actors.store import Changes
from salon.actors.webhooks import StoredWebhook, WebhookLag
from tests.unit.history import History
from tests.unit.stores import AnyStore

HOOK = StoredWebhook("hook", '{"url": "https://there"}', 7, 1_000)


async def put(store: AnyStore, history: History, changes: Changes) -> None:
    outcome = await store.append(changes).wait()
    history.state.number = outcome.number  # type: ignore[union-attr]


async def two_talks(store: AnyStore) -> tuple[History, History]:
    """Two conversations, written in turns."""
    one, two = History(), History()
    for history in (one, two):
        await put(store, history, history.begin())
    for number in range(3):
        await put(store, one, one.say(f"a{number}"))
        await put(store, two, two.say(f"b{number}", f"c{number}"))
    return one, two


async def delete(store: AnyStore, history: History) -> None:
    await put(store, history, replace(Changes(history.id, history.state.number, ()), erased=9))


async def test_the_common_log_is_that_of_all_conversations_in_the_order_of_commits(
    store: AnyStore,
) -> None:
    one, two = await two_talks(store)
    found, after = [], 0
    while True:
        page = await store.common_log(after, limit=2).wait()
        if not page.entries:
            break
        assert page.entries[-1].position == page.through > after
        found += page.entries
        after = page.through
    assert after == page.through == await store.log_end().wait()
    assert [entry.position for entry in found] == sorted(entry.position for entry in found)
    for history in (one, two):
        mine = [entry for entry in found if entry.conversation_id == history.id]
        assert [entry.record.sequence for entry in mine] == [r.sequence for r in history.records]
        assert [entry.record.body for entry in mine] == [r.body for r in history.records]
        number = history.state.number
        for entry in mine:
            at = await store.sequence_at(number, entry.position).wait()
            assert at == entry.record.sequence
        assert await store.sequence_at(number, mine[0].position - 1).wait() == 0
        owed = await store.owed(number, 2, 2).wait()
        assert [record.sequence for record in owed] == [3, 4]


async def test_who_waits_for_the_log_is_told_of_each_commit(store: AnyStore) -> None:
    told: list[None] = []
    store.on_commit(lambda: told.append(None))
    history = History()
    await put(store, history, history.begin())
    await put(store, history, history.say("k"))
    assert len(told) == 2


async def test_nothing_of_a_deleted_conversation_is_owed(store: AnyStore) -> None:
    one, two = await two_talks(store)
    await store.save_webhook(HOOK).wait()
    lag = WebhookLag("hook", one.state.number, one.id, 2)
    await store.save_webhook_lag(lag).wait()
    end = await store.log_end().wait()
    await delete(store, one)
    page = await store.common_log(0).wait()
    assert {entry.conversation_id for entry in page.entries} == {two.id}
    assert page.through == await store.log_end().wait() == end, "places are not used again"
    assert await store.owed(one.state.number, 0, 9).wait() == ()
    assert await store.webhook_lags("hook").wait() == ()
    await store.save_webhook_lag(lag).wait()
    assert await store.webhook_lags("hook").wait() == ()


async def test_a_webhook_is_kept_moved_changed_and_deleted(store: AnyStore) -> None:
    one, two = await two_talks(store)
    other = HOOK._replace(webhook_id="a", worked_at=5, paused_at=6, why="it wants nothing more")
    for each in (HOOK, other):
        await store.save_webhook(each).wait()
    assert await store.webhooks().wait() == (other, HOOK)
    await store.move_webhook("hook", 9, 2_000).wait()
    moved = HOOK._replace(cursor=9, worked_at=2_000)
    assert await store.webhooks().wait() == (other, moved)
    lags = [
        WebhookLag("hook", one.state.number, one.id, 2, 3, 10, 30, "it answered 500"),
        WebhookLag("hook", two.state.number, two.id, 0),
    ]
    for lag in lags:
        await store.save_webhook_lag(lag._replace(delivered=1)).wait()
        await store.save_webhook_lag(lag).wait()
    assert await store.webhook_lags("hook").wait() == tuple(lags)
    assert await store.webhook_lags("a").wait() == ()
    await store.save_webhook_lag(lags[0]._replace(webhook_id="unknown")).wait()
    assert await store.webhook_lags("unknown").wait() == ()
    await store.end_webhook_lag("hook", one.state.number).wait()
    assert await store.webhook_lags("hook").wait() == (lags[1],)
    await store.delete_webhook("hook").wait()
    assert await store.webhooks().wait() == (other,)
    assert await store.webhook_lags("hook").wait() == ()


async def test_the_list_can_be_asked_for_some_conversations_alone(store: AnyStore) -> None:
    one, two = await two_talks(store)
    everybody = one.owner.id
    whole = await store.listing(everybody, limit=9).wait()
    assert {line.conversation_id for line in whole.summaries} == {one.id, two.id}
    for wanted in ((one.id,), (two.id, "unknown"), ()):
        some = await store.listing(everybody, limit=9, only=frozenset(wanted)).wait()
        assert some.total == len(some.summaries)
        assert some.summaries == tuple(
            line for line in whole.summaries if line.conversation_id in wanted
        )
