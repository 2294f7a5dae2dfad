"""Refused for now: too much at once, too fast, no store, going down. Whoever comes back when told to is served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import httpx2
import pytest
import trio

from salon.web.client import Socket
from tests.person import PATIENCE, UPGRADE, Frame, Person, guest, guests
from tests.server import NO_TLS, ServerProcess
from tests.shape import ID, receipt, refusal_for_now
from tests.traffic import store_held


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on which six commands may wait."""
    server = ServerProcess(tmp_path_factory.mktemp("tight"), LIMITS__QUEUE_SIZE="6")
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture(scope="module")
def paced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on which nothing may come fast."""
    limits = {
        "LIMITS__MESSAGE_RATE": "10",
        "LIMITS__MESSAGE_BURST": "5",
        "LIMITS__FRAME_RATE": "20",
        "LIMITS__CONVERSATIONS_PER_HOUR": "6",
    }
    server = ServerProcess(tmp_path_factory.mktemp("paced"), **limits)
    yield server
    assert server.stop() == 0, server.log


class Posts:
    """Messages over HTTP, each by a task of its own, and the answers as they come."""

    def __init__(self, conversation_id: str) -> None:
        self.path = f"/chat/{conversation_id}/messages"
        self.answers: dict[str, httpx2.Response] = {}
        self._answered = trio.lowlevel.ParkingLot()

    async def post(self, who: Person, key: str) -> httpx2.Response:
        body = {"content": key, "client_message_id": key}
        self.answers[key] = await who.call("POST", self.path, body)
        self._answered.unpark_all()
        return self.answers[key]

    async def wait_refused(self, number: int) -> None:
        with trio.fail_after(PATIENCE):
            while len(self.answers) < number:
                await self._answered.park()


class TestAFullMailbox:
    async def test_over_http_a_post_finds_no_room_until_the_time_it_is_told(
        self, tight: ServerProcess
    ) -> None:
        ada, bob = await guests(tight, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        for number in range(5):  # so that the speed is known
            await ada.say(conversation_id, f"{number}")
        posts = Posts(conversation_id)
        async with trio.open_nursery() as nursery:
            with store_held(tight) as release:
                for number in range(10):
                    for who in (ada, bob):
                        nursery.start_soon(posts.post, who, f"{who.name} {number}")
                await posts.wait_refused(8)  # a turn takes six at most, six more may wait
                for key, response in dict(posts.answers).items():
                    facts = {"queue_size": 6, "limit": 6, "client_message_id": key}
                    body = refusal_for_now(response, 429, "QUEUE_FULL", "conversation", **facts)
                    assert f"after {body['retry_after']} s" in body["error"]
                release()
        refused = [key for key, answer in posts.answers.items() if answer.status_code == 429]
        assert len(posts.answers) == 20
        for key in refused:
            await trio.sleep(posts.answers[key].json()["retry_after"])
            who = ada if key.startswith("Ada") else bob
            assert (await posts.post(who, key)).status_code == 201
        said = [m["content"] for m in (await ada.see(conversation_id))["messages"]]
        assert sorted(said[5:]) == sorted(posts.answers)

    async def test_one_participant_may_fill_only_a_share_of_it(
        self, start_server: Callable[..., ServerProcess]
    ) -> None:
        server = start_server(LIMITS__QUEUE_SHARE="2")
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        posts = Posts(conversation_id)
        async with trio.open_nursery() as nursery:
            with store_held(server) as release:
                for number in range(6):
                    nursery.start_soon(posts.post, ada, f"{number}")
                await posts.wait_refused(2)
                for key, response in dict(posts.answers).items():
                    facts = {"queue_size": 2, "limit": 2, "client_message_id": key}
                    refusal_for_now(response, 429, "QUEUE_FULL", "participant", **facts)
                for number in range(2):  # there is room for others
                    nursery.start_soon(posts.post, bob, f"Bob {number}")
                release()
        assert posts.answers["Bob 0"].status_code == posts.answers["Bob 1"].status_code == 201

    async def test_a_flood_from_many_is_refused_in_part_and_whoever_obeys_gets_in(
        self, tight: ServerProcess, tell: Callable[[str], None]
    ) -> None:
        people = await guests(tight, "Ada", "Bob", "Cleo", "Dan")
        conversation_id = await people[0].create(*people[1:])
        refusals: Counter[str] = Counter()

        async def flood(who: Person) -> None:
            missing = {f"{who.name} {number}" for number in range(100)}
            async with (
                who.client().socket(conversation_id) as socket,
                trio.open_nursery() as nursery,
            ):

                async def obey(key: str, retry_after: float) -> None:
                    await trio.sleep(retry_after)
                    await socket.send_json(message(key))

                await socket.send_json(*map(message, sorted(missing)))
                while missing:
                    frame = await socket.receive_json()
                    if frame["type"] == "message_ack":
                        missing.remove(frame["client_message_id"])
                    elif frame["type"] == "error":
                        check_queue_full(frame)
                        key = frame["client_message_id"]
                        refusals[key] += 1
                        nursery.start_soon(obey, key, frame["retry_after"])

        with trio.fail_after(4 * PATIENCE):
            async with trio.open_nursery() as nursery:
                for who in people:
                    nursery.start_soon(flood, who)
        assert refusals
        again = sum(refusals.values()) - len(refusals)
        tell(f"400 messages at once, 6 may wait: {len(refusals)} were refused, {again} once more")
        assert (await people[0].say(conversation_id, "calm"))["sequence_id"] == 402
        log = await people[0].history(conversation_id)
        said = [event["message"]["content"] for event in log[1:-1]]
        assert sorted(said) == sorted(f"{who.name} {n}" for who in people for n in range(100))


def message(key: str) -> Frame:
    return {"type": "message", "content": key, "client_message_id": key}


async def say_all(socket: Socket, keys: list[str]) -> list[Frame]:
    """Say these at once; the refusals among the answers, of which each message gets one."""
    await socket.send_json(*map(message, keys))
    waiting, refused = set(keys), []
    while waiting:
        frame = await socket.receive_json()
        if frame["type"] in ("message_ack", "error"):
            waiting.remove(frame["client_message_id"])
        if frame["type"] == "error":
            refused.append(frame)
    return refused


def check_queue_full(frame: Frame) -> None:
    retry_after = frame["retry_after"]
    assert 0 < retry_after <= 60
    assert f"after {retry_after} s" in frame["error"]
    assert frame == {
        "type": "error",
        "code": "QUEUE_FULL",
        "error": frame["error"],
        "temporary": True,
        "id": ID,
        "retry_after": retry_after,
        "scope": "conversation",
        "queue_size": 6,
        "limit": 6,
        "client_message_id": frame["client_message_id"],
    }


class TestTooFast:
    async def test_over_http_the_time_it_is_told_is_enough(self, paced: ServerProcess) -> None:
        ada, bob = await guests(paced, "Ada", "Bob")
        here, there = await ada.create(bob), await ada.create()
        post = partial(ada.call, "POST", f"/chat/{here}/messages")
        for _ in range(3):
            response, number = await post({"content": "again"}), 1
            while response.status_code == 201:
                number += 1
                response = await post({"content": "again", "client_message_id": f"k{number}"})
            body = refusal_for_now(
                response,
                429,
                "RATE_LIMITED",
                "participant",
                limit=10,
                unit="messages a second",
                client_message_id=f"k{number}",
            )
            assert body["retry_after"] <= 0.1
            # Each has their own pace in each conversation.
            await bob.say(here, "my turn")
            await ada.say(there, "elsewhere")
            await trio.sleep(body["retry_after"])
            again = await post({"content": "again", "client_message_id": f"k{number}"})
            assert again.status_code == 201
            here = await ada.create(bob)
            post = partial(ada.call, "POST", f"/chat/{here}/messages")

    async def test_over_a_socket_each_message_is_refused_by_its_key(
        self, paced: ServerProcess
    ) -> None:
        ada = await guest(paced, "Ada")
        conversation_id = await ada.create()
        async with ada.client().socket(conversation_id) as socket:
            missing = [f"{number}" for number in range(10)]
            while missing:
                refused = await say_all(socket, missing)
                for place, frame in enumerate(refused, 1):
                    assert (frame["code"], frame["scope"]) == ("RATE_LIMITED", "participant")
                    assert (frame["limit"], frame["temporary"]) == (10, True)
                    assert "the limit of messages a second is 10." in frame["error"]
                    assert 0 < frame["retry_after"] <= 0.1 * place + 0.001, "one after the other"
                if refused:
                    await trio.sleep(refused[-1]["retry_after"])
                missing = [frame["client_message_id"] for frame in refused]
        assert (await ada.see(conversation_id))["message_count"] == 10

    async def test_so_many_conversations_an_hour_and_no_more(self, paced: ServerProcess) -> None:
        ada, bob = await guests(paced, "Ada", "Bob")
        for _ in range(6):
            await ada.create()
        response = await ada.call("POST", "/chat/create", {"title": "Seventh"})
        unit = "conversations an hour"
        body = refusal_for_now(response, 429, "RATE_LIMITED", "participant", limit=6, unit=unit)
        assert 500 < body["retry_after"] <= 600
        assert f"the limit of {unit} is 6." in body["error"]
        await bob.create()
        assert (await ada.ask("GET", "/chat/my-conversations"))["total"] == 6

    async def test_frames_of_any_kind_may_come_so_fast_on_a_socket(
        self, paced: ServerProcess
    ) -> None:
        ada = await guest(paced, "Ada")
        async with ada.client().socket(await ada.create()) as socket:
            await socket.send_json(*[{"type": "ping"}] * 40)
            while (frame := await socket.receive_json())["type"] != "error":
                pass
            assert (frame["code"], frame["scope"]) == ("RATE_LIMITED", "participant")
            assert (frame["temporary"], frame["limit"]) == (True, 20)
            assert 0 < frame["retry_after"] <= 0.05


async def test_where_the_store_cannot_nothing_is_done_and_nobody_is_told_otherwise(
    own_server: ServerProcess,
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    path, body = f"/chat/{conversation_id}/messages", {"content": "a", "client_message_id": "k1"}
    async with ada.tab(conversation_id) as tab:
        with store_held(own_server):
            response = await bob.call("POST", path, body)  # SQLite waits for five seconds
            refusal_for_now(response, 503, "STORE_UNAVAILABLE", "server", client_message_id="k1")
            assert await tab.settle() == []
            assert (await ada.see(conversation_id))["head_sequence_id"] == 1
        response = await bob.call("POST", path, body)
        assert (response.status_code, response.json()) == (201, receipt(conversation_id, 2, "k1"))
        assert (await tab.until("message"))["message"]["client_message_id"] == "k1"


async def test_a_server_that_goes_down_takes_nothing_new_and_says_when_to_come_back(
    own_server: ServerProcess,
) -> None:
    ada = await guest(own_server, "Ada")
    conversation_id = await ada.create()
    path = f"/chat/{conversation_id}"
    headers = {"Authorization": f"Bearer {ada.token}"}
    async with (
        ada.client().socket(conversation_id),  # reads nothing, so that the drain lasts
        httpx2.AsyncClient(
            base_url=own_server.url, trust_env=False, headers=headers, verify=NO_TLS
        ) as client,
    ):
        assert (await client.get("/ready")).status_code == 200
        own_server.terminate()
        with trio.fail_after(PATIENCE):
            while (await client.get("/ready")).status_code == 200:
                pass
        for method, address, body in (
            ("POST", "/chat/create", {"title": "Late"}),
            ("POST", f"{path}/join", {"participant": {"user_id": "bob"}}),
            ("POST", f"{path}/messages", {"content": "late"}),
            ("POST", f"{path}/read", {"sequence_id": 1}),
            ("DELETE", f"{path}/leave", None),
        ):
            response = await client.request(method, address, json=body)
            refusal_for_now(response, 503, "DRAINING", "server")
        response = await client.get(f"/chat/ws/{conversation_id}", headers=UPGRADE)
        refusal_for_now(response, 503, "DRAINING", "server")
    assert await own_server.wait_exited() == 0
    own_server.start()
    assert (await ada.see(conversation_id))["head_sequence_id"] == 1
