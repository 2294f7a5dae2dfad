"""The Python client with a `renew`, on a real server: tokens that end, are revoked and are refused, under each loop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from salon.web.client import Client, Closed, Conversation, Refused, SyncClient, TokenUnavailable
from tests.loops import LOOPS, OPTIONS, run_under
from tests.patience import PATIENCE
from tests.server import ServerProcess

SECRET = "a-secret-of-the-shop-and-its-chat-1"
ISSUER = {
    "issuer": "https://shop.example",
    "audience": "chat",
    "algorithms": ["HS256"],
    "key_env": "SALON_TEST_SHOP_SECRET",
}
SKEW = 60  # seconds for which a JWT is taken after its `exp`
SHORT, LONG = 8, 600  # seconds of a token's life; of a short one the client uses about three
BOSS = "admin_token"


def sign(person: str, life: int) -> str:
    """A JWT that salon takes for so many seconds from now."""
    exp = int(time.time()) + life - SKEW
    said = {"iss": "https://shop.example", "aud": "chat", "sub": person, "name": person}
    return jwt.encode({"alg": "HS256"}, {**said, "exp": exp}, OctKey.import_key(SECRET))


async def acknowledged(conversation: Conversation) -> None:
    """Wait until the server has taken another token on the open socket."""
    async for signal in conversation.signals:
        if signal["type"] == "auth_ack":
            return


def test_a_socket_lives_over_three_tokens_without_a_reconnect(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(AUTH__JWT=json.dumps([ISSUER]), TEST_SHOP_SECRET=SECRET)

    async def story(person: str) -> None:
        given: list[str] = []
        ends = 0.0

        async def renew() -> str:
            nonlocal ends
            if len(given) < 2:
                ends = time.time() + SHORT
            given.append(sign(person, SHORT if len(given) < 2 else LONG))
            return given[-1]

        async with (
            Client(server.url, token=BOSS) as boss,
            Client(server.url, renew=renew) as client,
        ):
            room = (await boss.create("Lunch", [{"user_id": person}]))["conversation_id"]
            async with client.conversation(room) as conversation:
                await acknowledged(conversation)
                await acknowledged(conversation)
                await anyio.sleep(max(0, ends - time.time()))  # the server's clock is the machine's
                receipt = await conversation.send("still here")
                assert receipt.sequence_id > 1
                assert conversation.statistics().reconnects == 0
            assert (len(given), client.token) == (3, given[2])
            assert (await client.me())["id"] == person
            for ended in given[:2]:
                with pytest.raises(Refused, match="UNAUTHENTICATED"):
                    await Client(server.url, token=ended).me()

    def live(loop: str) -> None:
        async def bounded() -> None:
            with anyio.fail_after(PATIENCE):
                await story(f"ada-{loop}")

        anyio.run(bounded, **OPTIONS[loop])

    with ThreadPoolExecutor(2) as threads:  # each waits most of the time
        assert list(threads.map(live, ["asyncio", "trio"])) == [None, None]
    assert not any(word in server.log for word in (SECRET, "eyJ"))


@pytest.mark.parametrize("loop", LOOPS)
def test_who_is_revoked_comes_back_with_another_token_until_there_is_none(
    loop: str, server: ServerProcess
) -> None:
    async def story() -> None:
        person = f"jo-{loop}"
        async with Client(server.url, token=BOSS) as boss:
            issued = [
                await boss.request("POST", "/admin/tokens", {"id": person, "name": "Jo"})
                for _ in range(3)
            ]
            room = (await boss.create("Lunch", [{"user_id": person}]))["conversation_id"]
            tokens = [each["token"] for each in issued]

            async def revoke(number: int) -> None:
                await boss.request("DELETE", f"/admin/tokens/{issued[number]['token_id']}")

            async def renew() -> str:
                return str(tokens.pop(0) if len(tokens) > 1 else tokens[0])

            async with Client(server.url, token=tokens.pop(0), renew=renew) as jo:
                await revoke(0)
                uploaded = await jo.upload(room, b"x", "a.txt")
                assert jo.token == issued[1]["token"]
                await jo.post(room, "", files=[uploaded["file_id"]])
                options = {"backoff": (0.05, 0.5)}
                async with jo.conversation(room, 0, **options) as conversation:
                    await conversation.wait_caught_up()
                    await revoke(1)
                    async for signal in conversation.signals:
                        if signal["type"] == "disconnected":
                            break
                    assert await conversation.ping() >= 0
                    assert jo.token == issued[2]["token"]
                    async with jo.download(room, uploaded["file_id"]) as file:
                        assert b"".join([piece async for piece in file.pieces]) == b"x"
                    await revoke(2)
                    with pytest.raises((Closed, Refused)) as over:
                        async for _ in conversation:
                            pass
                    [why] = over.value.__notes__
                    assert why == "renew gave no other token that the server accepts"

    run_under(loop, story)


def test_without_a_loop_a_plain_function_gives_the_tokens(server: ServerProcess) -> None:
    asked: list[int] = []

    def renew() -> str:
        asked.append(len(asked))
        if len(asked) == 2:
            raise OSError("the sign-in service is away")
        return ["test_token_1", "", "test_token_2"][len(asked) - 1]

    with SyncClient(server.url, renew=renew) as client:
        assert client.me()["name"] == "Ada"
        assert client.me()["name"] == "Ada"
        assert len(asked) == 1
        client.token = "one-that-has-ended"
        with pytest.raises(TokenUnavailable, match="renew raised OSError") as unavailable:
            client.me()
        assert isinstance(unavailable.value.__cause__, OSError)
        assert client.me()["name"] == "Bob"
    assert client.token is None
