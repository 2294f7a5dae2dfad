"""A client whose tokens end: when it asks for another one, what it does with that, and what it makes of a `renew` that fails."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from salon.web.client import Client, Closed, Conversation, Frame, Refused, TokenUnavailable
from tests.loops import LOOPS
from tests.loops import run_under as run_in_real_time
from tests.scripted import (
    TOKEN,
    Peer,
    Rejection,
    Script,
    Server,
    caught_up,
    connected,
    error,
    serving,
)
from tests.virtual_time import under_both

ENDED: Frame = {"code": "UNAUTHENTICATED", "error": "it has ended", "temporary": False}
ME = "GET /auth/me"
NO_OTHER = "renew gave no other token"


def expiring(seconds: float) -> Frame:
    """The warning of an end in so many seconds."""
    ends = datetime.fromtimestamp(time.time() + seconds, UTC)
    return {"type": "auth_expiring", "expires_at": ends.isoformat()}


class Giver:
    """A `renew` that gives tokens, or raises, in this order, and the last one again and again. `asked` are the times."""

    def __init__(self, *tokens: str | Exception) -> None:
        self.tokens = list(tokens)
        self.asked: list[float] = []

    async def __call__(self) -> str:
        self.asked.append(anyio.current_time())
        await anyio.sleep(0.1)
        given = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        if isinstance(given, Exception):
            raise given
        return given


def old(script: Script, age: float = 600) -> Script:
    """A socket that has been open for a while before something happens on it."""

    async def played(peer: Peer) -> None:
        await peer.send(connected(0, heartbeat=0), caught_up(0))
        await anyio.sleep(age)
        await script(peer)

    return played


async def refusals(conversation: Conversation, count: int) -> list[str]:
    """Why the next so many attempts at another token failed."""
    found = []
    async for signal in conversation.signals:
        if signal["type"] == "renewal_failed":
            found.append(signal["reason"])
        if len(found) == count:
            break
    return found


def bearers(server: Server) -> list[str]:
    return [headers.get("authorization", "") for _, _, headers, _ in server.requests]


@under_both
async def test_two_sockets_that_are_warned_share_one_new_token_and_stay_open() -> None:
    renew, taken = Giver("new"), []

    async def script(peer: Peer) -> None:
        await peer.send(expiring(60))
        taken.append(await peer.receive())
        await peer.send({"type": "auth_ack"})
        await peer.stay()

    async with serving(old(script), old(script), renew=renew) as (server, client):
        async with client.conversation("c1") as one, client.conversation("c2") as two:
            await anyio.sleep(700)
            assert [each.statistics().reconnects for each in (one, two)] == [0, 0]
        assert taken == [{"type": "auth", "token": "new"}] * 2
        assert (len(renew.asked), client.token) == (1, "new")
        server.answers[ME] = [(200, {})]
        await client.me()
        assert bearers(server) == ["Bearer new"]


@under_both
async def test_a_renew_that_raises_is_asked_again_until_it_gives_a_token() -> None:
    renew = Giver(OSError("no route to tok3n"), ValueError(), "new")
    taken = []

    async def script(peer: Peer) -> None:
        await peer.send(expiring(60))
        taken.append(await peer.receive())
        await peer.send({"type": "auth_ack"})
        await peer.stay()

    async with (
        serving(old(script), renew=renew) as (_, client),
        client.conversation("c1") as conversation,
    ):
        failed = await refusals(conversation, 2)
        assert failed == ["renew raised OSError", "renew raised ValueError"]
        await anyio.sleep(60)
        assert taken == [{"type": "auth", "token": "new"}]
        assert conversation.statistics().reconnects == 0


@under_both
async def test_a_renew_that_gives_the_same_token_again_is_asked_seldom_and_told_at_the_end() -> (
    None
):
    async def script(peer: Peer) -> None:
        await peer.send(expiring(60))
        await anyio.sleep(60)
        await peer.close(4500, "identity expired")

    renew = Giver("same")
    async with serving(old(script), token="same", renew=renew) as (server, client):
        async with client.conversation("c1") as conversation:
            with pytest.raises(Closed, match="4500: identity expired") as closed:
                await anext(conversation)
            assert closed.value.__notes__ == [f"{NO_OTHER} that the server accepts"]
            assert set(await refusals(conversation, 3)) == {NO_OTHER}
        assert 4 <= len(renew.asked) <= 12, "in a minute, with delays that double"
        server.answers[ME] = [(401, ENDED)]
        with pytest.raises(Refused, match="it has ended") as refused:
            await client.me()
        assert refused.value.__notes__ == [f"{NO_OTHER} that the server accepts"]
        assert len(server.requests) == 1, "the same token would be refused again"


@under_both
async def test_tokens_that_live_for_seconds_are_used_for_a_third_of_their_time() -> None:
    lives, taken = 9.0, []

    async def script(peer: Peer) -> None:
        while True:
            await peer.send(expiring(lives))
            taken.append((await peer.receive())["token"])
            await peer.send({"type": "auth_ack"})

    async def renew() -> str:
        return f"token-{len(taken)}"

    async with (
        serving(old(script, age=0), renew=renew, token="first") as (_, client),
        client.conversation("c1") as conversation,
    ):
        await anyio.sleep(30)
        assert 8 <= len(taken) <= 11, "about each three seconds"
        assert taken == [f"token-{number}" for number in range(len(taken))]
        assert conversation.statistics().reconnects == 0


@under_both
async def test_a_new_token_that_the_server_refuses_is_replaced_and_one_it_cannot_judge_sent_again() -> (
    None
):
    taken = []

    async def script(peer: Peer) -> None:
        await peer.send(expiring(60))
        for answer in (
            error("INTERNAL_ERROR", temporary=True, retry_after=2),
            error("UNAUTHENTICATED"),
            {"type": "auth_ack"},
        ):
            taken.append((await peer.receive())["token"])
            await peer.send(error("QUEUE_FULL", "of a message", temporary=True), answer)
        await peer.stay()

    renew = Giver("one", "two", "three")
    async with (
        serving(old(script), renew=renew, token="zero") as (_, client),
        client.conversation("c1") as conversation,
    ):
        reasons = await refusals(conversation, 2)
        assert reasons == ["INTERNAL_ERROR: no", "UNAUTHENTICATED: no"]
        await anyio.sleep(60)
        assert taken == ["one", "one", "two"]


@under_both
async def test_the_token_of_somebody_else_is_not_tried_twice() -> None:
    taken = []

    async def script(peer: Peer) -> None:
        await peer.send(expiring(60))
        taken.append((await peer.receive())["token"])
        await peer.send(error("FORBIDDEN"))
        with anyio.move_on_after(50):
            taken.append((await peer.receive())["token"])
        await peer.close(4503)

    renew = Giver("bobs")
    async with (
        serving(old(script), renew=renew) as (_, client),
        client.conversation("c1") as conversation,
    ):
        with pytest.raises(Closed, match="4503"):
            await anext(conversation)
        signals = [signal async for signal in conversation.signals if signal["type"] == "error"]
        assert [signal["code"] for signal in signals] == ["FORBIDDEN"]
    assert taken == ["bobs"]


@under_both
async def test_after_its_end_a_socket_comes_back_with_a_token_once_there_is_one() -> None:
    seen = []

    async def ended(peer: Peer) -> None:
        await peer.close(4500, "identity revoked")

    async def again(peer: Peer) -> None:
        seen.append(peer.headers["authorization"])
        await peer.send(connected(0, resume="complete"), caught_up(0))
        await peer.stay()

    renew = Giver(OSError(), OSError(), "new")
    scripts = (old(ended), Rejection(401, ENDED), Rejection(401, ENDED), again)
    async with serving(*scripts, renew=renew) as (_, client):
        async with client.conversation("c1") as conversation:
            gone = [
                await anext(conversation.signals)  # what there is before the end is two frames
                for _ in range(4)
            ]
            assert [signal["type"] for signal in gone][2:] == ["disconnected"] * 2
            assert gone[2]["reason"] == "closed with 4500: identity revoked"
            assert gone[3]["reason"] == "renew raised OSError"
            while conversation.statistics().reconnects == 0:
                await anext(conversation.signals)
        assert (seen, len(renew.asked)) == (["Bearer new"], 3)


@under_both
async def test_calls_that_need_a_token_at_once_share_one_of_renew_and_its_failure() -> None:
    renew = Giver(OSError(), "new", "newer")
    async with serving(renew=renew, token=None) as (server, client):
        ended, taken = [(401, ENDED)] * 3, [(200, {})] * 3
        server.answers[ME] = [*taken, *ended, *taken, *ended]

        async def call(found: list[object]) -> None:
            try:
                found.append(await client.me())
            except TokenUnavailable as unavailable:
                found.append(type(unavailable.__cause__))
            except Refused as refused:
                found.append(refused.status)

        for outcome in (OSError, {}, {}, 401):
            found: list[object] = []
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(call, found)
            assert found == [outcome] * 3
        assert len(renew.asked) == 4
        given = ["new"] * 6 + ["newer"] * 6
        assert bearers(server) == [f"Bearer {token}" for token in given]


@under_both
async def test_a_call_that_is_cancelled_leaves_the_asking_to_the_next_one() -> None:
    renew = Giver("new")
    async with serving(renew=renew, token=None) as (server, client):
        server.answers[ME] = [(200, {"id": "ada"})]
        found = []

        async def call() -> None:
            found.append(await client.me())

        async with anyio.create_task_group() as tasks:
            with anyio.move_on_after(0.05) as scope:
                tasks.start_soon(call_after, 0.01, call)
                await client.me()
            assert scope.cancelled_caught
        assert (found, len(renew.asked)) == ([{"id": "ada"}], 2)


async def call_after(delay: float, call: Callable[[], Awaitable[None]]) -> None:
    await anyio.sleep(delay)
    await call()


@under_both
async def test_a_renew_that_hangs_is_given_up_after_the_time_for_an_answer() -> None:
    async def renew() -> str:
        await anyio.sleep(math.inf)
        return ""

    async with serving(renew=renew, token=None, answer_timeout=5.0) as (server, client):
        started = anyio.current_time()
        with pytest.raises(TokenUnavailable, match="no token within 5 seconds"):
            await client.me()
        assert anyio.current_time() - started == pytest.approx(5)
        async with client.conversation("c1") as conversation:
            signal = await anext(conversation.signals)
            assert signal["reason"] == "renew gave no token within 5 seconds"
        assert server.requests == []


@pytest.mark.parametrize("given", [None, 7, "", "a b", "a\n", b"bytes"])
@under_both
async def test_what_is_no_token_is_not_sent(given: Any) -> None:
    async def renew() -> str:
        return given  # type: ignore[no-any-return]

    async with serving(renew=renew, token=None) as (server, client):
        with pytest.raises(TokenUnavailable, match="it must be text for a header"):
            await client.me()
        assert server.requests == []


@under_both
async def test_a_call_is_made_once_more_at_most_and_a_wrong_recovery_code_is_no_word_on_the_token() -> (
    None
):
    renew = Giver("new", "newer")
    async with serving(renew=renew) as (server, client):
        server.answers["POST /auth/recover"] = [(401, ENDED)]
        with pytest.raises(Refused, match="it has ended"):
            await client.recover("wrong")
        assert renew.asked == []
        server.answers[ME] = [(401, ENDED)] * 2
        with pytest.raises(Refused, match="it has ended"):
            await client.me()
        assert len(renew.asked) == 1
        assert len(server.requests) == 3


@under_both
async def test_after_its_block_a_client_is_nobody_and_asks_for_nothing() -> None:
    renew = Giver("new")
    async with serving(renew=renew, token=None) as (server, client):
        server.answers[ME] = [(200, {}), (401, ENDED)]
        async with client:
            await client.me()
        with pytest.raises(Refused):
            await client.me()
        assert bearers(server) == ["Bearer new", ""]


@under_both
async def test_a_token_that_comes_after_the_block_or_after_another_was_set_is_not_kept() -> None:
    async with serving(renew=Giver("late"), token=None) as (server, client):
        server.answers[ME] = [(200, {})] * 2

        async def call() -> None:
            await client.me()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(0.05)
            client.token = "set"
        assert client.token == "set"
        client.token = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await anyio.sleep(0.05)
            await client.__aexit__()
        assert client.token is None
        assert bearers(server) == ["Bearer set", ""]


@under_both
async def test_an_upload_that_cannot_begin_again_is_refused_and_the_next_one_has_the_new_token() -> (
    None
):
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"

    async with serving(renew=Giver("new")) as (server, client):
        server.answers["POST /chat/c1/files"] = [(401, ENDED), (401, ENDED), (201, {"id": "f"})]
        with pytest.raises(Refused, match="it has ended"):
            await client.upload("c1", pieces(), "a.txt")
        client.token = "old"
        assert await client.upload("c1", b"x", "a.txt") == {"id": "f"}
        assert bearers(server) == [f"Bearer {each}" for each in (TOKEN, "old", "new")]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_plain_renew_may_wait_and_one_that_hangs_is_not_called_again(loop: str) -> None:
    proceed, called = threading.Event(), []

    def renew() -> str:
        called.append(threading.current_thread())
        proceed.wait()
        return "new"

    async def story() -> None:
        async with serving(renew=renew, token=None, answer_timeout=0.01) as (server, client):
            server.answers[ME] = [(200, {"id": "ada"})]
            with pytest.raises(TokenUnavailable, match="no token within"):
                await client.me()
            for _ in range(3):
                with pytest.raises(TokenUnavailable, match="not returned from the call before"):
                    await client.me()
            proceed.set()
            await anyio.to_thread.run_sync(called[0].join)
            client.answer_timeout = 60.0
            assert await client.me() == {"id": "ada"}
            assert len(called) == 2
            assert called[0] is not threading.current_thread()

    run_in_real_time(loop, story)


@under_both
async def test_a_token_is_in_no_signal_repr_or_error() -> None:
    shown: list[object] = []

    async def script(peer: Peer) -> None:
        await peer.send(expiring(60))
        await peer.receive()
        await peer.send({"type": "auth_ack"})
        await peer.stay()

    renew = Giver(OSError("secret-1"), "secret-2")
    async with (
        serving(old(script), renew=renew, token="secret-0") as (_, client),
        client.conversation("c1") as conversation,
    ):
        shown += [client, conversation]
        async for signal in conversation.signals:
            shown.append(signal)
            if signal["type"] == "auth_ack":
                break
        assert isinstance(client, Client)
    assert "secret" not in repr(shown)
