"""The Python client under asyncio, under uvloop and under trio, on a real server: the same of everything."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
import trustme

from salon.web.client import Client, Conversation, Frame, Refused, Unreachable
from tests.loops import LOOPS, run_under
from tests.server import ServerProcess

under_each = pytest.mark.parametrize("loop", LOOPS)

T = TypeVar("T")

AGENT = "agent_token"
QUICKLY: dict[str, Any] = {"backoff": (0.05, 0.5)}
PDF = b"%PDF-1.7\n" + os.urandom(300_000)


@asynccontextmanager
async def guests(url: str, *names: str) -> AsyncIterator[list[Client]]:
    """Newcomers with a conversation of theirs, which the first has made; its id is last."""
    people = [Client(url) for _ in names]
    known = [
        (await each.guest(name))["participant"] for each, name in zip(people, names, strict=True)
    ]
    yield people
    assert len({each["id"] for each in known}) == len(names)


async def shared(owner: Client, *others: Client) -> str:
    """A conversation with all of them."""
    conversation_id = str((await owner.create("Lunch"))["conversation_id"])
    for other in others:
        await other.join(conversation_id)
    return conversation_id


async def contents(conversation: Conversation, count: int) -> list[str]:
    """What the next so many messages say; the sequence must have no gap."""
    said: list[str] = []
    last = conversation.last_sequence_id
    while len(said) < count:
        event = await anext(conversation)
        assert last is None or event["sequence_id"] == last + 1
        last = event["sequence_id"]
        if event["type"] == "message":
            said.append(event["message"]["content"])
    return said


async def said(conversation: Conversation, content: str) -> Frame:
    """The message that says so."""
    while True:
        event = await anext(conversation)
        if event["type"] == "message" and event["message"]["content"].strip() == content:
            message: Frame = event["message"]
            return message


async def allow(person: Client, conversation: Conversation) -> None:
    """Allow the tool call that an agent asks for next."""
    async for signal in conversation.signals:
        if signal["type"] == "run_status" and (asked := signal.get("approval")):
            where = (conversation.conversation_id, signal["run_id"], asked["approval_id"])
            await person.decide_approval(*where, approved=True)
            return


async def fail_in(
    block: AbstractAsyncContextManager[T], why: str, first: Callable[[T], Awaitable[None]]
) -> None:
    """Raise in a block, after something was done in it."""
    async with block as entered:
        await first(entered)
        raise KeyError(why)


@under_each
def test_a_hundred_messages_come_once_each_though_the_server_is_killed_in_their_midst(
    loop: str, own_server: ServerProcess
) -> None:
    async def story() -> None:
        async with guests(own_server.url, "Ada", "Bob") as (ada, bob):
            room = await shared(ada, bob)
            places: dict[str, int] = {}
            killed = anyio.Event()

            async def send(conversation: Conversation, content: str) -> None:
                places[content] = (await conversation.send(content)).sequence_id
                if len(places) == 30:  # no more than those in flight can have a receipt now
                    own_server.process.kill()
                    killed.set()

            async with (
                ada.conversation(room, outbox=10, **QUICKLY) as hers,
                bob.conversation(room, 0, **QUICKLY) as his,
                anyio.create_task_group() as tasks,
            ):
                await his.wait_caught_up()
                for number in range(100):
                    tasks.start_soon(send, hers, f"message {number}")
                await killed.wait()
                await anyio.to_thread.run_sync(own_server.wait)
                assert len(places) < 100
                await anyio.to_thread.run_sync(own_server.start)
                heard = await contents(his, 100)
                assert his.statistics().reconnects >= 1
            assert sorted(heard) == sorted(f"message {number}" for number in range(100))
            assert heard == sorted(places, key=places.__getitem__)
            assert hers.statistics().unacknowledged == 0

    run_under(loop, story)


@under_each
def test_messages_are_edited_answered_in_a_thread_and_deleted(
    loop: str, server: ServerProcess
) -> None:
    async def story() -> None:
        async with guests(server.url, "Ada", "Bob") as (ada, bob):
            room = await shared(ada, bob)
            async with ada.conversation(room) as hers, bob.conversation(room, 0) as his:
                receipt = await hers.send("Fihs?")
                await hers.edit(receipt.message_id, "Fish?")
                await his.send("Chips", thread_id=receipt.message_id)
                await his.react(receipt.message_id, "🍟")
                other = await hers.send("Never mind")
                gone = await hers.delete(other.message_id)
                assert gone.sequence_id is not None
                while (await anext(his))["sequence_id"] < gone.sequence_id:
                    pass
                now, deleted = his.message(receipt.message_id), his.message(other.message_id)
                assert now is not None
                assert deleted is not None
                assert (now["content"], now["revision"]) == ("Fish?", 2)
                assert list(now["reactions"]) == ["🍟"]
                assert deleted["deleted"]
                thread = await ada.thread(room, receipt.message_id)
                assert [each["content"] for each in thread["replies"]] == ["Chips"]
                assert await his.ping() >= 0

    run_under(loop, story)


@under_each
def test_an_agents_run_asks_for_a_tool_and_is_left_without_an_error_once_it_is_cancelled(
    loop: str, server: ServerProcess
) -> None:
    async def story() -> None:
        async with (
            guests(server.url, "Ada") as (ada,),
            Client(server.url, token=AGENT) as program,
        ):
            room = await shared(ada)
            await ada.join(room, {"user_id": "test_agent"})
            async with ada.conversation(room) as hers, program.conversation(room) as agent:
                await agent.wait_caught_up()
                await hers.send("Tell me everything")
                request = await anext(agent.requests())
                assert request.message["content"] == "Tell me everything"
                async with request.run() as run:
                    await run.say("Once upon a time ")
                    async for signal in hers.signals:
                        if signal["type"] == "delta":
                            break
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(allow, ada, hers)
                        assert await run.ask("pay", {"amount": 5})
                    await ada.cancel_run(room, run.run_id)
                    await anyio.sleep_forever()
                assert run.result is not None
                assert run.result["status"] == "cancelled"
                with pytest.raises(KeyError, match="the model"):
                    await fail_in(agent.run(), "the model", lambda failed: failed.say("Well, "))
                interrupted = await said(hers, "Well,")
                assert interrupted["status"] == "interrupted"

    run_under(loop, story)


@under_each
def test_a_file_goes_there_and_comes_back_in_parts(
    loop: str, server: ServerProcess, tmp_path: Path
) -> None:
    path = tmp_path / "menu.pdf"
    path.write_bytes(PDF)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(PDF), 70_001):
            yield PDF[at : at + 70_001]

    async def story() -> None:
        async with guests(server.url, "Ada", "Bob") as (ada, bob):
            room = await shared(ada, bob)
            ids = [(await ada.upload(room, path))["file_id"]]
            ids += [(await ada.upload(room, pieces(), "menu.pdf"))["file_id"]]
            await ada.post(room, "", files=ids)
            for file_id in ids:
                begun = b""
                async with bob.download(room, file_id) as file:
                    async for piece in file.pieces:
                        begun += piece
                        if len(begun) > 100_000:
                            break
                async with bob.download(room, file_id, start=len(begun)) as file:
                    begun += b"".join([piece async for piece in file.pieces])
                assert begun == PDF
            with pytest.raises(FileNotFoundError):
                await ada.upload(room, tmp_path / "none.pdf")
            with pytest.raises(Refused, match="NOT_FOUND"):
                await ada.upload("no such room", b"x", "a.txt")

    run_under(loop, story)


@under_each
def test_errors_come_out_of_a_conversation_as_they_are(loop: str, server: ServerProcess) -> None:
    async def story() -> None:
        async with guests(server.url, "Ada", "Bob") as (ada, bob):
            room = await shared(ada)
            with pytest.raises(Refused) as refused:
                async with bob.conversation(room) as his:
                    await anext(his)
            assert refused.value.status == 403
            with pytest.raises(KeyError, match="mine"):
                await fail_in(ada.conversation(room), "mine", Conversation.wait_caught_up)
            async with ada.socket(room) as socket:
                assert (await socket.receive_json())["type"] == "connected"
            with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: .*111"):
                await Client("http://127.0.0.1:1").me()
            async with ada.conversation(room) as hers:
                await hers.send("Bye")
                await ada.leave(room)
                kinds = [event["type"] async for event in hers]
                assert "message" in kinds, "it ends with what came before"

    run_under(loop, story)


@under_each
def test_it_speaks_tls_and_refuses_a_certificate_that_it_does_not_trust(
    loop: str, tls_server: tuple[ServerProcess, ssl.SSLContext]
) -> None:
    server, trusting = tls_server
    url = server.url.replace("127.0.0.1", "localhost")

    async def story() -> None:
        async with Client(url, ssl_context=trusting) as ada:
            await ada.guest("Ada")
            room = await shared(ada)
            async with ada.conversation(room) as hers:
                await hers.send("x" * 9_000)
                assert await contents(hers, 1) == ["x" * 9_000]
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await Client(url).guest("Eve")

    run_under(loop, story)


@pytest.fixture(scope="module")
def tls_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServerProcess, ssl.SSLContext]]:
    """A server with a certificate, and who trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    authority, trusting = trustme.CA(), ssl.create_default_context()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    authority.configure_trust(trusting)
    server = ServerProcess(
        folder,
        SERVER__TLS_CERTIFICATE=str(folder / "cert.pem"),
        SERVER__TLS_KEY=str(folder / "key.pem"),
    )
    yield server, trusting
    server.stop()


@pytest.mark.parametrize("loop", [each for each in LOOPS if each != "trio"])
def test_a_task_that_asyncio_cancels_leaves_its_conversation_and_nothing_behind(
    loop: str, server: ServerProcess
) -> None:
    """Frameworks cancel by asyncio's own means, which come once and not at each step."""

    async def story() -> None:
        async with guests(server.url, "Ada", "Bob") as (ada, bob):
            room = await shared(ada, bob)
            listening = asyncio.Event()

            async def listen() -> None:
                async with bob.conversation(room) as his:
                    await his.wait_caught_up()
                    listening.set()
                    async for event in his:
                        assert event["type"] != "message"

            task = asyncio.create_task(listen())
            await listening.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2), bob.conversation(room):
                    await asyncio.sleep(3600)
            async with asyncio.TaskGroup() as tasks, ada.conversation(room) as hers:
                for number in range(5):
                    tasks.create_task(hers.send(f"{number}"))
                await contents(hers, 5)
            assert len(asyncio.all_tasks()) == 1

    run_under(loop, story)


@pytest.mark.parametrize("loop", [each for each in LOOPS if each != "trio"])
def test_a_run_whose_task_asyncio_cancels_is_interrupted_for_its_readers(
    loop: str, server: ServerProcess
) -> None:
    async def story() -> None:
        async with (
            guests(server.url, "Ada") as (ada,),
            Client(server.url, token=AGENT) as program,
        ):
            room = await shared(ada)
            await ada.join(room, {"user_id": "test_agent"})

            async def answer(agent: Conversation) -> None:
                async with agent.run() as run:
                    await run.say("Once upon a time ")
                    await asyncio.sleep(3600)

            async with ada.conversation(room) as hers, program.conversation(room) as agent:
                task = asyncio.create_task(answer(agent))
                async for signal in hers.signals:
                    if signal["type"] == "delta":
                        break
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                interrupted = await said(hers, "Once upon a time")
                assert interrupted["status"] == "interrupted"

    run_under(loop, story)
