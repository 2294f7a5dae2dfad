"""Webhooks while servers are killed and backends misbehave: each event at least once, in the order of its conversation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import trio

from tests.backend import SECRET, Answer, Backend, Got, backend, take
from tests.person import Person, static
from tests.server import ServerProcess, api
from tests.traffic import Speaker

Start = Callable[..., ServerProcess]


def subscribed(start_server: Start, it: Backend, **wanted: Any) -> ServerProcess:
    """A server that tells this backend of everything."""
    webhook = {"url": it.url, "secret": SECRET, "allow_private": True, **wanted}
    return start_server(WEBHOOKS=json.dumps([webhook]))


def member(server: ServerProcess) -> Person:
    return static(server, "test_token_1", "test_user_1", "Ada")


def first_order(deliveries: list[Got], conversation_id: str) -> list[int]:
    """The sequences of a conversation in the order in which each was first delivered."""
    found = [each.body for each in deliveries if each.body["conversation_id"] == conversation_id]
    return list(dict.fromkeys(body["sequence_id"] for body in found))


async def test_a_server_that_is_killed_twice_tells_everything_and_in_order(
    start_server: Start, tell: Callable[[str], None]
) -> None:
    async with backend() as it:
        server = subscribed(start_server, it)
        ada = member(server)
        talks = [await ada.create(title=f"Talk {n}") for n in range(3)]
        speakers = []
        for round in range(3):
            speakers = [Speaker(ada, 150) for _ in talks]
            for speaker in speakers:
                speaker.messages = {
                    f"{key} {round}": text for key, text in speaker.messages.items()
                }
            async with trio.open_nursery() as nursery:
                for speaker, talk in zip(speakers, talks, strict=True):
                    nursery.start_soon(speaker.speak, talk)
                seen = len(it.taken)
                if round < 2:
                    await it.until(lambda: len(it.taken) > seen + 60)  # noqa: B023 - of this round
                    server.kill()
            if round < 2:
                server.start()
        logs = {talk: await ada.history(talk) for talk in talks}
        total = sum(map(len, logs.values()))
        await it.until(lambda: len({each.id for each in it.taken}) >= total)
        for talk, events in logs.items():
            assert first_order(it.taken, talk) == [event["sequence_id"] for event in events]
        frames = {(talk, e["sequence_id"]): e for talk, events in logs.items() for e in events}
        for each in it.taken:
            assert each.signed_by(SECRET)
            body = each.body
            assert body["data"] == frames[body["conversation_id"], body["sequence_id"]]
            assert body["type"] == body["data"]["type"]
        again = len(it.taken) - total
        tell(f"killed twice: all {total:,} events were told, {again:,} of them more than once")


async def test_a_conversation_whose_events_are_refused_holds_up_no_other(
    start_server: Start,
) -> None:
    async with backend() as it:
        server = subscribed(start_server, it)
        ada = member(server)
        bad, good = await ada.create(title="Bad"), await ada.create(title="Good")

        async def refuse(got: Got) -> Answer:
            return Answer(500 if got.body["conversation_id"] == bad else 200)

        it.behave = refuse
        for number in range(20):
            await ada.say(bad, f"{number}")
            await ada.say(good, f"{number}")
        await it.until(lambda: len(first_order(it.taken, good)) >= 20)
        assert first_order(it.taken, bad) == []
        assert {
            each.body["sequence_id"] for each in it.got if each.body["conversation_id"] == bad
        } <= {1, 2}


async def test_a_conversation_that_waits_for_a_retry_waits_over_a_kill_and_keeps_its_order(
    start_server: Start,
) -> None:
    async with backend() as it:
        server = subscribed(start_server, it)
        root, ada = server.token("root"), member(server)
        bad, good = await ada.create(title="Bad"), await ada.create(title="Good")

        async def refuse(got: Got) -> Answer:
            return Answer(500 if got.body["conversation_id"] == bad else 200)

        it.behave = refuse
        for number in range(10):
            await ada.say(bad, f"{number}")
            await ada.say(good, f"{number}")
        await it.until(lambda: len(first_order(it.taken, good)) == 11)
        await it.until(lambda: any(each.body["conversation_id"] == bad for each in it.got))
        (row,) = (await api(server, "GET", "/admin/webhooks", root)).json()["webhooks"]
        path = f"/admin/webhooks/{row['webhook_id']}"
        body = {"conversation_id": bad, "sequence_id": 8}  # what comes before it is owed still
        assert (await api(server, "POST", f"{path}/replay", root, json=body)).status_code == 200
        server.kill()
        server.start()
        await ada.say(bad, "after")
        it.behave = take
        assert (await api(server, "POST", f"{path}/retry", root)).status_code == 200
        await it.until(lambda: len(first_order(it.taken, bad)) == 12)
        assert first_order(it.taken, bad) == list(range(1, 13))
