"""Webhooks on a real server with a real backend: what operators do about them, and what backends may answer."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import trio
import trio.testing

from salon.actors.log import PAGE
from salon.web.client import Client, Frame, Refused
from salon.web.webhooks.handles import STUCK_SHOWN
from salon.web.webhooks.hub import MOST
from salon.web.webhooks.subscription import MOST_LAGS, WINDOW, Subscription
from tests.backend import SECRET, Answer, Backend, Got, backend
from tests.inside import OPERATOR, TOKEN, serving, until
from tests.patience import PATIENCE
from tests.raw import open_line, request


class Shop:
    """A server, Ada, the operator, and a backend that the operator has told the server of."""

    def __init__(self, url: str, ada: Client, root: Client, it: Backend) -> None:
        self.url, self.ada, self.root, self.backend = url, ada, root, it
        self.hook: Frame = {}

    async def act(self, deed: str, **fields: Any) -> Frame:
        path = f"/admin/webhooks/{self.hook['webhook_id']}/{deed}"
        answer: Frame = await self.root.request("POST", path, fields or None)
        return answer

    async def see(self) -> Frame:
        path = f"/admin/webhooks/{self.hook['webhook_id']}"
        answer: Frame = await self.root.request("GET", path)
        return answer

    async def metrics(self) -> str:
        """What /metrics has."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{self.url}/metrics")).text

    async def until(self, **fields: Any) -> Frame:
        """The webhook, once it is so."""
        with trio.fail_after(PATIENCE):
            while True:
                row = await self.see()
                if {name: row[name] for name in fields} == fields:
                    return row
                await trio.sleep(0.02)

    async def talk(self, *texts: str, id: str | None = None) -> str:
        """Say these things, in a new conversation unless one is named."""
        id = id or (await self.ada.create("Lunch"))["conversation_id"]
        for text in texts:
            await self.ada.post(id, text)
        return id

    def told(self, id: str) -> list[int]:
        """The sequences of a conversation that were taken."""
        bodies = [each.body for each in self.backend.taken]
        return [body["sequence_id"] for body in bodies if body["conversation_id"] == id]


@asynccontextmanager
async def shop(store: str = "memory:", **wanted: Any) -> AsyncIterator[Shop]:
    async with (
        backend() as it,
        serving(store=store) as url,
        Client(url, token=TOKEN) as ada,
        Client(url, token=OPERATOR) as root,
    ):
        opened = Shop(url, ada, root, it)
        body = {"url": it.url, "allow_private": True, **wanted}
        opened.hook = await root.request("POST", "/admin/webhooks", body)
        yield opened


def refusing(*sequences: int, status: int = 500) -> Any:
    """A backend that does not take these."""

    async def behave(got: Got) -> Answer:
        return Answer(status if got.body["sequence_id"] in sequences else 200)

    return behave


async def test_a_webhook_is_told_what_it_wants_and_nothing_else() -> None:
    async with shop(events=["message", "message_edited"]) as it:
        assert it.hook["secret"].startswith("whsec_")
        id = await it.talk("one", "two")
        path = f"/chat/{id}/messages/{id}-2"
        await it.ada.request("PATCH", path, {"content": "uno"})
        await it.backend.until(lambda: len(it.backend.taken) >= 3)
        assert it.told(id) == [2, 3, 4]
        first = it.backend.taken[0]
        assert first.signed_by(it.hook["secret"])
        assert first.id == f"{id}-2"
        assert first.body.keys() == {
            *("type", "conversation_id", "sequence_id", "timestamp", "data"),
        }
        assert (first.body["type"], first.body["data"]["type"]) == ("message", "message")
        assert first.body["timestamp"] == first.body["data"]["message"]["timestamp"]


async def test_it_may_be_limited_to_conversations_and_be_changed_and_deleted() -> None:
    async with shop() as it:
        other, id = await it.talk("elsewhere"), await it.talk("here")
        await it.backend.until(lambda: len(it.backend.taken) >= 4)
        path = f"/admin/webhooks/{it.hook['webhook_id']}"
        changed = await it.root.request("PATCH", path, {"conversations": [id]})
        assert (changed["conversations"], changed["events"]) == ([id], "*")
        await it.talk("more", id=other)
        await it.talk("more", id=id)
        await it.backend.until(lambda: len(it.backend.taken) >= 5)
        assert (it.told(other), it.told(id)) == ([1, 2], [1, 2, 3])
        for wrong in ({"url": "ftp://a"}, {"url": "http://a.example", "allow_private": False}):
            with pytest.raises(Refused) as caught:
                await it.root.request("PATCH", path, wrong)
            assert caught.value.status == 400
        with pytest.raises(Refused) as caught:
            await it.ada.request("GET", path)
        assert caught.value.status == 403
        await it.root.request("DELETE", path)
        await it.talk("nobody hears", id=id)
        assert await it.root.request("GET", "/admin/webhooks") == {"webhooks": []}


async def test_after_a_rotation_both_secrets_sign_and_none_is_shown_again() -> None:
    async with shop() as it:
        rotated = await it.act("rotate")
        id = await it.talk()
        await it.backend.until(lambda: it.told(id) == [1])
        for secret in (it.hook["secret"], rotated["secret"]):
            assert it.backend.taken[-1].signed_by(secret)
        row = await it.see()
        assert (row["secrets"], "secret" in row) == (2, False)
        assert rotated["former_ends_at"] > row["created_at"]


async def test_a_test_is_sent_at_once_and_its_outcome_told() -> None:
    async with shop() as it:
        outcome = await it.act("test")
        assert (outcome["status"], outcome["error"]) == (204, None)
        (got,) = it.backend.taken
        assert (got.body["type"], got.signed_by(it.hook["secret"])) == ("test", True)
        it.backend.behave = refusing(status=503)

        async def down(got: Got) -> Answer:
            return Answer(503)

        it.backend.behave = down
        outcome = await it.act("test")
        assert (outcome["status"], outcome["error"]) == (503, "it answered 503")


async def test_what_is_not_taken_holds_its_conversation_until_it_is_skipped() -> None:
    async with shop() as it:
        it.backend.behave = refusing(2)
        id, other = await it.talk("poison", "after"), await it.talk()
        row = await it.until(state="failing", stuck_count=1)
        await it.backend.until(lambda: it.told(other) == [1])
        assert it.told(id) == [1]
        (stuck,) = row["stuck"]
        assert (stuck["conversation_id"], stuck["sequence_id"]) == (id, 2)
        assert (stuck["attempts"], stuck["error"]) == (1, "it answered 500")
        assert (await it.act("skip", conversation_id="elsewhere"))["skipped"] == 0
        assert (await it.act("skip"))["skipped"] == 1
        await it.backend.until(lambda: it.told(id) == [1, 3])
        await it.until(state="active", lag=0)


async def test_retry_now_does_not_wait_for_the_backoff() -> None:
    async with shop() as it:
        it.backend.behave = refusing(1, 2)
        id = await it.talk("one", "two")
        await it.until(state="failing")
        it.backend.behave = refusing()
        await it.act("retry")
        await it.backend.until(lambda: it.told(id) == [1, 2, 3])
        await it.until(state="active")


async def test_a_backend_that_is_gone_pauses_its_webhook_until_an_operator_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with shop() as it:
        it.backend.behave = refusing(1, status=410)
        id = await it.talk("one")
        row = await it.until(state="paused")
        assert row["why"] == "it answered 410: it wants nothing more"
        assert "is paused: it answered 410" in caplog.text
        it.backend.behave = refusing()
        await it.talk("two", id=id)
        assert it.told(id) == []
        metrics = (await it.root.request("GET", "/admin/webhooks"))["webhooks"][0]
        assert metrics["state"] == "paused"
        await it.act("retry")
        await it.backend.until(lambda: it.told(id) == [1, 2, 3])


async def test_a_replay_begins_at_a_sequence_and_keeps_the_order() -> None:
    async with shop() as it:
        id = await it.talk("one", "two", "three")
        await it.backend.until(lambda: it.told(id) == [1, 2, 3, 4])
        await it.act("replay", conversation_id=id, sequence_id=3)
        await it.talk("four", id=id)
        await it.backend.until(lambda: it.told(id)[4:] == [3, 4, 5])
        with pytest.raises(Refused) as caught:
            await it.act("replay", conversation_id="nowhere", sequence_id=1)
        assert caught.value.status == 404


async def test_what_was_deleted_before_it_was_told_is_told_as_a_deleted_message() -> None:
    async with shop() as it:
        it.backend.behave = refusing(1)
        id = await it.talk("the secret plan", "another")
        await it.until(state="failing")
        await it.ada.request("DELETE", f"/chat/{id}/messages/{id}-2")
        gone = await it.talk("a secret of a conversation")
        await it.ada.request("DELETE", f"/chat/{gone}")
        it.backend.behave = refusing()
        await it.act("retry")
        await it.backend.until(lambda: it.told(id) == [1, 2, 3, 4])
        texts = b"".join(each.text for each in it.backend.taken if b"secret" in each.text)
        assert b"the secret plan" not in texts
        deleted = next(e.body for e in it.backend.taken if e.id == f"{id}-2")
        assert deleted["data"]["message"]["deleted"]


async def test_the_configurations_webhooks_are_shown_and_changed_only_there() -> None:
    async with backend() as it:
        given = {"url": it.url, "secret": SECRET, "allow_private": True}
        async with serving(webhooks=[given]) as url, Client(url, token=OPERATOR) as root:
            (row,) = (await root.request("GET", "/admin/webhooks"))["webhooks"]
            assert (row["source"], SECRET in str(row)) == ("configuration", False)
            for method, path in (("DELETE", ""), ("POST", "/rotate")):
                with pytest.raises(Refused) as caught:
                    await root.request(method, f"/admin/webhooks/{row['webhook_id']}{path}")
                assert "change it there" in caught.value.text


async def test_a_stalled_backend_holds_up_no_message_and_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("salon.web.webhooks.sender.TIMEOUT", 0.2)
    async with shop() as it:
        stalled = trio.Event()

        async def stall(got: Got) -> Answer:
            await stalled.wait()
            return Answer()

        it.backend.behave = stall
        id = await it.talk("one", "two")
        row = await it.until(state="failing")
        assert row["last_error"].startswith("no answer within ")
        it.backend.behave = refusing()
        stalled.set()
        await it.act("retry")
        await it.backend.until(lambda: it.told(id)[-1:] == [3])


async def test_a_webhook_of_operators_goes_on_after_a_restart(tmp_path: Any) -> None:
    store = f"sqlite:///{tmp_path / 'salon.db'}"
    async with backend() as it:
        async with serving(store=store) as url, Client(url, token=OPERATOR) as root:
            body = {"url": it.url, "allow_private": True}
            made = await root.request("POST", "/admin/webhooks", body)

            async def down(got: Got) -> Answer:
                return Answer(502)

            it.behave = down
            async with Client(url, token=TOKEN) as ada:
                id = (await ada.create("Lunch"))["conversation_id"]
            await it.until(lambda: len(it.got) >= 1)
        it.behave = refusing()
        async with serving(store=store) as url, Client(url, token=OPERATOR) as root:
            path = f"/admin/webhooks/{made['webhook_id']}"
            await root.request("POST", f"{path}/retry")
            await it.until(lambda: len(it.taken) >= 1)
            (got,) = it.taken
            assert (got.id, got.signed_by(made["secret"])) == (f"{id}-1", True)


async def test_what_takes_nothing_for_days_is_paused_and_operators_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("salon.web.webhooks.subscription.RETRY_FOR", 0)  # milliseconds of patience
    async with shop() as it:
        it.backend.behave = refusing(1)
        await it.talk("one")
        row = await it.until(state="paused")
        assert row["why"] == "it has taken nothing for 3 days; at last it answered 500"
        assert "is paused: it has taken nothing" in caplog.text
        metrics = await it.metrics()
        assert 'salon_webhooks{state="paused"} 1.0' in metrics
        assert f'outcome="failed",webhook="{row["webhook_id"]}"' in metrics.replace(" ", "")


async def test_what_one_conversation_is_refused_for_days_pauses_no_webhook_that_takes_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("salon.web.webhooks.lane.FIRST_PAUSE", 0.05)
    async with shop() as it:
        it.backend.behave = refusing(2)
        await it.talk("poison")
        await it.until(state="failing")
        other = await it.talk()
        await it.backend.until(lambda: it.told(other) == [1])
        monkeypatch.setattr("salon.web.webhooks.subscription.RETRY_FOR", 0)
        tried = (await it.see())["failed"]
        await it.backend.until(lambda: len(it.backend.got) >= len(it.backend.taken) + tried + 2)
        row = await it.see()
        assert (row["state"], row["stuck_count"]) == ("failing", 1)


async def test_a_backend_that_is_back_hears_what_is_new_before_old_retries_are_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("salon.web.webhooks.lane.FIRST_PAUSE", 3600)
    monkeypatch.setattr("salon.web.webhooks.subscription.PAUSE", 0.1)
    async with shop() as it:
        it.backend.behave = refusing(1)
        for _ in range(6):
            await it.talk()
        await it.until(state="failing", stuck_count=6)
        it.backend.behave = refusing()
        new = await it.talk("hello")
        await it.backend.until(lambda: it.told(new) == [1, 2])
        assert (await it.see())["stuck_count"] == 6


async def test_a_backend_that_takes_nothing_has_so_many_events_on_their_way_and_no_more() -> None:
    async with shop() as it:
        (subscription,) = (each for each in gc.get_objects() if isinstance(each, Subscription))
        going_on = trio.Event()

        async def stall(got: Got) -> Answer:
            await going_on.wait()
            return Answer()

        it.backend.behave = stall
        id = await it.talk()
        count = WINDOW + 2 * PAGE
        async with open_line(it.url) as line:
            path = f"/chat/{id}/messages"
            await line.send(request("POST", path, b'{"content":"x"}', TOKEN) * count)
            for _ in range(count):
                assert (await line.answer()).status == 201
        cursor = subscription._cursor
        await until(lambda: len(cursor) > WINDOW)
        read = cursor.scanned
        assert (await it.see())["lag"] == count + 1
        assert WINDOW < len(cursor) <= WINDOW + PAGE
        assert cursor.scanned == read < count
        going_on.set()
        await it.backend.until(lambda: len(it.told(id)) > WINDOW)
        await until(lambda: cursor.scanned == count + 1)
        assert it.told(id) == list(range(1, len(it.told(id)) + 1))


async def test_a_backend_with_too_many_conversations_that_lag_is_sent_nothing_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MOST_LAGS == 1_000
    monkeypatch.setattr("salon.web.webhooks.subscription.MOST_LAGS", 3)
    monkeypatch.setattr("salon.web.webhooks.subscription.MOMENT", 0)
    monkeypatch.setattr("salon.web.webhooks.lane.FIRST_PAUSE", 3600)
    async with shop() as it:
        it.backend.behave = refusing(1)
        lagging = [await it.talk() for _ in range(3)]
        await it.until(stuck_count=3)
        it.backend.behave = refusing()
        new = await it.talk("hello")
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert it.told(new) == []
        await it.act("skip", conversation_id=lagging[0])
        await it.backend.until(lambda: it.told(new) == [1, 2])
        assert (await it.see())["stuck_count"] == 2


async def test_operators_make_so_many_webhooks_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST == 100
    monkeypatch.setattr("salon.web.webhooks.hub.MOST", 3)
    async with shop() as it:
        body = {"url": it.backend.url, "allow_private": True, "events": ["message"]}
        for _ in range(2):
            made = await it.root.request("POST", "/admin/webhooks", body)
        with pytest.raises(Refused) as refused:
            await it.root.request("POST", "/admin/webhooks", body)
        assert (refused.value.code, refused.value.details["limit"]) == ("LIMIT_REACHED", 3)
        await it.root.request("DELETE", f"/admin/webhooks/{made['webhook_id']}")
        assert await it.root.request("POST", "/admin/webhooks", body)


async def test_so_many_conversations_that_lag_are_shown_and_all_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("salon.web.webhooks.lane.FIRST_PAUSE", 3600)
    monkeypatch.setattr("salon.web.webhooks.subscription.FAILURES", 100)
    async with shop() as it:
        it.backend.behave = refusing(1)
        for _ in range(STUCK_SHOWN + 1):
            await it.talk()
        row = await it.until(stuck_count=STUCK_SHOWN + 1)
        assert len(row["stuck"]) == STUCK_SHOWN == 20
